package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// idle are directives that do nothing to any request of these tests.
var idle = map[string]string{
	"no match":                 "fault /other 551",
	"no rule":                  "fault",
	"percent 0":                "fault {\npercent 0\nrespond 551\n}",
	"skipped":                  "fault {\nskip 1000000000\nrespond 551\n}",
	"not started":              "fault {\nstart 1h\nrespond 551\n}",
	"replies, skipped":         "fault {\nmatch_response {\nstatus 2xx 3xx 4xx 5xx\n}\nskip 1000000000\nrespond 551\n}",
	"dry run":                  "fault {\ndry_run\nrespond 551\n}",
	"reply not matched":        "fault {\nmatch_response {\nstatus 599\n}\nrespond 551\n}",
	"reply matched, dry run":   "fault {\nphase response\ndry_run\nclose\n}",
	"replies, percent 0":       "fault {\nphase response\npercent 0\nreset\n}",
	"two points, none matched": "fault {\nmatch_response {\nstatus 599\n}\ndelay 1h\n}\nfault {\nmatch_response {\nstatus 598\n}\nrespond 551\n}",
}

// late lets the upstream's reply pass through a fault, which only adds the fields that
// report it.
const late = "fault {\nphase response\ndelay 1ms\n}"

var told = regexp.MustCompile(`(Server-Timing|X-Fault-Injected): [^\r]*\r\n`)

// TestPassing compares a site with the directive, where nothing fires, to a site
// without it. The replies must be equal byte for byte.
func TestPassing(t *testing.T) {
	requests := map[string]string{
		"not found": "GET /404", "redirect": "GET /redirect", "no content": "GET /204", "not modified": "GET /304",
		"text": "GET /text", "head": "HEAD /text", "chunked": "GET /chunked", "head of chunked": "HEAD /chunked",
		"gzip": "GET /gzip", "range": "GET /range", "hints": "GET /hints", "trailer": "GET /trailer", "gRPC": "GET /grpc",
		"large": "GET /large", "post": "POST /post", "options": "OPTIONS /", "upstream down": "GET /down", "file": "GET /file.txt",
	}
	up, down := serve(t, zoo), deadUpstream(t)
	dir := t.TempDir()
	writeFile(t, dir+"/file.txt", []byte(strings.Repeat("file ", 100_000)))
	rest := "\nhandle /down {\n" + down.proxy() + "\n}\nhandle /file.txt {\nroot " + dir + "\nfile_server\n}\nhandle {\n" + up.proxy() + "\n}"
	for name, fault := range withLate() {
		t.Run(name, func(t *testing.T) {
			transports(t, config{site: fault + rest, other: rest}, func(t *testing.T, s *site) {
				faulty, plain := s.dial(t), s.dial(t)
				for name, line := range requests {
					t.Run(name, func(t *testing.T) {
						method, path, _ := strings.Cut(line, " ")
						body := ""
						if method == "POST" {
							body = strings.Repeat("x", 20<<10)
						}
						text := request(method, path, body, "Range: bytes=2-5", "Accept-Encoding: gzip", "Te: trailers")
						got := faulty.roundTrip(text).withoutAltSvc()
						want := plain.roundTrip(strings.Replace(text, host, other, 1)).withoutAltSvc()
						if fault == late {
							got.head = told.ReplaceAllString(got.head, "")
						}
						if got != want {
							t.Errorf("got %.1000q, want %.1000q", got, want)
						}
						if len(want.head) < 50 {
							t.Errorf("nothing to compare: %q", want)
						}
					})
				}
			})
		})
	}
}

func withLate() map[string]string {
	all := maps.Clone(idle)
	all["delayed in phase response"] = late
	return all
}

// TestPassingTrailers checks trailers with common clients.
func TestPassingTrailers(t *testing.T) {
	up := serve(t, zoo)
	for name, fault := range withLate() {
		t.Run(name, func(t *testing.T) {
			overEach(t, config{site: fault + "\n" + up.proxy()}, func(t *testing.T, c *client) {
				for page, want := range map[string]http.Header{
					"/trailer": {"X-Sum": {"announced"}, "X-Late": {"not announced"}},
					"/grpc":    {"Grpc-Status": {"0"}, "Grpc-Message": {"fine"}},
				} {
					if got := c.get(t, page).Trailer; !maps.EqualFunc(got, want, slices.Equal) {
						t.Errorf("%s: got trailer %v, want %v", page, got, want)
					}
				}
			})
		})
	}
}

// TestPassingOldAndExpecting tests requests that use up a connection, or wait before
// they send a body.
func TestPassingOldAndExpecting(t *testing.T) {
	up := serve(t, zoo)
	requests := map[string]string{
		"HTTP/1.0":  "GET /text HTTP/1.0\r\nHost: %s\r\n\r\n",
		"close":     "GET /text HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
		"expecting": "POST /post HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nhi",
		"chunked":   "POST /post HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
	}
	for name, fault := range idle {
		t.Run(name, func(t *testing.T) {
			transports(t, config{site: fault + "\n" + up.proxy(), other: up.proxy()}, func(t *testing.T, s *site) {
				for name, text := range requests {
					faulty, plain := s.dial(t), s.dial(t)
					got, want := faulty.roundTrip(fmt.Sprintf(text, host)).withoutAltSvc(), plain.roundTrip(fmt.Sprintf(text, other)).withoutAltSvc()
					if got.final() != want.final() { // whether a 100 comes depends on the timing of reads and writes
						t.Errorf("%s: got %.1000q, want %.1000q", name, got, want)
					}
					faulty.wantEnd()
					plain.wantEnd()
				}
			})
		})
	}
}

// TestPassingStream reads events one at a time. The upstream writes the next event only
// when the client has the previous one, so the directive must not hold back any.
func TestPassingStream(t *testing.T) {
	next := make(chan struct{})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 5 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	})
	for name, fault := range withLate() {
		t.Run(name, func(t *testing.T) {
			overEach(t, config{site: fault + "\n" + up.proxy()}, func(t *testing.T, c *client) {
				resp, err := c.Do(c.request(t, "GET", "/", nil))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				buf := make([]byte, 100)
				for i := range 5 {
					n, err := resp.Body.Read(buf)
					if want := fmt.Sprintf("data: %d\n\n", i); err != nil || string(buf[:n]) != want {
						t.Fatalf("event %d: got %q, error %v, want %q", i, buf[:n], err, want)
					}
					next <- struct{}{}
				}
			})
		})
	}
}
