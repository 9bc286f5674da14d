package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// keepAlive is how often a silent feed sends a comment, so that proxies do not
// take it for dead.
const keepAlive = 15 * time.Second

// follow sends each entry as an event: `hit` when it begins, `done` when the
// request has ended, and `refused` for a refused trigger. A client that comes back says by Last-Event-ID what it has.
// With the parameter `rate` it gets at most that many hits a second, with the end
// of each, and each second an event `skipped` with the number of the other hits.
func (a *service) follow(w http.ResponseWriter, r *http.Request, journal *experiments.Journal, q experiments.Query, limit *feedLimit) error {
	if seen := r.Header.Values("Last-Event-ID"); len(seen) == 1 { // two may contradict each other: then all are sent
		if last, err := strconv.ParseUint(seen[0], 10, 64); err == nil {
			q.AfterSeq = last
		}
	}
	feed, known, err := journal.Follow(q)
	if err != nil {
		return Refuse(http.StatusServiceUnavailable, "%d feeds are open, which is the most there may be: close one, such as a console that nobody looks at, or ask for the journal again and again without 'Accept: text/event-stream': GET /fault/journal?since=10s", experiments.MaxFeeds)
	}
	defer feed.Close()
	ended := serverEnd(r)
	w.Header().Set("Content-Type", "text/event-stream")
	out := &feedWriter{ResponseWriter: w, rc: http.NewResponseController(w), ended: ended, exit: a.ctl.Exit()}
	defer out.within(feedPatience) // for what the server itself has to send
	if sendKnown(out, known, limit) != nil {
		return nil // the client has left or does not read, or the server ends
	}
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for {
		woken := feed.Woken() // before it looks for events, so as to miss none
		if sendNew(out, feed, limit) != nil || out.flush() != nil {
			return nil
		}
		var err error
		select {
		case <-woken:
		case <-limit.tick:
			if skipped := limit.next(); skipped > 0 {
				_, err = fmt.Fprintf(out, "event: skipped\ndata: %d\n\n", skipped) //nolint:gosec // an event stream is no HTML
			}
		case <-ticker.C:
			_, err = io.WriteString(out, ": still here\n\n")
		case <-r.Context().Done():
			return nil
		case <-ended.Done():
			return nil
		case <-a.ctl.Exit().Done():
			return nil
		}
		if err != nil {
			return nil //nolint:nilerr // as above
		}
	}
}

// sendKnown sends the entries that are there when a feed begins, which may be
// very many.
func sendKnown(w io.Writer, known iter.Seq[experiments.Entry], limit *feedLimit) error {
	if _, err := io.WriteString(w, ": journal\n\n"); err != nil {
		return err
	}
	var e experiments.Entry
	for e = range known {
		if _, err := w.Write(eventText(&e)); err != nil {
			return err
		}
		limit.began(&e)
	}
	return nil
}

// sendNew sends the events that have come. The error may be that the reader is too
// slow; its client comes back with the last ID.
func sendNew(w io.Writer, feed *experiments.Feed, limit *feedLimit) error {
	for {
		e, err := feed.Next()
		if e == nil || err != nil {
			return err
		}
		if !limit.take(e) {
			continue
		}
		if _, err := w.Write(e.Text(eventText)); err != nil {
			return err
		}
	}
}

// feedPatience is how long a client may take for a piece of its feed.
const feedPatience = 2 * time.Second

// feedPiece is how many bytes of a feed a client must read in that time.
const feedPiece = 8 << 10

// A feedWriter gives every piece its own time, and takes none when the server or
// the process ends: a client that reads nothing, or slowly, must not hold up
// that end.
type feedWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	ended context.Context // of the server
	exit  context.Context // of the process
	piece int             // bytes of the one begun; 0: nothing has been written since the flush
}

func (w *feedWriter) Write(p []byte) (int, error) {
	if w.piece == 0 || w.piece+len(p) > feedPiece {
		select {
		case <-w.ended.Done():
			return 0, http.ErrServerClosed
		case <-w.exit.Done():
			return 0, http.ErrServerClosed
		default:
			w.within(feedPatience)
			w.piece = 0
		}
	}
	w.piece += len(p)
	return w.ResponseWriter.Write(p)
}

// flush sends what has been written. Until the next Write the deadline is far:
// over HTTP/2 one that passes ends the reply, even while nothing is written.
func (w *feedWriter) flush() error {
	if w.piece == 0 {
		return nil
	}
	w.piece = 0
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
	open    map[uint64]struct{} // hits that were sent and have not ended
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
		return nil, Refuse(http.StatusBadRequest, "rate: '%s' is no number above 0", text)
	}
	ticker := time.NewTicker(time.Second)
	return &feedLimit{rate: rate, open: make(map[uint64]struct{}), tick: ticker.C, stop: ticker.Stop}, nil
}

// began notes an entry that the feed begins with.
func (l *feedLimit) began(e *experiments.Entry) {
	if l.rate > 0 && !e.Done {
		l.open[e.Seq] = struct{}{}
	}
}

// take reports whether one more event may be sent.
func (l *feedLimit) take(e *experiments.Event) bool {
	if l.rate == 0 {
		return true
	}
	if e.Done() {
		_, open := l.open[e.Seq()]
		delete(l.open, e.Seq())
		return open
	}
	if l.sent >= l.rate {
		l.skipped++
		return false
	}
	l.sent++
	if !e.Alone() {
		l.open[e.Seq()] = struct{}{}
	}
	return true
}

// next begins a second and tells how many were left out in the last one.
func (l *feedLimit) next() (skipped int) {
	skipped = l.skipped
	l.sent, l.skipped = 0, 0
	return skipped
}

// eventText is an entry as an event.
func eventText(e *experiments.Entry) []byte {
	data, _ := json.Marshal(e) // it can be written as JSON
	name := "hit"
	switch {
	case e.Refused != "":
		name = "refused"
	case e.Done:
		name = "done"
	}
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, name, data)
}
