package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// breaking are faults that end an HTTP/2 or HTTP/3 stream early.
var breaking = []string{
	"close", "reset", "garbage", "malformed",
	"truncate 50%", "truncate 10KiB reset", "truncate {\nafter 1ms\n}",
	"hang 50ms", "hang 50ms {\nafter 10KiB\n}",
}

// TestStreamsDieAlone breaks streams of HTTP/2 and HTTP/3 connections while another
// stream of the same connection is flowing. The other stream continues to its end.
func TestStreamsDieAlone(t *testing.T) {
	eachPhase(t, "", func(t *testing.T, phase, _ string) {
		var directives strings.Builder
		for i, fault := range breaking {
			fmt.Fprintf(&directives, "fault /%d {\nphase %s\n%s\n}\n", i, phase, fault)
		}
		other := &flow{stop: make(chan struct{})}
		up := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/flow" {
				other.send(w, other.stop)
			} else {
				inHalves(w, r)
			}
		})
		s := start(t, config{tls: true, wrapper: phase == "request", site: directives.String() + up.proxy()})
		for _, proto := range []protocol{h2, h3} {
			t.Run(proto.String(), func(t *testing.T) {
				c := s.client(t, proto)
				c.follow(t, other)
				for i, fault := range breaking {
					for _, size := range []int{0, 20 << 10} {
						body := strings.NewReader(strings.Repeat("x", size))
						got, err := c.try(c.request(t, "POST", "/"+strconv.Itoa(i), body))
						if err == nil {
							err = got.bodyErr
						}
						if !streamEnded(err) {
							t.Errorf("%s, body of %d bytes: got %v, error %v, want a stream error", fault, size, got, err)
						}
						other.wantMore(t)
					}
				}
				other.wantEnd(t)
				if got := c.dials.get(); got != 1 {
					t.Errorf("connections opened: got %d, want 1", got)
				}
			})
		}
	})
}

// inHalves sends a body of 100,000 bytes with a pause, which leaves time for a cut.
func inHalves(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Length", "100000")
	_, _ = w.Write(pattern(50000))
	_ = http.NewResponseController(w).Flush()
	select {
	case <-time.After(20 * time.Millisecond):
	case <-r.Context().Done():
	}
	_, _ = w.Write(pattern(50000))
}

// A flow is a reply of numbered lines that continues until it is stopped.
type flow struct {
	stop chan struct{}
	sent counter // the number of the last line sent

	lines *bufio.Scanner // at the client
	next  int            // the number that the client expects next
}

// send is the upstream's side.
func (f *flow) send(w http.ResponseWriter, stop <-chan struct{}) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		fmt.Fprintln(w, i)
		_ = http.NewResponseController(w).Flush()
		f.sent.Store(int64(i))
		select {
		case <-tick.C:
		case <-stop:
			fmt.Fprintln(w, "end")
			return
		}
	}
}

// follow requests a flow, and returns when the reply has begun.
func (c *client) follow(t *testing.T, f *flow) {
	t.Helper()
	resp, err := c.Do(c.request(t, "GET", "/flow", nil))
	if err != nil {
		t.Fatalf("the other stream: %v", err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	f.lines, f.next = bufio.NewScanner(resp.Body), 0
	f.wantMore(t)
}

// wantMore reads up to a line that is sent after the call.
func (f *flow) wantMore(t *testing.T) {
	t.Helper()
	for last := f.sent.get() + 1; f.next <= last; f.next++ {
		if !f.lines.Scan() || f.lines.Text() != strconv.Itoa(f.next) {
			t.Fatalf("the other stream: got %q, error %v, want %d", f.lines.Text(), f.lines.Err(), f.next)
		}
	}
}

// wantEnd stops the flow and reads its rest, which must be complete.
func (f *flow) wantEnd(t *testing.T) {
	t.Helper()
	f.stop <- struct{}{}
	for ; f.lines.Scan() && f.lines.Text() == strconv.Itoa(f.next); f.next++ {
	}
	if got := f.lines.Text(); got != "end" || f.lines.Scan() || f.lines.Err() != nil {
		t.Errorf("the other stream: ends in %q, error %v, want its last line", got, f.lines.Err())
	}
}
