package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// adminEndpoint starts a Caddy with that injection point, and returns the address of
// its admin API.
func adminEndpoint(t *testing.T, point string) (n *testnode.Node, address string) {
	t.Helper()
	n = testnode.Start(t, point, "")
	return n, listen(t, n.API)
}

// listen serves a handler and returns its address.
func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// printed is the output of a command.
type printed struct {
	stdout, stderr string
	err            error
}

// caddyFault runs `caddy fault` with these arguments.
func caddyFault(t *testing.T, args ...string) printed {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := faultCommand(args...)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	err := cmd.ExecuteContext(t.Context())
	return printed{stdout.String(), stderr.String(), err}
}

// faultCommand returns the command below a root like Caddy's.
func faultCommand(args ...string) *cobra.Command {
	root, cmd := &cobra.Command{Use: "caddy", SilenceUsage: true}, &cobra.Command{Use: "fault"}
	setUpCommand(cmd)
	root.AddCommand(cmd)
	root.SetArgs(append([]string{"fault"}, args...))
	return root
}

func wantLines(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

const twoRules = `{"point": "api", "source": "Caddyfile:3", "match": [{"path": ["/api/*"]}], "rules": [
	{"name": "slow", "percent": 0, "faults": [{"fault": "delay", "duration": "1s"}, {"fault": "respond", "status_code": 503}]},
	{"name": "gone", "faults": [{"fault": "respond", "status_code": 410}]}]}`

// hit sends a request that both rules match to the point.
func hit(t *testing.T, h *testnode.Node) {
	t.Helper()
	if _, _, err := testkit.Get(t, h, "/api/x", testkit.Upstream); err != nil {
		t.Fatal(err)
	}
}

func TestCommandStatus(t *testing.T) {
	h, address := adminEndpoint(t, twoRules)
	hit(t, h)
	got := caddyFault(t, "status", "--address", address)
	passed := caddyFault(t, "status", "--json", "--address", address)
	var view api.StateView
	if err := json.Unmarshal([]byte(passed.stdout), &view); err != nil || len(view.Points) != 1 || view.Points[0].Rules[1].Hits != 1 {
		t.Fatalf("--json: got %s, %v", passed.stdout, err)
	}
	wantLines(t, belowHead(t, got.stdout), fmt.Sprintf(`

POINT/RULE  RULE                               HITS  PASSED
api/slow    /api/*  0%%  delay 1s  respond 503     0  percent %d
api/gone    /api/*  respond 410                   1  -
`, view.Points[0].Rules[0].Passed["percent"])) // the metric is of the process
	if got := caddyFault(t, "status", "--source", "--address", address); !strings.Contains(got.stdout, "PASSED     SOURCE\n") || !strings.Contains(got.stdout, "-          Caddyfile:3\n") {
		t.Errorf("--source: got %s", got.stdout)
	}
}

// belowHead returns the output of status after its first line, which must be that of an
// armed Caddy. The line names the machine.
func belowHead(t *testing.T, status string) string {
	t.Helper()
	head, rest, _ := strings.Cut(status, "\n")
	if !strings.HasPrefix(head, "● armed   0 held   halt: caddy fault halt --address ") || !strings.Contains(head, "  up ") {
		t.Errorf("got first line %q", head)
	}
	return rest
}

func TestCommandSwitch(t *testing.T) {
	_, address := adminEndpoint(t, twoRules)
	tests := []struct{ args, stdout, err string }{
		{"off api gone", "rule 'gone' of point 'api' is off\n", ""},
		{"on api/gone", "rule 'gone' of point 'api' is on\n", ""},
		{"off api", "", "a point and a rule are required: write one of:\n\tcaddy fault off api slow@"},
		{"off api nope", "", "no rule 'nope' at injection point 'api'"},
		{"reset", "rules reset: 2\n", ""},
		{"reset --rule gone --point api", "rules reset: 1\n", ""},
		{"reset --rule nope", "", "no rule 'nope'"},
		{"reset --rule=", "", "--rule is empty: give it a value, or leave it out"},
		{"reset --rule gone --point=", "", "--point is empty"},
		{"verify --rule= --exactly 0", "", "--rule is empty"},
		{"verify --rule gone --exactly 0 --since=", "", "--since is empty"},
		{"verify --rule gone --exactly 0 --wait=", "", "--wait is empty"},
		{"explain / --method=", "", "--method is empty"},
		{"explain / --header=", "", "--header is empty"},
		{"run --name= --point api 503", "", "--name is empty"},
		{"run --name x --ttl= --point api 503", "", "--ttl is empty"},
		{"run --name x --point api --point= 503", "", "--point is empty"},
		{"run --name x --point api --match= 503", "", "--match is empty"},
		{"off api/", "", "the point or the rule is empty"},
		{"halt", "Halted. Undo: caddy fault resume@\n", ""},
		{"halt", "Already halted since ", ""},
		{"status", "● halted since ", ""},
		{"run --name x --point api 503", "", "faults are halted"},
		{"resume", "Resumed. Armed again: 2 rules.\n", ""},
		{"resume", "Already on since ", ""},
		{"status", "● armed ", ""},
		{"status --after=", "", "--after is empty"},
		{"status --limit 0", "", "--limit: '0' is not a number from 1 to 10000"},
		{"status --after api/nope", "", "has no 'api/nope'"},
		{"rm a b", "", "exiting with status 1"},
		{"nope", "", "unknown command 'nope'"},
		{"explain / -H nope", "", "bad header 'nope'"},
		{"explain / -H :y", "", "header: '' is not a valid field name"},
		{"codes nope", "", "no status code, family or name matches 'nope'"},
		{"verify --rule gone", "", "a number is required: caddy fault verify gone --at-least 1@"},
		{"verify --rule nope --exactly 0", "", "no rule 'nope'"},
	}
	for _, tt := range tests {
		got := caddyFault(t, append(strings.Fields(tt.args), "--address", address)...)
		if !strings.HasPrefix(got.stdout, at(address, tt.stdout)) || (tt.stdout == "") != (got.stdout == "") {
			t.Errorf("%s: got %q, want %q", tt.args, got.stdout, tt.stdout)
		}
		if (got.err == nil) != (tt.err == "") || got.err != nil && !strings.Contains(got.err.Error(), at(address, tt.err)) {
			t.Errorf("%s: got error %v, want %q", tt.args, got.err, tt.err)
		}
	}
}

func TestCommandExplain(t *testing.T) {
	_, address := adminEndpoint(t, twoRules)
	got := caddyFault(t, "explain", "https://example.com/api/x", "-X", "POST", "-H", "X-A: b", "--address", address)
	wantLines(t, got.stdout, `
no site serves https://example.com/api/x: there is no server; the point api may hit, but its place among the routes is unknown

POINT  RULE  VERDICT  BY       WHY
api    slow  passes   percent  the percentage is currently 0
api    gone  hits     -        -
`)
	if got.err != nil {
		t.Errorf("a fault may hit: got %v", got.err)
	}
	for _, flag := range []string{"--json=false", "--json"} {
		got = caddyFault(t, "explain", "/other", flag, "--address", address)
		if got.err == nil || got.err.Error() != "exiting with status 2" {
			t.Errorf("%s: no fault can hit: got %v", flag, got.err)
		}
		if flag == "--json" {
			continue
		}
		all := caddyFault(t, "explain", "/other", "--all", "--address", address)
		wantLines(t, all.stdout, `
no site serves /other: there is no server

POINT  RULE  VERDICT  BY  WHY
api    -     passes   -   the matcher of the point does not match
`)
		wantLines(t, got.stdout, `
no site serves /other: there is no server

1 other point does not match. To list it, add --all.
`)
	}
}

func TestCommandExplainError(t *testing.T) {
	const number = `"match": [{"expression": "int({http.request.header.X}) > 1"}]`
	const why = "passes   match    the matcher 'expression' fails and does not match: "
	for _, tt := range []struct{ config, want string }{
		{
			`{"point": "api", "rules": [
			{"name": "first", "percent": 0, "faults": [{"fault": "close"}]},
			{"name": "number", ` + number + `, "faults": [{"fault": "close"}]}]}`,
			"\napi    first   passes   percent  the percentage is currently 0\napi    number  " + why,
		},
		{`{"point": "api", ` + number + `, "rules": [{"faults": [{"fault": "close"}]}]}`, "\napi    -     " + strings.Replace(why, "match    ", "match  ", 1)},
	} {
		_, address := adminEndpoint(t, tt.config)
		got := caddyFault(t, "explain", "/", "-H", "X: no", "--address", address)
		if !strings.Contains(got.stdout, tt.want) {
			t.Errorf("got %+v, want %q", got, tt.want)
		}
	}
}

func TestCommandCodes(t *testing.T) {
	_, address := adminEndpoint(t, twoRules)
	for _, tt := range []struct{ arg, want string }{
		{"551", "smtp:551  smtp"}, {"User not", "smtp:551  smtp"}, {"nginx", "nginx:499  nginx"}, {"smtp:551", "smtp:551  smtp"},
	} {
		if got := caddyFault(t, "codes", tt.arg, "--address", address); !strings.Contains(got.stdout, "\n"+tt.want) {
			t.Errorf("codes %s: got\n%s, want a line with %q", tt.arg, got.stdout, tt.want)
		}
	}
	var view api.CodeList
	got := caddyFault(t, "codes", "smtp:551", "--json", "--address", address)
	if err := json.Unmarshal([]byte(got.stdout), &view); err != nil || len(view.Codes) != 1 || view.Codes[0].Name != "User Not Local" {
		t.Errorf("--json: got %s, %v", got.stdout, err)
	}
}

func TestCommandVerify(t *testing.T) {
	h, address := adminEndpoint(t, twoRules)
	hit(t, h)
	tests := []struct{ args, stdout, stderr, err string }{
		{"--exactly 1", "hits of rule 'gone': 1\n", "", ""},
		{"--at-least 1 --at-most 2 --since 1h", "hits of rule 'gone': 1\n", "", ""},
		{"--at-least 2 --point api", "", "Error: rule 'gone' has hit 1 time, want at least 2\n", "exiting with status 2"},
		{"--exactly 0 --since 1h", "", "Error: rule 'gone' has hit 1 time, want exactly 0\n", "exiting with status 2"},
		{"--exactly 0 --wait 1ms --json", "{\n  \"error\": \"rule 'gone' has hit 1 time, want exactly 0\",\n  \"count\": 1\n}\n", "", "exiting with status 2"},
	}
	for _, tt := range tests {
		got := caddyFault(t, append(strings.Fields("verify --rule gone "+tt.args), "--address", address)...)
		if got.stdout != tt.stdout || got.stderr != tt.stderr || fmt.Sprint(got.err) != fmt.Sprint(errorOf(tt.err)) {
			t.Errorf("%s: got %+v, want %+v", tt.args, got, tt)
		}
	}
	h.Ctl.Journal.Empty()
	got := caddyFault(t, "verify", "--rule", "gone", "--exactly", "0", "--since", "1h", "--address", address)
	if got.err == nil || got.err.Error() != "the journal does not go back that far" {
		t.Errorf("with an empty journal: got %+v, want an error", got)
	}
}

// A server that ends during the wait, as for a reload, does not shorten the wait.
func TestCommandVerifyGoesOn(t *testing.T) {
	for _, tt := range []struct {
		status       int
		body, stdout string
		err          string
	}{
		{200, `{"count": 3}`, "hits of rule 'gone': 3\n", ""},
		{417, `{"error": "no", "count": 2}`, "", "exiting with status 2"},
	} {
		var waits, since []string
		address := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			waits, since = append(waits, r.URL.Query().Get("wait")), append(since, r.URL.Query().Get("since"))
			if len(waits) == 1 {
				_ = api.Answer(w, http.StatusServiceUnavailable, api.Refuse(0, "ask again"))
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		}))
		got := caddyFault(t, "verify", "--rule", "gone", "--exactly", "3", "--wait", "10m", "--since", "1m", "--address", address)
		if got.stdout != tt.stdout || fmt.Sprint(got.err) != fmt.Sprint(errorOf(tt.err)) {
			t.Errorf("%d: got %+v, want %+v", tt.status, got, tt)
		}
		if len(waits) != 2 || waits[0] != "10m" {
			t.Fatalf("%d: asked with wait %q, want 10m and what is left of it", tt.status, waits)
		}
		left, err := time.ParseDuration(waits[1])
		if err != nil || left <= 0 || left >= 10*time.Minute {
			t.Errorf("%d: the second time asked with wait %q, %v, want what is left of 10m", tt.status, waits[1], err)
		}
		if ago, err := time.ParseDuration(since[1]); err != nil || ago+left != 11*time.Minute {
			t.Errorf("%d: the second time asked since %q, %v, want the same instant", tt.status, since[1], err)
		}
	}
}

// at returns a text in which @ stands for the flag with an address.
func at(address, text string) string { return strings.ReplaceAll(text, "@", " --address "+address) }

func errorOf(text string) error {
	if text == "" {
		return nil
	}
	return fmt.Errorf("%s", text)
}

// The command does not claim that an experiment is on where it cannot match. It reports
// an experiment that has not matched any request.
func TestCommandRunMatchesNothing(t *testing.T) {
	h, address := adminEndpoint(t, twoRules)
	const excluded = "  cannot match at api: path /api/* and /other\n"
	run := func(name string, more ...string) printed {
		return caddyFault(t, append([]string{"run", "--address", address, "--name", name, "--match", "path /other", "503"}, more...)...)
	}
	got := run("none")
	if want := "experiment 'none' is on at no point where it can match; time left: 10m0s\n" + excluded; got.stdout != want || got.stderr != "" || got.err != nil {
		t.Errorf("got %+v, want %q", got, want)
	}
	if want := "Warning: experiment 'child' cannot match at any of its points:\n" + excluded; !strings.HasPrefix(run("child", "--", "true").stderr, want) {
		t.Errorf("with a command: got no warning %q", want)
	}
	for _, command := range []string{"list", "status"} {
		if got := caddyFault(t, command, "--address", address); strings.Contains(got.stdout, "matched") {
			t.Errorf("%s: got %s before any request", command, got.stdout)
		}
	}
	for range 3 {
		hit(t, h)
	}
	for _, command := range []string{"list", "status"} {
		if got := caddyFault(t, command, "--address", address); !strings.HasSuffix(got.stdout, "\nexperiment 'none': 0 of 3 requests at its points matched\n") {
			t.Errorf("%s: got %s", command, got.stdout)
		}
	}
	h.Beside(`{"point": "other", "source": "b:1", "match": [{"path": ["/other"]}]}`)
	got = run("some")
	if want := "experiment 'some' is on at other; time left: 10m0s\n" + excluded + "  other: match path /other\n"; got.stdout != want || got.stderr != "" {
		t.Errorf("got %+v, want %q", got, want)
	}
}

// If there are very many points, only the first ones have a line.
func TestBegunText(t *testing.T) {
	view := &api.ExperimentView{Name: "a"}
	if got := begunText(view); got != "experiment 'a' is on at no point; time left: no end\n" {
		t.Errorf("got %q", got)
	}
	data := `{"name": "a", "places": [{"point": "p", "site": "h.example.com\u001b", "line": "match path /p0"}`
	for i := 1; i < 12; i++ {
		data += fmt.Sprintf(`, {"point": "p", "line": "match path /p%d"}`, i)
	}
	if err := json.Unmarshal([]byte(data+`, {"point": "all"}]}`), view); err != nil {
		t.Fatal(err)
	}
	got := begunText(view)
	if !strings.HasPrefix(got, "experiment 'a' is on at p, all; time left: no end\n  h.example.com\uFFFD › p: match path /p0\n  p: match path /p1\n") || !strings.HasSuffix(got, "/p9\n  and 2 more\n") {
		t.Errorf("got %q", got)
	}
}

func TestCommandRun(t *testing.T) {
	h, address := adminEndpoint(t, twoRules)
	run := func(args ...string) printed {
		return caddyFault(t, append([]string{"run", "--address", address, "--name", "late"}, args...)...)
	}
	got := run("--point", "api", "--ttl", "0", "--note", "why\tnot", "times 3; delay 1ms")
	if want := "experiment 'late' is on at api; time left: no end\n  api: match path /api/*\n"; got.stdout != want || got.err != nil {
		t.Fatalf("got %+v, want %q", got, want)
	}
	wantLines(t, caddyFault(t, "list", "--address", address).stdout, `
EXPERIMENT  AT   RULE                HITS  LEFT    NOTE
late        api  times 3  delay 1ms     0  no end  why`+"\uFFFD"+`not
`)
	if got := run("--point", "api", "503"); got.err == nil || !strings.Contains(got.err.Error(), "experiment 'late' already exists") {
		t.Errorf("the same name again: got %+v", got)
	}
	if live := h.Ctl.Store.Get("late"); live == nil || live.Note == "" {
		t.Error("the experiment has been replaced")
	}
	if got := caddyFault(t, "rm", "late", "--address", address); got.err != nil || got.stdout != "experiment 'late' has ended\n" {
		t.Errorf("rm: got %+v", got)
	}
	if got := caddyFault(t, "list", "--ended", "--address", address); !strings.Contains(got.stdout, "\nlate        times 3  delay 1ms  ") {
		t.Errorf("list --ended: got %s", got.stdout)
	}
}

// A halt names the experiments that it has ended, and says that resume does not start
// them.
func TestCommandHaltTells(t *testing.T) {
	h, address := adminEndpoint(t, twoRules)
	h.Put("late", `{"points": ["*"], "faults": [{"fault": "close"}]}`)
	h.Put("boom", `{"points": ["*"], "faults": [{"fault": "close"}]}`)
	want := at(address, "Halted. Ended 2 experiments: boom, late. Undo: caddy fault resume@ (experiments stay ended)\n")
	if got := caddyFault(t, "halt", "--address", address); got.stdout != want || got.err != nil {
		t.Errorf("got %+v, want %q", got, want)
	}
	got := caddyFault(t, "halt", "--address", address)
	if !strings.HasPrefix(got.stdout, "Already halted since 2") || !strings.HasSuffix(got.stdout, at(address, " (api). Undo: caddy fault resume@\n")) {
		t.Errorf("again: got %+v", got)
	}
}

// fullDisk fails every write.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// If the output cannot be written, the command fails, whatever it has done.
func TestCommandFullDisk(t *testing.T) {
	h, address := adminEndpoint(t, twoRules)
	hit(t, h)
	for _, args := range [][]string{
		{"run", "--name", "late", "--point", "api", "delay 1ms"},
		{"list"},
		{"rm", "late"},
		{"status"},
		{"status", "--json"},
		{"list", "--ended"},
		{"off", "api", "gone"},
		{"on", "api", "gone"},
		{"verify", "--rule", "gone", "--exactly", "1"},
		{"explain", "/"},
		{"codes"},
		{"codes", "--json", "551"},
		{"reset"},
		{"watch"},
		{"halt"},
		{"explain", "/"},
		{"resume"},
	} {
		cmd := faultCommand(append(args, "--address", address)...)
		var stderr bytes.Buffer
		cmd.SetOut(fullDisk{})
		cmd.SetErr(&stderr)
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(stderr.String(), syscall.ENOSPC.Error()) {
			t.Errorf("%q: got error %v and %q", args, err, stderr.String())
		}
	}
	if left := h.Ctl.Store.List(); len(left) != 0 {
		t.Errorf("an experiment is left: %s", left[0].JSON)
	}
}

// An experiment that applies to no point starts with a warning. One at a transport can
// have what is only allowed there.
func TestCommandRunNowhere(t *testing.T) {
	ctl := control.New()
	ctx, err := testkit.Provision(t, ctl, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := testkit.Load[*inject.Transport](t, ctx, "http.reverse_proxy.transport.fault", `{"point": "up"}`); err != nil {
		t.Fatal(err)
	}
	app := testkit.App(t, ctx)
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Stop(); err != nil {
			t.Error(err)
		}
	})
	address := listen(t, api.New(ctl, ctx.Storage()))
	const warning = "Warning: experiment 'all' applies to no point of the running configuration: nothing is injected\n"
	for _, tt := range []struct {
		args           []string
		stdout, stderr string
	}{
		{[]string{"--point", "*", "551"}, "experiment 'all' is on at no point; time left: 10m0s\n", warning},
		{[]string{"--point", "*", "551", "--", "true"}, "", warning},
		{[]string{"--point", "up", "551"}, "experiment 'all' is on at up; time left: 10m0s\n", ""},
		{[]string{"--point", "up", "refuse"}, "experiment 'all' is on at up; time left: 10m0s\n", ""},
		{[]string{"--point", "up", "percent 0.1%; 551"}, "experiment 'all' is on at up; time left: 10m0s\n", ""},
		{
			[]string{"--point", "up", "percent 0.1; 551"},
			"experiment 'all' is on at up; time left: 10m0s\n",
			"Warning: percent 0.1 is 1 request in 1000; if a share of 0.1 is meant, write percent 10; if not, write percent 0.1%\n",
		},
	} {
		got := caddyFault(t, append([]string{"run", "--address", address, "--name", "all"}, tt.args...)...)
		if got.stdout != tt.stdout || got.stderr != tt.stderr {
			t.Errorf("%q: got %+v, want %q and %q", tt.args, got, tt.stdout, tt.stderr)
		}
		_ = ctl.Remove("all", "", nil) // its command may have removed it
	}
}

func TestCommandRunRefuses(t *testing.T) {
	h, address := adminEndpoint(t, twoRules)
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"503"}, "--match or --point is required"},
		{[]string{"--point", "api"}, "a rule is required: caddy fault run --match 'path /api/*' 'percent 10; delay 2s'"},
		{[]string{"--point", "api", "delay", "2s"}, "unexpected argument '2s': write the rule in quotes: 'delay 2s'"},
		{[]string{"--point", "api", "503", "--"}, "a command is required after --"},
		{[]string{"--point", "api", "--ttl", "soon", "503"}, "bad ttl 'soon'"},
		{[]string{"--point", "nope", "503"}, "no injection point 'nope'; the injection points are: api"},
		{[]string{"--point", "api", "percent 10"}, "a rule needs a fault"},
		{[]string{"--point", "api", "503", "--", "no-such-command"}, "exiting with status 127"},
		{[]string{"--point", "api", "503", "--", "./no-such-command"}, "exiting with status 127"},
		{[]string{"--point", "api", "503", "--", t.TempDir()}, "exiting with status 126"},
		{[]string{"--point", "api", "503", "--", "./command_test.go"}, "exiting with status 126"},
	}
	for _, tt := range tests {
		got := caddyFault(t, append([]string{"run", "--address", address, "--name", "x"}, tt.args...)...)
		if got.err == nil || !strings.Contains(got.err.Error(), tt.want) {
			t.Errorf("%q: got error %v, want %q", tt.args, got.err, tt.want)
		}
		if left := h.Ctl.Store.List(); len(left) != 0 {
			t.Fatalf("%q: an experiment is left: %s", tt.args, left[0].JSON)
		}
	}
}

// runSession returns a run of `caddy fault run` with an experiment 'x'.
func runSession(t *testing.T, client *adminClient, stderr io.Writer) (*session, *experiments.Experiment) {
	t.Helper()
	s := &session{Command: &cobra.Command{}, adminClient: client}
	s.SetContext(t.Context())
	s.SetErr(stderr)
	rule, err := grammar.ParseLine("503", "/api/x")
	if err != nil {
		t.Fatal(err)
	}
	e := &experiments.Experiment{Rule: *rule}
	e.Name, e.TTL = "x", new(caddy.Duration(commandTTL))
	return s, e
}

// pipes is a listener in a synctest bubble.
type pipes struct {
	net.Listener
	conns  chan net.Conn
	closed context.Context
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed.Done():
		return nil, net.ErrClosed
	}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Close() error { return nil }

// pipeClient returns a client of a server in a synctest bubble.
func pipeClient(t *testing.T, h http.Handler) *adminClient {
	t.Helper()
	client, err := newAdminClient("localhost:2019")
	if err != nil {
		t.Fatal(err)
	}
	p := &pipes{conns: make(chan net.Conn), closed: t.Context()}
	client.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: p.dial}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(p) }()
	t.Cleanup(func() { _ = srv.Close() })
	return client
}

// An experiment whose start is not answered is removed, unless another client may have
// started it.
func TestCommandRunUnanswered(t *testing.T) {
	const warning = "Warning: Caddy has not answered, so experiment 'x' may still start: check with caddy fault list\n"
	unheard := func(api http.Handler, r *http.Request) { api.ServeHTTP(httptest.NewRecorder(), r) }
	for _, tt := range []struct {
		name    string
		ttl     time.Duration
		put     func(api http.Handler, r *http.Request) // the reply is lost
		warning string
		left    int
	}{
		{"begun", commandTTL, unheard, "", 0},
		{"begun late", commandTTL, func(api http.Handler, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			time.Sleep(defaultPatience + 10*time.Second)
			unheard(api, r)
		}, "", 0},
		{"not begun", commandTTL, func(http.Handler, *http.Request) {}, warning, 0},
		{"another has begun the same", commandTTL, func(api http.Handler, r *http.Request) {
			other := strings.NewReader(`{"match":[{"path":["/api/x"]}],"name":"x","ttl":86400000000000,"faults":[{"fault":"respond","status_code":503}]}`)
			unheard(api, httptest.NewRequestWithContext(r.Context(), "PUT", r.URL.Path, other))
		}, "", 1},
		{"without an end", 0, unheard, warning, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := testnode.Start(t, twoRules, "")
				release := make(chan struct{})
				client := pipeClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method != http.MethodPut {
						n.API.ServeHTTP(w, r)
						return
					}
					tt.put(n.API, r)
					<-release
				}))
				var stderr bytes.Buffer
				s, e := runSession(t, client, &stderr)
				*e.TTL, e.Note = caddy.Duration(tt.ttl), "a\u009bb" // which the API escapes
				if _, _, err := s.start(e, nil); !unanswered(err) {
					t.Errorf("got %v, want no answer", err)
				}
				if left := len(n.Ctl.Store.List()); left != tt.left || stderr.String() != tt.warning {
					t.Errorf("got %d experiments and %q, want %d and %q", left, stderr.String(), tt.left, tt.warning)
				}
				close(release)
				n.Ctl.Switch.Set(experiments.State{Halted: true})
				n.Ctl.BeginExit()
			})
		})
	}
}

// A signal before the command starts ends the experiment, and is not an error.
func TestCommandRunSignalBefore(t *testing.T) {
	for _, tt := range []struct {
		name         string
		answer, want time.Duration
		left         int // the caller has to end it
	}{
		{"Caddy answers", time.Second, time.Second, 1},
		{"Caddy does not answer", time.Hour, answerAfterSignal, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := testnode.Start(t, twoRules, "")
				client := pipeClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					n.API.ServeHTTP(w, r)
					if r.Method == http.MethodPut {
						select {
						case <-time.After(tt.answer):
						case <-r.Context().Done():
						}
					}
				}))
				var stderr bytes.Buffer
				s, e := runSession(t, client, &stderr)
				signals := make(chan os.Signal, 1)
				signals <- os.Interrupt
				asked := time.Now()
				view, sig, _ := s.start(e, signals)
				if took := time.Since(asked); sig != os.Interrupt || codeOf(sig) != 130 || took != tt.want {
					t.Errorf("got signal %v after %v, want an interrupt after %v", sig, took, tt.want)
				}
				if left := len(n.Ctl.Store.List()); left != tt.left || (view != nil) != (left > 0) || stderr.Len() > 0 {
					t.Errorf("got %d experiments, view %v and %q, want %d", left, view, stderr.String(), tt.left)
				}
				n.Ctl.Switch.Set(experiments.State{Halted: true})
				n.Ctl.BeginExit()
			})
		})
	}
}

// While the command runs, others may change the experiment. run removes only the
// experiment that it has started.
func TestCommandRunEnd(t *testing.T) {
	tests := []struct {
		name      string
		meanwhile func(*control.Control)
		warning   string
		left      int
	}{
		{"alone", func(*control.Control) {}, "", 0},
		{"deleted", func(ctl *control.Control) { _ = ctl.Store.Delete("x", "", nil) }, "Warning: experiment 'x' ended before the command did\n", 0},
		{"replaced", func(ctl *control.Control) {
			other, err := experiments.Parse("x", []byte(`{"points": ["api"], "faults": [{"fault": "close"}]}`))
			if err == nil {
				_, _, err = ctl.Store.Start(experiments.Batch{Drafts: []experiments.Draft{{Experiment: other, JSON: []byte(`{}`)}}})
			}
			if err != nil {
				t.Error(err)
			}
		}, "Warning: experiment 'x' has been replaced; the new one is still on\n", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, address := adminEndpoint(t, twoRules)
			var stderr bytes.Buffer
			client, err := newAdminClient(address)
			if err != nil {
				t.Fatal(err)
			}
			s, e := runSession(t, client, &stderr)
			view, err := s.begin(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			tt.meanwhile(h.Ctl)
			s.end(view)
			if left := len(h.Ctl.Store.List()); left != tt.left || stderr.String() != tt.warning {
				t.Errorf("got %d experiments and %q, want %d and %q", left, stderr.String(), tt.left, tt.warning)
			}
		})
	}
}

// What the keys of a terminal send has reached the command already.
func TestCommandRunKeys(t *testing.T) {
	for _, tt := range []struct {
		atTerminal bool
		code       int
	}{{false, 130}, {true, 143}} {
		child := exec.CommandContext(t.Context(), "sleep", "60")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		signals := make(chan os.Signal, 3)
		for _, sig := range []os.Signal{os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM} {
			signals <- sig
		}
		if err := await(child, signals, tt.atTerminal); err != nil {
			t.Fatal(err)
		}
		if got := exitCode(child.ProcessState); got != tt.code {
			t.Errorf("at a terminal %v: got code %d, want %d", tt.atTerminal, got, tt.code)
		}
	}
}

// unheardAddress returns an address where no process can listen until the test ends: the
// address of a connected client.
func unheardAddress(t *testing.T, server string) string {
	conn, err := net.Dial("tcp", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().String()
}

func TestCommandWithoutCaddy(t *testing.T) {
	page := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }))
	moved := listen(t, http.RedirectHandler("/elsewhere", http.StatusFound))
	plain := listen(t, http.NewServeMux()) // Caddy's admin endpoint answers unknown paths like this mux
	tests := []struct{ name, address, want string }{
		{"no server", unheardAddress(t, page), "no Caddy answers at %s: dial tcp "},
		{"no socket", "unix/" + t.TempDir() + "/none", "no Caddy answers at %s: dial unix "},
		{"another server", page, "no Caddy answers at %s: the reply (200 OK text/html) is not from an admin endpoint"},
		{"a redirect", moved, "no Caddy answers at %s: the reply (302 Found"},
		{"without the module", plain, "Caddy at %s was built without the fault module"},
		{"no address", "nope:x", "bad admin address '%s'"},
	}
	for _, tt := range tests {
		for _, args := range []string{"status", "halt", "watch", "rm x", "run --name x --point y 503"} {
			got := caddyFault(t, append(strings.Fields(args), "--address", tt.address)...)
			want := "Error: " + fmt.Sprintf(tt.want, tt.address)
			if got.err == nil || !strings.HasPrefix(got.stderr, want) || strings.Count(got.stderr, "\n") != 1 || got.stdout != "" {
				t.Errorf("%s, %s: got %+v, want %q", tt.name, args, got, want)
			}
		}
	}
}

// The feed ends after each entry, and watch opens the next one. A done entry is not
// printed again.
func TestCommandWatch(t *testing.T) {
	feeds := [][]string{{`{"seq":1,"path":"/a","host":"h","done":false}`, `{"seq":1,"path":"/a","host":"h","done":true}`}, {`{"seq":2,"path":"/b\u001b[2J"}`}}
	var asked []string
	ctx, stop := context.WithCancel(t.Context())
	address := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/fault/journal" {
			_ = api.Answer(w, http.StatusNotFound, api.Refuse(0, "no rule 'r'"))
			return
		}
		asked = append(asked, r.URL.RawQuery+" after "+r.Header.Get("Last-Event-ID"))
		if len(feeds) == 0 {
			stop()
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, data := range feeds[0] {
			fmt.Fprintf(w, ": note\n\nid: 7\nevent: hit\ndata: %s\n\n", data)
		}
		feeds = feeds[1:]
	}))
	var stdout, stderr bytes.Buffer
	cmd := faultCommand("watch", "r", "--address", address)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	if err := cmd.ExecuteContext(ctx); err == nil {
		t.Error("got no error when the server is gone")
	}
	if got, want := strings.Join(asked, "; "), "rule=r&limit=10 after ; rule=r after 1; rule=r after 2"; got != want {
		t.Errorf("asked for %q, want %q", got, want)
	}
	if !strings.HasPrefix(stderr.String(), "Warning: no rule 'r' (waiting for it)\n") {
		t.Errorf("got %q, want a warning", stderr.String())
	}
	lines := strings.Split(stdout.String(), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], " h/a, 0 ms") || !strings.HasSuffix(lines[1], "/b\uFFFD[2J") {
		t.Errorf("got %q, want a line for each entry", lines)
	}
}

// A line says what a fault has changed in the body of a reply.
func TestCommandWatchChange(t *testing.T) {
	for _, tt := range []struct{ change, want string }{
		{`[{"op":"retype","at":"/id","was":"number","is":"string"}]`, "/a, retype /id (number to string), 5 ms"},
		{
			`[{"op":"drop","at":"/id","was":"number","is":"absent"},{"op":"nest","at":"","was":"array","is":"object"}]`,
			"/a, drop /id (number to absent), nest the document (array to object), 5 ms",
		},
		{`[]`, "/a, 5 ms"},
	} {
		var e experiments.Entry
		if err := json.Unmarshal([]byte(`{"path":"/a","done":true,"duration":0.005,"change":`+tt.change+`}`), &e); err != nil {
			t.Fatal(err)
		}
		if got := entryText(&e); !strings.HasSuffix(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.change, got, tt.want)
		}
	}
}

// The command can read what the API sends.
func TestCommandWatchJSON(t *testing.T) {
	h, address := adminEndpoint(t, twoRules)
	hit(t, h)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	cmd := faultCommand("watch", "--json", "--address", address)
	out := &untilLine{stop: stop}
	cmd.SetOut(out)
	cmd.SetErr(io.Discard)
	_ = cmd.ExecuteContext(ctx)
	var e experiments.Entry
	if err := json.Unmarshal(out.Bytes(), &e); err != nil || e.Rule != "gone" || e.ID == 0 {
		t.Errorf("got %s, %v", out, err)
	}
}

// untilLine calls stop at the first write.
type untilLine struct {
	bytes.Buffer
	stop func()
}

func (u *untilLine) Write(p []byte) (int, error) {
	defer u.stop()
	return u.Buffer.Write(p)
}

// The client of the request is 127.0.0.1, unless --client names another.
func TestCommandExplainClient(t *testing.T) {
	_, address := adminEndpoint(t, `{"point": "api", "rules": [{"name": "first", "match": [{"remote_ip": {"ranges": ["192.0.2.1"]}}], "faults": [{"fault": "close"}]}]}`)
	for client, hits := range map[string]bool{"127.0.0.1": false, "192.0.2.1": true} {
		if got := caddyFault(t, "explain", "/", "--address", address, "--client", client); (got.err == nil) != hits {
			t.Errorf("%s: got %+v, want hit %v", client, got, hits)
		}
	}
}

// A body makes the request a POST, as in curl.
func TestCommandExplainBody(t *testing.T) {
	_, address := adminEndpoint(t, `{"point": "api", "rules": [{"name": "first", "match": [{"method": ["POST"], "vars": {"{http.request.body}": ["a=b"]}}], "faults": [{"fault": "close"}]}]}`)
	for _, tt := range []struct {
		args []string
		hits bool
	}{
		{nil, false},
		{[]string{"-d", "a=b"}, true},
		{[]string{"-d", "a=c"}, false},
		{[]string{"-d", ""}, false},
		{[]string{"-d", "a=b", "-X", "PUT"}, false},
		{[]string{"--data", "a=b", "-X", "POST"}, true},
	} {
		got := caddyFault(t, append([]string{"explain", "/", "--address", address}, tt.args...)...)
		if hits := got.err == nil; hits != tt.hits || strings.Contains(got.stdout, " hits ") != tt.hits {
			t.Errorf("%q: got %+v, want hit %v", tt.args, got, tt.hits)
		}
	}
}
