package e2e

import (
	"compress/zlib"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mccutchen/go-httpbin/v2/httpbin"
)

// httpbinPages are the pages of go-httpbin whose replies do not depend on chance.
var httpbinPages = []string{
	"GET /", "GET /get?a=1&a=2", "POST /post", "PUT /put", "PATCH /patch", "DELETE /delete", "HEAD /head", "OPTIONS /get", "GET /post",
	"GET /anything/x", "GET /headers", "GET /user-agent", "GET /dump/request", "GET /response-headers?X-A=1&X-A=2",
	"GET /encoding/utf8", "GET /html", "GET /json", "GET /xml", "GET /robots.txt", "GET /deny", "GET /forms/post",
	"GET /gzip", "GET /deflate", "GET /base64/aGVsbG8=",
	"GET /image/png", "GET /image/webp", "HEAD /image/jpeg",
	"GET /bytes/20000?seed=1", "GET /stream-bytes/20000?seed=1&chunk_size=3000", "GET /range/20000", "GET /range/20000?ranged",
	"GET /stream/5", "GET /drip?duration=50ms&numbytes=5&delay=10ms", "GET /sse?count=3&duration=50ms&delay=10ms", "GET /trailers?a=1&b=2",
	"GET /redirect/2", "GET /absolute-redirect/1", "GET /redirect-to?url=/get", "GET /links/3",
	"GET /status/204", "GET /status/304", "GET /status/401", "GET /status/418", "GET /status/500", "GET /status/551",
	"GET /cookies", "GET /cookies/set?k=v", "GET /cookies/delete?k", "GET /cache", "GET /cache/60", "GET /etag/x",
	"GET /basic-auth/user/secret", "GET /hidden-basic-auth/user/secret", "GET /bearer", "GET /unknown",
}

// TestHTTPBin compares the replies of go-httpbin through a site whose rules do not
// match with the replies through the same site without the directive.
func TestHTTPBin(t *testing.T) {
	up := serve(t, httpbin.New().ServeHTTP)
	everywhere(t, config{site: unmatched + up.proxy(), other: up.proxy()}, func(t *testing.T, c *client) {
		for _, page := range httpbinPages {
			got, want := c.httpbin(t, page, host), c.httpbin(t, page, other)
			if got != want {
				t.Errorf("%s:\ngot  %.2000q\nwant %.2000q", page, got, want)
			}
		}
	})
}

// changing matches what differs between two replies of one page, besides their hosts.
// Alt-Svc appears when the HTTP/3 listener is ready.
var changing = regexp.MustCompile(`(?m)^(?:Date|Alt-Svc): .*\r\n|"timestamp":\d+|total_duration;dur=[0-9.]+`)

// httpbin requests a page from a host and returns the reply as text.
func (c *client) httpbin(t *testing.T, page, host string) string {
	t.Helper()
	method, path, _ := strings.Cut(page, " ")
	r := c.request(t, method, path, nil)
	if method != "GET" && method != "HEAD" {
		r = c.request(t, method, path, strings.NewReader(strings.Repeat("x", 3000)))
		r.Header.Set("Content-Type", "text/plain")
	}
	r.Host = host
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("Cookie", "a=b")
	if strings.HasSuffix(path, "?ranged") {
		r.Header.Set("Range", "bytes=100-199")
	}
	got := c.do(t, r)
	switch encoding := got.Header.Get("Content-Encoding"); {
	case encoding != "": // the compressed body contains the host, which changes its length
		got.body = unpack(t, encoding, got.body)
		got.Header.Del("Content-Length")
	case method == "HEAD" && c.proto == h3: // whether quic-go adds one depends on the timing of writes
		got.Header.Del("Content-Length")
	}
	if isNow(got.Header) { // and so does its entity tag
		got.Header.Set("Last-Modified", "now")
		got.Header.Del("Etag")
	}
	var text strings.Builder
	text.WriteString(got.Proto + " " + got.Status + "\r\n")
	_ = got.Header.Write(&text)
	text.WriteString("\r\n" + got.body + "\r\n")
	_ = got.Trailer.Write(&text)
	return strings.ReplaceAll(changing.ReplaceAllString(text.String(), ""), host, "host")
}

// isNow reports whether a reply claims that it has just been modified, like that of
// /cache.
func isNow(header http.Header) bool {
	modified, err := time.Parse(time.RFC1123, header.Get("Last-Modified")) // its zone is UTC, which http.ParseTime does not accept
	if err != nil {
		return false
	}
	date, err := http.ParseTime(header.Get("Date"))
	return err == nil && date.Sub(modified).Abs() <= time.Second
}

func TestIsNow(t *testing.T) {
	for modified, want := range map[string]bool{
		"Mon, 30 Nov 2026 07:01:16 UTC": true,
		"Mon, 30 Nov 2026 07:01:17 GMT": true,
		"Mon, 30 Nov 2026 07:01:19 UTC": false,
		"":                              false,
	} {
		if got := isNow(http.Header{"Date": {"Mon, 30 Nov 2026 07:01:17 GMT"}, "Last-Modified": {modified}}); got != want {
			t.Errorf("%q: got %v, want %v", modified, got, want)
		}
	}
}

func unpack(t *testing.T, encoding, packed string) string {
	t.Helper()
	if encoding == "gzip" {
		return gunzip(t, packed)
	}
	zr, err := zlib.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
