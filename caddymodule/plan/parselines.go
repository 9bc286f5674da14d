package plan

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

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
		return value, err == nil && value >= 0 && !math.IsInf(value, 0)
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
