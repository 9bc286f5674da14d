package plan

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

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
