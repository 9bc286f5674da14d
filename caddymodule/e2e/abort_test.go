package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// phases are the two phases of a fault, between which a kind must not distinguish.
var phases = []string{"request", "response"}

// eachPhase runs a test with the fault of a site in each phase.
func eachPhase(t *testing.T, fault string, test func(t *testing.T, phase, directive string)) {
	t.Helper()
	for _, phase := range phases {
		t.Run("phase "+phase, func(t *testing.T) {
			test(t, phase, "fault /f {\nphase "+phase+"\n"+fault+"\n}\n")
		})
	}
}

// oneLine returns a fault as the name of a test. The name is also the name of a folder,
// in which Caddy takes braces for a placeholder.
func oneLine(fault string) string {
	return strings.NewReplacer("{\n", "", "\n}", "", "\n", ", ").Replace(fault)
}

// wantAsked checks that the upstream got the request in phase response, and only then.
func (up *upstream) wantAsked(t *testing.T, phase string, asked int) {
	t.Helper()
	if phase == "request" {
		asked = 0
	}
	up.wantHits(t, asked)
}

// TestClose ends HTTP/1 connections gracefully, whatever has not been read.
func TestClose(t *testing.T) {
	eachPhase(t, "close", func(t *testing.T, phase, directive string) {
		tests := []struct {
			name, text string
			body       int
		}{
			{"GET", get("/f"), 0},
			{"HEAD", request("HEAD", "/f", ""), 0},
			{"pipelined", get("/f") + get("/f"), 0},
			{"POST 20 KB", "", 20 << 10},
			{"POST 1 MB", "", 1 << 20},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				up := serve(t, func(http.ResponseWriter, *http.Request) {})
				asked := 0
				transports(t, config{site: directive + up.proxy()}, func(t *testing.T, s *site) {
					asked++
					conn := s.dial(t)
					conn.send(tt.text)
					sent := make(chan error, 1)
					go func() {
						var err error
						if tt.body > 0 {
							_, err = io.WriteString(conn, request("POST", "/f", strings.Repeat("x", tt.body)))
						}
						sent <- err
					}()
					conn.wantEnd()
					if err := <-sent; err != nil { // a socket reports a reset once: to the write or to the read
						t.Errorf("sending: %v", err)
					}
					up.wantAsked(t, phase, asked)
				})
			})
		}
	})
}

// TestReset ends HTTP/1 connections with a RST.
func TestReset(t *testing.T) {
	eachPhase(t, "reset", func(t *testing.T, phase, directive string) {
		up := serve(t, echo)
		asked := 0
		transports(t, config{site: directive + up.proxy()}, func(t *testing.T, s *site) {
			for _, request := range []string{get("/f"), request("POST", "/f", strings.Repeat("x", 20<<10))} {
				asked++
				conn := s.dial(t)
				_, writeErr := io.WriteString(conn, request) // the reset may come before the end, and is reported once
				rest, err := io.ReadAll(conn.in)
				if err = errors.Join(writeErr, err); !errors.Is(err, syscall.ECONNRESET) || len(rest) > 0 {
					t.Errorf("got %q, error %v, want ECONNRESET", rest, err)
				}
				up.wantAsked(t, phase, asked)
			}
		})
	})
}

// TestError leaves the reply to Caddy's error routes.
func TestError(t *testing.T) {
	up := serve(t, zoo)
	const handle = "handle_errors {\nheader X-Handled yes\nrespond \"{http.error.status_code} {http.error.message}\" {http.error.status_code}\n}\n"
	tests := []struct {
		name, fault, rest string
		status            int
		body              string
	}{
		{"bare", "error 551 boom", "", 551, ""},
		{"default", "error", "", 502, ""},
		{"default, handled", "error", handle, 502, "502 Bad Gateway"},
		{"handled", "error 551 boom", handle, 551, "551 boom"},
		{"handled, name of the status", "error 551", handle, 551, "551 User Not Local"},
		{"handled, placeholder", "error 503 \"no {http.request.host}\"", handle, 503, "503 no fault.test"},
		{"handled with another status", "error 551 boom", "handle_errors {\nrespond sorry 500\n}\n", 500, "sorry"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			eachPhase(t, tt.fault, func(t *testing.T, _, directive string) {
				everywhere(t, config{site: directive + tt.rest + up.proxy()}, func(t *testing.T, c *client) {
					got := c.get(t, "/f")
					wantReply(t, got, tt.status, tt.body)
					phrase := map[int]string{551: "551 User Not Local", 502: "502 Bad Gateway", 503: "503 Service Unavailable", 500: "500 Internal Server Error"}[tt.status]
					if c.wrapper && c.proto == h1 && got.Status != phrase {
						t.Errorf("status line: got %q, want %q", got.Status, phrase)
					}
					if tt.rest == handle && got.Header.Get("X-Handled") != "yes" {
						t.Errorf("X-Handled: got header %v, want yes", got.Header)
					}
					wantReply(t, c.get(t, "/"), 200, "GET /")
					if dials := c.dials.get(); dials != 1 {
						t.Errorf("connections opened: got %d, want 1", dials)
					}
				})
			})
		})
	}
}

// TestErrorPhraseDoesNotLinger arms a phrase that the error route does not use. The
// next request on the connection has a phrase that Go writes.
func TestErrorPhraseDoesNotLinger(t *testing.T) {
	directives := "fault /f {\nerror 551 boom\n}\nhandle_errors {\nrespond sorry 500\n}\nrespond /native native 551\nrespond other"
	for _, tls := range []bool{false, true} {
		conn := start(t, config{tls: tls, wrapper: true, site: directives}).dial(t)
		conn.roundTrip(get("/f")).wantLine(t, "HTTP/1.1 500 Internal Server Error\r\n")
		conn.roundTrip(get("/native")).wantLine(t, "HTTP/1.1 551 status code 551\r\n")
	}
}

// TestDelay waits, then continues as without the fault.
func TestDelay(t *testing.T) {
	const least = 20 * time.Millisecond
	up := serve(t, echo)
	for _, fault := range []string{"delay 20ms", "delay 20ms 40ms"} {
		t.Run(fault, func(t *testing.T) {
			eachPhase(t, fault, func(t *testing.T, _, directive string) {
				overEach(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
					began := time.Now()
					got := c.get(t, "/f")
					wantTook(t, began, least)
					wantReply(t, got, 200, "GET /f")
					timing, ok := strings.CutPrefix(got.Header.Get("Server-Timing"), "fault;dur=")
					ms, err := strconv.ParseFloat(timing, 64)
					if !ok || err != nil || ms < 20 || ms > 40 {
						t.Errorf("Server-Timing: got %q, want fault;dur= and 20 to 40", got.Header.Get("Server-Timing"))
					}
				})
			})
		})
	}
}

// TestDelayThenRespond runs two faults of one rule.
func TestDelayThenRespond(t *testing.T) {
	up := serve(t, zoo)
	eachPhase(t, "delay 20ms\nrespond 551", func(t *testing.T, _, directive string) {
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			began := time.Now()
			got := c.get(t, "/f")
			wantTook(t, began, 20*time.Millisecond)
			want551(t, got)
		})
	})
}

// TestHoldThenEnd also holds the end of a request that gets no reply.
func TestHoldThenEnd(t *testing.T) {
	up := serve(t, echo)
	for _, fault := range []string{"close", "reset", "garbage", "hang 1ms"} {
		eachPhase(t, "delay 50ms {\nhold\n}\n"+fault, func(t *testing.T, _, directive string) {
			overEach(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
				began := time.Now()
				if got, err := c.try(c.request(t, "GET", "/f", nil)); err == nil {
					t.Errorf("got %+v, want no reply", got)
				}
				wantTook(t, began, 50*time.Millisecond)
			})
		})
	}
}

// TestClientLeaves ends a delay of an hour when the client leaves.
func TestClientLeaves(t *testing.T) {
	eachPhase(t, "delay 1h", func(t *testing.T, phase, directive string) {
		asked := 0
		up := serve(t, echo)
		overEach(t, config{site: directive + up.proxy() + "\n" + accessLog}, func(t *testing.T, c *client) {
			asked++
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			before := injected(t, "fault1", "rule1", "delay")
			go func() {
				eventually(t, func() error {
					if injected(t, "fault1", "rule1", "delay") == before {
						return errors.New("the request is not held")
					}
					return nil
				})
				leave()
			}()
			if got, err := c.try(c.request(t, "GET", "/f", nil).WithContext(ctx)); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, error %v, want a canceled request", got, err)
			}
			c.wantAccess(t, func(line map[string]any) bool {
				return line["status"] == 499.0 && line["request"].(map[string]any)["proto"] == map[protocol]string{
					h1: "HTTP/1.1", h2: "HTTP/2.0", h3: "HTTP/3.0",
				}[c.proto]
			})
			up.wantAsked(t, phase, asked)
		})
	})
}
