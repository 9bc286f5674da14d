package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// getJournal lists the last injected faults, or the last refused triggers. If the
// client accepts an event stream, getJournal follows them live.
func (a *service) getJournal(w http.ResponseWriter, r *http.Request) error {
	q, err := journalQuery(r.URL.Query())
	if err != nil {
		return err
	}
	journal := a.ctl.Journal
	refused, err := refusedParam(r.URL.Query())
	if err != nil {
		return err
	}
	if refused {
		journal = a.ctl.Refusals
	}
	limit, err := newFeedLimit(r.URL.Query().Get("rate"), !q.Ended.All())
	if err != nil {
		return err
	}
	defer limit.stop()
	if text.Mentions(r.Header["Accept"], "text/event-stream") {
		if r.Method == http.MethodHead {
			w.Header().Set("Content-Type", "text/event-stream")
			return nil
		}
		return a.follow(w, r, journal, q, limit)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = a.writeEntries(w, journal.Entries(q)) // the client may have left
	return nil
}

// journalPiece is how many bytes of a journal are written at a time.
const journalPiece = 32 << 10

// journalTurn is held while a piece is encoded. Many clients that read a whole journal
// must not keep all processors from serving requests.
var journalTurn sync.Mutex

// EntryView is an entry of the journal.
type EntryView struct {
	experiments.Entry

	// Site is the site of the point in the running configuration, if it is known.
	Site string `json:"site,omitempty"`
}

// entryView returns the view of an entry.
func (a *service) entryView(e *experiments.Entry) EntryView {
	return EntryView{*e, a.ctl.Current().SiteOf(e.Point)}
}

// writeEntries writes an object with a list of entries, the oldest first, in the form
// of Encode. There may be very many entries, so it keeps only a piece of the text in
// memory.
func (a *service) writeEntries(w io.Writer, entries iter.Seq[experiments.Entry]) error {
	const indent = "  "
	var e experiments.Entry
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent(indent+indent, indent)
	text.WriteString("{\n" + indent + `"entries": [`)
	before, end := "\n"+indent+indent, ""
	journalTurn.Lock()
	defer journalTurn.Unlock()
	for e = range entries {
		text.WriteString(before)
		if err := enc.Encode(a.entryView(&e)); err != nil {
			return err
		}
		text.Truncate(text.Len() - 1) // removes the end of the line
		before, end = ",\n"+indent+indent, "\n"+indent
		if text.Len() < journalPiece {
			continue
		}
		if err := writePiece(w, &text); err != nil {
			return err
		}
	}
	text.WriteString(end + "]\n}\n")
	return writePiece(w, &text)
}

// writePiece writes the text. It releases journalTurn meanwhile.
func writePiece(w io.Writer, text *bytes.Buffer) error {
	journalTurn.Unlock()
	defer journalTurn.Lock()
	_, err := escaper.WriteString(w, text.String())
	text.Reset()
	runtime.Gosched()
	return err
}

// journalQuery reads the parameters rule, point, id, status, path, since and limit.
func journalQuery(params url.Values) (q experiments.Query, err error) {
	if q.Point, q.Rule, err = ruleParams(params); err != nil {
		return q, err
	}
	if q.ID, err = idParam(params); err != nil {
		return q, err
	}
	if text := params.Get("status"); text != "" {
		var ok bool
		if q.Ended, ok = clients.ParseEndings(text); !ok {
			return q, Refuse(http.StatusBadRequest, "status: '%s' is neither a status nor an outcome; want 503, 5xx, cut, no_reply or left", text)
		}
	}
	q.Path = params.Get("path")
	if q.Limit, err = limitParam(params); err != nil {
		return q, err
	}
	q.Since, err = since(params)
	return q, err
}

// limitParam reads the parameter `limit`: the maximum number of the last entries, or 0
// without a limit.
func limitParam(params url.Values) (limit int, err error) {
	text := params.Get("limit")
	if text == "" {
		return 0, nil
	}
	if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
		return 0, Refuse(http.StatusBadRequest, "limit: '%s' is not a number above 0", text)
	}
	return limit, nil
}

// since reads the parameter `since`: a time (RFC 3339), or a duration before now.
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
		return time.Time{}, Refuse(http.StatusBadRequest, "since: '%s' is neither a time such as 2026-11-22T20:00:00Z nor a duration such as 10m", text)
	}
	return time.Now().Add(-ago), nil
}

// emptyJournal deletes the entries. It resets no counter.
func (a *service) emptyJournal(w http.ResponseWriter, _ *http.Request) error {
	a.ctl.Journal.Empty()
	a.ctl.Refusals.Empty()
	a.ctl.Counts.Send()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// serverEnds has a context for each server with feeds, which is done when the server
// shuts down. The shutdown would otherwise wait for the feeds.
var serverEnds sync.Map // *http.Server to context.Context

type serverEndKey struct{}

// WithServerEnd returns a context that carries ended, which is done when the server
// shuts down. A handler that knows the server uses it, because a request over HTTP/3
// does not carry its server.
func WithServerEnd(ctx, ended context.Context) context.Context {
	return context.WithValue(ctx, serverEndKey{}, ended)
}

// serverEnd returns a context that is done when the server of the request shuts down.
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
	if wire.ShutsDown(srv) { // the shutdown may have begun before end was registered
		end()
	}
	return fresh
}
