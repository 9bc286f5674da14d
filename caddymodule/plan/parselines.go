package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

// checkLine reads a check.
func (p *parser) checkLine(s statement) {
	if len(s.args) < 3 {
		p.bad(&s, "plan")
		return
	}
	c := &Check{Name: s.args[0], at: s.at}
	kind, words := s.args[1], s.args[2:]
	switch kind {
	case "http":
		if c.HTTP = words[0]; len(words) != 1 {
			p.bad(&s, "plan")
		}
	case "command":
		c.Command = words
		p.quotes(&s)
	case "seen":
		c.Seen = p.seen(&s, words)
	default:
		c.wrong = true
		p.wrong(s.at, "check "+c.Name+" http http://localhost:8080/health", "unknown kind of check '%s': want http, seen or command", cut(kind))
	}
	p.plan.Checks = append(p.plan.Checks, c)
	p.forget("check")
	for _, line := range s.block {
		if p.known(&line, "check", "") {
			p.checkOption(&line, c)
		}
	}
}

func (p *parser) checkOption(s *statement, c *Check) {
	if c.HTTP == "" && (s.word == "status" || s.word == "body") {
		p.wrong(s.at, "every 5s", "%s is for a check by http", s.word)
		return
	}
	switch s.word {
	case "status":
		if len(s.args) == 0 {
			p.bad(s, "check")
		}
		c.Status = p.statuses(s.at, s.args)
	case "within":
		p.duration(s, "check", &c.Within)
	case "body":
		p.text(s, "check", &c.Body)
	case "every":
		p.duration(s, "check", &c.Every)
	case "fails":
		p.number(s, "check", &c.Fails)
	}
}

// seen reads `<point> <figure> <op> <value> [over <d>]`.
func (p *parser) seen(s *statement, words []string) *Seen {
	write := strings.Join([]string{"check", cut(s.args[0]), "seen", cut(words[0]), "success >= 99% over 30s"}, " ")
	seen := &Seen{Point: words[0]}
	if n := len(words); n == 6 && words[4] == "over" {
		seen.Over = p.durationOf(s, words[5])
		words = words[:4]
	}
	if len(words) != 4 {
		p.wrong(s.at, write, "seen compares a figure of a point with a value")
		return seen
	}
	seen.Figure, seen.Op = words[1], words[2]
	var ok bool
	if seen.Value, ok = figureValue(seen.Figure, words[3]); !ok {
		if like := valueLike(seen.Figure, words[3]); like != "" {
			write = p.mended(s.at, words[3], like, write)
		}
		p.wrong(s.at, write, "bad value '%s' of %s: want a percentage for success, such as 99%%, a rate such as 20/s, and a duration for p50, p95 and p99", cut(words[3]), cut(seen.Figure))
	}
	return seen
}

// figureValue reads a value that a figure is compared with. A value of an unknown figure
// is read as a number.
func figureValue(figure, text string) (value float64, ok bool) {
	switch {
	case strings.HasPrefix(figure, "p"):
		d, err := caddy.ParseDuration(text)
		return d.Seconds(), err == nil && d >= 0
	case figure == "rate":
		value, err := strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
		return value, err == nil && value >= 0
	case figure == "success":
		digits, percent := strings.CutSuffix(text, "%")
		value, err := strconv.ParseFloat(digits, 64)
		if percent {
			value /= 100
		}
		return value, err == nil && value >= 0 && value <= 1
	default:
		return 0, true
	}
}

func (p *parser) abort(s statement) {
	a := &Abort{at: s.at}
	whole := s
	if text, found := s.takeAfter("for"); found {
		a.For = p.durationOf(&whole, text)
	}
	if a.Checks = s.args; len(s.args) == 0 {
		p.bad(&s, "plan")
		return
	}
	p.plan.Aborts = append(p.plan.Aborts, a)
}

// run reads a command.
func (p *parser) run(s statement, owner string, target *[]*Run) {
	r := &Run{at: s.at}
	words := s.args
	if s.word == "run" && len(words) > 2 && words[0] == "as" {
		r.As, words = words[1], words[2:]
	}
	if r.Command = words; len(words) == 0 || words[0] == "" {
		p.bad(&s, owner)
		return
	}
	p.quotes(&s)
	*target = append(*target, r)
}

// quotes refuses words that a shell would quote. The lexer of Caddyfiles knows double
// quotes and backticks only.
func (p *parser) quotes(s *statement) {
	i := slices.IndexFunc(s.args, func(word string) bool { return strings.HasPrefix(word, "'") })
	if i < 0 {
		return
	}
	line := s.word + " " + strings.Join(s.args[:i], " ")
	rest := strings.Join(s.args[i:], " ")
	text, after, closed := strings.Cut(rest[1:], "'")
	if !closed {
		text, after = rest[1:], ""
	}
	quoted, _ := args.Quote(text)
	p.wrong(s.at, line+" "+quoted+after, "single quotes are a part of the word here: want double quotes or backticks")
}

// stage reads a stage.
func (p *parser) stage(s statement) {
	stage := &Stage{at: s.at}
	if !s.braces && (len(s.args) == 1 || len(s.args) == 2) {
		p.noBlock(&s)
		p.plan.Stages = append(p.plan.Stages, &Stage{Name: s.args[0], Duration: Duration(defaultEvery), at: s.at})
		return
	}
	if len(s.args) < 1 || len(s.args) > 2 || !s.braces {
		p.bad(&s, "plan")
		return
	}
	stage.Name = s.args[0]
	if len(s.args) == 2 {
		stage.Duration = p.durationOf(&s, s.args[1])
	}
	p.plan.Stages = append(p.plan.Stages, stage)
	p.forget("stage")
	for _, line := range s.block {
		if p.known(&line, "stage", "fault keep run off expect") {
			p.stageLine(line, stage)
		}
	}
}

func (p *parser) stageLine(s statement, stage *Stage) {
	switch s.word {
	case "keep":
		if len(s.args) == 0 || s.args[0] != "fault" {
			p.bad(&s, "stage")
			return
		}
		p.fault(s.cut(), stage, true)
	case "fault":
		p.fault(s, stage, false)
	case "run":
		p.run(s, "stage", &stage.Runs)
	case "off":
		if len(s.args) == 0 {
			p.bad(&s, "stage")
			return
		}
		stage.Off, stage.offAt = append(stage.Off, s.args...), s.at
	case "until":
		p.until(s, stage)
	case "recover":
		if stage.Recover = true; len(s.args) > 0 {
			p.bad(&s, "stage")
		}
	case "expect":
		p.expect(&s, stage)
	}
}

func (p *parser) until(s statement, stage *Stage) {
	u := &Until{at: s.at}
	whole := s
	if text, found := s.takeAfter("within"); found {
		u.Within = p.durationOf(&whole, text)
	}
	if len(s.args) != 1 {
		p.bad(&whole, "stage")
		return
	}
	u.Check = s.args[0]
	stage.Until = u
}

// fault reads a fault. Of the lines of its block that are wrong, each is reported: a wrong
// line is taken out, and the rest is read again.
func (p *parser) fault(s statement, stage *Stage, keep bool) {
	f := &Fault{Keep: keep, at: s.at, pointAt: s.at}
	if !s.braces && len(s.args) == 1 {
		p.noBlock(&s)
		return
	}
	if len(s.args) != 1 || !s.braces {
		p.bad(&s, "stage")
		return
	}
	f.Name = s.args[0]
	for _, line := range s.block {
		if line.word == "point" {
			f.pointAt = line.at
		}
	}
	stage.Faults = append(stage.Faults, f)
	tokens := slices.Clone(s.tokens)
	for first := true; ; first = false {
		d := caddyfile.NewDispenser(tokens)
		d.Next()
		d.NextArg()
		experiment, err := p.faults(d, f.Name)
		if err == nil {
			f.Experiment = experiment
			return
		}
		problem := problemOf(err, s.at)
		if problem.Write == "" {
			problem.Write = instead(tokens, problem.Line)
		}
		ofBlock := problem.Line == s.at.line
		if first || !ofBlock { // what a line that was taken out leaves is not a problem
			p.problems = append(p.problems, problem)
		}
		shorter := without(tokens, problem.Line)
		if ofBlock || len(shorter) == len(tokens) {
			return
		}
		tokens = shorter
	}
}

// noBlock records that a line has no block.
func (p *parser) noBlock(s *statement) {
	_, block, _ := strings.Cut(forms["stage fault"].example, "{")
	if s.word == "stage" {
		_, block, _ = strings.Cut(forms["plan stage"].example, "{")
	}
	p.wrong(s.at, s.line()+" {"+block, "%s '%s' has no block", s.word, cut(s.args[0]))
}

// instead returns an example of the word in a line.
func instead(tokens caddyfile.Segment, line int) string {
	for _, token := range tokens {
		if token.Line != line {
			continue
		}
		if one := example(token.Text); one != "" && token.Text != "fault" {
			return one
		}
		break
	}
	return "respond 503"
}

// without returns the tokens of a block without the line, and its block.
func without(tokens caddyfile.Segment, line int) caddyfile.Segment {
	d := caddyfile.NewDispenser(tokens)
	d.Next()
	d.NextArg()
	from, count := 0, 0
	for d.NextBlock(0) {
		at := d.Line()
		segment := d.NextSegment()
		if at <= line && line <= segment[len(segment)-1].Line {
			from = slices.IndexFunc(tokens, func(t caddyfile.Token) bool { return t.Line == at })
			count = len(segment)
			break
		}
	}
	if count == 0 {
		return tokens
	}
	return slices.Delete(slices.Clone(tokens), from, from+count)
}

// expect reads an expectation.
func (p *parser) expect(s *statement, stage *Stage) {
	e := &Expect{at: s.at}
	switch {
	case len(s.args) == 0:
		p.bad(s, "stage")
		return
	case s.args[0] == "verify":
		if !e.readVerify(s.args[1:]) {
			p.wrong(s.at, verifyLike(s.args[1:]), "expect verify compares the hits of a rule: want verify <rule> at_least|at_most|exactly <n>")
			return
		}
	case s.args[0] == "no" && len(s.args) > 1:
		e.No = s.args[1:]
	case s.args[0] == "recovered" && len(s.args) == 1:
		e.Recovered = true
	case len(s.args) == 1:
		e.Check = s.args[0]
	default:
		p.bad(s, "stage")
		return
	}
	stage.Expects = append(stage.Expects, e)
}

// readVerify reads a rule and its bounds.
func (e *Expect) readVerify(words []string) bool {
	if len(words) != 3 && len(words) != 5 {
		return false
	}
	e.Verify = words[0]
	for bounds := words[1:]; len(bounds) > 0; bounds = bounds[2:] {
		n, err := strconv.Atoi(bounds[1])
		if err != nil || n < 0 {
			return false
		}
		switch bounds[0] {
		case "at_least":
			e.AtLeast = &n
		case "at_most":
			e.AtMost = &n
		case "exactly":
			e.AtLeast, e.AtMost = &n, &n
		default:
			return false
		}
	}
	return true
}
