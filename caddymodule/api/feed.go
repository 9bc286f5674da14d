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

// keepAlive is the interval of the comments that a silent feed sends, so that proxies
// do not consider it dead.
const keepAlive = 15 * time.Second

// follow sends each entry as an event: `hit` when a fault begins, `done` when its
// request has ended, and `refused` for a refused trigger. A client that reconnects
// sends in Last-Event-ID what it has received.
//
// With the parameter `rate`, follow sends at most that many hits per second, each with
// its end. An event `skipped` has the number of other hits in a second.
func (a *service) follow(w http.ResponseWriter, r *http.Request, journal *experiments.Journal, q experiments.Query, limit *feedLimit) error {
	if seen := r.Header.Values("Last-Event-ID"); len(seen) == 1 { // two values may contradict each other; then send all entries
		if last, err := strconv.ParseUint(seen[0], 10, 64); err == nil {
			q.AfterSeq = last
		}
	}
	feed, known, err := journal.Follow(q)
	if err != nil {
		return Refuse(http.StatusServiceUnavailable, "%d feeds are open, which is the maximum; close one, such as a console in an unused tab, or poll the journal without 'Accept: text/event-stream': GET /fault/journal?since=10s", experiments.MaxFeeds)
	}
	defer feed.Close()
	ended := serverEnd(r)
	w.Header().Set("Content-Type", "text/event-stream")
	out := &feedWriter{ResponseWriter: w, rc: http.NewResponseController(w), ended: ended, exit: a.ctl.Exit()}
	defer out.within(feedPatience) // for what the server itself sends at the end
	if a.sendKnown(out, known, limit) != nil {
		return nil // the client has left or does not read, or the server shuts down
	}
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for {
		woken := feed.Woken() // taken before it looks for events, so that it misses none
		if a.sendNew(out, feed, limit) != nil || out.flush() != nil {
			return nil
		}
		var err error
		select {
		case <-woken:
		case <-limit.tick:
			if skipped := limit.next(); skipped > 0 {
				_, err = fmt.Fprintf(out, "event: skipped\ndata: %d\n\n", skipped) //nolint:gosec // an event stream is not HTML
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

// sendKnown sends the entries that exist when a feed begins. There may be very many.
func (a *service) sendKnown(w io.Writer, known iter.Seq[experiments.Entry], limit *feedLimit) error {
	if _, err := io.WriteString(w, ": journal\n\n"); err != nil {
		return err
	}
	var e experiments.Entry
	for e = range known {
		if _, err := w.Write(a.eventText(&e)); err != nil {
			return err
		}
		limit.began(&e)
	}
	return nil
}

// sendNew sends the new events. It returns an error if the reader is too slow. The
// client then reconnects with its last ID.
func (a *service) sendNew(w io.Writer, feed *experiments.Feed, limit *feedLimit) error {
	for {
		e, err := feed.Next()
		if e == nil || err != nil {
			return err
		}
		if !limit.take(e) {
			continue
		}
		if _, err := w.Write(e.Text(a.eventText)); err != nil {
			return err
		}
	}
}

// feedPatience is how long a client may take to read a piece of its feed.
const feedPatience = 2 * time.Second

// feedPiece is the size of a piece in bytes.
const feedPiece = 8 << 10

// A feedWriter gives every piece its own deadline. It accepts no piece once the server
// or the process shuts down. A client that reads slowly, or not at all, must not delay
// the shutdown.
type feedWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	ended context.Context // of the server
	exit  context.Context // of the process
	piece int             // size of the current piece; 0: nothing written since the flush
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

// flush sends what has been written. It then sets a distant deadline until the next
// Write: over HTTP/2 a deadline that passes ends the reply, even if nothing is written.
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
	_ = w.rc.SetWriteDeadline(time.Now().Add(d)) // a writer without deadlines, such as a recorder, does not block
}

// feedLimit bounds the hits that a feed sends in a second.
type feedLimit struct {
	rate    int                 // 0: no bound
	ends    bool                // the feed only has ends
	sent    int                 // in this second
	open    map[uint64]struct{} // hits that were sent and have not ended
	skipped int
	tick    <-chan time.Time
	stop    func()
}

func newFeedLimit(text string, ends bool) (*feedLimit, error) {
	if text == "" {
		return &feedLimit{stop: func() {}}, nil
	}
	rate, err := strconv.Atoi(text)
	if err != nil || rate < 1 {
		return nil, Refuse(http.StatusBadRequest, "rate: '%s' is not a number above 0", text)
	}
	ticker := time.NewTicker(time.Second)
	return &feedLimit{rate: rate, ends: ends, open: make(map[uint64]struct{}), tick: ticker.C, stop: ticker.Stop}, nil
}

// began records an entry that the feed begins with.
func (l *feedLimit) began(e *experiments.Entry) {
	if l.rate > 0 && !e.Done {
		l.open[e.Seq] = struct{}{}
	}
}

// take reports whether the event may be sent, and counts it.
func (l *feedLimit) take(e *experiments.Event) bool {
	if l.rate == 0 {
		return true
	}
	if e.Done() && !l.ends {
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

// next starts a new second and returns the number of hits left out in the last one.
func (l *feedLimit) next() (skipped int) {
	skipped = l.skipped
	l.sent, l.skipped = 0, 0
	return skipped
}

// eventText returns an entry as a server-sent event.
func (a *service) eventText(e *experiments.Entry) []byte {
	data, _ := json.Marshal(a.entryView(e)) // an entry can always be written as JSON
	name := "hit"
	switch {
	case e.Refused != "":
		name = "refused"
	case e.Done:
		name = "done"
	}
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, name, escaper.Replace(string(data)))
}
