package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestStatement(t *testing.T) {
	tokens, err := caddyfile.Tokenize([]byte("check up http `a b` {\n\tstatus 200\n\tbody \"x\" {\n\t\tdeep\n\t}\n}"), "f")
	if err != nil {
		t.Fatal(err)
	}
	s := statementOf(tokens)
	if s.word != "check" || !slices.Equal(s.args, []string{"up", "http", "a b"}) || !s.braces || s.at != (place{"f", 1}) || s.line() != "check up http `a b`" {
		t.Errorf("got %+v", s)
	}
	if len(s.block) != 2 || s.block[0].word != "status" || s.block[0].braces || s.block[1].at.line != 3 || len(s.block[1].block) != 1 {
		t.Errorf("got %+v", s.block)
	}
	if c := s.cut(); c.word != "up" || len(c.args) != 2 || len(c.block) != 2 {
		t.Errorf("cut: got %+v", c)
	}
	if v, found := s.takeAfter("http"); !found || v != "a b" || len(s.args) != 1 {
		t.Errorf("takeAfter: got %q, %t", v, found)
	}
	if _, found := s.takeAfter("http"); found {
		t.Error("takeAfter finds a word twice")
	}
}

// An error of Caddy's parser has the place between what is wrong and what to write.
func TestProblemOf(t *testing.T) {
	for _, tt := range []struct{ err, text, write string }{
		{"unknown word 'x', at a.plan:7: did you mean 'delay 2s'?", "unknown word 'x'", "delay 2s"},
		{"unknown word 'x', at a.plan:7: did you mean 'delay 2s' or 'hang'?", "unknown word 'x'", "delay 2s"},
		{"bad percent, at a.plan:7: write percent <0 to 100>, such as percent 10", "bad percent: write percent <0 to 100>", "percent 10"},
		{"no fault, at a.plan:7: write what goes wrong, such as respond 503 or delay 250ms; the kinds are close, delay", "no fault: write what goes wrong; the kinds are close, delay", "respond 503"},
		{"no action, at a.plan:7: write what happens, such as 5 stop close; the actions are drop, stop", "no action: write what happens; the actions are drop, stop", "5 stop close"},
		{"wrong, at a.plan:7: it is a line of the block of respond:\n\trespond 503 {\n\t\theader A b\n\t}", "wrong", "respond 503 {\n\theader A b\n}"},
		{"wrong, at a.plan:7: remove the line", "wrong: remove the line", ""},
		{"wrong, at a.plan:7", "wrong", ""},
	} {
		got := problemOf(errors.New(tt.err), place{"a.plan", 3})
		if got != (ProblemError{"a.plan", 7, tt.text, tt.write}) {
			t.Errorf("%s: got %+v", tt.err, got)
		}
	}
	if got := problemOf(errors.New("wrong"), place{"a.plan", 3}); got.Line != 3 || got.Text != "wrong" {
		t.Errorf("without a place: got %+v", got)
	}
}

func TestProblemText(t *testing.T) {
	for _, tt := range []struct {
		problem ProblemError
		want    string
	}{
		{ProblemError{"a", 3, "wrong", "x"}, "a:3: wrong; write:\n\tx"},
		{ProblemError{"a", 3, "wrong", "x {\n\ty\n}"}, "a:3: wrong; write:\n\tx {\n\t\ty\n\t}"},
		{ProblemError{"a", 0, "wrong", ""}, "a: wrong"},
		{ProblemError{"", 0, "wrong", ""}, "wrong"},
		{ProblemError{"a", 3, "a \x1b[31m", "b \x07"}, "a:3: a \ufffd[31m; write:\n\tb \ufffd"},
	} {
		if got := tt.problem.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// The lines of a plan are read as written.
func TestLines(t *testing.T) {
	p := mustParse(t, `note "game day"
address a:1 b:2
address c:3
ttl 1m
check up http https://a/b?c {
	status 200 3xx
	within 1500ms
	body "all well"
	every 2s
	fails 4
}
check users seen shop success > 97.5% over 2m {
	every 1s
}
check db command probe --host {http.x} {
	within 1s
}
baseline 2m
abort up users for 30s
abort db
settle 3s
run as load k6 run load.js
run as
stage a 8m {
	off up users
	off db
	until users within 3s
	keep fault x {
		reset
	}
	run go test ./...
	expect verify x at_least 1 at_most 5
}
stage b {
	run sh -c "exit 0"
	recover
}
after echo "the end"
after rm x
report json a.json
report html b.html`)
	up, users, db := p.Checks[0], p.Checks[1], p.Checks[2]
	got := []string{
		p.Note, strings.Join(p.Addresses, " "), p.TTL.String(), fmt.Sprintln(up.Status, up.Within, up.Body, up.Every, up.Fails), fmt.Sprintln(*users.Seen, users.Every, users.Fails, users.Within),
		fmt.Sprintln(db.Command, db.Within, db.Every), p.Baseline.String(), fmt.Sprintln(p.Aborts[0].Checks, p.Aborts[0].For, p.Aborts[1].Checks, p.Aborts[1].For), p.Settle.String(),
		fmt.Sprintln(p.Runs[0].As, p.Runs[0].Command, p.Runs[1].As, p.Runs[1].Command, p.Runs[0].name()),
		fmt.Sprintln(p.Stages[0].Off, *p.Stages[0].Until, p.Stages[0].Faults[0].Keep, p.Stages[0].Runs[0].name(), p.Stages[0].Duration),
		fmt.Sprintln(p.Stages[1].Recover, p.Stages[1].Runs[0].Command, p.Stages[1].Duration), p.After[0].name(), p.After[1].name(), fmt.Sprintln(len(p.Reports), p.Reports[1].Form),
	}
	want := []string{
		"game day", "a:1 b:2 c:3", "1m", "[200 3xx] 1.5s all well 2s 4", "{shop success > 0.975 2m} 1s 1 10s",
		"[probe --host {http.x}] 1s 5s", "2m", "[up users] 30s [db] 0s", "3s",
		"load [k6 run load.js]  [as] load", "[up users db] {users 3s {test.plan 28}} true go test ./... 8m", "true [sh -c exit 0] 0s", "echo `the end`", "rm x", "2 html",
	}
	for i := range want {
		if i >= len(got) || strings.TrimSpace(got[i]) != want[i] {
			t.Errorf("part %d: got %q, want %q", i, got[i], want[i])
		}
	}
}

// Defaults are filled in.
func TestDefaults(t *testing.T) {
	p := mustParse(t, "check up http http://a/\ncheck users seen shop rate >= 1/s\nstage a 1s {\n}")
	if time.Duration(p.TTL) != DefaultTTL || time.Duration(p.Settle) != DefaultSettle || p.Checks[0].Status[0] != "2xx" || p.Checks[0].Every.String() != "5s" ||
		p.Checks[0].Fails != 1 || p.Checks[1].Seen.Over.String() != "30s" || p.Checks[0].Within.String() != "10s" {
		t.Errorf("got %+v, %+v", p, p.Checks[0])
	}
}

// The name of an experiment has a limit.
func TestLongName(t *testing.T) {
	long := strings.Repeat("n", 40)
	_, err := parse(t, "plan "+long+" {\nstage "+long+" 1s {\nfault x {\nreset\n}\n}\n}\n")
	if err == nil || !strings.Contains(err.Error(), "test.plan:3: the experiment would be '") || !strings.Contains(err.Error(), "which has 83 letters: want 64 at most") {
		t.Errorf("got %v", err)
	}
}

// Advice for words of other tools, and for words that are nearly right.
func TestMeant(t *testing.T) {
	for _, tt := range []struct{ owner, word, rest, want string }{
		{"plan", "stag", "", forms["plan stage"].example},
		{"plan", "tll", "30s", "ttl 30s"},
		{"plan", "probe", "x", forms["plan check"].example},
		{"plan", "Rollback", "", forms["plan after"].example},
		{"stage", "experiment", "x", forms["stage fault"].example},
		{"check", "timeout", "3s", forms["check within"].example},
		{"plan", "xyzzy", "", ""},
		{"plan", "name", "x", forms["plan"].example},
	} {
		if got := meant(tt.owner, tt.word, tt.rest); got != tt.want {
			t.Errorf("%s %s: got %q, want %q", tt.owner, tt.word, got, tt.want)
		}
	}
}

// A duration is text in JSON.
func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "1d": 24 * time.Hour, "250ms": 250 * time.Millisecond} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s: got %s, %v", text, d, err)
		}
		if again, err := d.MarshalText(); err != nil || d.UnmarshalText(again) != nil || time.Duration(d) != want {
			t.Errorf("%s: written as %s, %v", text, again, err)
		}
	}
	for _, text := range []string{"", "soon", "-3s", "3"} {
		if err := new(Duration).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// Any text is read without a panic, and a plan that is read can be read again as JSON.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"plan a {\nlet x 3s\nstage b {x} {\nkeep fault c {\npoint *\nrespond 503\n}\nexpect no error\n}\n}", "plan {", "{\"plan\": \"a\"}", "plan a {\nrun 'x y\ncheck a seen b p95 <= 1s over 2s {\nevery 3s\n}\n}",
		"plan a {\nstage {\nfault\nkeep\n}\n}", "{ 0\n}", "{\n}\nplan a {\n}", "plan a {\n}\n{\nlog\n}", "import x", "(a) {\n}\nplan a {\nimport a\n}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "import") {
			return // it reads files
		}
		p, err := Parse("f", []byte(text), nil, rawFault)
		if all, isProblems := errors.AsType[ProblemsError](err); err != nil && (!isProblems || len(all) == 0) {
			t.Errorf("got %T %v", err, err)
		}
		if err == nil && p.Name == "" {
			t.Error("a plan has no name")
		}
	})
}
