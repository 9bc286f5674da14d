package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// caddyFaultOf returns a command for a Caddy that needs no flags.
func caddyFaultOf(command string) string { return "caddy fault " + command }

func TestStateDryRun(t *testing.T) {
	var out strings.Builder
	if err := (&statusPrinter{screen: newScreen(&out), again: caddyFaultOf}).print(&api.StateView{DryRun: true}); err != nil || !strings.Contains(out.String(), "\ndry_run: ") {
		t.Errorf("got %s, %v", &out, err)
	}
}

// The status has a line for each set of exempt requests.
func TestStateExempt(t *testing.T) {
	var out strings.Builder
	view := &api.StateView{Exempt: caddyhttp.RawMatcherSets{
		{"path": []byte(`["/healthz", "/readyz"]`)},
		{"method": []byte(`["GET"]`), "header": []byte(`{"User-Agent": ["kube-probe/*"]}`)},
	}}
	if err := (&statusPrinter{screen: newScreen(&out), again: caddyFaultOf}).print(view); err != nil {
		t.Fatal(err)
	}
	const want = "\nexempt: path /healthz /readyz\nexempt: { header User-Agent kube-probe/*; method GET }\n"
	if !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %s", &out, want)
	}
}

// The status has a line for each warning.
func TestShareText(t *testing.T) {
	g := &experiments.GroupState{Group: "g", Warnings: []string{"clocks differ", "an object was\nreplaced"}}
	lines := strings.Split(strings.TrimSpace(shareText(g)), "\n")
	if len(lines) != 3 || lines[1] != "warning: clocks differ" || !strings.HasPrefix(lines[2], "warning: an object was") {
		t.Errorf("got %q", lines)
	}
	if got := shareText(nil); got != "" {
		t.Errorf("got %q without a group", got)
	}
}

// If one answer has not all rules, the status says how to list the next ones.
func TestCommandStatusInParts(t *testing.T) {
	_, address := adminEndpoint(t, twoRules)
	for _, tt := range []struct{ flags, rules, more string }{
		{"", "slow gone", ""},
		{"--limit 1", "slow", "There are more rules: caddy fault status --after api/slow --limit 1@\n"},
		{"--after api/slow --limit 1", "gone", ""},
		{"--after api/slow", "gone", ""},
	} {
		got := caddyFault(t, append(strings.Fields("status --address "+address), strings.Fields(tt.flags)...)...)
		var names []string
		for _, name := range []string{"slow", "gone"} {
			if strings.Contains(got.stdout, "\napi/"+name) {
				names = append(names, name)
			}
		}
		if rules := strings.Join(names, " "); got.err != nil || rules != tt.rules || strings.Contains(got.stdout, "more rules") != (tt.more != "") || !strings.Contains(got.stdout, at(address, tt.more)) {
			t.Errorf("%s: got rules '%s' of\n%s%v, want '%s' and '%s'", tt.flags, rules, got.stdout, got.err, tt.rules, tt.more)
		}
	}
}

// golden compares a text with a file in testdata. With -update it writes the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%s: %v, got\n%s\nwant\n%s", name, err, got, want)
	}
}

const wholeState = `{"halted": false, "active": 3,
	"server": {"version": "v2.11.9", "node": "a1", "started": "2026-11-22T12:00:00Z", "uptime": 11000},
	"points": [
		{"point": "api", "site": "shop.example.com", "source": "Caddyfile:7", "line": "match path /api/*", "passed": {"cors": 2}, "rules": [
			{"name": "busy", "hits": 23, "passed": {"percent": 124}, "line": "match method GET HEAD; percent 20; respond {\"status_code\": 503, \"headers\": {\"set\": {\"Retry-After\": [\"5\"]}}}"},
			{"name": "gone", "off": true, "hits": 14, "passed": {"percent": 110, "time": 3}, "line": "percent 5; close"}]},
		{"point": "site", "site": "shop.example.com", "source": "Caddyfile:20", "rules": []},
		{"point": "fault4", "site": "blog.example.com", "source": "Caddyfile:31", "rules": [
			{"name": "rule1", "hits": 1, "active": 1, "passed": {}, "line": "match path /a.php; match path /b.php; respond 551"}]}],
	"experiments": [
		{"name": "checkout-latency", "applies_to": ["site"], "hits": 109, "active": 2, "came": 300, "matched": 280, "ends": "2026-11-22T15:00:00Z", "time_left": 1061,
			"line": "match path /foo*; percent 40; delay 200ms 900ms", "experiment": {"note": "game day"}},
		{"name": "nowhere", "applies_to": [], "hits": 0, "came": 214, "matched": 0, "line": "match path /none; close", "experiment": {}}]}`

// The status fits the terminal, and a file has all of it without colors.
func TestGoldenStatus(t *testing.T) {
	for _, tt := range []struct {
		name   string
		halted bool
		scr    screen
	}{
		{"status.txt", false, screen{}},
		{"status-100.txt", false, screen{width: 100}},
		{"status-60.txt", false, screen{width: 60}},
		{"status-color.txt", false, screen{width: 130, color: true}},
		{"status-halted.txt", true, screen{width: 130, color: true}},
	} {
		var view api.StateView
		if err := json.Unmarshal([]byte(wholeState), &view); err != nil {
			t.Fatal(err)
		}
		view.Halted, view.Why = tt.halted, map[bool]string{true: "api"}[tt.halted]
		var out strings.Builder
		tt.scr.Writer = &out
		if err := (&statusPrinter{screen: &tt.scr, again: caddyFaultOf, source: tt.name == "status.txt"}).print(&view); err != nil {
			t.Error(err)
		}
		golden(t, tt.name, out.String())
	}
}

// Only a terminal has colors, and only if its environment allows them.
func TestScreen(t *testing.T) {
	var out strings.Builder
	if scr := newScreen(&out); scr.color || scr.width != 0 || scr.paint(red, "a") != "a" {
		t.Errorf("a text: got %+v", scr)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if scr := newScreen(file); scr.color || scr.width != 0 {
		t.Errorf("a file: got %+v", scr)
	}
	for _, tt := range []struct {
		name, value string
		want        bool
	}{{"TERM", "xterm", runtime.GOOS != "windows"}, {"TERM", "dumb", false}, {"NO_COLOR", "1", false}} {
		got := wantsColor(func(name string) string {
			if name == tt.name {
				return tt.value
			}
			return ""
		})
		if got != tt.want {
			t.Errorf("%s=%s: got %v", tt.name, tt.value, got)
		}
	}
}

func TestUptimeText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		5 * time.Second: "5s", 12 * time.Minute: "12m", 3*time.Hour + 5*time.Minute: "3h5m", 75 * time.Hour: "3d3h",
	} {
		if got := uptimeText(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}
