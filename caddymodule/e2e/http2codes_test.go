package e2e

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// streaming starts an upstream whose page /flow does not end before its client leaves.
func streaming(t *testing.T) *upstream {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/flow" {
			(&flow{}).send(w, r.Context().Done())
			return
		}
		echo(w, r)
	})
}

// overHTTP2 runs a test over TLS and over h2c, with and without the listener wrapper,
// and in both phases.
func overHTTP2(t *testing.T, fault string, wrapper bool, test func(t *testing.T, s *site)) {
	t.Helper()
	eachPhase(t, fault, func(t *testing.T, _, directive string) {
		up := streaming(t)
		for name, tls := range map[string]bool{"TLS": true, "h2c": false} {
			t.Run(name, func(t *testing.T) {
				// encode and the access log put writers around that of the server
				site := "log {\noutput discard\n}\nencode\n" + directive + up.proxy()
				test(t, start(t, config{tls: tls, wrapper: wrapper, servers: "protocols h1 h2 h2c h3", site: site}))
			})
		}
	})
}

// TestResetCode resets a stream with a code, by name and by number. Another stream of
// the connection continues.
func TestResetCode(t *testing.T) {
	for word, code := range map[string]http2.ErrCode{
		"REFUSED_STREAM": http2.ErrCodeRefusedStream, "http_1_1_required": http2.ErrCodeHTTP11Required, "0": http2.ErrCodeNo, "4000000000": 4000000000,
	} {
		t.Run(word, func(t *testing.T) {
			overHTTP2(t, "reset "+word, true, func(t *testing.T, s *site) {
				testkit.WantPassed(t, "fault1", "rule1", "no_code", 0)
				f := s.dialFrames(t)
				flow := f.get(s, "/flow")
				f.wantHead(flow)
				for range 3 {
					f.wantReset(f.get(s, "/f"), code)
				}
				f.wantData(flow)
				f.wantReset(f.get(s, "/f"), code)
				f.wantData(flow)
			})
		})
	}
}

// TestNearestCode resets the stream as without a code where the server has no listener
// wrapper, and counts it.
func TestNearestCode(t *testing.T) {
	for fault, reason := range map[string]string{
		"reset CANCEL": "no_code", "reset connection": "no_connection", "close connection": "no_connection", "close goaway CANCEL": "no_connection",
	} {
		t.Run(fault, func(t *testing.T) {
			overHTTP2(t, fault, false, func(t *testing.T, s *site) {
				testkit.WantPassed(t, "fault1", "rule1", reason, 2)
				f := s.dialFrames(t)
				f.wantReset(f.get(s, "/f"), http2.ErrCodeInternal)
				f.wantReset(f.get(s, "/f"), http2.ErrCodeInternal)
			})
		})
	}
}

// TestGoAway sends a reply and then ends the connection in good order. A stream that has
// begun continues.
func TestGoAway(t *testing.T) {
	for _, wrapper := range []bool{false, true} {
		overHTTP2(t, "close goaway", wrapper, func(t *testing.T, s *site) {
			f := s.dialFrames(t)
			flow := f.get(s, "/flow")
			f.wantHead(flow)
			stream := f.get(s, "/f")
			body, code := "", http2.ErrCode(0xff)
			for ended := false; !ended || code == 0xff; {
				frame, err := f.read()
				switch frame := frame.(type) {
				case *http2.DataFrame:
					if frame.StreamID == stream {
						body += string(frame.Data())
						ended = frame.StreamEnded()
					}
				case *http2.MetaHeadersFrame:
					for _, field := range frame.RegularFields() {
						if field.Name == "connection" {
							t.Errorf("got field %v", field)
						}
					}
				case *http2.GoAwayFrame:
					code = frame.ErrCode
				default:
					t.Fatalf("got %v, error %v", frame, err)
				}
			}
			if body != "GET /f" || code != http2.ErrCodeNo {
				t.Errorf("got body %q and GOAWAY with %v", body, code)
			}
			f.wantData(flow)
		})
	}
}

// TestGoAwayElsewhere ends a connection of HTTP/1.1 after the reply, also after one of an
// error route. HTTP/3 and a WebSocket pass.
func TestGoAwayElsewhere(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "x")
			w.WriteHeader(http.StatusSwitchingProtocols)
			return
		}
		w.WriteHeader(http.StatusEarlyHints)
		echo(w, r)
	})
	s := start(t, config{tls: true, site: "fault /f {\nclose goaway\n}\nfault /gone {\nclose goaway\nerror 503\n}\nfault /own {\nclose goaway\nrespond 551\n}\n" + up.proxy() +
		"\nhandle_errors {\nrespond gone 410\n}"})
	for path, want := range map[string]string{"/f": "GET /f", "/gone": "gone", "/own": body551} {
		c := s.dial(t)
		got := c.roundTrip(get(path))
		if final := headerOf(got.final().head); got.body != want || final.Get("Connection") != "close" || strings.Count(got.head, "Connection") != 1 {
			t.Errorf("%s: got %q, want %q and one Connection: close", path, got, want)
		}
		c.wantEnd()
	}
	testkit.WantPassed(t, "fault1", "rule1", "upgraded", 1)
	if got := s.dial(t).roundTrip(get("/f", "Connection: Upgrade", "Upgrade: x")); !strings.Contains(got.head, "\r\nConnection: Upgrade\r\n") {
		t.Errorf("upgrade: got %q", got)
	}
	testkit.WantPassed(t, "fault1", "rule1", "no_connection", 2)
	c := s.client(t, h3)
	for range 2 {
		wantReply(t, c.get(t, "/f"), http.StatusOK, "GET /f")
	}
}

// TestGoAwayCode ends a connection with all its streams by a GOAWAY frame.
func TestGoAwayCode(t *testing.T) {
	for word, code := range map[string]http2.ErrCode{"enhance_your_calm": http2.ErrCodeEnhanceYourCalm, "NO_ERROR": http2.ErrCodeNo} {
		overHTTP2(t, "close goaway "+word, true, func(t *testing.T, s *site) {
			testkit.WantPassed(t, "fault1", "rule1", "no_connection", 0)
			f := s.dialFrames(t)
			f.wantHead(f.get(s, "/flow"))
			f.get(s, "/f")
			away, err := f.rest()
			if away == nil || away.ErrCode != code || away.LastStreamID != 1<<31-1 || !closed(err) {
				t.Errorf("got %v and error %v, want GOAWAY with %v and the end", away, err, code)
			}
		})
	}
}

// TestWholeConnection ends a connection with all its streams, without a frame.
func TestWholeConnection(t *testing.T) {
	for fault, ended := range map[string]func(error) bool{
		"close connection": closed,
		"reset connection": func(err error) bool { return errors.Is(err, syscall.ECONNRESET) },
	} {
		t.Run(fault, func(t *testing.T) {
			overHTTP2(t, fault, true, func(t *testing.T, s *site) {
				testkit.WantPassed(t, "fault1", "rule1", "no_connection", 0)
				f := s.dialFrames(t)
				f.wantHead(f.get(s, "/flow"))
				f.get(s, "/f")
				if away, err := f.rest(); away != nil || !ended(err) {
					t.Errorf("got %v and error %v", away, err)
				}
			})
		})
	}
}

// TestCodesOverHTTP1 ends the connection, and counts a code that the protocol does not
// have.
func TestCodesOverHTTP1(t *testing.T) {
	for fault, tt := range map[string]struct {
		passed float64
		reset  bool
	}{
		"reset CANCEL": {1, true}, "reset connection": {0, true}, "close connection": {0, false}, "close goaway CANCEL": {1, false},
	} {
		t.Run(fault, func(t *testing.T) {
			transports(t, config{site: "fault /f {\n" + fault + "\n}\nrespond fine"}, func(t *testing.T, s *site) {
				testkit.WantPassed(t, "fault1", "rule1", "no_code", tt.passed)
				testkit.WantPassed(t, "fault1", "rule1", "no_connection", 0)
				c := s.dial(t)
				c.send(get("/f"))
				_, err := c.in.ReadByte()
				if errors.Is(err, syscall.ECONNRESET) != tt.reset || closed(err) == tt.reset {
					t.Errorf("got error %v, want a reset: %t", err, tt.reset)
				}
			})
		})
	}
}

// TestCodesOverHTTP3 resets a stream with the code of the same meaning. The client gets
// no head. A code that HTTP/3 does not have, and the end of the connection, are counted.
func TestCodesOverHTTP3(t *testing.T) {
	tests := []struct {
		fault, reason string
		code          http3.ErrCode
	}{
		{"reset REFUSED_STREAM", "", http3.ErrCodeRequestRejected},
		{"reset INTERNAL_ERROR", "", http3.ErrCodeInternalError},
		{"reset ENHANCE_YOUR_CALM", "", http3.ErrCodeExcessiveLoad},
		{"reset STREAM_CLOSED", "no_code", http3.ErrCodeInternalError},
		{"reset 99", "no_code", http3.ErrCodeInternalError},
		{"reset connection", "no_connection", http3.ErrCodeInternalError},
		{"close connection", "no_connection", http3.ErrCodeInternalError},
		{"close goaway CANCEL", "no_connection", http3.ErrCodeInternalError},
	}
	up := serve(t, echo)
	for _, tt := range tests {
		eachPhase(t, tt.fault, func(t *testing.T, _, directive string) {
			c := start(t, config{tls: true, wrapper: true, site: directive + up.proxy()}).client(t, h3)
			for _, reason := range []string{"no_code", "no_connection"} {
				want := 0.0
				if reason == tt.reason {
					want = 2
				}
				testkit.WantPassed(t, "fault1", "rule1", reason, want)
			}
			for _, method := range []string{"GET", "POST"} {
				got, err := c.try(c.request(t, method, "/f", strings.NewReader(strings.Repeat("x", 20<<10))))
				if reset, ok := errors.AsType[*http3.Error](err); !ok || !reset.Remote || reset.ErrorCode != tt.code {
					t.Errorf("%s, %s: got %v, error %v, want %v", tt.fault, method, got, err, tt.code)
				}
				wantReply(t, c.get(t, "/fine"), http.StatusOK, "GET /fine")
			}
		})
	}
}
