package kinds

import (
	"math/rand/v2"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// A streamer is the shaper of one stream. It holds an event only if a step may need it.
// All other bytes pass as they come.
type streamer struct {
	cutter
	f        *Stream
	rand     *rand.Rand
	repl     *caddy.Replacer
	shield   shield
	upgraded *bool // the reply has become a connection

	turn        sync.Mutex // orders the sender and the release of what is held
	frames      frames
	format      string
	contentType string
	number      int       // of the last event that has one
	inside      bool      // of an event
	holds       bool      // the current event
	held        []byte    // of the current event so far
	waiting     *partner  // an event that waits for the next one
	times       timetable // of the waits
	acted       bool      // a step had an effect
	large       bool      // an event was too large
	passing     bool      // the fault has ended, or the reply
	watched     bool      // watch runs
}

// A partner is an event that goes out with the next one, or after it.
type partner struct {
	bytes []byte
	after bool
}

// begin takes a reply that is a stream.
func (s *streamer) begin(hit *faults.Hit, header http.Header, length int64) bool {
	format := findFormat(s.f.Format, header)
	reason := ""
	switch {
	case format == nil, length == 0, *s.upgraded:
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
	header.Del("Content-Length")
	dropValidators(header)
	uncache(header)
	return true
}

// cameTooLate reports whether the stream has ended before a step had an effect.
func (s *streamer) cameTooLate() bool { return !s.acted }

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
	for at := 0; at < len(p) && !s.passing; {
		if !s.inside {
			s.inside, s.holds = true, s.mayNeed()
		}
		n, whole := s.frames.scan(p[at:])
		piece := p[at : at+n]
		if s.holds {
			if err = s.pass(o, p[sent:at]); err != nil {
				return sent, err
			}
			sent = at
			if err = s.hold(o, piece, whole); err != nil {
				return sent, err
			}
			sent += n
		} else if whole {
			s.count()
		}
		at += n
		s.inside = !whole
	}
	n, err := o.rest(sent, p[sent:])
	s.begun = s.begun || n > 0
	return n, err
}

// rest ends a part of the stream. If something is held, it watches for the end of the
// fault.
func (s *streamer) rest(o *outlet) {
	s.times.pause()
	if s.watched || s.passing || len(s.held) == 0 && s.waiting == nil || o.hit.Ended == nil {
		return
	}
	s.watched = true
	go s.watch(o)
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
	if err == nil && len(s.held) > 0 {
		_, err = o.send(s.held)
		s.begun = true
	}
	s.held = nil
	return err
}

// mayNeed reports whether a step may need the next event.
func (s *streamer) mayNeed() bool {
	if s.waiting != nil {
		return true
	}
	for _, step := range s.f.Steps {
		if step.which.word != eventsEnd && (!step.which.numbered() || step.which.includes(s.number+1)) {
			return true
		}
	}
	return false
}

// count gives the event that has just been read its number, or 0 if it gets none.
func (s *streamer) count() (number int) {
	if !s.frames.counts() {
		return 0
	}
	s.number++
	return s.number
}

// hold keeps a piece of an event. When the event is whole, it takes the steps.
func (s *streamer) hold(o *outlet, piece []byte, whole bool) error {
	if int64(len(s.held)+len(piece)) > s.maxEvent() {
		return s.tooLarge(o, piece, whole)
	}
	event := piece
	if len(s.held) > 0 || !whole {
		s.held = append(s.held, piece...)
		event = s.held
	}
	if !whole {
		return nil
	}
	err := s.walk(o, event, s.frames.mark(event))
	s.forget()
	return err
}

// maxKept limits the memory that is kept for the next event that comes in pieces.
const maxKept = 16 << 10

// forget drops the event that was held.
func (s *streamer) forget() {
	if s.held = s.held[:0]; cap(s.held) > maxKept {
		s.held = nil
	}
}

// tooLarge passes an event that is too large to hold.
func (s *streamer) tooLarge(o *outlet, piece []byte, whole bool) error {
	if !s.large {
		s.large = true
		o.hit.Pass(passTooLarge)
	}
	s.holds = false
	err := s.sendWaiting(o)
	if err == nil {
		err = s.pass(o, s.held)
	}
	if s.held = nil; err == nil {
		err = s.pass(o, piece)
	}
	if whole {
		s.count()
	}
	return err
}

func (s *streamer) maxEvent() int64 {
	if s.f.MaxEvent == 0 {
		return defaultMaxSize
	}
	return s.f.MaxEvent
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
	err := s.checkEnded(o)
	if err == nil && len(s.held) > 0 && !s.passing {
		err = s.walk(o, s.held, 0)
		s.held = nil
	}
	if err == nil && !s.passing {
		err = s.sendWaiting(o)
	}
	for i := 0; err == nil && !s.passing && i < len(s.f.Steps); i++ {
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
