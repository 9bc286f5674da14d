package kinds

import (
	"bytes"
)

// An arrival is an event that is coming. Only a part of it may have come.
type arrival struct {
	inside bool   // the event has begun
	holds  bool   // it is held, because a step may need it
	held   []byte // what has come of it
	walked bool   // its steps have been taken
	skips  bool   // the rest of it is dropped
}

// enter prepares for the bytes of an event, of which first comes next.
func (s *streamer) enter(first byte) {
	if nested, ok := s.frames.(nestedFrames); ok && s.inside && nested.interrupts(first) {
		s.interrupted, s.arrival = s.arrival, arrival{}
	}
	if !s.inside {
		s.inside, s.holds, s.walked, s.skips = true, !s.passing && s.mayNeed(), false, false
	}
}

// leave ends the event if it is whole. An event that was interrupted goes on.
func (s *streamer) leave(whole bool) {
	switch {
	case !whole:
	case s.interrupted.inside:
		s.arrival, s.interrupted = s.interrupted, arrival{}
	default:
		s.inside, s.skips = false, false
	}
}

// mayNeed reports whether a step may need the next event. In the middle of an event that
// is held, an event must be whole before it goes out, or what is held could be released
// into it.
func (s *streamer) mayNeed() bool {
	if s.waiting != nil || len(s.interrupted.held) > 0 {
		return true
	}
	for _, step := range s.f.Steps {
		switch which := step.which; {
		case which.word == eventsEnd && !s.hasMessages():
		case !which.numbered(), which.includes(s.number + 1):
			return true
		}
	}
	return false
}

// need says how much of an event the steps need.
type need int

const (
	needNothing need = iota
	needHead
	needAll
)

// needs returns what the steps need of the event whose head has been read.
func (s *streamer) needs() (most need) {
	heads, ok := s.frames.(headFrames)
	if !ok || !heads.headRead() || s.waiting != nil || len(s.interrupted.held) > 0 {
		return needAll
	}
	number := 0
	if s.frames.counts() {
		number = s.number + 1
	}
	for _, step := range s.f.Steps {
		switch {
		case !s.selects(step, nil, number):
		case step.Has == "" && step.action.byHead:
			most = needHead
		default:
			return needAll
		}
	}
	return most
}

// selects reports whether a step is for an event, if its text and its chance fit. number
// is 0 for an event without one.
func (s *streamer) selects(step *StreamStep, event []byte, number int) bool {
	switch which := step.which; {
	case step.Has != "":
		return number > 0 || s.format == formatSSE
	case step.Event != "":
		return s.format == formatSSE && s.frames.name(event) == step.Event
	case which.word == eventsComment:
		return s.format == formatSSE && number == 0
	case which.word != "":
		return s.isNamed(which.word)
	default:
		return number > 0 && (which.chance > 0 || which.includes(number))
	}
}

// hasMessages reports whether the events are messages. Their stream has events of other
// names, such as the one that ends it.
func (s *streamer) hasMessages() bool { return s.format == formatGRPC || s.format == formatWebSocket }

// isNamed reports whether the current event is such an event.
func (s *streamer) isNamed(name string) bool { return s.hasMessages() && s.frames.name(nil) == name }

// fits reports whether a step is for an event.
func (s *streamer) fits(step *StreamStep, event []byte, number int) bool {
	switch {
	case !s.selects(step, event, number):
		return false
	case step.Has != "":
		return bytes.Contains(s.textOf(event), []byte(step.Has))
	default:
		return step.which.chance == 0 || s.rand.Float64() < step.which.chance
	}
}

// textOf returns the text of an event in which a step looks. A compressed event has none.
func (s *streamer) textOf(event []byte) []byte {
	frames, ok := s.frames.(textFrames)
	if !ok {
		return event
	}
	text, ok := frames.text(event)
	switch {
	case ok:
		return text
	case !s.packed:
		s.packed = true
		s.out.hit.Pass(passEncoded)
	}
	return nil
}

// count gives the event that has just been read its number, or 0 if it gets none.
func (s *streamer) count() (number int) {
	if !s.frames.counts() {
		return 0
	}
	s.number++
	return s.number
}

// take takes a piece of an event that is held or dropped.
func (s *streamer) take(o *outlet, piece []byte, whole bool) error {
	if s.skips {
		return nil
	}
	switch need := s.needs(); {
	case need == needNothing:
		return s.giveUp(o, piece, whole)
	case need == needHead:
		return s.walkHead(o, piece)
	case int64(len(s.held)+len(piece)) > s.maxEvent():
		if !s.large {
			s.large = true
			o.hit.Pass(passTooLarge)
		}
		if err := s.sendWaiting(o); err != nil {
			return err
		}
		return s.giveUp(o, piece, whole)
	}
	event := piece
	if len(s.held) > 0 || !whole {
		s.held = append(s.held, piece...)
		event = s.held
	}
	if !whole {
		return nil
	}
	_, err := s.walk(o, event, s.frames.mark(event))
	s.forget()
	return err
}

// giveUp passes an event that is not held any longer.
func (s *streamer) giveUp(o *outlet, piece []byte, whole bool) error {
	s.holds = false
	err := s.pass(o, s.held)
	if s.forget(); err == nil {
		err = s.pass(o, piece)
	}
	if whole {
		s.count()
	}
	return err
}

// walkHead takes the steps of an event that need no more than its head. The rest of the
// event passes or is dropped.
func (s *streamer) walkHead(o *outlet, piece []byte) (err error) {
	event := s.held
	if len(event) == 0 {
		event, piece = piece, nil
	}
	s.holds, s.walked = false, true
	s.skips, err = s.walk(o, event, 0)
	if s.forget(); err != nil || s.skips {
		return err
	}
	return s.pass(o, piece)
}

// maxKept limits the memory that is kept for the next event that comes in pieces.
const maxKept = 16 << 10

// forget drops the event that was held.
func (s *streamer) forget() {
	if s.held = s.held[:0]; cap(s.held) > maxKept {
		s.held = nil
	}
}

func (s *streamer) maxEvent() int64 {
	if s.f.MaxEvent == 0 {
		return defaultMaxSize
	}
	return s.f.MaxEvent
}
