package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// TestInterim counts the interim replies that a client gets before the reply.
func TestInterim(t *testing.T) {
	up := serve(t, zoo)
	for _, phase := range phases {
		for _, tt := range []struct {
			fault string
			code  int
			count int
			links []string
		}{
			{"interim 103 {\nheader Link </a>\nheader Link </b>\n}", 103, 1, []string{"</a>", "</b>"}},
			{"interim 103 100", 103, 100, nil},
			{"interim 102 3 1ms", 102, 3, nil},
			{"interim 199\nrespond 551", 199, 1, nil},
		} {
			t.Run(oneLine(tt.fault)+", phase "+phase, func(t *testing.T) {
				site := "fault {\nphase " + phase + "\n" + tt.fault + "\n}\n" + up.proxy()
				overEach(t, config{site: site}, func(t *testing.T, c *client) {
					count := 0
					ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
						Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
							if count++; code != tt.code || !slices.Equal(header["Link"], tt.links) || header.Get("Set-Cookie") != "" {
								t.Errorf("got %d %v, want %d with links %v", code, header, tt.code, tt.links)
							}
							return nil
						},
					})
					r := c.request(t, http.MethodGet, "/text", nil).WithContext(ctx)
					if c.proto == h3 && tt.count > 5 { // quic-go accepts five
						if _, err := c.try(r); err == nil || !strings.Contains(err.Error(), "too many 1xx") {
							t.Errorf("got error %v, want too many", err)
						}
						return
					}
					got := c.do(t, r)
					if strings.Contains(tt.fault, "551") {
						want551(t, got)
					} else {
						wantReply(t, got, http.StatusOK, "some text")
						if got.Header.Get("Link") != "" || got.Header.Get("Set-Cookie") == "" {
							t.Errorf("the reply has header %v", got.Header)
						}
					}
					if count != tt.count {
						t.Errorf("got %d interim replies, want %d", count, tt.count)
					}
				})
			})
		}
	}
}

// TestInterimOnWire checks the bytes over HTTP/1.1, in which a 100 is sent to a client
// that has not asked. HTTP/1.0 has no interim replies.
func TestInterimOnWire(t *testing.T) {
	up := serve(t, zoo)
	s := start(t, config{admin: true, site: "fault /text {\ninterim 103 2 {\nheader Link </a>\n}\n}\nfault /post {\nrule continue {\ninterim 100\n}\n}\n" + up.proxy()})
	c := s.dial(t)
	got := c.roundTrip(get("/text"))
	if hint := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"; !strings.HasPrefix(got.head, hint+hint+"HTTP/1.1 200 OK\r\n") {
		t.Errorf("got %q", got.head)
	}
	got = c.roundTrip(request(http.MethodPost, "/post", "body"))
	if !strings.HasPrefix(got.head, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n") {
		t.Errorf("got %q, want a 100 before the reply", got.head)
	}
	c.wantAlive()
	c = s.dial(t)
	if got = c.roundTrip(fmt.Sprintf("GET /post HTTP/1.0\r\nHost: %s\r\n\r\n", host)); !strings.HasPrefix(got.head, "HTTP/1.0 200 OK") {
		t.Errorf("HTTP/1.0: got %q", got.head)
	}
	if got := s.passed(t, "continue")["protocol"]; got != 1 {
		t.Errorf("HTTP/1.0: counted %d, want 1", got)
	}
}
