package plan

import (
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The line to copy is the line of the file, with what was probably meant.
func TestMendedLines(t *testing.T) {
	const stage = "\nstage a 3s {\n}"
	for _, tt := range []struct{ lines, text, write string }{
		{"check up http http://x/ {\n}\ncheck up command true # again" + stage, ":4: check 'up' already specified", "check up2 command true"},
		{"check no http http://x/" + stage, ":2: bad name 'no' of a check: 'expect no' has another meaning", "check no_check http http://x/"},
		{"check üp http http://x/" + stage, ":2: bad name 'üp' of a check: want letters, digits, dashes and underscores", "check -p http http://x/"},
		{"check ü http http://x/" + stage, ":2: bad name 'ü' of a check", "check smoke http http://x/"},
		{"check u seen api succes >= 99% over 5s" + stage, ":2: unknown figure 'succes'", "check u seen api success >= 99% over 5s"},
		{"check u seen api errors <= 1" + stage, ":2: unknown figure 'errors'", "check u seen api success >= 99% over 30s"},
		{"check u seen api success >= 99 over 5s" + stage, ":2: bad value '99' of success", "check u seen api success >= 99% over 5s"},
		{"check u seen api p95 <= 200" + stage, ":2: bad value '200' of p95", "check u seen api p95 <= 200ms"},
		{"check u seen api p95 <= slow" + stage, ":2: bad value 'slow' of p95", "check u seen api success >= 99% over 30s"},
		{"check u seen api p95 =< 200ms" + stage, ":2: unknown comparison '=<'", "check u seen api p95 <= 200ms"},
		{"check u seen api p95 = 200ms" + stage, ":2: unknown comparison '='", "check u seen api p95 <= 200ms"},
		{"check u seen api success == 99%" + stage, ":2: unknown comparison '=='", "check u seen api success >= 99%"},
		{"check u seen api success => 99%" + stage, ":2: unknown comparison '=>'", "check u seen api success >= 99%"},
		{"check u seen api success is 99%" + stage, ":2: unknown comparison 'is'", "check u seen api success >= 99% over 30s"},
		{"settle 5" + stage, ":2: settle: bad duration '5'", "settle 5s"},
		{"ttl 5" + stage, ":2: ttl: bad duration '5'", "ttl 30s"},
		{"stage a 5 {\n}", ":2: stage: bad duration '5'", "stage a 5s {"},
		{"stage a 5s {\n}\nstage a 6s { # again\n}", ":4: stage 'a' already specified", "stage a2 6s {"},
		{"stage a 5s {\nkeep fault x {\nreset\n}\nfault x {\nreset\n}\n}", ":6: fault 'x' already specified", "fault x2 {"},
		{"stage a 5s", ":2: stage 'a' has no block", "stage a 5s {\n\t\tfault down {\n\t\t\tpoint *"},
		{"stage a 5s {\nkeep fault x\n}", ":3: fault 'x' has no block", "fault x {\n\t\tpoint *"},
		{"stage a 5s {\nexpect verify x atleast 3\n}", ":3: expect verify compares", "expect verify x at_least 3"},
		{"stage a 5s {\nexpect verify x exactly -3\n}", ":3: expect verify compares", "expect verify x exactly 1"},
		{"stage a 5s {\nexpect verify\n}", ":3: expect verify compares", "expect verify down at_least 1"},
		{"stage a 5s {\nexpect recoverd\n}", ":3: expect: no check 'recoverd'", "expect recovered"},
		{"check up http http://x/\nabort upp for 5s" + stage, ":3: abort: no check 'upp'", "abort up for 5s"},
		{"let who upp\ncheck up http http://x/\nabort {who} for 5s" + stage, ":4: abort: no check 'upp'", "abort up"},
		{"report xml a.xml" + stage, ":2: bad report 'xml'", "report junit a.xml"},
	} {
		_, err := parse(t, "plan test {\n"+tt.lines+"\n}\n")
		if err == nil {
			t.Errorf("%q: no error", tt.lines)
			continue
		}
		if got, want := err.Error(), "test.plan"+tt.text; !strings.HasPrefix(got, want) || !strings.Contains(got, "; write:\n\t"+tt.write) {
			t.Errorf("%q: got %s\nwant %s\n%s", tt.lines, got, want, tt.write)
		}
	}
}

// A problem that Caddy's parser finds also has a line to write.
func TestLexicalProblems(t *testing.T) {
	const open, missing = "test.plan:", ": the file ends before the block that begins here: a '}' is missing, here or in a block in it; write:\n\t}"
	for text, want := range map[string]string{
		"plan a {\nstage a 3s {\nfault x { point api\nreset\n}\n}\n}\n":     "test.plan:3: Unexpected next token after '{' on same line: a line ends after '{', and '}' has a separate line; write:\n\tfault x {",
		"plan a { stage b 3s { } }\n":                                       "test.plan:1: Unexpected next token after '{' on same line: a line ends after '{', and '}' has a separate line; write:\n\tplan a {",
		"plan a {\nstage a 3s {\nfault x {\npoint api\nreset\n}\n}\n}\n}\n": "test.plan:9: this '}' ends no block: remove it, or one before it",
		"plan a {":                 open + "1" + missing,
		"plan a {\nlet x 1\n":      open + "1" + missing,
		"plan a {\nstage a 3s {\n": open + "2" + missing,
		"plan a {\nstage a 3s {\n}\n}\nplan b {\n}\n": "test.plan:5: a file has one plan: move this one into another file",
	} {
		if _, err := parse(t, text); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// A fault that has ended with its stage is not looked for in later ones.
func TestVerifyFaultOfAnotherStage(t *testing.T) {
	w := newWorld(1)
	p := mustParse(t, "stage a 3s {\nfault x {\npoint api\nreset\n}\n}\nstage b 3s {\nexpect verify x at_least 1\nexpect verify y at_least 1\n}")
	_, err := w.runner(p).Ready(t.Context())
	want := "test.plan:9: expect verify: fault 'x' ends with stage 'a': expect it there, or keep it; write:\n\tkeep fault x {\n" +
		"test.plan:10: expect verify: 'y' is neither a fault of the stage nor a rule; write:\n\texpect verify api/rule1 at_least 1"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A mistake has one problem.
func TestOneProblemEach(t *testing.T) {
	for text, want := range map[string]string{
		"plan a b {\n}\n":                                "test.plan:1: a plan has one name; write:\n\tplan a-b {",
		"plan a.b {\nstage a 3s {\n}\n}\n":               "test.plan:1: bad name 'a.b' of a plan: want letters, digits, dashes and underscores; write:\n\tplan a-b {",
		"plan a {\ncheck x ping y\nstage a 3s {\n}\n}\n": "test.plan:2: unknown kind of check 'ping': want http, seen or command; write:\n\tcheck x http http://localhost:8080/health",
	} {
		if _, err := parse(t, text); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// A file that ends within a block is refused, wherever the brace is missing. Braces in
// quotes and placeholders do not count.
func TestBalanced(t *testing.T) {
	const missing = "the file ends before the block that begins here: a '}' is missing, here or in a block in it; write:\n\t}"
	for text, want := range map[string]string{
		"plan a {\nstage a 3s {\nfault x {\npoint api\nrespond 503\n}\n}\n":   "test.plan:1: " + missing,
		"plan a {\nstage a 3s {\nfault x {\npoint api\nrespond 503\n}\n}\n}":  "",
		"plan a {\nnote \"{\"\nrun echo {rate} `}` `{`\nstage a 3s {\n}\n}\n": "",
	} {
		_, err := parse(t, text)
		if got := ""; err != nil || want != "" {
			if err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%q: got %q, want %q", text, got, want)
			}
		}
	}
	if _, err := parse(t, "plan a {\nstage a 3s {\n"); err == nil {
		t.Error("two braces are missing: no error")
	}
}

// A command that cannot be run says why, and what to write.
func TestNoProgram(t *testing.T) {
	at := place{"a.plan", 3}
	for _, tt := range []struct {
		word, command string
		err           error
		text, write   string
	}{
		{"run", "k6 run x.js", &exec.Error{Name: "k6", Err: exec.ErrNotFound}, "there is no command 'k6': executable file not found in $PATH", "run /path/to/k6 run x.js"},
		{"after", "./tidy.sh", &exec.Error{Name: "./tidy.sh", Err: fs.ErrNotExist}, "there is no command './tidy.sh': file does not exist", "after /path/to/tidy.sh"},
		{"run", "./load.sh 5", &exec.Error{Name: "./load.sh", Err: fs.ErrPermission}, "the file './load.sh' cannot be run: it is not executable; chmod +x, or name its program", "run sh ./load.sh 5"},
		{"check up command", "gone", errors.New("lost"), "there is no command 'gone': lost", "check up command /path/to/gone"},
	} {
		if got := noProgram(at, tt.word, strings.Fields(tt.command), tt.err); got != (ProblemError{"a.plan", 3, tt.text, tt.write}) {
			t.Errorf("%s: got %+v", tt.command, got)
		}
	}
}

// A point that does not exist is found at its line, with a point to write.
func TestNoPoint(t *testing.T) {
	w := newWorld(1)
	p := mustParse(t, "check s seen shp success >= 99% over 5s\ncheck t seen none p95 <= 200ms\nstage a 3s {\nfault x {\nreset\npoint ap\n}\nfault y {\npoint shopp\nreset\n}\n}")
	_, err := w.runner(p).Ready(t.Context())
	want := strings.Join([]string{
		"test.plan:2: no injection point 'shp': the points are api, shop; write:\n\tcheck s seen shop success >= 99% over 5s",
		"test.plan:3: no injection point 'none': the points are api, shop; write:\n\tcheck t seen api p95 <= 200ms over 30s",
		"test.plan:7: no injection point 'ap': the points are api, shop; write:\n\tpoint api",
		"test.plan:10: no injection point 'shopp': the points are api, shop; write:\n\tpoint shop",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := pointLike("x", nil); got != "*" {
		t.Errorf("without points: got %s", got)
	}
}

// A load that fails is told at once, and explains why a check on its requests does not hold.
func TestLoadFails(t *testing.T) {
	w, result := play(t, "check up http http://x/ {\nevery 100ms\n}\nbaseline 3s\nrun as load k6 1s 7\nstage a 3s {\n}", 1, func(w *world, _ context.CancelCauseFunc) {
		w.at(2*time.Second, func() { w.site = func() (int, string) { return 500, "" } })
	})
	if want := "check up: status 500, want 2xx; the command 'load' has ended with exit code 7"; !strings.HasSuffix(result.Why, want) {
		t.Errorf("got %s, want %s", result.Why, want)
	}
	if !strings.Contains(strings.Join(w.lines, "\n"), "  ✗ run load: exit code 7\n") {
		t.Errorf("got %q", w.lines)
	}
}

// A guess is made only where one is likely.
func TestLikely(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{durationLike("settle", "5"), "5s"},
		{durationLike("settle", "0"), "30s"},
		{durationLike("settle", "-5"), "30s"},
		{durationLike("settle", "5x"), "30s"},
		{durationLike("ttl", "1"), "30s"},
		{valueLike("success", "97"), "97%"},
		{valueLike("success", "97.5"), "97.5%"},
		{valueLike("success", "120"), ""},
		{valueLike("success", "most"), ""},
		{valueLike("p99", "1500"), "1500ms"},
		{valueLike("rate", "-1"), ""},
		{opLike("rate", "="), ">="},
		{opLike("p50", "=="), "<="},
		{opLike("p50", "≥"), ">="},
		{opLike("p50", "!="), ""},
		{validNameLike("recovered", "check"), "recovered_check"},
		{validNameLike("recovered", "stage"), "recovered"},
		{validNameLike("a b/c", "stage"), "a-b-c"},
		{validNameLike("", "stage"), "smoke"},
		{validNameLike("...", "stage"), "smoke"},
		{verifyLike([]string{"x", "at_most", "7"}), "expect verify x at_most 7"},
		{verifyLike([]string{"x", "times", "few"}), "expect verify x at_least 1"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// A line is mended at its place only, and only a whole word of it.
func TestMended(t *testing.T) {
	p := &parser{file: "a.plan", lines: []string{"plan a {", "\tcheck up http http://up/ {  # up"}}
	for _, tt := range []struct {
		at         place
		word, want string
	}{
		{place{"a.plan", 2}, "up", "check down http http://up/ {"},
		{place{"a.plan", 2}, "check", "other"}, // the first word says what the line is
		{place{"a.plan", 2}, "http:", "other"},
		{place{"a.plan", 1}, "up", "other"},
		{place{"a.plan", 0}, "up", "other"},
		{place{"a.plan", 3}, "up", "other"},
		{place{"b.plan", 2}, "up", "other"},
	} {
		if got := p.mended(tt.at, tt.word, "down", "other"); got != tt.want {
			t.Errorf("%v %s: got %q, want %q", tt.at, tt.word, got, tt.want)
		}
	}
}
