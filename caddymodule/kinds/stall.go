package kinds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// checkStall returns an error for settings of a stall that do not fit together. first is
// the part before the stall.
func (f *Hang) checkStall(first *Truncate) error {
	switch f.Direction {
	case "", directionResponse, directionRequest:
	default:
		return fmt.Errorf("bad hang direction '%s': want response or request", f.Direction)
	}
	switch {
	case f.Continue && first == nil:
		return errors.New("hang with continue needs after, such as after 64KiB; to wait before the reply, write delay")
	case f.Continue && f.Duration == 0:
		return errors.New("hang with continue needs a duration, such as hang 2s")
	case f.Direction != directionRequest:
		return nil
	case first == nil:
		return errors.New("hang with request needs after, such as after 64KiB; to stall the whole body, write after 0B")
	case first.After > 0:
		return fmt.Errorf("hang has both request and the time after %s; write a size or a percentage, such as after 64KiB", f.After)
	}
	return nil
}

// A staller is the shaper of one reply that stalls in the middle and then continues.
type staller struct {
	f       *Hang
	limit   int64 // how much is sent before the stall; -1: the time decides
	sent    int64
	due     time.Time // when a stall by time begins
	stalled bool
}

// begin determines the place of the stall.
func (s *staller) begin(hit *faults.Hit, _ http.Header, length int64) bool {
	s.limit = s.f.begin.limit(length)
	if reason := s.f.begin.unfit(length, s.limit); reason != "" {
		hit.Pass(reason)
		return false
	}
	hit.Confirm()
	s.due = time.Now().Add(time.Duration(s.f.begin.After))
	return true
}

// cameTooLate reports whether the reply has ended before the stall.
func (s *staller) cameTooLate() bool { return !s.stalled }

// write sends p. What comes before the stall is flushed. Before a stall by time, that is
// each part, because the next one may come too late.
func (s *staller) write(o *outlet, p []byte) (int, error) {
	if s.stalled || o.ended() {
		return o.Write(p)
	}
	n, err := o.Write(p[:s.free(len(p))])
	s.sent += int64(n)
	if err != nil || s.sent < s.limit {
		return n, err
	}
	_ = o.flush()
	if n == len(p) {
		return n, nil
	}
	s.stalled = true
	if s.limit >= 0 {
		s.due = time.Now()
	}
	if err := o.wait(time.Until(s.due.Add(time.Duration(s.f.Duration)))); err != nil {
		return n, err
	}
	return o.rest(n, p[n:])
}

// free returns how much of n bytes is sent before the stall.
func (s *staller) free(n int) int {
	switch {
	case s.limit >= 0:
		return int(min(s.limit-s.sent, int64(n)))
	case time.Now().Before(s.due):
		return n
	}
	return 0
}

// stallRequest calls next with a request whose body stalls.
func (f *Hang) stallRequest(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel() // a proxy may return while its transport reads the body
	return f.begin.cutRequest(hit, w, r, next, func() error {
		if hit.Listener != nil {
			hit.Listener.Waits()
		}
		if err := f.wait(ctx, hit, time.Now()); err != nil {
			return err
		}
		if f.Duration > 0 && !f.Continue && !hit.HasEnded() {
			return injected(io.ErrUnexpectedEOF)
		}
		return nil
	})
}

// Interface guards
var (
	_ shaper     = (*staller)(nil)
	_ lateShaper = (*staller)(nil)
)
