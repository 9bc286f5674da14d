package command

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/caddyfault/caddyfault/caddymodule/plan"
)

// shownAt returns what a terminal shows of an output: a carriage return goes back to the
// first column.
func shownAt(output string) string {
	var lines []string
	for line := range strings.SplitSeq(output, "\n") {
		var cells []rune
		column := 0
		for _, r := range line {
			switch {
			case r == '\r':
				column = 0
				continue
			case column < len(cells):
				cells[column] = r
			default:
				cells = append(cells, r)
			}
			column++
		}
		lines = append(lines, strings.TrimRight(string(cells), " "))
	}
	return strings.Join(lines, "\n")
}

// liveOn returns a line on a screen that a test reads.
func liveOn(width int) (*planOutput, *bytes.Buffer) {
	var out bytes.Buffer
	return &planOutput{screen: func() *screen { return &screen{Writer: &out, width: width} }, live: true}, &out
}

// A line says how much time is left, what was hit, which checks hold, and the worst
// finding. It is never wider than the terminal.
func TestProgressLine(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	checks := []plan.CheckProgress{{Name: "up", Holds: true}, {Name: "users", Fails: true}, {Name: "fast"}}
	for _, tt := range []struct {
		progress plan.Progress
		width    int
		want     string
	}{
		{plan.Progress{Part: "baseline", Began: now.Add(-3 * time.Second)}, 80, "baseline  for 0:03"},
		{plan.Progress{Part: "stage a", Ends: now.Add(252*time.Second + 400*time.Millisecond), Faults: true, Hits: 1}, 80, "stage a  4:12 left  1 hit"},
		{plan.Progress{Part: "stage a", Ends: now.Add(time.Hour)}, 80, "stage a  60:00 left"},
		{plan.Progress{Part: "stage a", Ends: now.Add(-time.Second)}, 80, "stage a  0:00 left"},
		{plan.Progress{Part: "stage a", Began: now, Faults: true, Checks: checks, Worst: "error no_wait of c"}, 80, "stage a  for 0:00  0 hits  ✓ up  ✗ users  … fast  error no_wait of c"},
		{plan.Progress{Part: "stage a", Began: now, Faults: true, Checks: checks, Worst: "error no_wait of c"}, 40, "stage a  for 0:00  0 hits  ✓ up  ✗ use…"},
		{plan.Progress{Part: "stage a", Began: now, Faults: true, Checks: checks}, 29, "stage a  for 0:00  0 hits"},
		{plan.Progress{Part: "stage a", Began: now, Faults: true, Hits: 7, Checks: checks}, 0, "stage a  for 0:00  7 hits  ✓ up  ✗ users  … fast"},
		{plan.Progress{Part: "stage a", Began: now, Worst: "warning no_jitter of \x1b[2Jx"}, 80, "stage a  for 0:00  warning no_jitter of \uFFFD[2Jx"},
	} {
		got, width := fitting(progressCells(&tt.progress, now), &screen{width: tt.width})
		if got != tt.want || width != utf8.RuneCountInString(got) || tt.width > 0 && width >= tt.width {
			t.Errorf("%d columns: got %q, %d, want %q", tt.width, got, width, tt.want)
		}
	}
	colors, width := fitting(progressCells(&plan.Progress{Part: "stage a", Began: now, Checks: checks[:2]}, now), &screen{color: true})
	if want := "\x1b[1mstage a\x1b[0m  for 0:00\x1b[32m  ✓ up\x1b[0m\x1b[31m  ✗ users\x1b[0m"; colors != want || width != 32 {
		t.Errorf("in color: got %q, %d, want %q", colors, width, want)
	}
}

// What is printed goes above the line, and nothing of the line remains in it.
func TestLiveLine(t *testing.T) {
	o, out := liveOn(80)
	now := time.Now()
	stage := plan.Progress{Part: "stage a", Ends: now.Add(time.Hour), Faults: true, Hits: 12345}
	const line = "stage a  60:00 left  12345 hits"
	for _, tt := range []struct {
		does string
		do   func()
		want string
	}{
		{"nothing to show", func() { o.show(plan.Progress{}) }, ""},
		{"text without a line", func() { _, _ = io.WriteString(o, "one\n") }, "one\n"},
		{"a line", func() { o.show(stage) }, "one\n" + line},
		{"text with a line", func() { _, _ = io.WriteString(o, "two\nthree\n") }, "one\ntwo\nthree\n" + line},
		{"no text", func() { _, _ = io.WriteString(o, "") }, "one\ntwo\nthree\n" + line},
		{"a part of a line", func() { _, _ = io.WriteString(o, "..") }, "one\ntwo\nthree\n.."},
		{"the line waits", func() { o.show(stage) }, "one\ntwo\nthree\n.."},
		{"a line of the plan", func() { o.say("00:01 stage") }, "one\ntwo\nthree\n..\n00:01 stage\n" + line},
		{"a part again", func() { _, _ = io.WriteString(o, "..") }, "one\ntwo\nthree\n..\n00:01 stage\n.."},
		{"the rest", func() { _, _ = io.WriteString(o, ".\n") }, "one\ntwo\nthree\n..\n00:01 stage\n...\n" + line},
		{"a shorter line", func() { o.show(plan.Progress{Part: "end", Began: now}) }, "one\ntwo\nthree\n..\n00:01 stage\n...\nend  for 0:00"},
		{"the end", func() { o.show(plan.Progress{}) }, "one\ntwo\nthree\n..\n00:01 stage\n...\n"},
	} {
		tt.do()
		if got := shownAt(out.String()); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.does, got, tt.want)
		}
	}
}

// The line counts down while nothing else happens.
func TestLiveLineTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, out := liveOn(80)
		o.show(plan.Progress{Part: "stage a", Ends: time.Now().Add(10 * time.Second)})
		done := make(chan struct{})
		go o.tick(done)
		time.Sleep(3*time.Second + 100*time.Millisecond)
		synctest.Wait()
		if got, want := shownAt(out.String()), "stage a  0:07 left"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		close(done)
		synctest.Wait()
	})
}

// A file, a pipe and a terminal that cannot go back have no such line.
func TestLiveLineOfTerminalsOnly(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, out := range []io.Writer{file, new(bytes.Buffer)} {
		if newPlanOutput(out).live {
			t.Errorf("%T has a line", out)
		}
	}
	_, address := adminEndpoint(t, twoRules)
	got := caddyFault(t, "plan", "--address", address, writePlan(t, "stage a 10ms {\nfault x {\npoint api\nrespond 503\n}\n}"))
	if got.err != nil || strings.ContainsAny(got.stdout+got.stderr, "\r\x1b") || !strings.Contains(got.stdout, "stage a 10ms\n00:00   fault x\n") {
		t.Errorf("got %+v", got)
	}
	got = caddyFault(t, "plan", "--address", address, writePlan(t, "stage a {\nrun echo -n part\n}"))
	if got.err != nil || !strings.Contains(got.stdout, "part\n00:0") {
		t.Errorf("a part of a line: got %+v", got)
	}
}
