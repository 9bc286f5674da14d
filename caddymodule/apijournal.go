package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// getJournal lists the last injected faults, or follows them live for a client
// that accepts an event stream.
func (a *api) getJournal(w http.ResponseWriter, r *http.Request) error {
	q, err := journalQuery(r.URL.Query())
	if err != nil {
		return err
	}
	limit, err := newFeedLimit(r.URL.Query().Get("rate"))
	if err != nil {
		return err
	}
	defer limit.stop()
	if mentions(r.Header["Accept"], "text/event-stream") {
		w.Header().Set("Content-Type", "text/event-stream")
		if r.Method == http.MethodHead {
			return nil
		}
		return follow(w, r, q, limit)
	}
	return answer(w, http.StatusOK, journalView{process.journal.Entries(q)})
}

type journalView struct {
	// Entries are the injected faults, the oldest first.
	Entries []experiments.Entry `json:"entries"`
}

// journalQuery reads the parameters rule, point, since and limit.
func journalQuery(params url.Values) (q experiments.Query, err error) {
	q.Rule, q.Point = params.Get("rule"), params.Get("point")
	if text := params.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 {
			return q, refuse(http.StatusBadRequest, "limit: '%s' is no number above 0", text)
		}
	}
	q.Since, err = since(params)
	return q, err
}

// since reads the parameter of that name: an instant (RFC 3339) or how long ago.
func since(params url.Values) (time.Time, error) {
	text := params.Get("since")
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	ago, err := caddy.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, refuse(http.StatusBadRequest, "since: '%s' is neither an instant such as 2026-11-22T20:00:00Z nor a duration such as 10m", text)
	}
	return time.Now().Add(-ago), nil
}

// emptyJournal forgets the entries, and sets no counter back.
func (a *api) emptyJournal(w http.ResponseWriter, _ *http.Request) error {
	process.journal.Empty()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// keepAlive is how often a silent feed sends a comment, so that proxies do not
// take it for dead.
const keepAlive = 15 * time.Second

// follow sends each entry as an event: `hit` when it begins, `done` when the
// request is over. A client that comes back says by Last-Event-ID what it has.
// With the parameter `rate` it gets at most so many hits a second, all that are
// done of these, and each second an event `skipped` with the number of the other
// hits.
func follow(w http.ResponseWriter, r *http.Request, q experiments.Query, limit *feedLimit) error {
	if seen := r.Header.Values("Last-Event-ID"); len(seen) == 1 { // two may contradict each other: then all are sent
		if last, err := strconv.ParseUint(seen[0], 10, 64); err == nil {
			q.AfterSeq = last
		}
	}
	feed, entries := process.journal.Follow(q)
	defer feed.Close()
	ended := serverEnd(r)
	out := &feedWriter{w, http.NewResponseController(w), ended}
	defer out.within(feedPatience) // for what the server itself has to send
	limit.began(entries)
	if sendKnown(out, entries) != nil {
		return nil // the client has left or does not read, or the server ends
	}
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for {
		if out.flush() != nil {
			return nil
		}
		var err error
		select {
		case e, open := <-feed.Entries:
			if !open {
				return nil // too slow; the client comes back with the last ID
			}
			if limit.take(e) {
				err = sendEvent(out, e)
			}
		case <-limit.tick:
			if skipped := limit.next(); skipped > 0 {
				_, err = fmt.Fprintf(out, "event: skipped\ndata: %d\n\n", skipped) //nolint:gosec // an event stream is no HTML
			}
		case <-ticker.C:
			_, err = fmt.Fprint(out, ": still here\n\n")
		case <-r.Context().Done():
			return nil
		case <-ended.Done():
			return nil
		case <-process.exit.Done():
			return nil
		}
		if err != nil {
			return nil //nolint:nilerr // as above
		}
	}
}

// sendKnown sends the entries that are there when a feed begins, which may be
// very many.
func sendKnown(w http.ResponseWriter, entries []experiments.Entry) error {
	if _, err := fmt.Fprint(w, ": journal\n\n"); err != nil {
		return err
	}
	for _, e := range entries {
		if err := sendEvent(w, &e); err != nil {
			return err
		}
	}
	return nil
}

// feedPatience is how long a client may take for a piece of its feed.
const feedPatience = 2 * time.Second

// A feedWriter gives every Write its own time, and takes none when the server or
// the process ends: a client that reads nothing, or slowly, must not hold up
// that end.
type feedWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	ended context.Context
}

func (w *feedWriter) Write(p []byte) (int, error) {
	select {
	case <-w.ended.Done():
		return 0, http.ErrServerClosed
	case <-process.exit.Done():
		return 0, http.ErrServerClosed
	default:
		w.within(feedPatience)
		return w.ResponseWriter.Write(p)
	}
}

// flush sends what has been written. Until the next Write the deadline is far:
// over HTTP/2 one that passes ends the reply, even while nothing is written.
func (w *feedWriter) flush() error {
	w.within(feedPatience)
	defer w.within(2 * keepAlive)
	return w.rc.Flush()
}

func (w *feedWriter) within(d time.Duration) {
	_ = w.rc.SetWriteDeadline(time.Now().Add(d)) // a writer that knows none, such as a recorder, does not wait either
}

// feedLimit bounds how many hits a feed tells in a second.
type feedLimit struct {
	rate    int                 // 0: any number
	sent    int                 // in this second
	open    map[uint64]struct{} // told of, and not done
	skipped int
	tick    <-chan time.Time
	stop    func()
}

func newFeedLimit(text string) (*feedLimit, error) {
	if text == "" {
		return &feedLimit{stop: func() {}}, nil
	}
	rate, err := strconv.Atoi(text)
	if err != nil || rate < 1 {
		return nil, refuse(http.StatusBadRequest, "rate: '%s' is no number above 0", text)
	}
	ticker := time.NewTicker(time.Second)
	return &feedLimit{rate: rate, open: make(map[uint64]struct{}), tick: ticker.C, stop: ticker.Stop}, nil
}

// began notes hits that the feed begins with.
func (l *feedLimit) began(entries []experiments.Entry) {
	for _, e := range entries {
		if l.rate > 0 && !e.Done {
			l.open[e.Seq] = struct{}{}
		}
	}
}

// take reports whether one more event may be sent.
func (l *feedLimit) take(e *experiments.Entry) bool {
	switch _, open := l.open[e.Seq]; {
	case l.rate == 0:
		return true
	case e.Done:
		delete(l.open, e.Seq)
		return open
	case l.sent >= l.rate:
		l.skipped++
		return false
	}
	l.sent++
	l.open[e.Seq] = struct{}{}
	return true
}

// next begins a second and tells how many were left out in the last one.
func (l *feedLimit) next() (skipped int) {
	skipped = l.skipped
	l.sent, l.skipped = 0, 0
	return skipped
}

func sendEvent(w http.ResponseWriter, e *experiments.Entry) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	name := "hit"
	if e.Done {
		name = "done"
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, name, data) //nolint:gosec // an event stream is no HTML
	return err
}

// serverEnds has a context for each server that has feeds, done when it shuts
// down: it would wait for them.
var serverEnds sync.Map // *http.Server to context.Context

type serverEndKey struct{}

// withServerEnd tells a request when its server shuts down, for a handler that
// knows. Over HTTP/3 the request does not.
func withServerEnd(ctx, ended context.Context) context.Context {
	return context.WithValue(ctx, serverEndKey{}, ended)
}

// serverEnd is done when the server of the request shuts down.
func serverEnd(r *http.Request) context.Context {
	if ended, ok := r.Context().Value(serverEndKey{}).(context.Context); ok {
		return ended
	}
	srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return context.Background()
	}
	fresh, cancel := context.WithCancel(context.Background())
	known, loaded := serverEnds.LoadOrStore(srv, fresh)
	if loaded {
		cancel()
		return known.(context.Context)
	}
	end := func() {
		serverEnds.Delete(srv)
		cancel()
	}
	srv.RegisterOnShutdown(end)
	if faults.ShutsDown(srv) { // it may have told everybody already
		end()
	}
	return fresh
}
