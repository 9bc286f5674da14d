package kinds

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// outgoing is what the steps have made of an event.
type outgoing struct {
	bytes   []byte
	mark    int // length of the end mark
	copies  int // beyond the first
	changed bool
	dropped bool
	split   *StreamStep
	waits   *partner // for the next event; nil: does not wait
}

// act is the effect of an action. It sends what goes out before the event, and records
// in e what becomes of the event. An error ends the stream.
type act func(s *streamer, o *outlet, step *StreamStep, e *outgoing) error

// walk takes the steps that fit an event, then sends what is left of it. It reports
// whether the event is dropped.
func (s *streamer) walk(o *outlet, event []byte, mark int) (dropped bool, err error) {
	e := outgoing{bytes: event, mark: mark}
	number := s.count()
	if s.isNamed(eventsEnd) { // a client reads nothing after it, so what waits for the next event goes out
		s.ended = true
		if err = s.sendWaiting(o); err != nil {
			return false, err
		}
	}
	for _, step := range s.f.Steps {
		if !s.fits(step, event, number) {
			continue
		}
		if err = step.action.act(s, o, step, &e); err != nil {
			return false, err
		}
		if s.passing {
			break
		}
	}
	err = s.sendEvent(o, &e, number)
	if err == nil && s.passing {
		err = s.sendWaiting(o)
	}
	return e.dropped, err
}

// sendEvent sends an event, and the one that has waited for it.
func (s *streamer) sendEvent(o *outlet, e *outgoing, number int) error {
	if e.changed {
		s.acted = true
	}
	if !e.changed && (s.waiting == nil || number == 0) {
		return s.pass(o, e.bytes)
	}
	one := e.bytes
	if e.dropped {
		one = nil
	}
	switch before := s.waiting; {
	case before != nil && number > 0:
		s.waiting = nil
		if !before.after {
			one = append(before.bytes, one...)
			break
		}
		if err := s.sendPieces(o, one, e); err != nil {
			return err
		}
		return s.send(o, before.bytes)
	case e.waits != nil && before == nil && !e.dropped && !s.passing:
		s.waiting = e.waits
		s.waiting.bytes = bytes.Repeat(one, 1+e.copies)
		return nil
	}
	return s.sendPieces(o, one, e)
}

// sendPieces sends each copy of an event, in pieces if it is split.
func (s *streamer) sendPieces(o *outlet, one []byte, e *outgoing) error {
	for copies := 0; copies <= e.copies && len(one) > 0; copies++ {
		for rest := one; len(rest) > 0; {
			size := len(rest)
			if e.split != nil && !s.passing {
				size = e.split.pieceOf(one, rest)
			}
			if err := s.send(o, rest[:size]); err != nil {
				return err
			}
			if rest = rest[size:]; len(rest) == 0 {
				break
			}
			if err := s.wait(o, e.split.gap()); err != nil {
				return err
			}
		}
	}
	return nil
}

// defaultGap is the time between two pieces.
const defaultGap = 10 * time.Millisecond

func (s *StreamStep) gap() time.Duration {
	if s.Gap == 0 {
		return defaultGap
	}
	return time.Duration(s.Gap)
}

// pieceOf returns the size of the next piece of an event, of which rest is left.
func (s *StreamStep) pieceOf(event, rest []byte) int {
	begun := len(rest) < len(event)
	switch {
	case s.Size > 0:
		return int(min(s.Size, int64(len(rest))))
	case begun:
		return len(rest)
	case s.At == atUTF8:
		return max(inCharacter(event), 1)
	default:
		return max(len(event)/2, 1)
	}
}

// inCharacter returns a place within the first character of more than one byte, or the
// length of the event if all characters have one byte.
func inCharacter(event []byte) int {
	for i := 0; i < len(event); {
		_, size := utf8.DecodeRune(event[i:])
		if size > 1 {
			return i + 1
		}
		i += size
	}
	return len(event)
}

// wait waits on the timetable. What has been sent before does not wait.
func (s *streamer) wait(o *outlet, d time.Duration) error {
	_ = o.flush() // an error appears again in the next write
	if err := o.wait(s.times.next(d)); err != nil {
		return err
	}
	if err := o.ctx.Err(); err != nil { // at the same moment
		return caddyhttp.Error(faults.StatusClientClosed, err)
	}
	s.passing = s.passing || o.ended()
	return nil
}

func actWait(s *streamer, o *outlet, step *StreamStep, e *outgoing) error {
	e.changed = true
	return s.wait(o, step.Delay.wait(s.rand.Float64()))
}

func actDrop(_ *streamer, _ *outlet, _ *StreamStep, e *outgoing) error {
	e.changed, e.dropped = true, true
	return nil
}

func actRepeat(_ *streamer, _ *outlet, step *StreamStep, e *outgoing) error {
	e.changed = true
	e.copies += max(1, step.Count)
	return nil
}

func actSwap(_ *streamer, _ *outlet, _ *StreamStep, e *outgoing) error {
	e.changed, e.waits = true, &partner{after: true}
	return nil
}

func actJoin(_ *streamer, _ *outlet, _ *StreamStep, e *outgoing) error {
	e.changed, e.waits = true, new(partner)
	return nil
}

func actInsert(s *streamer, o *outlet, step *StreamStep, e *outgoing) error {
	event := s.frames.frame(step.text.Fill(s.repl))
	if event == nil {
		return nil
	}
	e.changed = true
	if before := s.waiting; before != nil && !before.after {
		s.waiting = nil
		event = append(before.bytes, event...)
	}
	return s.send(o, event)
}

func actReplace(s *streamer, _ *outlet, step *StreamStep, e *outgoing) error {
	if event := s.frames.frame(step.text.Fill(s.repl)); event != nil {
		e.changed, e.bytes, e.mark = true, event, s.frames.mark(event)
	}
	return nil
}

func actSplit(_ *streamer, _ *outlet, step *StreamStep, e *outgoing) error {
	if step.At == atUTF8 && inCharacter(e.bytes) == len(e.bytes) {
		return nil
	}
	e.changed, e.split = true, step
	return nil
}

// actHang sends nothing for some time. Without a time, it waits until the client leaves,
// the fault ends or the rule is removed.
func actHang(s *streamer, o *outlet, step *StreamStep, e *outgoing) error {
	e.changed = true
	if step.Duration > 0 {
		return s.wait(o, time.Duration(step.Duration))
	}
	_ = o.flush() // an error appears again in the next write
	if o.hit.Listener != nil {
		o.hit.Listener.Waits()
	}
	select {
	case <-o.hit.Ended:
	case <-o.hit.Removed:
	case <-o.ctx.Done():
		return caddyhttp.Error(faults.StatusClientClosed, o.ctx.Err())
	}
	s.passing = true
	return nil
}

// actCut sends the beginning of the event and ends the stream.
func actCut(s *streamer, o *outlet, step *StreamStep, e *outgoing) error {
	size := len(e.bytes)
	switch {
	case step.At == atUTF8:
		if size = inCharacter(e.bytes); size == len(e.bytes) {
			return nil
		}
	case step.Size > 0:
		size = int(min(step.Size, int64(size)))
	case step.Percent > 0:
		size = int(partOf(int64(size), step.Percent))
	default:
		size -= e.mark
	}
	err := s.sendWaiting(o)
	if err == nil && !e.dropped {
		err = s.send(o, e.bytes[:size])
	}
	if err != nil {
		return err
	}
	return s.endAs(step.End)
}
