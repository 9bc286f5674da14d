package kinds

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// A streamAction is what a step can do to an event.
type streamAction struct {
	name    string
	syntax  string   // of its arguments
	example string   // a line without the events
	fields  []string // fields of the step that it takes, in the order of its arguments
	needs   []string // those that are required
	atEnd   bool     // it also has an effect at the end of the stream
	byHead  bool     // it needs no more of the event than its head
	act     act
}

// streamActions lists all actions.
var streamActions = []streamAction{
	{"wait", "<duration>|<min> <max>|<distribution>", "wait 2s", []string{"delay"}, []string{"delay"}, true, true, actWait},
	{"drop", "", "drop", nil, nil, false, true, actDrop},
	{"repeat", "[<count>]", "repeat 2", []string{"count"}, nil, false, false, actRepeat},
	{"swap", "", "swap", nil, nil, false, false, actSwap},
	{"join", "", "join", nil, nil, false, false, actJoin},
	{"insert", "<text>", "insert `data: {}`", []string{"text"}, []string{"text"}, true, true, actInsert},
	{"replace", "<text>", "replace `data: {}`", []string{"text"}, []string{"text"}, false, false, actReplace},
	{"split", "[<size>|utf8] [<gap>]", "split 7B 20ms", []string{"size", "at", "gap"}, nil, false, false, actSplit},
	{"hang", "[<duration>]", "hang 30s", []string{"duration"}, nil, true, true, actHang},
	{"cut", "[<size>|<percent>%|utf8] [close|reset|clean]", "cut 50%", []string{"size", "percent", "at", "end"}, nil, false, false, actCut},
	{"stop", "[close|reset|clean]|<code> [<text>]", "stop close", []string{"end", "code", "text"}, nil, true, true, actStop},
}

// actionNames returns the names of all actions.
func actionNames() []string {
	names := make([]string, len(streamActions))
	for i, action := range streamActions {
		names[i] = action.name
	}
	return names
}

// findAction returns the action of this name, or nil.
func findAction(name string) *streamAction {
	i := slices.IndexFunc(streamActions, func(a streamAction) bool { return a.name == name })
	if i < 0 {
		return nil
	}
	return &streamActions[i]
}

// actionAdvice returns what to write instead of an action that does not exist.
func actionAdvice(name string) string {
	if advice := words.Suggest(words.Near(name, actionNames())); advice != "" {
		return advice
	}
	return "want one of " + strings.Join(actionNames(), ", ")
}

// A stepField is a field of a step that is one argument in a Caddyfile. Without read, it
// takes all arguments.
type stepField struct {
	name  string
	isSet func(s *StreamStep) bool
	takes func(word string) bool
	read  func(s *StreamStep, word string) error
	write func(s *StreamStep) string
}

// stepFields lists the fields of a step, except those that select events.
var stepFields = []stepField{
	{
		"delay", func(s *StreamStep) bool { return s.Delay != nil }, nil, nil,
		func(s *StreamStep) string { line, _ := s.Delay.lineOfDistribution(); return line },
	},
	{
		"count", func(s *StreamStep) bool { return s.Count != 0 },
		func(string) bool { return true },
		func(s *StreamStep, word string) error { return readCount(word, &s.Count) },
		func(s *StreamStep) string { return strconv.Itoa(s.Count) },
	},
	{
		"size", func(s *StreamStep) bool { return s.Size != 0 },
		func(word string) bool { return strings.HasSuffix(strings.ToLower(word), "b") },
		func(s *StreamStep, word string) error { return readSize(word, &s.Size) },
		func(s *StreamStep) string { return args.FormatSize(s.Size) },
	},
	{
		"percent", func(s *StreamStep) bool { return s.Percent != 0 },
		func(word string) bool { return strings.HasSuffix(word, "%") },
		func(s *StreamStep, word string) error { return readPercent(word, &s.Percent) },
		func(s *StreamStep) string { return args.FormatNumber(s.Percent) + "%" },
	},
	{
		"at", func(s *StreamStep) bool { return s.At != "" },
		func(word string) bool { return word == atUTF8 },
		func(s *StreamStep, word string) error { s.At = word; return nil },
		func(s *StreamStep) string { return s.At },
	},
	{
		"gap", func(s *StreamStep) bool { return s.Gap != 0 },
		func(word string) bool { return beginsWithDigit(word) && !endsWithDigit(word) }, // it may be a size without its unit
		func(s *StreamStep, word string) error { return args.AboveZero("stream gap", &s.Gap)(word) },
		func(s *StreamStep) string { return args.FormatDuration(s.Gap) },
	},
	{
		"duration", func(s *StreamStep) bool { return s.Duration != 0 },
		beginsWithDigit,
		func(s *StreamStep, word string) error { return args.AboveZero("stream duration", &s.Duration)(word) },
		func(s *StreamStep) string { return args.FormatDuration(s.Duration) },
	},
	{
		"code", func(s *StreamStep) bool { return s.Code != "" },
		func(string) bool { return true },
		func(s *StreamStep, word string) (err error) { s.Code = word; _, err = parseStopCode(word); return err },
		func(s *StreamStep) string { return s.Code },
	},
	{
		"text", func(s *StreamStep) bool { return s.Text != "" },
		func(string) bool { return true },
		func(s *StreamStep, word string) error { s.Text = word; return nil },
		func(s *StreamStep) string { return s.Text },
	},
	{
		"end", func(s *StreamStep) bool { return s.End != "" },
		isEnd,
		func(s *StreamStep, word string) error { s.End = word; return nil },
		func(s *StreamStep) string { return s.End },
	},
}

func beginsWithDigit(word string) bool { return word != "" && word[0] >= '0' && word[0] <= '9' }

func endsWithDigit(word string) bool { return beginsWithDigit(word[max(0, len(word)-1):]) }

// readCount reads how often an event is repeated.
func readCount(word string, count *int) error {
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 {
		return fmt.Errorf("bad stream count '%s': want a number from 1, such as repeat 2", words.Cut(word, words.MaxWord))
	}
	*count = n
	return nil
}

// readSize reads a size above 0.
func readSize(word string, size *int64) error {
	n, err := args.ParseSize(word)
	if err == nil && n == 0 {
		err = fmt.Errorf("bad stream size '%s': must be greater than 0; to end the stream before an event, write stop", word)
	}
	*size = n
	return err
}

// readPercent reads a part of an event.
func readPercent(word string, percent *float64) error {
	n, err := args.ParsePercent(word)
	if err == nil && !(n > 0 && n < 100) {
		err = fmt.Errorf("bad stream percent '%s': must be greater than 0%% and less than 100%%", word)
	}
	*percent = n
	return err
}

// unmarshal parses a step. The current word of d is its first.
func (s *StreamStep) unmarshal(d *caddyfile.Dispenser) error {
	if err := s.unmarshalEvents(d); err != nil {
		return err
	}
	if !d.NextArg() {
		return args.Advise(d, "write what happens, such as "+s.eventWords()+" stop close; the actions are "+strings.Join(actionNames(), ", "),
			"stream step '%s' has no action", s.eventWords())
	}
	s.Action = d.Val()
	action := findAction(s.Action)
	if action == nil {
		return args.Advise(d, actionAdvice(s.Action), "bad stream action '%s'", s.Action)
	}
	return s.unmarshalArgs(d, action)
}

// unmarshalEvents parses which events the step is for.
func (s *StreamStep) unmarshalEvents(d *caddyfile.Dispenser) error {
	word := d.Val()
	if target := map[string]*string{eventsHas: &s.Has, eventsNamed: &s.Event}[word]; target != nil {
		if !d.Args(target) || *target == "" {
			return args.Advise(d, "write "+word+" <text> <action>, such as "+word+" done drop", "stream step '%s' has no text", word)
		}
		return nil
	}
	s.Events = word
	_, err := parseSelection(word)
	switch {
	case err == nil:
		return nil
	case findAction(word) != nil:
		return args.Advise(d, "write which events, such as each "+args.Line(d), "stream step '%s' selects no events", word)
	}
	near := words.Near(word, []string{eventsEach, eventsComment, eventsPing, eventsPong, eventsEnd, eventsHas, eventsNamed, "format", "max_event"})
	if advice := words.Suggest(args.Corrected(d, "stream", near)); advice != "" {
		return args.Advise(d, advice, "bad stream events '%s'", word)
	}
	return d.WrapErr(err)
}

// unmarshalArgs parses the arguments of an action.
func (s *StreamStep) unmarshalArgs(d *caddyfile.Dispenser, action *streamAction) error {
	usage := "write " + s.eventWords() + " " + action.example
	if action.syntax != "" {
		usage = "write " + s.eventWords() + " " + action.name + " " + action.syntax + ", such as " + s.eventWords() + " " + action.example
	}
	start := *d
	given := d.RemainingArgs()
	if len(given) < len(action.needs) {
		return args.Advise(d, usage, "stream %s: an argument is missing", action.name)
	}
	if action.name == "wait" {
		*d = start
		s.Delay = new(Delay)
		return s.Delay.unmarshalDistribution(d)
	}
	fields := action.fields
	for _, word := range given {
		i := slices.IndexFunc(fields, func(name string) bool { return fieldOf(name).takes(word) })
		if i < 0 {
			return args.Advise(d, usage, "unexpected argument '%s' of stream %s", word, action.name)
		}
		if err := fieldOf(fields[i]).read(s, word); err != nil {
			return d.WrapErr(err)
		}
		fields = fields[i+1:]
	}
	return nil
}

func fieldOf(name string) stepField {
	return stepFields[slices.IndexFunc(stepFields, func(f stepField) bool { return f.name == name })]
}

// eventWords returns the first words of the step.
func (s *StreamStep) eventWords() string {
	switch {
	case s.Has != "":
		return args.Words([]string{eventsHas, s.Has})
	case s.Event != "":
		return args.Words([]string{eventsNamed, s.Event})
	}
	return s.Events
}

// line returns the step as in a Caddyfile. If a text cannot be written as one word, ok
// is false.
func (s *StreamStep) line() (line string, ok bool) {
	line, ok = s.eventWords()+" "+s.Action, true
	for _, value := range []string{s.Has, s.Event} {
		_, quotable := args.Quote(value)
		ok = ok && (value == "" || quotable)
	}
	for _, field := range stepFields {
		switch {
		case !field.isSet(s):
		case field.name == "text":
			word, quotable := args.Quote(s.Text)
			line, ok = line+" "+word, ok && quotable
		default:
			line += " " + field.write(s)
		}
	}
	if s.Delay != nil {
		_, written := s.Delay.lineOfDistribution()
		ok = ok && written && s.Delay.Distribution == ""
	}
	return line, ok
}

// String returns the step for an error.
func (s *StreamStep) String() string {
	line, _ := s.line()
	return words.Cut(line, words.MaxWord)
}
