package inject

import (
	"bufio"
	"net"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

// sight is a request that a point counts. As a writer, it sees the reply.
type sight struct {
	head

	at       *seen.Point
	span     seen.Span
	hit      bool // a fault has had an effect
	hijacked bool
}

// Hijack records that the reply may have no head.
func (s *sight) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	s.hijacked = true
	return http.NewResponseController(s.Unwrap()).Hijack()
}

// counts reports whether the point counts the request of a decision.
func (in *injector) counts(r *http.Request, d *rules.Decision) bool {
	return in.seen.Counts() && (!in.point.Limited() || in.point.Reaches(r, d))
}

// serveSeen is carryOut for a request that the point counts.
func (h *Handler) serveSeen(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d *rules.Decision) (err error) {
	if recorder, ok := w.(caddyhttp.ResponseRecorder); ok && d.Rule == nil && d.Later == nil {
		return h.servePassing(recorder, r, next)
	}
	s := h.sights.take()
	s.ResponseWriter, s.at, s.span = w, h.seen, h.seen.Begin(d.Rule != nil)
	returned := false
	defer func() { s.end(seenResult(r, s.status, err, returned), r) }()
	err = h.carryOut(s, r, next, d)
	returned = true
	return err
}

// servePassing is serveSeen for a request that no rule can hit, if Caddy itself records
// the status.
func (h *Handler) servePassing(w caddyhttp.ResponseRecorder, r *http.Request, next caddyhttp.Handler) (err error) {
	span, returned := h.seen.Begin(false), false
	defer func() { h.seen.Passed(span, seenResult(r, w.Status(), err, returned)) }()
	err = h.look(w, r, next, nil)
	returned = true
	return err
}

// end counts the end of the request.
func (s *sight) end(result seen.Result, r *http.Request) {
	switch {
	case !s.hit:
		s.at.Passed(s.span, result)
	case r.Context().Err() != nil || s.hijacked && s.status == 0: // the client has left or has no reply
		s.at.Ended(s.span, seen.Failed)
	default:
		s.at.Ended(s.span, result)
	}
}

// seenResult returns how a request has ended for the point. If returned is false, the
// handler has panicked to cut the reply. A client that leaves is not a failure.
func seenResult(r *http.Request, status int, err error, returned bool) seen.Result {
	switch {
	case !returned && r.Context().Err() == nil:
		return seen.Failed
	case err != nil:
		status = statusOf(err)
	}
	switch {
	case status >= http.StatusInternalServerError && lastInjection(text.Replacer(r)) == nil:
		return seen.RealError
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests:
		return seen.Failed
	default:
		return seen.Succeeded
	}
}

// tripSeen is trip for an attempt that the point counts.
func (t *Transport) tripSeen(r *http.Request, d rules.Decision) (*http.Response, error) {
	s := t.sights.take()
	s.at, s.span = t.seen, t.seen.Begin(d.Rule != nil)
	resp, err := t.trip(r, d, watchers{client: true, sight: s})
	switch {
	case err == nil:
		s.end(seenResult(r, resp.StatusCode, nil, true), r)
	case r.Context().Err() != nil: // the client has left
		s.end(seen.Succeeded, r)
	default:
		s.end(seenResult(r, 0, err, true), r)
	}
	return resp, err
}

// sights allocates many at a time. None is used twice, because a goroutine of the
// upstream may use the writer of a request that has ended.
type sights struct{ spare sync.Pool }

// take returns an unused sight.
func (a *sights) take() *sight {
	const many = 64
	spare, _ := a.spare.Get().(*[]sight)
	if spare == nil {
		spare = new([]sight)
	}
	if len(*spare) == 0 {
		*spare = make([]sight, many)
	}
	s := &(*spare)[0]
	*spare = (*spare)[1:]
	a.spare.Put(spare)
	return s
}

// Interface guards
var _ http.Hijacker = (*sight)(nil)
