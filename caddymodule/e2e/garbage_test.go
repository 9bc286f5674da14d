package e2e

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestGarbage sends bytes that are not HTTP, then ends the connection gracefully.
func TestGarbage(t *testing.T) {
	for fault, size := range map[string]int{"garbage": 64, "garbage 1B": 1, "garbage 1MiB": 1 << 20} {
		eachPhase(t, fault, func(t *testing.T, phase, directive string) {
			up := serve(t, echo)
			asked := 0
			transports(t, config{site: directive + up.proxy() + "\n" + accessLog}, func(t *testing.T, s *site) {
				for _, request := range []string{get("/f"), request("HEAD", "/f", ""), get("/f") + get("/f"), request("POST", "/f", strings.Repeat("x", 20<<10))} {
					asked++
					conn := s.dial(t)
					conn.send(request)
					got, err := io.ReadAll(conn.in)
					if err != nil || len(got) != size || bytes.Contains(got, []byte("HTTP/")) || got[0] < 0x80 {
						t.Errorf("got %d bytes %.20q, error %v, want %d that are not HTTP", len(got), got, err, size)
					}
				}
				up.wantAsked(t, phase, asked)
				s.wantAccess(t, func(line map[string]any) bool { return line["size"] == float64(size) })
			})
		})
	}
}

// TestGarbageClients shows how HTTP clients react to garbage.
func TestGarbageClients(t *testing.T) {
	eachPhase(t, "garbage", func(t *testing.T, _, directive string) {
		up := serve(t, echo)
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			got, err := c.try(c.request(t, "GET", "/f", nil))
			if c.proto == h1 && (err == nil || !strings.Contains(err.Error(), "malformed HTTP")) ||
				c.proto != h1 && !streamEnded(err) {
				t.Errorf("got %v, error %v, want a protocol error", got, err)
			}
			dials := c.dials.get()
			wantReply(t, c.get(t, "/"), 200, "GET /")
			if c.proto != h1 && c.dials.get() != dials {
				t.Error("the connection did not outlast its stream")
			}
		})
	})
}

// TestGarbageRepeats sends the same bytes for the same seed after a restart of Caddy.
func TestGarbageRepeats(t *testing.T) {
	var first [3]string
	for run := range 2 {
		t.Run(fmt.Sprint("run ", run+1), func(t *testing.T) {
			s := start(t, config{site: "fault {\nseed 7\ngarbage\n}"})
			for i := range first {
				conn := s.dial(t)
				conn.send(get(fmt.Sprint("/", i)))
				got, err := io.ReadAll(conn.in)
				if err != nil {
					t.Fatal(err)
				}
				if run == 0 {
					first[i] = string(got)
				} else if string(got) != first[i] {
					t.Errorf("request %d: got other bytes in the second run", i)
				}
			}
		})
	}
	if first[0] == first[1] {
		t.Error("two requests got the same bytes")
	}
}
