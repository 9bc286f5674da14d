package e2e

import (
	"io"
	"strings"
	"sync"
	"testing"
)

// TestTimesIsExact counts replies on connections that all send at once, and again after
// a reload, which must not reset the counts.
func TestTimesIsExact(t *testing.T) {
	const times, conns, requests = 137, 8, 100
	up := serve(t, echo)
	for _, phase := range phases {
		t.Run(phase, func(t *testing.T) {
			c := config{site: "fault {\nphase " + phase + "\ntimes 137\nrespond 551\n}\n" + up.proxy()}
			transports(t, c, func(t *testing.T, s *site) {
				if got := s.count551(t, conns, requests); got != times {
					t.Errorf("got %d replies 551 of %d, want %d", got, conns*requests, times)
				}
				s.load(t)
				if got := s.count551(t, 1, requests); got != 0 {
					t.Errorf("got %d replies 551 after a reload, want none", got)
				}
			})
		})
	}
}

// TestCountsOfAChangedPoint reloads a configuration in which a rule is on another line,
// or its point matches other requests.
func TestCountsOfAChangedPoint(t *testing.T) {
	up := serve(t, echo)
	s := start(t, config{})
	load := func(directive string) {
		s.site = directive + " {\ntimes 1\nrespond 551\n}\n" + up.proxy()
		s.load(t)
	}
	for _, step := range []struct {
		directive string
		status    int
	}{
		{"fault /x*", 551},
		{"fault /x*", 200},
		{"\n# a line more\nfault /x*", 200},
		{"fault /x/*", 551},
		{"fault /x/*", 200},
		{"@x {\npath /x/*\nmethod GET\n}\nfault @x", 551},
		{"@x {\nmethod GET\npath /x/*\n}\nfault @x", 200},
		{"fault /x*", 551},
	} {
		load(step.directive)
		if got := s.client(t, h1).get(t, "/x/y").StatusCode; got != step.status {
			t.Errorf("%s: got %d, want %d", step.directive, got, step.status)
		}
	}
}

// count551 opens connections and sends requests on all of them at once. It returns the
// number of faults among the replies.
func (s *site) count551(t *testing.T, conns, requests int) int {
	t.Helper()
	hits := new(counter)
	var wg sync.WaitGroup
	for range conns {
		conn := s.dial(t)
		wg.Go(func() {
			_, err := io.WriteString(conn, strings.Repeat(get("/f"), requests))
			for range requests {
				var got rawReply
				if err == nil {
					got, err = conn.readReply("GET")
				}
				switch {
				case err != nil:
					t.Error(err)
					return
				case strings.HasPrefix(got.head, line551) && got.body == body551:
					hits.inc()
				case !strings.HasPrefix(got.head, "HTTP/1.1 200 OK\r\n") || got.body != "GET /f":
					t.Errorf("got %.200q, want the fault or the upstream's reply", got)
				}
			}
		})
	}
	wg.Wait()
	return hits.get()
}

// TestFailTwoTries is an example of the manual: the first two attempts for each order
// fail, the third succeeds.
func TestFailTwoTries(t *testing.T) {
	up := serve(t, echo)
	s := start(t, config{site: "fault /orders {\nper {header.X-Order-Id}\ntimes 2\nrespond 503\n}\n" + up.proxy()})
	conn := s.dial(t)
	for try := 1; try <= 4; try++ {
		for _, order := range []string{"17", "18"} {
			want := "HTTP/1.1 503 Service Unavailable\r\n"
			if try > 2 {
				want = "HTTP/1.1 200 OK\r\n"
			}
			conn.roundTrip(get("/orders", "X-Order-Id: "+order)).wantLine(t, want)
		}
	}
}
