package plan

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

// Plan is a plan as it is run. Its JSON has the words of the file.
type Plan struct {
	Name string `json:"plan"`
	Note string `json:"note,omitempty"`

	// Addresses are the nodes whose hits, figures and findings are added up. Empty means
	// the node that the command would use.
	Addresses []string `json:"address,omitempty"`

	// TTL is how long faults outlive a runner that was killed.
	TTL Duration `json:"ttl,omitempty"`

	// Seed makes the draws of all faults repeatable.
	Seed *int64 `json:"seed,omitempty"`

	Checks   []*Check `json:"check,omitempty"`
	Baseline Duration `json:"baseline,omitempty"`
	Aborts   []*Abort `json:"abort,omitempty"`

	// Settle is how long a stage waits for open calls before findings are judged.
	Settle Duration `json:"settle,omitempty"`

	Runs    []*Run    `json:"run,omitempty"` // beside all stages
	Stages  []*Stage  `json:"stage"`
	After   []*Run    `json:"after,omitempty"`
	Reports []*Report `json:"report,omitempty"`
}

// The defaults of a plan.
const (
	DefaultTTL    = 30 * time.Second
	DefaultSettle = 5 * time.Second
	defaultEvery  = 5 * time.Second
	defaultOver   = 30 * time.Second
	defaultWithin = 10 * time.Second
	minTTL        = 2 * time.Second
)

// Check is something that must hold. It has one of HTTP, Seen and Command.
type Check struct {
	Name string `json:"name"`

	HTTP    string   `json:"http,omitempty"` // a URL
	Seen    *Seen    `json:"seen,omitempty"`
	Command []string `json:"command,omitempty"`

	// Status are the statuses that hold, such as 200 or 2xx. Default: 2xx.
	Status []string `json:"status,omitempty"`

	Within Duration `json:"within,omitempty"` // the check has failed after this time
	Body   string   `json:"body,omitempty"`   // text that the body must contain
	Every  Duration `json:"every,omitempty"`
	Fails  int      `json:"fails,omitempty"` // failures in a row that count

	at    place
	wrong bool // its kind is not known
}

// Seen compares a figure of a point, as GET /fault/seen has it.
type Seen struct {
	Point  string   `json:"point"`
	Figure string   `json:"figure"` // success, rate, p50, p95 or p99
	Op     string   `json:"op"`     // >=, >, <= or <
	Value  float64  `json:"value"`  // success from 0 to 1, seconds, or requests per second
	Over   Duration `json:"over,omitempty"`
}

// Abort ends the plan once one of its checks has failed for some time.
type Abort struct {
	Checks []string `json:"check"`
	For    Duration `json:"for,omitempty"`

	at place
}

// Run is a command.
type Run struct {
	As      string   `json:"as,omitempty"`
	Command []string `json:"command"`

	at place
}

// Stage is a part of a plan.
type Stage struct {
	Name string `json:"name"`

	// Duration is how long the stage lasts. 0 means as long as its commands.
	Duration Duration `json:"duration,omitempty"`

	Off     []string  `json:"off,omitempty"` // checks that are not asked
	Faults  []*Fault  `json:"fault,omitempty"`
	Runs    []*Run    `json:"run,omitempty"`
	Until   *Until    `json:"until,omitempty"`
	Recover bool      `json:"recover,omitempty"`
	Expects []*Expect `json:"expect,omitempty"`

	at, offAt place
}

// Fault is an experiment of a stage.
type Fault struct {
	Name string `json:"name"`
	Keep bool   `json:"keep,omitempty"` // until the plan ends

	// Experiment is the experiment as the API takes it, without its ttl and note.
	Experiment json.RawMessage `json:"experiment"`

	at, pointAt place
}

// Until ends a stage early.
type Until struct {
	Check  string   `json:"check"`
	Within Duration `json:"within,omitempty"`

	at place
}

// Expect is what must come out of a stage. It has one of its forms.
type Expect struct {
	Verify  string `json:"verify,omitempty"` // a fault of the plan, or a rule
	AtLeast *int   `json:"at_least,omitempty"`
	AtMost  *int   `json:"at_most,omitempty"`

	No        []string `json:"no,omitempty"` // levels and findings
	Recovered bool     `json:"recovered,omitempty"`
	Check     string   `json:"check,omitempty"`

	at place
}

// Text writes the expectation as in a file.
func (e *Expect) Text() string {
	switch {
	case e.Verify == "" && e.Recovered:
		return "recovered"
	case e.Verify == "" && e.Check != "":
		return e.Check
	case e.Verify == "":
		return "no " + args.Words(e.No)
	case e.AtLeast != nil && e.AtMost != nil && *e.AtLeast == *e.AtMost:
		return fmt.Sprintf("verify %s exactly %d", e.Verify, *e.AtLeast)
	}
	text := "verify " + e.Verify
	if e.AtLeast != nil {
		text += fmt.Sprintf(" at_least %d", *e.AtLeast)
	}
	if e.AtMost != nil {
		text += fmt.Sprintf(" at_most %d", *e.AtMost)
	}
	return text
}

// Report is a file that the plan writes at its end.
type Report struct {
	Form string `json:"form"` // junit, json, markdown or html
	File string `json:"file"`

	at place
}

// place is where something is in a file. It is empty in a plan that was read from JSON.
type place struct {
	file string
	line int
}

// Duration is a duration that is text in JSON.
type Duration time.Duration

// String writes the duration as in a file.
func (d Duration) String() string { return args.FormatDuration(caddy.Duration(d)) }

// MarshalText writes the duration as in a file.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration such as 30s.
func (d *Duration) UnmarshalText(text []byte) error {
	read, err := caddy.ParseDuration(string(text))
	if err != nil || read < 0 {
		return fmt.Errorf("bad duration '%s': want one such as 30s", text)
	}
	*d = Duration(read)
	return nil
}

// Or returns the duration, or another one if it is 0.
func (d Duration) Or(other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return time.Duration(d)
}

// Experiment returns the name of the experiment of a fault.
func (p *Plan) Experiment(s *Stage, f *Fault) string { return p.Name + "." + s.Name + "." + f.Name }

// check returns the check with a name, or nil.
func (p *Plan) check(name string) *Check {
	for _, c := range p.Checks {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// fault returns the fault that an expectation names: of its stage, or one that is kept
// from a stage before.
func (p *Plan) fault(s *Stage, name string) (*Stage, *Fault) {
	var kept *Fault
	var from *Stage
	for _, stage := range p.Stages {
		for _, f := range stage.Faults {
			switch {
			case f.Name == name && stage == s:
				return stage, f
			case f.Name == name && f.Keep:
				from, kept = stage, f
			}
		}
		if stage == s {
			break
		}
	}
	return from, kept
}
