package kinds

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// StreamStep is one step of a Stream: which events, and what happens to them.
type StreamStep struct {
	// Which events: a number such as `3`, a range such as `3-6` or `3-`, `each`, a
	// chance such as `10%`, `comment`, `ping`, `pong`, or `end`. The first event is 1.
	// Server-sent events without data have no number: `comment` means them. Neither do
	// the control frames of a WebSocket: `ping` and `pong` mean them, and `end` means
	// the close frame. Either `events`, `has` or `event` is required.
	Events string `json:"events,omitempty"`

	// Events that contain this text.
	Has string `json:"has,omitempty"`

	// Server-sent events of this name.
	Event string `json:"event,omitempty"`

	// What happens: `wait`, `drop`, `repeat`, `swap`, `join`, `insert`, `replace`,
	// `split`, `hang`, `cut` or `stop`. Required.
	Action string `json:"action,omitempty" schema:"enum=wait|drop|repeat|swap|join|insert|replace|split|hang|cut|stop"`

	// For `wait`: how long, as in the fault `delay`, without its options.
	Delay *Delay `json:"delay,omitempty"`

	// For `repeat`: how often the event is sent again. Default: 1.
	Count int `json:"count,omitempty" zero:"default"`

	// For `split` and `cut`: the size of a piece, or of what is sent, in bytes.
	Size int64 `json:"size,omitempty" zero:"default"`

	// For `cut`: the part of the event that is sent, in percent, above 0 and below 100.
	Percent float64 `json:"percent,omitempty" zero:"default"`

	// For `split` and `cut`: `utf8` for the middle of the first character of more than
	// one byte.
	At string `json:"at,omitempty"`

	// For `split`: the time between two pieces. Default: 10ms.
	Gap caddy.Duration `json:"gap,omitempty" zero:"default"`

	// For `hang`: how long. Default: until the client leaves.
	Duration caddy.Duration `json:"duration,omitempty" zero:"default"`

	// For `stop`: the code with which the stream ends. For gRPC it is a status, a number
	// from 0 to 16 or a name, such as `UNAVAILABLE`. For a WebSocket it is a close code
	// from 1000 to 4999, except 1004 to 1006 and 1015. Either `code` or `end` can be set.
	Code string `json:"code,omitempty"`

	// For `insert` and `replace`: the event, without its end mark. For `stop` with a
	// code: the message, for a WebSocket at most 123 bytes. It can have placeholders.
	Text string `json:"text,omitempty"`

	// For `cut` and `stop`: how the reply ends, `close`, `reset` or `clean`. Default:
	// `close`.
	End string `json:"end,omitempty"`

	which  selection
	action *streamAction
	text   text.Text
	code   stopCode
}

// A selection is what Events means.
type selection struct {
	from, to int     // numbers; to is 0 without a limit
	chance   float64 // 0 to 1
	word     string  // comment, ping, pong, end, or ""
}

// The words of a selection.
const (
	eventsEach    = "each"
	eventsComment = "comment"
	eventsPing    = "ping"
	eventsPong    = "pong"
	eventsEnd     = "end"
	eventsHas     = "has"
	eventsNamed   = "event"
)

// atUTF8 is the value of At.
const atUTF8 = "utf8"

// eventsForms are the ways to select events, for errors.
const eventsForms = "a number such as 3, a range such as 3-6 or 3-, each, a percentage such as 10%, has <text>, event <name>, comment, ping, pong or end"

// numbered reports whether the selection consists of numbers.
func (s selection) numbered() bool { return s.from > 0 }

// single reports whether the selection is one event at most.
func (s selection) single() bool { return s.numbered() && s.from == s.to || s.word == eventsEnd }

// includes reports whether the selection includes the event of a number.
func (s selection) includes(number int) bool {
	return s.numbered() && s.from <= number && (s.to == 0 || number <= s.to)
}

// isControl reports whether the selection consists of control frames.
func (s selection) isControl() bool { return s.word == eventsPing || s.word == eventsPong }

// parseSelection parses the value of Events.
func parseSelection(word string) (selection, error) {
	bad := func(why string) (selection, error) {
		return selection{}, fmt.Errorf("bad stream events '%s': %s", words.Cut(word, words.MaxWord), why)
	}
	switch {
	case word == eventsEach:
		return selection{from: 1}, nil
	case word == eventsComment, word == eventsPing, word == eventsPong, word == eventsEnd:
		return selection{word: word}, nil
	case strings.HasSuffix(word, "%"):
		percent, err := args.ParsePercent(word)
		if err != nil || !(percent > 0 && percent <= 100) {
			return bad("a chance is above 0% and at most 100%")
		}
		return selection{chance: percent / 100}, nil
	}
	first, last, isRange := strings.Cut(word, "-")
	from, err := strconv.Atoi(first)
	if err != nil {
		return bad("want " + eventsForms)
	}
	to := from
	if isRange {
		if to, err = strconv.Atoi(last); last == "" {
			to, err = 0, nil
		}
	}
	switch {
	case err != nil:
		return bad("want " + eventsForms)
	case from < 1:
		return bad("the first event is 1")
	case to != 0 && to < from, last == "0":
		return bad("the range ends before it begins")
	}
	return selection{from: from, to: to}, nil
}

// validate checks the step, for a stream of this format or of any.
func (s *StreamStep) validate(format string) error {
	if err := s.validateSelection(format); err != nil {
		return err
	}
	if s.action = findAction(s.Action); s.action == nil {
		return fmt.Errorf("bad stream action '%s': %s", words.Cut(s.Action, words.MaxWord), actionAdvice(s.Action))
	}
	for _, field := range stepFields {
		switch has := field.isSet(s); {
		case has && !slices.Contains(s.action.fields, field.name):
			return fmt.Errorf("stream %s takes no %s; remove it, or choose another action than %s", s.Action, field.name, s.Action)
		case !has && slices.Contains(s.action.needs, field.name):
			return fmt.Errorf("stream %s needs %s, such as %s %s", s.Action, field.name, s.eventWords(), s.action.example)
		}
	}
	if s.which.word == eventsEnd && !s.action.atEnd {
		return fmt.Errorf("stream end %s has no effect: after the last event only wait, insert, hang and stop do something", s.Action)
	}
	return s.validateFields(format)
}

// validateSelection checks which events the step is for.
func (s *StreamStep) validateSelection(format string) (err error) {
	var given []string
	for _, each := range []struct{ name, value string }{{"events", s.Events}, {"has", s.Has}, {"event", s.Event}} {
		if each.value != "" {
			given = append(given, each.name)
		}
	}
	switch {
	case len(given) == 0:
		return errors.New("a stream step has no events; write " + eventsForms)
	case len(given) > 1:
		return fmt.Errorf("a stream step has both %s and %s; remove one of them", given[0], given[1])
	}
	s.which = selection{}
	if s.Events != "" {
		if s.which, err = parseSelection(s.Events); err != nil {
			return err
		}
	}
	switch needs, what := s.formatOfEvents(); {
	case needs == "", format == "", format == needs:
		return nil
	default:
		return fmt.Errorf("stream %s needs %s, and the format is %s; remove the step or the format", s.eventWords(), what, format)
	}
}

// formatOfEvents returns the format that has the selected events, and its name in words.
// It returns "" for events that every format has.
func (s *StreamStep) formatOfEvents() (format, what string) {
	switch {
	case s.Event != "", s.which.word == eventsComment:
		return formatSSE, "server-sent events"
	case s.which.isControl():
		return formatWebSocket, "a WebSocket"
	}
	return "", ""
}

// validateFormat checks that the action has a meaning in a format.
func (s *StreamStep) validateFormat(format string) error {
	bad := false
	switch {
	case format == "":
	case s.Code != "":
		bad = s.code.format() != format
	case format == formatGRPC && slices.Contains(s.action.needs, "text"):
		bad = true
	case (format == formatGRPC || format == formatWebSocket) && s.Action == "cut" && s.Size == 0 && s.Percent == 0 && s.At == "":
		return fmt.Errorf("stream %s needs a size in format %s, because a message has no end mark; write %s cut 50%%", s, format, s.eventWords())
	}
	if bad {
		return fmt.Errorf("stream %s has no meaning in format %s; remove the step or the format", s, format)
	}
	if s.which.isControl() && slices.Contains(s.action.needs, "text") {
		message := *s
		message.Events = "3"
		return fmt.Errorf("stream %s: the text is a message, not a control frame; name a message by its number, such as %s", s, &message)
	}
	return nil
}

// validateFields checks the values of the fields.
func (s *StreamStep) validateFields(format string) (err error) {
	if s.Code != "" {
		if s.code, err = parseStopCode(s.Code); err != nil {
			return err
		}
	}
	if err := s.validateFormat(format); err != nil {
		return err
	}
	places := 0
	for _, given := range []bool{s.Size != 0, s.Percent != 0, s.At != ""} {
		if given {
			places++
		}
	}
	switch {
	case places > 1:
		return fmt.Errorf("stream %s has more than one of size, percent and at; keep one of them", s.Action)
	case s.Count < 0:
		return fmt.Errorf("bad stream count '%d': must be 1 or greater", s.Count)
	case s.Size < 0:
		return fmt.Errorf("bad stream size '%d': must be greater than 0", s.Size)
	case !(s.Percent >= 0 && s.Percent < 100):
		return fmt.Errorf("bad stream percent '%v': must be greater than 0 and less than 100", s.Percent)
	case s.At != "" && s.At != atUTF8:
		return fmt.Errorf("bad stream at '%s': want %s", s.At, atUTF8)
	case s.Gap < 0:
		return fmt.Errorf("bad stream gap '%s': must not be negative", time.Duration(s.Gap))
	case s.Duration < 0:
		return fmt.Errorf("bad stream duration '%s': must not be negative", time.Duration(s.Duration))
	case s.End != "" && !isEnd(s.End):
		return fmt.Errorf("bad stream end '%s': want close, reset or clean", s.End)
	case s.Action == "stop" && s.Text != "" && s.Code == "":
		return errors.New("stream stop has a text without a code; write one, such as stop UNAVAILABLE <text>")
	case s.code.format() == formatWebSocket && len(s.Text) > maxReason && text.New(s.Text, nil).Static():
		return fmt.Errorf("the text of stream stop %s has %d bytes; at most %d are allowed", s.Code, len(s.Text), maxReason)
	case s.Code != "" && s.End != "":
		return fmt.Errorf("stream stop has both code %s and end %s; remove one of them", s.Code, s.End)
	case s.which.word == eventsEnd && s.End == endClean:
		return errors.New("stream end stop clean has no effect, because the stream ends there anyway; remove it")
	case s.Delay == nil:
		return nil
	case s.Delay.AtLeast != 0 || s.Delay.AtMost != 0 || s.Delay.Hold:
		return errors.New("the delay of a stream step has no at_least, at_most or hold; remove it")
	}
	return s.Delay.Validate()
}

// ends reports whether the step ends every walk that takes it.
func (s *StreamStep) ends() bool {
	switch s.Action {
	case "stop":
		return s.Code == "" // another format has no such code
	case "cut":
		return s.At == ""
	case "hang":
		return s.Duration == 0
	}
	return false
}

// prepare prepares a valid step for use.
func (s *StreamStep) prepare() {
	s.text = text.New(s.Text, eventEscaper(s.Text))
	if s.Delay != nil {
		s.Delay.quantile = s.Delay.distribution().quantile()
	}
}

// eventEscaper returns the escaper for the placeholders of an event. JSON after the field
// data, or at the beginning of a line, stays JSON. In any other text, a value cannot
// begin another line.
func eventEscaper(event string) text.Escaper {
	for line := range strings.Lines(event) {
		if line = strings.TrimPrefix(line, dataField); text.LooksLikeJSON(line) {
			return text.BodyEscaper("application/json", "")
		}
	}
	return strings.NewReplacer("\r", " ", "\n", " ").Replace
}

// maxUntrustedCount limits how often a trigger can repeat an event.
const maxUntrustedCount = 100

// untrusted limits the step for a trigger. Only a wait for a single event is known in
// advance.
func (s *StreamStep) untrusted(l *faults.Limits) error {
	switch {
	case s.Text != "" && !l.Texts:
		return fmt.Errorf("stream %s is not allowed in a trigger, because it has a text", s.Action)
	case s.Count > maxUntrustedCount:
		return fmt.Errorf("stream count '%d' is too large for a trigger; at most %d are allowed", s.Count, maxUntrustedCount)
	}
	switch single := s.which.single(); {
	case s.Action == "split", s.Action == "wait" && !single, s.Action == "hang" && !single:
		l.OpenEnded = true
	case s.Action == "wait":
		return s.Delay.Untrusted(l)
	case s.Action == "hang" && s.Duration > 0:
		return l.Take(time.Duration(s.Duration))
	case s.Action == "hang":
		rest, err := l.TakeRest()
		s.Duration = caddy.Duration(rest)
		return err
	}
	return untrustedSize(&s.Size)
}
