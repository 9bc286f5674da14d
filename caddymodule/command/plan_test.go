package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
	"github.com/caddyfault/caddyfault/caddymodule/plan"
)

// writePlan writes a plan and returns its path.
func writePlan(t *testing.T, lines string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.plan")
	if err := os.WriteFile(file, []byte("plan test {\n"+lines+"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The samples of the manual are read by the real parser of rules.
func TestPlanSamplesAreRead(t *testing.T) {
	for _, name := range []string{"smoke", "game-day", "storm"} {
		got := caddyFault(t, "plan", filepath.Join("../plan/testdata", name+".plan"), "--adapt")
		var p plan.Plan
		if err := json.Unmarshal([]byte(got.stdout), &p); got.err != nil || err != nil || len(p.Stages) < 2 {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// A plan is checked without Caddy, and with it. Neither injects anything.
func TestPlanCheck(t *testing.T) {
	n, address := adminEndpoint(t, twoRules)
	good := writePlan(t, "let time 1s\nstage a {time} {\nfault x {\npoint api\nsticky {header.X-User}\nseed 4\nper {header.X-User}\ntimes 2\nrespond 503\n}\nexpect verify api/gone at_most 3\n}")
	for _, tt := range []struct{ args, stdout, stderr string }{
		{good + " --check", "plan 'test' is ready: 1 stage, 1 fault, 0 checks\n", ""},
		{good + " --dry-run", "plan 'test' is ready: 1 stage, 1 fault, 0 checks\n", ""},
		{good + " --check --let time=soon", "", "bad duration 'soon'"},
		{good + " --check --let tim=1s", "", "--let tim: the plan has no let of this name; write:\n\t--let time=1s"},
		{good + " --check --let rate=1", "", "--let rate: the plan has no let of this name; write:\n\tlet rate 1"},
		{good + " --check --let tim", "", "bad --let 'tim': want a name and a value"},
		{"nowhere.plan --check", "", "no such file"},
		{writePlan(t, "stage a 1s {\nfault x {\npoint api\nrespnd 503\n}\nfault y {\nrespond 503\n}\n}") + " --check", "", "test.plan:5: unknown word 'respnd'; write:\n\trespond 503"},
		{writePlan(t, "stage a 1s {\nfault y {\npoint app\n}\n}") + " --check", "", "write what goes wrong; the kinds are "},
		{writePlan(t, "stage a 1s {\nfault y {\nrespond 503\n}\n}") + " --check", "", "test.plan:3: experiment 'y' has neither point nor match"},
		{writePlan(t, "stage a 1s {\nfault y {\npoint *\nrespond 503;\n}\n}") + " --check", "", "'503;' ends in ';'"},
		{writePlan(t, "stage a 1s {\nfault y {\npoint app\nrespond 503\n}\n}") + " --dry-run", "", "no injection point 'app': the points are api; write:\n\tpoint api"},
		{writePlan(t, "stage a 1s {\nexpect verify api/gon at_most 3\n}") + " --dry-run", "", "'api/gon' is neither a fault of the stage nor a rule"},
	} {
		got := caddyFault(t, append([]string{"plan", "--address", address}, strings.Fields(tt.args)...)...)
		if got.stdout != tt.stdout || !strings.Contains(got.stderr, tt.stderr) || (got.err != nil) != (tt.stderr != "") {
			t.Errorf("%s: got %+v, want %q, %q", tt.args, got, tt.stdout, tt.stderr)
		}
	}
	for args, want := range map[string]string{"": "a file is required: caddy fault plan smoke.plan", "a.plan b.plan": "unexpected argument 'b.plan': want one argument, as in caddy fault plan smoke.plan"} {
		if got := caddyFault(t, append([]string{"plan"}, strings.Fields(args)...)...); got.err == nil || got.err.Error() != want {
			t.Errorf("%s: got %+v, want %s", args, got, want)
		}
	}
	if got := caddyFault(t, "plan", good, "--address", address, "--address", address); got.err == nil || !strings.Contains(got.err.Error(), "is given twice") {
		t.Errorf("the same node twice: got %+v", got)
	}
	other := strings.Replace(address, "127.0.0.1", "localhost", 1)
	if got := caddyFault(t, "plan", good, "--dry-run", "--address", address, "--address", other); got.err == nil || !strings.Contains(got.stderr, "'"+address+"' and '"+other+"' are those of one Caddy") {
		t.Errorf("the same node under two addresses: got %+v", got)
	}
	n.Ctl.Switch.Set(experiments.State{Halted: true})
	warning := "Warning: the plan would not begin: faults are halted: caddy fault resume --address " + address + "\n"
	for mode, want := range map[string]string{"--dry-run": warning, "--check": ""} {
		if got := caddyFault(t, "plan", good, mode, "--address", address); got.err != nil || got.stderr != want || !strings.Contains(got.stdout, "is ready") {
			t.Errorf("halted, %s: got %+v, want %q", mode, got, want)
		}
	}
}

// A plan runs against the real API. It starts and ends its faults, counts hits, and writes
// its reports.
func TestPlanRuns(t *testing.T) {
	n, address := adminEndpoint(t, twoRules)
	dir := t.TempDir()
	report := func(form string) string { return "report " + form + " " + filepath.Join(dir, form) + "\n" }
	file := writePlan(t, "stage a 300ms {\nfault x {\npoint api\nrespond 503\n}\nexpect verify x exactly 0\nexpect verify api/gone exactly 0\n}\n"+
		"stage b 100ms {\nexpect verify api/gone exactly 1\n}\nafter true\n"+report("json")+report("junit")+report("markdown")+report("html"))
	hit(t, n)
	got := caddyFault(t, "plan", "--address", address, file)
	if got.err == nil || !strings.Contains(got.stdout, "✓ verify x exactly 0\n") || !strings.Contains(got.stdout, "✗ verify api/gone exactly 1: 0 hits\n") ||
		!strings.HasSuffix(got.stdout, "plan test: failed\n") || got.stderr != "Error: stage b: verify api/gone exactly 1: 0 hits\n" {
		t.Errorf("got %+v", got)
	}
	if list := caddyFault(t, "list", "--address", address); strings.Contains(list.stdout, "test.a.x") {
		t.Errorf("the fault is on: %s", list.stdout)
	}
	for form, want := range map[string]string{
		"json":     `"exit_code": 2,`,
		"junit":    `<failure message="0 hits" type="expectation"></failure>`,
		"markdown": "| verify api/gone exactly 1 | **no** | 0 hits |",
		"html":     `<td class="no">no</td><td>0 hits</td>`,
	} {
		text, err := os.ReadFile(filepath.Join(dir, form))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: got %s, %v, want %s", form, text, err, want)
		}
	}
	got = caddyFault(t, "plan", "--address", address, writePlan(t, "stage a 10ms {\n}\nreport json "+filepath.Join(dir, "none", "x.json")))
	if got.err == nil || !strings.Contains(got.stderr, "none/x.json' cannot be written: no such file or directory; write:\n\treport json x.json") || strings.Contains(got.stdout, "stage a") {
		t.Errorf("a report without a folder: got %+v", got)
	}
	gone := filepath.Join(dir, "gone")
	if err := os.Mkdir(gone, 0o700); err != nil {
		t.Fatal(err)
	}
	got = caddyFault(t, "plan", "--address", address, writePlan(t, "stage a 10ms {\n}\nafter rmdir "+gone+"\nreport json "+filepath.Join(gone, "x.json")))
	if got.err == nil || !strings.Contains(got.stderr, "the report could not be written") || !strings.Contains(got.stdout, "plan test: passed\n") {
		t.Errorf("a report that cannot be written: got %+v", got)
	}
}

// Reports escape what clients and plans choose.
func TestPlanReports(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	after := 2.5
	r := &plan.Result{
		Plan: &plan.Plan{Name: "day"}, Result: plan.Failed, ExitCode: 2, Why: "<b>x</b> & more", Started: at, Ended: at.Add(61 * time.Second),
		Baseline: &plan.BaselineResult{Result: plan.Passed},
		Checks:   []*plan.CheckResult{{Name: "up", Asked: 3, Failed: 1, Last: "status 200", LastFailure: "status 500|"}},
		Stages: []*plan.StageResult{
			{
				Name: "a", Result: plan.Failed, Why: "w", Started: at, Ended: at.Add(time.Second), Recovered: &after,
				Faults:   []*plan.FaultResult{{Name: "x", Hits: 7}},
				Runs:     []*plan.CommandResult{{Name: "k6", Code: 3, Seconds: 1}, {Name: "load", ByPlan: true}, {Name: "gone", Error: "not found"}},
				Expects:  []*plan.ExpectResult{{Text: "recovered", Why: "1 of 2", Evidence: []string{"<script> /orders"}}, {Text: "up", Holds: true}},
				Findings: &clients.Report{Clients: []clients.ClientReport{{Outcomes: clients.Outcomes{Recovered: 1, GaveUp: 2}}}},
			},
			{Name: "b", Result: plan.Skipped},
		},
		Runs:    []*plan.CommandResult{{Name: "load <x>", Code: 1, Seconds: 2}},
		After:   []*plan.CommandResult{{Name: "tidy", Seconds: 1}},
		CleanUp: []plan.Cleaned{{Experiment: "day.a.x", Node: "n", How: "ends within 30s", Why: "no answer"}},
	}
	for form, wants := range map[string][]string{
		"markdown": {"# Plan day: failed\n", "**&lt;b&gt;x&lt;/b&gt; &amp; more**", "took 1m1s", "fault x: 7 hits; run k6: exit code 3 after 1.0 s; run load: ended by the plan", "2 gave up, 1 recovered", "- &lt;script&gt; /orders", "\n- run load &lt;x&gt;: exit code 1 after 2.0 s\n- after tidy: exit code 0 after 1.0 s\n", `status 500\|`, "**Left:** day.a.x at n ends within 30s: no answer"},
		"html":     {"Plan day: failed", "&lt;b&gt;x&lt;/b&gt; &amp; more", "&lt;script&gt; /orders", "recovered after 2.5 s", "<li>run load &lt;x&gt;: exit code 1 after 2.0 s</li><li>after tidy: exit code 0 after 1.0 s</li>", "Left: day.a.x", "status 500|"},
		"junit":    {`<testsuite name="day" tests="6" failures="2" skipped="1">`, `<testcase classname="a" name="recovered">`, "&lt;script&gt; /orders", "the plan has ended before", `<testcase classname="baseline" name="holds">`},
		"json":     {`"result": "failed"`, `"last_failure": "status 500|"`},
	} {
		var text strings.Builder
		if err := planForms[form](&text, r); err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(text.String(), want) {
				t.Errorf("%s: got %s, want %s", form, text.String(), want)
			}
		}
		if strings.Contains(text.String(), "<script>") && form != "json" {
			t.Errorf("%s has a script: %s", form, text.String())
		}
	}
}

// The plans of the manual are read.
func TestPlanManual(t *testing.T) {
	found := 0
	for _, page := range []string{"reference/plan.md", "howto/plan.md"} {
		for _, block := range manual.Read(t, filepath.Join("../docs", page)).Blocks() {
			text := block.Text
			if !strings.HasPrefix(text, "plan ") {
				continue
			}
			found++
			if _, err := plan.Parse(page, []byte(text), nil, parseFault); err != nil {
				t.Errorf("%s:%d: %v", page, block.Line, err)
			}
		}
	}
	if found < 4 {
		t.Errorf("the manual has %d plans", found)
	}
}
