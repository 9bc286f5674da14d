package plan

import (
	"hash/fnv"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// check checks a plan that has been read, and fills in what it leaves out.
func (p *parser) check() {
	plan := p.plan
	if plan.TTL == 0 {
		plan.TTL = Duration(DefaultTTL)
	}
	if plan.Settle == 0 {
		plan.Settle = Duration(DefaultSettle)
	}
	if time.Duration(plan.TTL) < minTTL {
		p.wrong(p.ttl, "ttl 30s", "ttl %s: want %s or more, since faults end unless they are extended in time", plan.TTL, Duration(minTTL))
	}
	if slices.Contains(plan.Addresses, "") {
		p.wrong(p.address, forms["plan address"].example, "an address is empty, as from a variable that is not set")
	}
	p.name(p.top, "plan", plan.Name)
	if plan.Baseline > 0 && len(plan.Checks) == 0 {
		p.wrong(p.base, forms["plan check"].example, "baseline: all checks must hold, and the plan has no check")
	}
	if len(plan.Stages) == 0 {
		p.wrong(p.top, forms["plan stage"].example, "the plan has no stage")
	}
	names := make(map[string]bool)
	for _, c := range plan.Checks {
		p.unique(names, c.at, "check", c.Name)
		p.checkCheck(c)
	}
	for _, a := range plan.Aborts {
		p.checks(a.at, "abort", a.Checks...)
	}
	clear(names)
	for _, s := range plan.Stages {
		p.unique(names, s.at, "stage", s.Name)
		p.checkStage(s)
	}
	p.programs(plan.Runs, plan.After)
	for _, r := range plan.Reports {
		if !slices.Contains(ReportForms, r.Form) || r.File == "" {
			p.wrong(r.at, p.mended(r.at, r.Form, "junit", "report junit plan.xml"), "bad report '%s': want %s, and a file", cut(r.Form), strings.Join(ReportForms, ", "))
		}
	}
}

// ReportForms are the forms of reports.
var ReportForms = []string{"junit", "json", "markdown", "html"}

// programs checks that commands have a word. Only JSON can have one without.
func (p *parser) programs(lists ...[]*Run) {
	for _, r := range slices.Concat(lists...) {
		if len(r.Command) == 0 || r.Command[0] == "" {
			p.wrong(r.at, "run ./load.sh", "a command is empty")
		}
	}
}

// unique checks a name, and that it occurs once.
func (p *parser) unique(names map[string]bool, at place, kind, name string) {
	if p.name(at, kind, name); names[name] {
		p.wrong(at, p.mended(at, name, name+"2", kind+" "+cut(name)+"2"), "%s '%s' already specified", kind, cut(name))
	}
	names[name] = true
}

// name checks the name of a part of the plan.
func (p *parser) name(at place, kind, name string) {
	write := p.mended(at, name, validNameLike(name, kind), kind+" "+validNameLike(name, kind))
	switch {
	case validName(name, kind):
	case validName(name, ""):
		p.wrong(at, write, "bad name '%s' of a %s: 'expect %s' has another meaning", cut(name), kind, cut(name))
	default:
		p.wrong(at, write, "bad name '%s' of a %s: want letters, digits, dashes and underscores", cut(name), kind)
	}
}

// taken are words that have another meaning where a line names a check. No check has such
// a name.
var taken = []string{"verify", "no", "recovered"}

func validName(name, kind string) bool {
	if name == "" || kind == "check" && slices.Contains(taken, name) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

func (p *parser) checkCheck(c *Check) {
	if c.Every == 0 {
		c.Every = Duration(defaultEvery)
	}
	if c.Within == 0 {
		c.Within = Duration(defaultWithin)
	}
	c.Fails = max(c.Fails, 1)
	switch {
	case c.HTTP != "":
		u, err := url.Parse(c.HTTP)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			p.wrong(c.at, "check "+c.Name+" http http://localhost:8080/health", "bad URL '%s': want one with http:// or https://", cut(c.HTTP))
		}
		if c.Status = p.statuses(c.at, c.Status); len(c.Status) == 0 {
			c.Status = []string{"2xx"}
		}
	case c.Seen != nil:
		p.checkSeen(c)
	case len(c.Command) == 0 && !c.wrong:
		p.wrong(c.at, forms["plan check"].example, "check '%s' asks for nothing: want http, seen or command", cut(c.Name))
	}
}

// statuses returns the statuses that are valid.
func (p *parser) statuses(at place, all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(status string) bool {
		if !validStatus(status) {
			p.wrong(at, "status 2xx", "bad status '%s': want a code such as 200, or a class such as 2xx", cut(status))
		}
		return !validStatus(status)
	})
}

// The figures of a point, and the comparisons.
var (
	figures = []string{"success", "rate", "p50", "p95", "p99"}
	ops     = []string{">=", ">", "<=", "<"}
)

func (p *parser) checkSeen(c *Check) {
	s := c.Seen
	write := "check " + c.Name + " seen " + s.Point + " success >= 99% over 30s"
	if s.Over == 0 {
		s.Over = Duration(defaultOver)
	}
	switch {
	case s.Figure != "" && !slices.Contains(figures, s.Figure):
		if near := words.Near(s.Figure, figures); len(near) > 0 {
			write = p.mended(c.at, s.Figure, near[0], write)
		}
		p.wrong(c.at, write, "unknown figure '%s': want %s", cut(s.Figure), strings.Join(figures, ", "))
	case s.Op != "" && !slices.Contains(ops, s.Op):
		if like := opLike(s.Figure, s.Op); like != "" {
			write = p.mended(c.at, s.Op, like, write)
		}
		p.wrong(c.at, write, "unknown comparison '%s': want %s", cut(s.Op), strings.Join(ops, ", "))
	case time.Duration(s.Over) < time.Second || time.Duration(s.Over) > time.Hour:
		p.wrong(c.at, write, "over %s: want from 1s to 1h", s.Over)
	}
}

// checks requires that checks of these names exist.
func (p *parser) checks(at place, word string, names ...string) {
	known := make([]string, 0, len(p.plan.Checks))
	for _, c := range p.plan.Checks {
		known = append(known, c.Name)
	}
	for _, name := range names {
		if p.plan.check(name) != nil {
			continue
		}
		text := "the plan has no check"
		if len(known) > 0 {
			text = "the checks are " + strings.Join(known, ", ")
		}
		write := "check " + cut(name) + " http http://localhost:8080/health"
		meant := known
		if word == "expect" {
			meant = append(slices.Clone(known), "recovered")
		}
		if near := words.Near(name, meant); len(near) > 0 {
			write = p.mended(at, name, near[0], word+" "+near[0])
		}
		p.wrong(at, write, "%s: no check '%s': %s", word, cut(name), text)
	}
}

// maxName is how long the name of an experiment can be.
const maxName = 64

func (p *parser) checkStage(s *Stage) {
	p.checks(s.offAt, "off", s.Off...)
	if s.Until != nil {
		p.checks(s.Until.at, "until", s.Until.Check)
		if s.Duration == 0 && s.Until.Within != 0 {
			s.Duration = s.Until.Within
		}
	}
	if s.Duration == 0 && len(s.Runs) == 0 {
		p.wrong(s.at, "stage "+cut(s.Name)+" 30s {", "stage '%s' has neither a duration nor a command, so it would not end", cut(s.Name))
	}
	if s.Recover && len(p.plan.Checks) == 0 {
		p.wrong(s.at, forms["plan check"].example, "stage '%s' waits for checks to recover, and the plan has no check", cut(s.Name))
	}
	p.programs(s.Runs)
	names := make(map[string]bool)
	for _, f := range s.Faults {
		p.unique(names, f.at, "fault", f.Name)
		if name := p.plan.Experiment(s, f); len(name) > maxName {
			p.wrong(f.at, "fault down {", "the experiment would be '%s', which has %d letters: want %d at most, so choose shorter names", cut(name), len(name), maxName)
		}
		if p.plan.Seed != nil && len(f.Experiment) > 0 {
			f.Experiment = withSeed(f.Experiment, seedOf(*p.plan.Seed, s.Name+"."+f.Name))
		}
	}
	for _, e := range s.Expects {
		p.checkExpect(s, e)
	}
}

// seedOf returns the seed of a fault. Two faults of a plan do not draw the same numbers.
func seedOf(seed int64, name string) int64 {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name)) // a hash takes everything
	return seed ^ int64(hash.Sum32())
}

func (p *parser) checkExpect(s *Stage, e *Expect) {
	switch {
	case e.Check != "":
		p.checks(e.at, "expect", e.Check)
		if slices.Contains(s.Off, e.Check) {
			p.wrong(e.at, "# expect "+e.Check, "expect: check '%s' is off in stage '%s'", e.Check, s.Name)
		}
	case len(e.No) > 0:
		known := append(clients.Names(), "error", "warning", "info")
		for _, name := range e.No {
			if slices.Contains(known, name) {
				continue
			}
			write := "expect no error"
			if near := words.Near(name, known); len(near) > 0 {
				write = "expect no " + near[0]
			}
			p.wrong(e.at, write, "'%s' is neither a level (error, warning, info) nor a finding: want some of %s", cut(name), strings.Join(clients.Names(), ", "))
		}
	case e.Verify != "":
		if e.AtLeast == nil && e.AtMost == nil || e.AtLeast != nil && e.AtMost != nil && *e.AtLeast > *e.AtMost {
			p.wrong(e.at, "expect verify "+cut(e.Verify)+" at_least 1", "the bounds of verify do not hold for any number")
		}
	case !e.Recovered:
		p.wrong(e.at, "expect no error", "an expectation is empty")
	}
}
