package kinds

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// A streamer is the shaper of one stream. It holds an event only if a step may need it.
// All other bytes pass as they come.
type streamer struct {
	cutter
	f      *Stream
	rand   *rand.Rand
	repl   *caddy.Replacer
	shield shield
	reply  *shapeWriter
	tunnel bool        // the request asks for a WebSocket in a reply
	client *clientSide // of a WebSocket

	turn        sync.Mutex // orders the sender and the release of what is held
	frames      frames
	format      string
	contentType string

	arrival              // the event that is coming
	interrupted arrival  // the event in whose middle it comes
	number      int      // of the last event that has one
	waiting     *partner // an event that waits for the next one

	times   timetable // of the waits
	acted   bool      // a step had an effect
	large   bool      // an event was too large
	packed  bool      // an event was compressed
	ended   bool      // the event that ends the stream has come
	passing bool      // the fault has ended, or the reply
	watched bool      // watch runs
}

// A partner is an event that goes out with the next one, or after it.
type partner struct {
	bytes []byte
	after bool
}

// begin takes a reply that is a stream.
func (s *streamer) begin(hit *faults.Hit, header http.Header, length int64) bool {
	format := s.formatOf(header)
	reason := ""
	switch {
	case format == nil, length == 0:
		reason = passNoStream
	case encodingOf(header) != "":
		reason = passEncoded
	case partial(header):
		reason = passPartial
	}
	if reason != "" {
		hit.Pass(reason)
		return false
	}
	hit.Confirm()
	s.shield.raise()
	s.frames, s.format, s.contentType = format.read(), format.name, mediaType(header["Content-Type"])
	if s.format != formatWebSocket {
		header.Del("Content-Length")
		dropValidators(header)
		uncache(header)
	}
	return true
}

// formatOf returns the format of a reply, or nil if it is not a stream.
func (s *streamer) formatOf(header http.Header) *streamFormat {
	upgraded := s.reply.upgraded()
	webSocket := upgraded && strings.EqualFold(header.Get("Upgrade"), "websocket") || s.tunnel && s.reply.code/100 == 2
	switch is := s.f.Format == formatWebSocket; {
	case webSocket && (is || s.f.Format == ""):
		return findFormat(formatWebSocket, nil)
	case webSocket, is, upgraded:
		return nil
	}
	return findFormat(s.f.Format, header)
}

// cameTooLate reports whether the stream has ended before a step had an effect.
func (s *streamer) cameTooLate() bool {
	s.turn.Lock()
	defer s.turn.Unlock()
	return !s.acted
}

// upstream returns the handler for the events. It ends the stream after next.
func (s *streamer) upstream(next caddyhttp.Handler) caddyhttp.Handler {
	return caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) (err error) {
		whole := false
		defer func() {
			if !whole {
				s.breakOff()
			}
		}()
		if err = next.ServeHTTP(w, r); err == nil {
			whole = true
			err = s.endStream()
		}
		return err
	})
}

// write sends the part of a stream. It takes the events apart that a step may need.
func (s *streamer) write(o *outlet, p []byte) (sent int, err error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.isCut() {
		return s.drop(p)
	}
	defer s.rest(o)
	s.times.resume()
	if err = s.checkEnded(o); err != nil {
		return 0, err
	}
	for at := 0; at < len(p) && (!s.passing || s.skips || s.interrupted.skips); {
		s.enter(p[at])
		n, whole := s.frames.scan(p[at:])
		switch {
		case s.skips, s.holds:
			if err = s.pass(o, p[sent:at]); err != nil {
				return sent, err
			}
			sent = at
			if err = s.take(o, p[at:at+n], whole); err != nil {
				return sent, err
			}
			sent += n
		case whole && !s.walked:
			s.count()
		}
		at += n
		s.leave(whole)
	}
	n, err := o.rest(sent, p[sent:])
	s.begun = s.begun || n > 0
	return n, err
}

// rest ends a part of the stream. If something is held, it watches for the end of the
// fault.
func (s *streamer) rest(o *outlet) {
	s.times.pause()
	if s.watched || s.passing || !s.keeps() || o.hit.Ended == nil {
		return
	}
	s.watched = true
	go s.watch(o)
}

// keeps reports whether something is held.
func (s *streamer) keeps() bool {
	return len(s.held) > 0 || len(s.interrupted.held) > 0 || s.waiting != nil
}

// watch releases what is held when the fault ends while the sender is silent.
func (s *streamer) watch(o *outlet) {
	select {
	case <-o.hit.Ended:
	case <-o.ctx.Done():
		return
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	_ = s.checkEnded(o) // an error appears again in the next write
}

// checkEnded releases what is held if the fault has ended.
func (s *streamer) checkEnded(o *outlet) error {
	if s.passing || !o.ended() {
		return nil
	}
	return s.release(o)
}

// release sends what is held. The rest of the stream passes.
func (s *streamer) release(o *outlet) error {
	s.passing = true
	err := s.sendWaiting(o)
	for _, a := range []*arrival{&s.interrupted, &s.arrival} {
		if err == nil && len(a.held) > 0 {
			err = s.send(o, a.held)
		}
		a.held = nil
	}
	return err
}

// pass sends bytes that no step changes. They are not flushed.
func (s *streamer) pass(o *outlet, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	s.begun = true
	_, err := o.Write(p)
	return err
}

// send sends bytes that a step has changed or held.
func (s *streamer) send(o *outlet, p []byte) error {
	s.begun = true
	_, err := o.send(p)
	return err
}

// sendWaiting sends an event that waits for the next one.
func (s *streamer) sendWaiting(o *outlet) error {
	if s.waiting == nil {
		return nil
	}
	p := s.waiting.bytes
	s.waiting = nil
	return s.send(o, p)
}

// flush sends what has been written.
func (s *streamer) flush(o *outlet) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	return o.flush()
}

// endStream takes the steps at the end of a stream that has come whole. An event without
// its end mark counts.
func (s *streamer) endStream() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	o := s.out
	if s.frames == nil || s.passing || s.isCut() {
		return nil
	}
	if s.format == formatWebSocket { // its close frame was the end
		if s.reply.upgraded() { // its connection has sent what was held
			s.passing = true
			return nil
		}
		return s.release(o)
	}
	err := s.checkEnded(o)
	if err == nil && len(s.held) > 0 && !s.passing {
		_, err = s.walk(o, s.held, 0)
		s.held = nil
	}
	if err == nil && !s.passing {
		err = s.sendWaiting(o)
	}
	for i := 0; err == nil && !s.passing && !s.ended && i < len(s.f.Steps); i++ {
		if step := s.f.Steps[i]; step.which.word == eventsEnd {
			s.acted = true
			err = step.action.act(s, o, step, new(outgoing))
		}
	}
	s.passing = true
	if s.isCut() {
		return nil // the cutter ends the reply
	}
	return err
}

// breakOff sends what is held when the stream breaks off, unless the client has left.
// Without the fault, the client would have received it.
func (s *streamer) breakOff() {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.frames == nil || s.passing || s.isCut() || s.out.ctx.Err() != nil {
		s.passing = true
		return
	}
	_ = s.release(s.out) // the sender has already failed
}

// Interface guards
var (
	_ ender       = (*streamer)(nil)
	_ lateShaper  = (*streamer)(nil)
	_ turnShaper  = (*streamer)(nil)
	_ breakShaper = (*streamer)(nil)
)
