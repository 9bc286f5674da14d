package e2e

import (
	"io"
	"strconv"
	"strings"
	"testing"
)

// TestMalformed sends a valid head and breaks in the body.
func TestMalformed(t *testing.T) {
	for fault, status := range map[string]int{"malformed": 200, "malformed 503": 503, "malformed 551": 551} {
		eachPhase(t, fault, func(t *testing.T, phase, directive string) {
			up := serve(t, zoo)
			asked := 0
			everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
				for _, body := range []io.Reader{nil, strings.NewReader(strings.Repeat("x", 20<<10))} {
					asked++
					got, err := c.try(c.request(t, "POST", "/f", body))
					if err != nil {
						if c.proto != h3 || !streamEnded(err) { // the reset may overtake the head
							t.Errorf("got error %v, want the head", err)
						}
						continue
					}
					wantMalformed(t, c, got, status)
					if cookie := got.Header.Get("Set-Cookie"); (cookie != "") != (phase == "response") {
						t.Errorf("Set-Cookie: got %q in phase %s", cookie, phase)
					}
				}
				up.wantAsked(t, phase, asked)
				dials := c.dials.get()
				if got := c.get(t, "/post"); got.StatusCode != 200 || c.proto != h1 && c.dials.get() != dials {
					t.Errorf("next request: got %d on connection %d, want 200 on %d", got.StatusCode, c.dials.get(), dials)
				}
				if asked++; phase == "request" {
					up.hits.Add(-1)
				}
			})
		})
	}
}

// wantMalformed checks the head, and that the body breaks off.
func wantMalformed(t *testing.T, c *client, got *reply, status int) {
	t.Helper()
	if got.StatusCode != status || got.Header.Get("X-Fault-Injected") != "fault1/rule1" || got.body != "" {
		t.Errorf("got %d %q, header %v, want %d by rule1, without a body", got.StatusCode, got.body, got.Header, status)
	}
	if c.wrapper && c.proto == h1 && status == 551 && got.Status != "551 User Not Local" {
		t.Errorf("status line: got %q, want the catalog's phrase", got.Status)
	}
	if c.proto == h1 && (got.bodyErr == nil || !strings.Contains(got.bodyErr.Error(), "chunk length")) ||
		c.proto != h1 && !streamEnded(got.bodyErr) {
		t.Errorf("body: got error %v, want it broken", got.bodyErr)
	}
}

// TestMalformedBytes shows the bytes on the wire of HTTP/1.
func TestMalformedBytes(t *testing.T) {
	eachPhase(t, "malformed 503", func(t *testing.T, _, directive string) {
		up := serve(t, zoo)
		transports(t, config{site: directive + up.proxy()}, func(t *testing.T, s *site) {
			tests := []struct{ request, line, field, rest string }{
				{get("/f"), "HTTP/1.1 503 Service Unavailable\r\n", "\r\nTransfer-Encoding: chunked\r\n", "!malformed!\r\n"},
				{get("/f") + get("/f"), "HTTP/1.1 503 Service Unavailable\r\n", "\r\nTransfer-Encoding: chunked\r\n", "!malformed!\r\n"},
				{request("POST", "/f", strings.Repeat("x", 300<<10)), "HTTP/1.1 503 Service Unavailable\r\n", "\r\nTransfer-Encoding: chunked\r\n", "!malformed!\r\n"},
				{request("HEAD", "/f", ""), "HTTP/1.1 503 Service Unavailable\r\n", "", ""},
				{"GET /f HTTP/1.0\r\nHost: " + host + "\r\n\r\n", "HTTP/1.0 503 Service Unavailable\r\n", "\r\nContent-Length: 1024\r\n", "!malformed!\r\n"},
			}
			for i, tt := range tests {
				t.Run(strconv.Itoa(i), func(t *testing.T) {
					conn := s.dial(t)
					go func() { _, _ = io.WriteString(conn.Conn, tt.request) }()
					head, err := conn.readHead()
					if err != nil || !strings.HasPrefix(head, tt.line) || !strings.Contains(head, tt.field) || !strings.Contains(head, "X-Fault-Injected: fault1/rule1\r\n") {
						t.Errorf("got head %q, error %v, want %q with %q", head, err, tt.line, tt.field)
					}
					if rest, err := io.ReadAll(conn.in); err != nil || string(rest) != tt.rest {
						t.Errorf("got %q, error %v, want %q and the end", rest, err, tt.rest)
					}
				})
			}
		})
	})
}
