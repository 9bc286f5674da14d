package command

import (
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/plan"
)

// planJUnit returns a report with a suite for the plan, and a test for each expectation of
// each stage.
func planJUnit(r *plan.Result) *junitSuites {
	all := &junitSuites{Name: "caddy fault plan"}
	var cases []junitCase
	if b := r.Baseline; b != nil {
		cases = append(cases, planCase("baseline", "holds", b.Result == plan.Passed, b.Why, nil))
	}
	for _, s := range r.Stages {
		if s.Result == plan.Skipped {
			cases = append(cases, junitCase{Class: s.Name, Name: "stage", Skipped: &junitResult{Message: "the plan has ended before"}})
			continue
		}
		for _, e := range s.Expects {
			cases = append(cases, planCase(s.Name, e.Text, e.Holds, e.Why, e.Evidence))
		}
		ended := s.Result == plan.Passed || s.Result == plan.Failed
		test := planCase(s.Name, "stage", ended, s.Why, nil)
		test.Out = stageText(s)
		cases = append(cases, test)
	}
	if len(r.Stages) > 0 && r.ExitCode != plan.CodePassed {
		cases = append(cases, planCase("plan", "passes", false, r.Why, leftOf(r)))
	}
	all.add(grammar.Printable(r.Plan.Name), cases...)
	return all
}

// planCase returns a test.
func planCase(class, name string, holds bool, why string, evidence []string) junitCase {
	c := junitCase{Class: grammar.Printable(class), Name: grammar.Printable(name)}
	text := printableLines(strings.Join(evidence, "\n"))
	if holds {
		c.Out = text
		return c
	}
	c.Failure = &junitResult{Message: grammar.Printable(why), Type: "expectation", Text: text}
	return c
}

// stageText lists what a stage has done.
func stageText(s *plan.StageResult) string {
	var all []string
	for _, f := range s.Faults {
		all = append(all, fmt.Sprintf("fault %s: %d hits", f.Name, f.Hits))
	}
	for _, c := range s.Runs {
		all = append(all, "run "+c.Name+": "+codeText(c))
	}
	if text := outcomesText(outcomesOf(s)); text != "" {
		all = append(all, "calls: "+text)
	}
	if s.Recovered != nil {
		all = append(all, fmt.Sprintf("recovered after %.1f s", *s.Recovered))
	}
	return printableLines(strings.Join(all, "\n"))
}

// codeText says how a command has ended.
func codeText(c *plan.CommandResult) string {
	switch {
	case c.Error != "":
		return c.Error
	case c.ByPlan:
		return fmt.Sprintf("ended by the plan after %.1f s", c.Seconds)
	default:
		return fmt.Sprintf("exit code %d after %.1f s", c.Code, c.Seconds)
	}
}

// leftOf lists what is left after the plan.
func leftOf(r *plan.Result) (left []string) {
	for i := range r.CleanUp {
		if c := &r.CleanUp[i]; c.Left() {
			left = append(left, fmt.Sprintf("%s at %s %s: %s", c.Experiment, c.Node, c.How, c.Why))
		}
	}
	return left
}

// planPage is a report for people.
type planPage struct {
	*plan.Result
	Took     string
	Stages   []planStage
	Left     []string
	Commands []string // beside and after all stages
}

// planStage is a stage of a report.
type planStage struct {
	*plan.StageResult
	Took  string
	Facts []string
}

func newPlanPage(r *plan.Result) *planPage {
	p := &planPage{Result: r, Took: r.Ended.Sub(r.Started).Round(100 * time.Millisecond).String(), Left: leftOf(r)}
	for _, c := range r.Runs {
		p.Commands = append(p.Commands, "run "+c.Name+": "+codeText(c))
	}
	for _, c := range r.After {
		p.Commands = append(p.Commands, "after "+c.Name+": "+codeText(c))
	}
	for _, s := range r.Stages {
		one := planStage{StageResult: s}
		if !s.Started.IsZero() && !s.Ended.IsZero() {
			one.Took = s.Ended.Sub(s.Started).Round(100 * time.Millisecond).String()
		}
		if text := stageText(s); text != "" {
			one.Facts = strings.Split(text, "\n")
		}
		p.Stages = append(p.Stages, one)
	}
	return p
}

// printPlanMarkdown prints a report as Markdown, such as for the comment of a build.
func printPlanMarkdown(out io.Writer, r *plan.Result) error {
	page := newPlanPage(r)
	var text strings.Builder
	fmt.Fprintf(&text, "# Plan %s: %s\n\n", escaped(r.Plan.Name), escaped(r.Result))
	if r.Why != "" {
		text.WriteString("**" + escaped(r.Why) + "**\n\n")
	}
	fmt.Fprintf(&text, "Started %s, took %s.\n", r.Started.UTC().Format(time.RFC3339), page.Took)
	for _, left := range page.Left {
		text.WriteString("\n**Left:** " + escaped(left) + "\n")
	}
	text.WriteString("\n| Stage | Result | Took | What happened |\n| --- | --- | --- | --- |\n")
	for _, s := range page.Stages {
		fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", escaped(s.Name), escaped(s.Result), s.Took, escaped(strings.Join(s.Facts, "; ")))
	}
	for _, command := range page.Commands {
		text.WriteString("\n- " + escaped(command))
	}
	if len(page.Commands) > 0 {
		text.WriteString("\n")
	}
	for _, s := range page.Stages {
		if len(s.Expects) == 0 {
			continue
		}
		fmt.Fprintf(&text, "\n## %s\n\n| Expectation | Holds | Details |\n| --- | --- | --- |\n", escaped(s.Name))
		for _, e := range s.Expects {
			fmt.Fprintf(&text, "| %s | %s | %s |\n", escaped(e.Text), yesNo(e.Holds), escaped(e.Why))
		}
		for _, e := range s.Expects {
			for _, proof := range e.Evidence {
				text.WriteString("\n- " + escaped(proof))
			}
		}
		text.WriteString("\n")
	}
	if len(r.Checks) > 0 {
		text.WriteString("\n## Checks\n\n| Check | Asked | Failed | Last answer | Last failure |\n| --- | --- | --- | --- | --- |\n")
		for _, c := range r.Checks {
			fmt.Fprintf(&text, "| %s | %d | %d | %s | %s |\n", escaped(c.Name), c.Asked, c.Failed, escaped(c.Last), escaped(c.LastFailure))
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func yesNo(holds bool) string {
	if holds {
		return "yes"
	}
	return "**no**"
}

// printPlanHTML prints a report as one page without scripts, which loads nothing.
func printPlanHTML(out io.Writer, r *plan.Result) error {
	return planHTML.Execute(out, newPlanPage(r))
}

var planHTML = template.Must(template.New("plan").Funcs(template.FuncMap{"printable": grammar.Printable}).Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Plan {{printable .Plan.Name}}: {{.Result.Result}}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; color: #1a1a1a; background: #fff }
table { border-collapse: collapse; margin: .5em 0 1em; display: block; overflow-x: auto }
th, td { text-align: left; vertical-align: top; padding: .25em .75em; border-bottom: 1px solid #ddd; overflow-wrap: anywhere }
th { white-space: nowrap }
.no, .failed { color: #b00020; font-weight: bold }
.yes, .passed { color: #1b5e20; font-weight: bold }
.why { border-left: .25em solid #b00020; padding: .5em 1em; overflow-wrap: anywhere }
li { font-family: ui-monospace, monospace; font-size: 13px; overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) {
body { color: #eee; background: #1a1a1a }
th, td { border-color: #444 }
.no, .failed { color: #ff8a80 }
.yes, .passed { color: #a5d6a7 }
}
</style>
</head>
<body>
<h1>Plan {{printable .Plan.Name}}: {{.Result.Result}}</h1>
{{- with .Why}}
<p class="why">{{printable .}}</p>
{{- end}}
<p>Started {{.Started.Format "2006-01-02 15:04:05 MST"}}, took {{.Took}}.</p>
{{- range .Left}}
<p class="why">Left: {{printable .}}</p>
{{- end}}
<table>
<tr><th scope="col">Stage</th><th scope="col">Result</th><th scope="col">Took</th><th scope="col">What happened</th></tr>
{{- range .Stages}}
<tr><th scope="row">{{printable .Name}}</th><td class="{{.Result}}">{{.Result}}</td><td>{{.Took}}</td><td>{{range .Facts}}{{printable .}}<br>{{end}}</td></tr>
{{- end}}
</table>
{{- with .Commands}}
<ul>{{range .}}<li>{{printable .}}</li>{{end}}</ul>
{{- end}}
{{- range .Stages}}{{if .Expects}}
<h2>{{printable .Name}}</h2>
<table>
<tr><th scope="col">Expectation</th><th scope="col">Holds</th><th scope="col">Details</th></tr>
{{- range .Expects}}
<tr><td>{{printable .Text}}</td><td class="{{if .Holds}}yes{{else}}no{{end}}">{{if .Holds}}yes{{else}}no{{end}}</td><td>{{printable .Why}}
{{- with .Evidence}}<details><summary>Evidence</summary><ul>{{range .}}<li>{{printable .}}</li>{{end}}</ul></details>{{end}}</td></tr>
{{- end}}
</table>
{{- end}}{{end}}
{{- with .Checks}}
<h2>Checks</h2>
<table>
<tr><th scope="col">Check</th><th scope="col">Asked</th><th scope="col">Failed</th><th scope="col">Last answer</th><th scope="col">Last failure</th></tr>
{{- range .}}
<tr><th scope="row">{{printable .Name}}</th><td>{{.Asked}}</td><td>{{.Failed}}</td><td>{{printable .Last}}</td><td>{{printable .LastFailure}}</td></tr>
{{- end}}
</table>
{{- end}}
</body>
</html>
`))
