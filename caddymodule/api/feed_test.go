package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// A feed with a rate leaves out further hits, and reports their number.
func TestFeedRate(t *testing.T) {
	for _, tt := range []struct {
		query               string
		hits, done, skipped int
		count               string
	}{
		{"?rate=2", 4, 3, 1, "data: 3\n"}, // done: the earlier hit, and two of the first five
		{"", 7, 6, 0, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctl := control.New()
			ctx, leave := context.WithCancel(t.Context())
			w := httptest.NewRecorder()
			known := ctl.Journal.Add(&experiments.Entry{Rule: "r"})
			go New(ctl, nil).ServeHTTP(w, feedRequest(ctx, tt.query))
			synctest.Wait()
			var running []*experiments.Record
			for range 5 {
				running = append(running, ctl.Journal.Add(&experiments.Entry{Rule: "r"}))
			}
			for _, rec := range append(running, known) {
				ctl.Journal.Finish(rec, experiments.End{Took: time.Second, Bytes: 1})
			}
			time.Sleep(time.Second + time.Millisecond)
			for range 2 {
				ctl.Journal.Add(&experiments.Entry{Rule: "r"})
			}
			synctest.Wait()
			leave()
			synctest.Wait()
			body := w.Body.String()
			hits, done := strings.Count(body, "event: hit\n")-1, strings.Count(body, "event: done\n") // without the earlier hit
			if hits != tt.hits || done != tt.done {
				t.Errorf("%s: got %d hits and %d done, want %d and %d", tt.query, hits, done, tt.hits, tt.done)
			}
			if skipped := strings.Count(body, "event: skipped\n"); skipped != tt.skipped || !strings.Contains(body, tt.count) {
				t.Errorf("%s: got %q, want %d events skipped with %q", tt.query, body, tt.skipped, tt.count)
			}
		})
	}
	w := httptest.NewRecorder()
	New(control.New(), nil).ServeHTTP(w, feedRequest(t.Context(), "?rate=0"))
	if w.Code != 400 {
		t.Errorf("rate=0: got %d, want 400", w.Code)
	}
}

// A waiting feed costs one goroutine and little memory.
func TestFeedMemory(t *testing.T) {
	const feeds, most = 1000, 20 << 10 // bytes each, of which 8 KiB are a stack
	synctest.Test(t, func(t *testing.T) {
		ctl := control.New()
		ctx, leave := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer leave()
		api := New(ctl, nil)
		before, goroutines := memory(), runtime.NumGoroutine()
		for range feeds {
			go api.ServeHTTP(httptest.NewRecorder(), feedRequest(ctx, "?rate=100"))
		}
		synctest.Wait()
		if grown := runtime.NumGoroutine() - goroutines; grown > feeds {
			t.Errorf("%d feeds have %d goroutines, want one each at most", feeds, grown)
		}
		each := (memory() - before) / feeds
		t.Logf("%d bytes a feed", each)
		if each > most {
			t.Errorf("a feed costs %d bytes, want at most %d", each, most)
		}
	})
}

// A server can shut down while a client reads nothing, or slowly, of the many entries
// that a feed begins with, or of new ones.
func TestFeedDoesNotHoldServer(t *testing.T) {
	const slowly = 2 << 10 // bytes per second; there is enough to read for minutes
	for _, tt := range []struct {
		name       string
		known, new int
		rate       int
	}{
		{"known, reads nothing", 10_000, 0, 0},
		{"known, reads slowly", 10_000, 0, slowly},
		{"new, reads nothing", 0, 100, 0},
		{"new, reads slowly", 0, 100, slowly},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctl := control.New()
				defer ctl.BeginExit()
				ctl.Journal.Resize(tt.known)
				hits := func(n int) {
					for range n {
						ctl.Journal.Add(&experiments.Entry{Rule: "r", Path: strings.Repeat("a", 100)})
					}
				}
				hits(tt.known)
				srv := &http.Server{Handler: New(ctl, nil)}
				client, leave := dialPipe(srv)
				var reader sync.WaitGroup
				defer reader.Wait()
				defer leave()
				if _, err := io.WriteString(client, "GET "+Prefix+"/journal HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if tt.rate > 0 {
					reader.Go(func() { readSlowly(client, tt.rate) })
				}
				synctest.Wait()
				hits(tt.new)
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				if err := srv.Shutdown(ctx); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// dialPipe returns an unbuffered connection to the server.
func dialPipe(srv *http.Server) (conn net.Conn, leave func()) {
	client, server := net.Pipe()
	listener := &pipeListener{conns: make(chan net.Conn, 1)}
	listener.conns <- server
	var served sync.WaitGroup
	served.Go(func() { _ = srv.Serve(listener) })
	return client, func() {
		_ = client.Close()
		_ = srv.Close()
		served.Wait()
	}
}

// pipeListener accepts the connections sent to conns.
type pipeListener struct {
	conns chan net.Conn
	end   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	if conn, open := <-l.conns; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l *pipeListener) Close() error {
	l.end.Do(func() { close(l.conns) })
	return nil
}

func (*pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// readSlowly reads rate bytes per second until an error.
func readSlowly(r io.Reader, rate int) {
	const pieces = 10
	piece := make([]byte, rate/pieces)
	for {
		if _, err := r.Read(piece); err != nil {
			return
		}
		time.Sleep(time.Second / pieces)
	}
}

// memory returns the bytes of heap and stacks in use.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func feedRequest(ctx context.Context, query string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, "GET", "/fault/journal"+query, nil)
	r.Header.Set("Accept", "text/event-stream")
	return r
}

// journalList is the answer that lists the journal.
type journalList struct {
	Entries []EntryView `json:"entries"`
}

// The journal is written piece by piece, in the form of all other answers.
func TestJournalText(t *testing.T) {
	for _, n := range []int{0, 1, 2, 500} {
		j := experiments.NewJournal(1000)
		for i := range n {
			rec := j.Add(&experiments.Entry{Rule: "r", Path: "/<&>\u2028\u009b\x7f" + strings.Repeat("a", i), Time: time.Unix(int64(i), 5)})
			if i%2 == 0 {
				j.Finish(rec, experiments.End{Took: time.Second, Bytes: i})
			}
		}
		var got, want bytes.Buffer
		a := &service{ctl: control.New()}
		if err := a.writeEntries(&got, j.Entries(experiments.Query{})); err != nil {
			t.Fatal(err)
		}
		views := []EntryView{}
		for e := range j.Entries(experiments.Query{}) {
			views = append(views, EntryView{Entry: e})
		}
		if err := Encode(&want, journalList{views}); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("got\n%s\nwant\n%s", &got, &want)
		}
	}
}

// No JSON of the API has a control character that a terminal may obey.
func TestJSONForTerminals(t *testing.T) {
	e := experiments.Entry{Path: "/\u009b\u0080\u009f\x7f\x1b"}
	var text, list bytes.Buffer
	if err := Encode(&text, e); err != nil {
		t.Fatal(err)
	}
	a := &service{ctl: control.New()}
	if err := a.writeEntries(&list, slices.Values([]experiments.Entry{e})); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"answer": text.String(), "journal": list.String(), "feed": string(a.eventText(&e))} {
		if !strings.Contains(got, `"/\u009b\u0080\u009f\u007f\u001b"`) {
			t.Errorf("%s: got %q", name, got)
		}
	}
	var read experiments.Entry
	if err := json.Unmarshal(text.Bytes(), &read); err != nil || read.Path != e.Path {
		t.Errorf("got %q, %v", read.Path, err)
	}
}

// Above the limit a feed is refused, with advice.
func TestFeedCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := control.New()
		for range experiments.MaxFeeds {
			feed, _, err := ctl.Journal.Follow(experiments.Query{})
			if err != nil {
				t.Fatal(err)
			}
			defer feed.Close()
		}
		w := httptest.NewRecorder()
		New(ctl, nil).ServeHTTP(w, feedRequest(t.Context(), ""))
		if body := w.Body.String(); w.Code != 503 || !strings.Contains(body, "1000 feeds are open") || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("got %d %s", w.Code, body)
		}
	})
}

// sampled records the latency of hits and counts the flushes.
type sampled struct {
	header  http.Header
	late    time.Duration // the longest latency of a hit
	hits    int
	flushes int
}

func (s *sampled) Header() http.Header { return s.header }
func (s *sampled) WriteHeader(int)     {}
func (s *sampled) Flush()              { s.flushes++ }
func (s *sampled) Write(p []byte) (int, error) {
	if _, data, ok := bytes.Cut(p, []byte("event: hit\ndata: ")); ok {
		var e experiments.Entry
		if err := json.Unmarshal(data, &e); err != nil {
			return 0, err
		}
		s.hits++
		s.late = max(s.late, time.Since(e.Time))
	}
	return len(p), nil
}

// A feed does not wake for each hit, but sends each hit within 100 ms.
func TestFeedSendsTogether(t *testing.T) {
	const hits, every = 380, 5 * time.Millisecond // almost two seconds, which the feed counts when it sends
	for _, tt := range []struct {
		query string
		hits  int
	}{{"", hits}, {"?rate=10", 20}} {
		synctest.Test(t, func(t *testing.T) {
			ctl := control.New()
			ctx, leave := context.WithCancel(t.Context())
			w := &sampled{header: make(http.Header)}
			go New(ctl, nil).ServeHTTP(w, feedRequest(ctx, tt.query))
			synctest.Wait()
			time.Sleep(time.Microsecond) // so that no hit coincides with a second of the feed
			for range hits {
				testkit.HitJournal(ctl)
				time.Sleep(every)
			}
			time.Sleep(time.Second - 2*time.Microsecond)
			leave()
			synctest.Wait()
			if w.hits != tt.hits || w.late > 100*time.Millisecond {
				t.Errorf("%q: got %d hits, at most %v late, want %d", tt.query, w.hits, w.late, tt.hits)
			}
			if most := 2000/80 + 5; w.flushes > most {
				t.Errorf("%q: flushed %d times for %d hits in two seconds, want at most %d", tt.query, w.flushes, hits, most)
			}
		})
	}
}
