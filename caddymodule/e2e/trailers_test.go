package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestTrailers drops and sets the trailers of replies. The body stays whole, and the
// connection remains usable.
func TestTrailers(t *testing.T) {
	up := serve(t, zoo)
	tests := []struct {
		fault, page, body string
		want              map[string][]string
	}{
		{"trailers drop", "/trailer", "body", nil},
		{"trailers drop X-Sum", "/trailer", "body", map[string][]string{"X-Late": {"not announced"}}},
		{"trailers drop x-late", "/trailer", "body", map[string][]string{"X-Sum": {"announced"}}},
		{"trailers {\ndrop\nset X-Sum {http.request.host}\nset X-New 1\n}", "/trailer", "body", map[string][]string{"X-Sum": {host}, "X-New": {"1"}}},
		{"trailers set X-Late late", "/trailer", "body", map[string][]string{"X-Sum": {"announced"}, "X-Late": {"late"}}},
		{"trailers set X-New 1", "/text", "some text", map[string][]string{"X-New": {"1"}}},
		{"trailers set X-New 1", "/chunked", "part 0;part 1;part 2;", map[string][]string{"X-New": {"1"}}},
		{"trailers set X-New 1", "/204", "", nil},
		{"trailers set X-New 1\npatch {\nheader X-Patched 1\n}", "/text", "some text", map[string][]string{"X-New": {"1"}}},
		{"patch {\nset /a 1\npad 1B\n}\ntrailers set X-New 1", "/chunked", "part 0;part 1;part 2;", map[string][]string{"X-New": {"1"}}},
	}
	for _, phase := range phases {
		for _, tt := range tests {
			name := strings.NewReplacer("{", "", "}", "").Replace(oneLine(tt.fault))
			t.Run(name+" "+tt.page+", phase "+phase, func(t *testing.T) {
				site := "fault {\nphase " + phase + "\n" + tt.fault + "\n}\n" + up.proxy()
				overEach(t, config{site: site}, func(t *testing.T, c *client) {
					for range 2 {
						got := c.get(t, tt.page)
						if got.body != tt.body || !maps.EqualFunc(got.Trailer, tt.want, slices.Equal) {
							t.Errorf("got %q, trailers %v, want %q, %v", got.body, got.Trailer, tt.body, tt.want)
						}
					}
					if got := c.dials.get(); got != 1 {
						t.Errorf("connections opened: got %d, want 1", got)
					}
				})
			})
		}
	}
}

// TestTrailersOnWire checks the bytes over HTTP/1, and how a reply without trailers is
// counted.
func TestTrailersOnWire(t *testing.T) {
	up := serve(t, zoo)
	s := start(t, config{admin: true, site: "fault {\nrule set {\nmatch path /text /trailer\ntrailers set X-Sum wrong\n}\nrule drop {\nmatch path /chunked /range\ntrailers drop\n}\n}\n" + up.proxy()})
	c := s.dial(t)
	for _, page := range []string{"/text", "/trailer"} {
		got := c.roundTrip(get(page))
		if !strings.HasSuffix(got.trailer, "X-Sum: wrong\r\n\r\n") || strings.Contains(got.head, "Content-Length") || strings.Contains(got.head, "\r\nTrailer:") {
			t.Errorf("%s: got %q, trailer %q", page, got.head, got.trailer)
		}
	}
	c.roundTrip(get("/chunked"))
	c.roundTrip(get("/range"))
	if got := s.passed(t, "drop")["no_trailers"]; got != 2 {
		t.Errorf("replies without trailers: counted %d, want 2", got)
	}
	c = s.dial(t)
	got := c.roundTrip("GET /text HTTP/1.0\r\nHost: " + host + "\r\n\r\n")
	if got.body != "some text" || got.trailer != "" || s.passed(t, "set")["no_trailers"] != 1 {
		t.Errorf("HTTP/1.0: got %+v, counted %v", got, s.passed(t, "set"))
	}
}

// TestTrailersTriggered lets a client drop trailers and send itself interim replies by a
// trigger, and refuses fields that it chooses.
func TestTrailersTriggered(t *testing.T) {
	up := serve(t, zoo)
	overEach(t, config{site: "fault {\ntrigger header X-Fault\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
		for _, tt := range []struct {
			line, refused string
			trailers      int
		}{
			{"trailers drop", "", 0},
			{"trailers drop X-Sum", "", 1},
			{"interim 103 3", "", 2},
			{"trailers set Set-Cookie a=b", "set is not allowed in a trigger; write trailers drop", 2},
			{"interim 103 1001", "count '1001' is too large for a trigger; at most 1000 are allowed", 2},
		} {
			r := c.request(t, http.MethodGet, "/trailer", nil)
			r.Header.Set("X-Fault", tt.line)
			got := c.do(t, r)
			if got.body != "body" || len(got.Trailer) != tt.trailers || !strings.HasPrefix(got.Header.Get("X-Fault-Refused"), tt.refused) ||
				(got.Header.Get("X-Fault-Refused") == "") != (tt.refused == "") {
				t.Errorf("%s: got %q, trailers %v, refused %q", tt.line, got.body, got.Trailer, got.Header.Get("X-Fault-Refused"))
			}
		}
	})
}

// TestTrailersBesideOthers keeps trailers right if the reply is compressed, recorded or
// shaped on its way to the client.
func TestTrailersBesideOthers(t *testing.T) {
	up := serve(t, zoo)
	const set = "trailers {\ndrop\nset X-New 1\n}"
	for _, tt := range []struct {
		name, around, faults string
	}{
		{"compressed", "encode {\ngzip\nminimum_length 1\nmatch {\nheader X-Upstream zoo\n}\n}\n", set},
		{"intercepted", "intercept {\n@missing status 404\nhandle_response @missing {\nrespond gone\n}\n}\n", set},
		{"buffered", "templates {\nmime text/none\n}\n", set},
		{"throttled", "", "throttle 1GiB/s\n" + set},
		{"delayed", "", "delay 1ms {\nhold\n}\n" + set},
		{"after an interim reply", "", "interim 103 2\n" + set},
		{"in a choice", "", "choose {\n1 {\n" + set + "\n}\n}"},
		{"in a sequence", "", "sequence loop {\n" + set + "\n}"},
		{"twice", "", "trailers set X-New 1\n" + "trailers drop"},
	} {
		for _, phase := range phases {
			t.Run(tt.name+", phase "+phase, func(t *testing.T) {
				site := tt.around + "fault {\nphase " + phase + "\n" + tt.faults + "\n}\n" + up.proxy()
				overEach(t, config{site: "route {\n" + site + "\n}"}, func(t *testing.T, c *client) {
					r := c.request(t, http.MethodGet, "/trailer", nil)
					r.Header.Set("Accept-Encoding", "gzip")
					got := c.do(t, r)
					body := got.body
					if got.Header.Get("Content-Encoding") == "gzip" {
						body = gunzip(t, body)
					}
					if body != "body" || len(got.Trailer) != 1 || got.Trailer.Get("X-New") != "1" {
						t.Errorf("got %q, trailers %v, want the body and X-New", body, got.Trailer)
					}
				})
			})
		}
	}
}
