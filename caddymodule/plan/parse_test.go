package plan

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var update = flag.Bool("update", false, "write the expected files")

// rawFault is a parser of faults that knows a few lines.
func rawFault(d *caddyfile.Dispenser, _ string) (json.RawMessage, error) {
	known := map[string]bool{"point": true, "respond": true, "times": true, "per": true, "percent": true, "match": true, "phase": true, "reset": true, "ramp": true, "delay": true, "choose": true, "refuse": true}
	var lines, points []string
	for d.NextBlock(0) {
		word := d.Val()
		if !known[word] {
			return nil, d.Errf("unknown word '%s'", word)
		}
		at := *d
		words := at.RemainingArgs()
		if word == "point" {
			points = append(points, words...)
		}
		lines = append(lines, strings.Join(append([]string{word}, words...), " "))
		d.NextSegment()
	}
	if len(lines) == 0 {
		return nil, d.Errf("a rule needs a fault")
	}
	return json.Marshal(map[string]any{"lines": lines, "points": points})
}

func parse(t *testing.T, text string, lets ...string) (*Plan, error) {
	t.Helper()
	values := make(map[string]string)
	for _, let := range lets {
		name, value, _ := strings.Cut(let, "=")
		values[name] = value
	}
	return Parse("test.plan", []byte(text), values, rawFault)
}

// mustParse returns a plan with these lines.
func mustParse(t *testing.T, lines string) *Plan {
	t.Helper()
	p, err := parse(t, "plan test {\n"+lines+"\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The samples of the manual are read, and their JSON is read as the same plan.
func TestSamples(t *testing.T) {
	for _, name := range []string{"smoke", "game-day", "storm"} {
		file := filepath.Join("testdata", name+".plan")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(file, text, nil, rawFault)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || strings.TrimSpace(string(want)) != string(got) {
			t.Errorf("%s: got %s, want %s (%v)", name, got, want, err)
		}
		again, err := Parse(golden, want, nil, rawFault)
		if err != nil {
			t.Errorf("%s: %v", golden, err)
			continue
		}
		if text, _ := json.MarshalIndent(again, "", "  "); string(text) != string(got) {
			t.Errorf("%s: read from JSON, got %s", name, text)
		}
	}
}

// All mistakes of a plan are reported at once, in the order of the file. Each has the
// file, the line and something to copy.
func TestProblems(t *testing.T) {
	text, err := os.ReadFile("testdata/bad.plan")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("bad.plan", text, map[string]string{"rat": "1"}, rawFault)
	all, ok := errors.AsType[ProblemsError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if *update {
		if err := os.WriteFile("testdata/bad.txt", []byte(all.Error()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/bad.txt")
	if err != nil || string(want) != all.Error()+"\n" {
		t.Errorf("got\n%s\nwant\n%s(%v)", all, want, err)
	}
	last := 0
	for _, one := range all {
		if one.File != "bad.plan" || one.Write == "" || one.Line < last {
			t.Errorf("no file, no line to copy, or in the wrong order: %+v", one)
		}
		last = one.Line
	}
	for i, line := range strings.Split(string(text), "\n") {
		at := func(one ProblemError) bool { return one.Line == i+1 }
		switch found := slices.ContainsFunc(all, at); {
		case strings.HasSuffix(line, "# wrong") && !found:
			t.Errorf("line %d, %q: no problem", i+1, line)
		case !strings.HasSuffix(line, "# wrong") && !strings.HasSuffix(line, "{") && found:
			t.Errorf("line %d, %q: a problem", i+1, line)
		}
	}
}

// A file that is not a plan has one problem.
func TestNoPlan(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "test.plan:1: the file has no plan; write:\n\tplan smoke {"},
		{"example.com {\n}\n", "test.plan:1: a plan begins with 'plan <name> {', and not with 'example.com'"},
		{"{\n debug\n}\n", "test.plan:2: a plan begins with 'plan <name> {', and not with a block"},
		{"plan {\n}\n", "test.plan:1: a plan has one name; write:\n\tplan smoke {"},
		{"plan a b {\n}\n", "test.plan:1: a plan has one name"},
		{"plan smoke {\n stage a 3s {\n", "test.plan:"},
		{"plan smoke {\n}\n", "test.plan:1: the plan has no stage; write:\n\tstage busy 30s {"},
		{"plan smoke {\nstage a 3s {\n}\n}\nplan other {\n}\n", "test.plan:5: a file has one plan: move this one into another file"},
		{`{"plan": "x", "stages": []}`, `test.plan: unknown field "stages"`},
		{`{"plan": "x", "ttl": "soon"}`, "test.plan: bad duration 'soon': want one such as 30s"},
		{`{"plan": "x"}`, "test.plan: the plan has no stage"},
		{`{"plan": "x", "stage": [{"name": "a", "run": [{"command": []}], "expect": [{}]}]}`, "test.plan: a command is empty"},
		{`{"plan": "x", "check": [{"name": "a"}], "stage": [{"name": "a", "duration": "1s", "expect": [{}]}]}`, "test.plan: check 'a' asks for nothing"},
	} {
		_, err := parse(t, tt.text)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %s", tt.text, err, tt.want)
		}
	}
	if _, err := parse(t, `{"plan": "x"}`, "a=b"); err == nil || !strings.Contains(err.Error(), "a plan in JSON has no lets") {
		t.Errorf("--let with JSON: got %v", err)
	}
}

// A let replaces its name everywhere, and the command line replaces the let. Other
// placeholders and variables of the environment are as in a Caddyfile.
func TestLet(t *testing.T) {
	t.Setenv("PLAN_TARGETS", "api.txt")
	const text = "plan storm {\nlet rate 30\nlet time 3m\nrun vegeta -rate {rate}/s -targets {$PLAN_TARGETS} {other} {http.x}\nstage a {time} {\n}\n}\n"
	p, err := parse(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.Runs[0].Command, " "); got != "vegeta -rate 30/s -targets api.txt {other} {http.x}" || time.Duration(p.Stages[0].Duration) != 3*time.Minute {
		t.Errorf("got %s, %s", got, p.Stages[0].Duration)
	}
	if p, err = parse(t, text, "rate=7", "time=1s"); err != nil || p.Runs[0].Command[2] != "7/s" || time.Duration(p.Stages[0].Duration) != time.Second {
		t.Errorf("got %v, %v", p, err)
	}
}

// A seed of the plan is a seed of each fault, another one for each, unless the fault has
// its own.
func TestSeed(t *testing.T) {
	p := mustParse(t, "seed 7\nstage a 1s {\nfault x {\nreset\n}\nfault y {\nreset\n}\n}\n")
	x, y := string(p.Stages[0].Faults[0].Experiment), string(p.Stages[0].Faults[1].Experiment)
	if x == y || !strings.Contains(x, `"seed":`) || !strings.Contains(y, `"seed":`) {
		t.Errorf("got %s and %s", x, y)
	}
	if got := withSeed(json.RawMessage(`{"seed":1}`), 2); string(got) != `{"seed":1}` {
		t.Errorf("got %s", got)
	}
	if got := withSeed(json.RawMessage(`nothing`), 2); string(got) != "nothing" {
		t.Errorf("got %s", got)
	}
}

// Every example of a form is read, and so is every line that replaces a word of another
// tool.
func TestForms(t *testing.T) {
	for name, f := range forms {
		owner, word, isLine := strings.Cut(name, " ")
		text := f.example
		check, stage := "check up http http://localhost/\n", "stage a 1s {\n}\n"
		switch {
		case name == "plan baseline":
		case !isLine:
			text = strings.TrimSuffix(strings.TrimPrefix(text, "plan smoke {\n"), "\n}")
			stage = ""
		case word == "check":
			check = ""
		case owner == "plan" && word == "stage":
			stage = ""
		case owner == "check":
			text, check = "check up http http://localhost/ {\n"+text+"\n}", ""
		case owner == "stage":
			text, stage = "stage a 1s {\n"+text+"\n}", ""
		}
		if _, err := parse(t, "plan test {\n"+check+text+"\n"+stage+"}\n"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for owner, all := range synonyms {
		for word, instead := range all {
			if _, ok := forms[owner+" "+instead]; !ok && instead != owner {
				t.Errorf("%s: '%s' is not a line", word, instead)
			}
			if _, ok := forms[owner+" "+word]; ok {
				t.Errorf("%s is a line", word)
			}
		}
	}
}

func TestExpectText(t *testing.T) {
	for _, text := range []string{"verify down exactly 3", "verify down at_least 3", "verify down at_most 0", "verify down at_least 1 at_most 5", "no error wave", "recovered", "up"} {
		p := mustParse(t, "check up http http://localhost/\nstage a 1s {\nfault down {\nreset\n}\nexpect "+text+"\n}\n")
		if got := p.Stages[0].Expects[0].Text(); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}
