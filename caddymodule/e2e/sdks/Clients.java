import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;

/**
 * The HTTP client of Java, with its defaults and a timeout of two seconds.
 *
 * <p>Without arguments it prints the name and the title. With a name, methods and URLs it sends
 * all requests at the same time. For each one that has ended it prints the URL and the outcome.
 */
class Clients {
  static final Duration TIMEOUT = Duration.ofSeconds(2);

  public static void main(String[] args) {
    if (args.length == 0) {
      System.out.println("java\tJava " + System.getProperty("java.version") + " `HttpClient`");
    }
    for (int i = 1; i + 1 < args.length; i += 2) {
      String method = args[i], url = args[i + 1];
      new Thread(() -> System.out.println(url + " " + send(method, url))).start();
    }
  }

  static String send(String method, String url) {
    var body =
        method.equals("POST")
            ? HttpRequest.BodyPublishers.ofString("{\"item\": \"tea\"}")
            : HttpRequest.BodyPublishers.noBody();
    var request =
        HttpRequest.newBuilder(URI.create(url))
            .version(HttpClient.Version.HTTP_1_1)
            .method(method, body)
            .timeout(TIMEOUT)
            .build();
    try {
      var reply = HttpClient.newBuilder().connectTimeout(TIMEOUT).build().send(request, BodyHandlers.ofString());
      return "status " + reply.statusCode();
    } catch (Exception e) {
      return e.getClass().getSimpleName();
    }
  }
}
