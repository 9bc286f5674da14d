package kinds

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The placeholders of instants are the time of the reply plus their seconds, in all texts
// of a reply.
func TestRespondInstants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(1500 * time.Millisecond)
		f := parse(t, new(Respond), `respond 429 {
			reason "at {http.fault.in.0.unix}"
			header X-Reset {http.fault.in.60.unix}
			header +X-Reset {http.fault.in.3600.http}
			body "{http.fault.in.0.unix_ms} {http.fault.in.60.rfc3339} {http.fault.in.60.unix}"
		}`)
		for _, want := range []string{
			"946684801500 2000-01-01T00:01:01Z 946684861, 946684861 Sat, 01 Jan 2000 01:00:01 GMT, 429 at 946684801",
			"946684811500 2000-01-01T00:01:11Z 946684871, 946684871 Sat, 01 Jan 2000 01:00:11 GMT, 429 at 946684811",
		} {
			resp, err := f.RoundTrip(firstHit(), request(http.MethodGet), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			w := httptest.NewRecorder()
			if err := f.Inject(firstHit(), w, request(http.MethodGet), notCalled(t)); err != nil {
				t.Fatal(err)
			}
			got := string(body) + ", " + strings.Join(resp.Header["X-Reset"], " ") + ", " + resp.Status
			if err != nil || got != want || w.Body.String() != string(body) {
				t.Errorf("got %q and %q, want %q; %v", got, w.Body, want, err)
			}
			time.Sleep(10 * time.Second)
		}
	})
}
