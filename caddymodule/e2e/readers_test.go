package e2e

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var readerRounds = flag.Int("readers", 0, "number of rounds of TestReaders with a journal of 100,000; 0 is a short check for serious mistakes")

// An audience reads the journal while requests are hit.
type audience struct {
	name  string
	least float64 // of the hits without it
	come  func(*testing.T, *site) (leave func())
}

var audiences = []audience{
	{"50 waiting verifications and 10 readers", 0.95, func(t *testing.T, s *site) func() {
		var leaves []func()
		for range 50 {
			leaves = append(leaves, s.hold(t, "/verify?rule=rule1&at_least=1000000000&since=1h&wait=10m", "", ""))
		}
		ctx, stop := context.WithCancel(t.Context())
		var readers sync.WaitGroup
		for range 10 {
			readers.Go(func() { s.readJournal(ctx, t) })
		}
		return func() {
			stop()
			readers.Wait()
			for _, leave := range leaves {
				leave()
			}
		}
	}},
	{"400 feeds", 0.80, func(t *testing.T, s *site) func() {
		var leaves []func()
		for range 400 {
			leaves = append(leaves, s.hold(t, "/journal?limit=1", "text/event-stream", ": journal"))
		}
		return func() {
			for _, leave := range leaves {
				leave()
			}
		}
	}},
}

// TestReaders compares how many of the requested hits clients get without readers of
// the journal and with many, in turn. Server, clients and readers share one process.
func TestReaders(t *testing.T) {
	if raceDetector {
		t.Skip("measures nothing under the race detector")
	}
	entries, rounds, turn := 10_000, 1, 500*time.Millisecond
	if *readerRounds > 0 {
		entries, rounds, turn = 100_000, *readerRounds, 2*time.Second
	}
	s := &site{dir: t.TempDir()}
	s.addr = benchServer(t, fmt.Sprintf(`{
		admin unix/%s
		auto_https off
		persist_config off
		log default {
			level ERROR
		}
		fault {
			journal %d
		}
		servers {
			listener_wrappers {
				fault
			}
		}
	}
	:0 {
		bind 127.0.0.1
		fault 551
	}`, s.path("admin.sock"), entries))
	t.Cleanup(func() { stop(t) })
	s.fill(t, entries)
	clients := s.hitters(t)
	for _, a := range audiences {
		least := 0.60 // the machine may have other work
		if *readerRounds > 0 {
			least = a.least
		}
		share := 0.0
		for range 3 { // which can only reduce the number
			if share = max(share, a.share(t, s, clients, rounds, turn)); share >= least {
				break
			}
		}
		if share < least {
			t.Errorf("%s leave %.0f %% of the hits, want at least %.0f %%", a.name, 100*share, 100*least)
		}
	}
}

// share returns the percentage of hits that remains with the audience.
func (a *audience) share(t *testing.T, s *site, clients []asker, rounds int, turn time.Duration) float64 {
	t.Helper()
	quiet, watched := 0, 0
	for range rounds {
		quiet += offer(t, clients, turn)
		leave := a.come(t, s)
		offer(t, clients, turn/4) // time to settle
		watched += offer(t, clients, turn)
		leave()
	}
	seconds := (time.Duration(rounds) * turn).Seconds()
	t.Logf("%s: %.0f hits a second, %.0f without them", a.name, float64(watched)/seconds, float64(quiet)/seconds)
	return float64(watched) / float64(quiet)
}

const (
	hitClients = 20
	hitEvery   = 100 * time.Millisecond // of one client: 200 hits a second
)

func (s *site) hitters(t *testing.T) []asker {
	t.Helper()
	var all []asker
	for range hitClients {
		all = append(all, bareClient(t, s.addr, "/"))
	}
	return all
}

// offer makes each client send a request at intervals, unless it still waits for its
// last reply, and counts the replies.
func offer(t *testing.T, clients []asker, during time.Duration) int {
	t.Helper()
	var hits atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for i, ask := range clients {
		all.Go(func() {
			time.Sleep(time.Duration(i) * hitEvery / time.Duration(len(clients)))
			tick := time.NewTicker(hitEvery)
			defer tick.Stop()
			for ; time.Since(began) < during; <-tick.C {
				if err := ask(); err != nil {
					t.Error(err)
					return
				}
				if time.Since(began) < during {
					hits.Add(1)
				}
			}
		})
	}
	all.Wait()
	return int(hits.Load())
}

// fill fills the journal, with concurrent requests.
func (s *site) fill(t *testing.T, entries int) {
	t.Helper()
	const batch = 100
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := []byte("GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
	requests, replies := bytes.Repeat(request, batch), bufio.NewReader(conn)
	for range entries / batch {
		if _, err := conn.Write(requests); err != nil {
			t.Fatal(err)
		}
		for range batch {
			resp, err := http.ReadResponse(replies, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// hold requests an endless answer from the admin endpoint and reads it until it is
// stopped. It returns when the answer has begun with this text.
func (s *site) hold(t *testing.T, path, accept, begun string) (leave func()) {
	t.Helper()
	conn, err := net.Dial("unix", s.path("admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET /fault%s HTTP/1.1\r\nHost: admin\r\nAccept: %s\r\n\r\n", path, accept); err != nil {
		t.Fatal(err)
	}
	reply := bufio.NewReader(conn)
	for line := ""; begun != "" && !strings.Contains(line, begun); {
		if line, err = reply.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	var reads sync.WaitGroup
	reads.Go(func() { _, _ = io.Copy(io.Discard, reply) })
	return func() {
		_ = conn.Close()
		reads.Wait()
	}
}

// readJournal reads the whole journal repeatedly.
func (s *site) readJournal(ctx context.Context, t *testing.T) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.path("admin.sock"))
	}}
	defer transport.CloseIdleConnections()
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://admin/fault/journal", nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			continue // it has been stopped
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}
