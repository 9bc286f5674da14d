package e2e

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const actions = "../../.github/actions"

// job runs the shell steps of composite actions as a job of GitHub Actions does: in one
// folder, with the files that pass variables to later steps. It knows the conditions
// that the actions of this repository have, and leaves out steps that use other actions.
type job struct {
	dir    string // the workspace
	env    []string
	path   string
	log    strings.Builder
	failed bool // a step has failed
}

// action is the part of an action.yml that job uses.
type action struct {
	Inputs map[string]struct {
		Default string `yaml:"default"`
	} `yaml:"inputs"`
	Runs struct {
		Using string `yaml:"using"`
		Steps []struct {
			If    string            `yaml:"if"`
			Uses  string            `yaml:"uses"`
			Run   string            `yaml:"run"`
			Shell string            `yaml:"shell"`
			Env   map[string]string `yaml:"env"`
		} `yaml:"steps"`
	} `yaml:"runs"`
}

func newJob(t *testing.T) *job {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the action uses bash")
	}
	j := &job{dir: t.TempDir(), path: os.Getenv("PATH")}
	state := t.TempDir()
	j.env = append(os.Environ(), "HOME="+state, "XDG_DATA_HOME="+state, "XDG_CONFIG_HOME="+state, "RUNNER_TEMP="+state)
	for _, name := range []string{"GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"} {
		j.env = append(j.env, name+"="+filepath.Join(state, name))
		writeFile(t, filepath.Join(state, name), nil)
	}
	return j
}

// use runs the steps of an action.
func (j *job) use(t *testing.T, name string, inputs map[string]string) {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(actions, name))
	if err != nil {
		t.Fatal(err)
	}
	var a action
	if err := yaml.Unmarshal(readFile(t, filepath.Join(dir, "action.yml")), &a); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{"github.action_path": dir}
	for input, its := range a.Inputs {
		values["inputs."+input] = its.Default
	}
	for input, value := range inputs {
		if _, known := a.Inputs[input]; !known {
			t.Fatalf("the action %s has no input %s", name, input)
		}
		values["inputs."+input] = value
	}
	for _, step := range a.Runs.Steps {
		if step.Uses != "" || !j.wants(t, step.If, values) {
			continue
		}
		if step.Shell != "bash" {
			t.Fatalf("the step %q has the shell %q, want bash", step.Run, step.Shell)
		}
		env := []string{"GITHUB_ACTION_PATH=" + dir}
		for name, value := range step.Env {
			env = append(env, name+"="+expand(value, values))
		}
		j.run(t, step.Run, env...)
	}
}

// expand replaces the expressions in a text.
func expand(text string, values map[string]string) string {
	for name, value := range values {
		text = strings.ReplaceAll(text, "${{ "+name+" }}", value)
	}
	return text
}

// wants reports whether a step with a condition runs.
func (j *job) wants(t *testing.T, condition string, values map[string]string) bool {
	t.Helper()
	condition, always := strings.CutPrefix(condition, "always() && ")
	if j.failed && !always {
		return false
	}
	if condition == "" {
		return true
	}
	name, ok := strings.CutSuffix(condition, " != ''")
	if _, known := values[name]; !ok || !known {
		t.Fatalf("the test does not know the condition %q", condition)
	}
	return values[name] != ""
}

// run runs a step.
func (j *job) run(t *testing.T, script string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Dir = j.dir
	cmd.Env = append(append(append(j.env, "PATH="+j.path), j.lines(t, "GITHUB_ENV")...), env...)
	for _, folder := range j.lines(t, "GITHUB_PATH") {
		cmd.Env = append(cmd.Env, "PATH="+folder+string(os.PathListSeparator)+j.path)
	}
	cmd.WaitDelay = time.Second // Caddy has inherited the output
	out, err := cmd.CombinedOutput()
	fmt.Fprintf(&j.log, "$ %s\n%s", script, out)
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		fmt.Fprintf(&j.log, "%v\n", err)
		j.failed = true
	}
}

// lines returns the lines of a file that passes variables.
func (j *job) lines(t *testing.T, name string) []string {
	t.Helper()
	return strings.Fields(string(readFile(t, j.file(name))))
}

// file returns the path in a variable.
func (j *job) file(name string) string {
	for _, each := range j.env {
		if value, ok := strings.CutPrefix(each, name+"="); ok {
			return value
		}
	}
	return ""
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// startInputs writes a Caddyfile. It returns the inputs that start Caddy with it, and the
// address of its site.
func (j *job) startInputs(t *testing.T) (inputs map[string]string, site string) {
	t.Helper()
	site = fmt.Sprintf("http://127.0.0.1:%d", freePort(t))
	writeFile(t, filepath.Join(j.dir, "Caddyfile"), []byte("{\nauto_https off\n}\n"+site+" {\nbind 127.0.0.1\nfault {\npoint shop\n"+
		"per {header.Idempotency-Key}\ntimes 1\nrespond 503 {\nretry_after 1s\n}\n}\nrespond ok\n}\n"))
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	t.Cleanup(func() { // if a test has failed
		_ = exec.Command(readyBinary(t), "stop", "--address", address).Run() //nolint:noctx // the context of the test has ended
	})
	return map[string]string{"binary": readyBinary(t), "address": address}, site
}

// orderTwice returns a command that sends an order twice. An obedient client waits as long
// as the reply asks.
func orderTwice(site string, obedient bool) string {
	wait := ""
	if obedient {
		wait = "sleep 1.1; "
	}
	curl := "curl -s -o /dev/null -A shop/1 -H 'Idempotency-Key: 1' " + site
	return curl + "; " + wait + curl
}

// TestAction runs the shell steps of the composite actions. It checks what they write,
// and whether they fail the job.
func TestAction(t *testing.T) {
	for _, tt := range []struct {
		name   string
		run    func(site string) string
		failOn string
		fails  string // in the output, or empty
	}{
		{"tests pass", func(site string) string { return orderTwice(site, true) }, "", ""},
		{"tests fail", func(site string) string { return orderTwice(site, true) + "; exit 3" }, "", "exit status 3"},
		{"several lines", func(site string) string {
			return "test $CADDY_FAULT_ADDRESS\nfalse | true\n" + orderTwice(site, true)
		}, "", "exit status 1"},
		{"a good client", func(site string) string { return orderTwice(site, true) }, "error", ""},
		{"a hasty client", func(site string) string { return orderTwice(site, false) }, "error", "retry_after_ignored"},
		{"no evidence", func(string) string { return "caddy fault verify --refused --exactly 0" }, "error", "exit status 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newJob(t)
			inputs, site := j.startInputs(t)
			inputs["run"], inputs["fail-on"] = tt.run(site), tt.failOn
			j.use(t, "caddyfault", inputs)
			j.check(t, tt.fails)
			j.checkReports(t)
		})
	}
}

// check checks whether the job fails, with a text in its output.
func (j *job) check(t *testing.T, fails string) {
	t.Helper()
	if j.failed != (fails != "") || !strings.Contains(j.log.String(), fails) {
		t.Errorf("failed: %v, want output %q:\n%s", j.failed, fails, &j.log)
	}
}

// checkReports reads the files that the report writes, and checks that Caddy has ended.
func (j *job) checkReports(t *testing.T) {
	t.Helper()
	if summary := string(readFile(t, j.file("GITHUB_STEP_SUMMARY"))); !strings.HasPrefix(summary, "## Clients after injected faults\n\n") || strings.Count(summary, "\n") < 3 {
		t.Errorf("the summary of the job is\n%s", summary)
	}
	var suites struct {
		XMLName xml.Name `xml:"testsuites"`
	}
	if err := xml.Unmarshal(readFile(t, filepath.Join(j.dir, "caddyfault.xml")), &suites); err != nil {
		t.Errorf("JUnit: %v", err)
	}
	if journal := readFile(t, filepath.Join(j.dir, "caddyfault-journal.json")); !json.Valid(journal) {
		t.Errorf("journal: %s", journal)
	}
	if j.run(t, "caddy fault status"); !strings.HasSuffix(j.log.String(), "exit status 1\n") {
		t.Errorf("Caddy has not ended:\n%s", &j.log)
	}
}

// TestActionInSteps starts Caddy, runs tests and reports in three steps of a job.
func TestActionInSteps(t *testing.T) {
	j := newJob(t)
	inputs, site := j.startInputs(t)
	j.use(t, "caddyfault", inputs)
	j.run(t, "caddy fault run --name lost --point shop 'respond 503; retry_after 1s' -- bash -c "+`"`+orderTwice(site, false)+`"`)
	j.run(t, "caddy fault verify lost --exactly 2")
	j.check(t, "")
	j.use(t, "caddyfault/report", map[string]string{"fail-on": "retry_after_ignored", "junit": "caddyfault.xml"})
	j.check(t, "retry_after_ignored")
	j.checkReports(t)
}

// TestActionRefuses checks the errors for what cannot start.
func TestActionRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ input, value, want string }{
		"another program": {"binary", "/bin/true", "the binary /bin/true does not have the fault modules"},
		"no binary":       {"binary", "missing", "missing"},
		"no Caddyfile":    {"caddyfile", "missing", "Caddy does not start with missing"},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t)
			inputs, _ := j.startInputs(t)
			inputs[tt.input] = tt.value
			j.use(t, "caddyfault", inputs)
			j.check(t, tt.want)
		})
	}
	t.Run("a long list of modules", func(t *testing.T) { // more than a pipe takes
		j := newJob(t)
		inputs, _ := j.startInputs(t)
		inputs["binary"] = filepath.Join(j.dir, "many")
		script := "#!/bin/bash\nset -e\n[[ $1 == list-modules ]]\necho http.handlers.fault\nfor ((i = 0; i < 99999; i++)); do echo \"other.$i\"; done\n"
		if err := os.WriteFile(inputs["binary"], []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		j.use(t, "caddyfault", inputs)
		j.check(t, "Caddy does not start with")
	})
	t.Run("a report without a start", func(t *testing.T) {
		j := newJob(t)
		j.use(t, "caddyfault/report", nil)
		j.check(t, "Caddy was not started")
	})
}
