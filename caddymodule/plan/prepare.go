package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// Ready reports all that keeps the plan from running: commands, points and rules that do
// not exist. It also returns an error for each node whose faults are halted, which may be
// resumed before the plan runs. It changes nothing.
func (r *Runner) Ready(ctx context.Context) (halted []error, err error) {
	problems := ProblemsError(append(r.missingPrograms(), r.unwritable()...))
	if len(r.Nodes) > 0 {
		states, wrong, err := r.look(ctx)
		if err != nil {
			return nil, err
		}
		problems = append(problems, wrong...)
		for i, s := range states {
			if s.Halted {
				halted = append(halted, r.haltedAt(r.Nodes[i]))
			}
		}
	}
	return halted, problems.err()
}

// haltedAt returns the error for a node whose faults are halted.
func (r *Runner) haltedAt(n Node) error {
	return r.at(n, fmt.Errorf("faults are halted: caddy fault resume --address %s", n.Address()))
}

// prepare checks everything that can be checked before anything is begun.
func (u *run) prepare(ctx context.Context) *ending {
	problems := ProblemsError(append(u.missingPrograms(), u.unwritable()...))
	states, wrong, err := u.look(ctx)
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	if err != nil {
		return &ending{CodeError, Broken, err.Error()}
	}
	problems = append(problems, wrong...)
	if err := problems.err(); err != nil {
		return &ending{CodeError, Broken, err.Error()}
	}
	groups := make(map[string]bool)
	for i, n := range u.Nodes {
		s := states[i]
		u.result.Nodes = append(u.result.Nodes, NodeResult{n.Address(), s.Version, s.Group})
		u.result.Version = s.Version
		if s.Halted {
			return &ending{CodeOutside, Outside, u.haltedAt(n).Error()}
		}
		if s.Group != "" && groups[s.Group] {
			continue // the group shares the experiments
		}
		groups[s.Group] = true
		u.keepers = append(u.keepers, newKeeper(n, time.Duration(u.Plan.TTL), u.note(), func(why string) {
			select {
			case u.lost <- why:
			default: // the plan ends already
			}
		}))
	}
	return nil
}

// note marks the experiments of this run.
func (r *Runner) note() string {
	note := "plan " + r.Plan.Name + ", run " + r.ID
	if r.Plan.Note != "" {
		note += ": " + r.Plan.Note
	}
	return note
}

// missingPrograms returns a problem for each command that does not exist.
func (r *Runner) missingPrograms() (problems []ProblemError) {
	look := func(at place, word string, command []string) {
		if err := r.Programs.Find(command[0]); err != nil {
			problems = append(problems, noProgram(at, word, command, err))
		}
	}
	for _, c := range r.Plan.Checks {
		if len(c.Command) > 0 {
			look(c.at, "check "+c.Name+" command", c.Command)
		}
	}
	all := slices.Clone(r.Plan.Runs)
	for _, s := range r.Plan.Stages {
		all = append(all, s.Runs...)
	}
	for _, one := range all {
		look(one.at, "run", one.Command)
	}
	for _, one := range r.Plan.After {
		look(one.at, "after", one.Command)
	}
	return problems
}

// noProgram returns the problem of a command that cannot be run.
func noProgram(at place, word string, command []string, err error) ProblemError {
	if errors.Is(err, fs.ErrPermission) {
		text := "the file '" + cut(command[0]) + "' cannot be run: it is not executable; chmod +x, or name its program"
		return ProblemError{at.file, at.line, text, word + " sh " + joined(command)}
	}
	if found, ok := errors.AsType[*exec.Error](err); ok {
		err = found.Err
	}
	elsewhere := append([]string{"/path/to/" + filepath.Base(command[0])}, command[1:]...)
	return ProblemError{at.file, at.line, "there is no command '" + cut(command[0]) + "': " + err.Error(), word + " " + joined(elsewhere)}
}

// prepareWithin is how long the nodes may take to answer.
const prepareWithin = 10 * time.Second

// look asks all nodes for their state. It returns a problem for each point and rule that
// no node has.
func (r *Runner) look(ctx context.Context) (states []*State, problems []ProblemError, err error) {
	ctx, cancel := context.WithTimeout(ctx, prepareWithin)
	defer cancel()
	var points []string
	for _, n := range r.Nodes {
		s, err := n.State(ctx)
		if err != nil {
			return nil, nil, r.at(n, err)
		}
		for i, other := range states {
			if s.Process != "" && s.Process == other.Process {
				return nil, nil, fmt.Errorf("the addresses '%s' and '%s' are those of one Caddy, and its hits would count twice: leave out one", r.Nodes[i].Address(), n.Address())
			}
		}
		states = append(states, s)
		points = append(points, s.Points...)
	}
	slices.Sort(points)
	points = slices.Compact(points)
	point := func(at place, name string, write func(point string) string) {
		if name == "*" || slices.Contains(points, name) {
			return
		}
		text := fmt.Sprintf("no injection point '%s': the points are %s", cut(name), strings.Join(points, ", "))
		problems = append(problems, ProblemError{at.file, at.line, text, write(pointLike(name, points))})
	}
	for _, c := range r.Plan.Checks {
		if c.Seen != nil {
			point(c.at, c.Seen.Point, c.seenAt)
		}
	}
	for _, s := range r.Plan.Stages {
		for _, f := range s.Faults {
			for _, name := range pointsOf(f.Experiment) {
				point(f.pointAt, name, func(point string) string { return "point " + point })
			}
		}
	}
	return states, slices.Concat(problems, r.missingRules(ctx), r.taken(ctx)), nil
}

// pointLike returns the point that was probably meant.
func pointLike(name string, points []string) string {
	if near := words.Near(name, points); len(near) > 0 {
		return near[0]
	}
	if len(points) > 0 {
		return points[0]
	}
	return "*"
}

func pointsOf(experiment json.RawMessage) []string {
	var e struct {
		Points []string `json:"points"`
	}
	_ = json.Unmarshal(experiment, &e) // the server says what is wrong
	return e.Points
}

// missingRules returns a problem for each rule of an expectation that neither the plan nor
// a node has.
func (r *Runner) missingRules(ctx context.Context) (problems []ProblemError) {
	for _, s := range r.Plan.Stages {
		for _, e := range s.Expects {
			if e.Verify == "" {
				continue
			}
			if _, f := r.Plan.fault(s, e.Verify); f != nil {
				continue
			}
			if _, err := r.count(ctx, e.Verify); refused(err, http.StatusNotFound) {
				problems = append(problems, r.missingRule(s, e))
			}
		}
	}
	return problems
}

// missingRule returns the problem of an expectation on a rule that is not there.
func (r *Runner) missingRule(s *Stage, e *Expect) ProblemError {
	p := ProblemError{File: e.at.file, Line: e.at.line}
	for _, other := range r.Plan.Stages {
		if other == s {
			break
		}
		for _, f := range other.Faults {
			if f.Name == e.Verify {
				p.Text = fmt.Sprintf("expect verify: fault '%s' ends with stage '%s': expect it there, or keep it", cut(e.Verify), other.Name)
				p.Write = "keep fault " + cut(f.Name) + " {"
				return p
			}
		}
	}
	p.Text = fmt.Sprintf("expect verify: '%s' is neither a fault of the stage nor a rule", cut(e.Verify))
	p.Write = "expect verify api/rule1 at_least 1"
	if len(s.Faults) > 0 {
		p.Write = "expect verify " + s.Faults[0].Name + " at_least 1"
	}
	return p
}

// taken returns a problem for each fault whose experiment runs already.
func (r *Runner) taken(ctx context.Context) (problems []ProblemError) {
	for _, s := range r.Plan.Stages {
		for _, f := range s.Faults {
			for _, n := range r.Nodes {
				if _, _, err := n.Find(ctx, r.Plan.Experiment(s, f)); err != nil {
					continue // without an answer, the stage will tell
				}
				text := r.at(n, fmt.Errorf("experiment '%s' runs: %s", r.Plan.Experiment(s, f), whyTaken)).Error()
				problems = append(problems, ProblemError{File: f.at.file, Line: f.at.line, Text: text})
				break
			}
		}
	}
	return problems
}

// whyTaken says how the name of an experiment can be in use.
const whyTaken = "the plan already runs, a run that was killed has left it for its ttl, or somebody has taken the name; see caddy fault list"

// count adds up the hits of a rule at all nodes. A node without the rule has none.
func (r *Runner) count(ctx context.Context, rule string) (sum int, err error) {
	known := false
	for _, n := range r.Nodes {
		hits, failed := n.Count(ctx, rule)
		switch {
		case failed == nil:
			sum, known = sum+hits, true
		case !refused(failed, http.StatusNotFound):
			return 0, r.at(n, failed)
		case err == nil:
			err = r.at(n, failed)
		}
	}
	if known {
		return sum, nil
	}
	return 0, err
}
