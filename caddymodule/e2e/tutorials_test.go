package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
)

// maxTutorials is the maximum time for all tutorials together.
const maxTutorials = time.Minute

// TestTutorials follows the tutorials as a reader does, each in an empty folder,
// and compares the output of the commands with the page:
//
//   - A block after a line with "Save this as `name`" becomes this file.
//   - The commands of a console block run in order, in a shell. A line that
//     begins with "> " continues a command. `export` and $? work.
//   - `caddy run` and `caddy fault watch` run until the page ends. Their output is
//     compared at that point, unless the block has none.
//   - Free ports replace the ports of the text.
//   - In the output, `...` stands for anything. Times, ids, durations of odd
//     length, pids and Content-Length may differ. After the comment
//     <!-- numbers vary -->, all numbers of a block may differ. Lines of Caddy's
//     log are ignored.
func TestTutorials(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the tutorials use a Unix shell")
	}
	pages, err := filepath.Glob("../docs/tutorial/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no tutorials: %v", err)
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("this test needs curl: %v", err)
	}
	binary := readyBinary(t)
	ctx, cancel := context.WithTimeout(t.Context(), maxTutorials)
	defer cancel()
	for _, path := range pages {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f := newFollower(ctx, t, binary)
			page := manual.Read(t, path)
			for _, block := range page.Blocks() {
				f.take(t, page, block)
			}
			f.finish(t)
			if *update {
				f.update(t, page)
			}
		})
	}
}

// follower follows a page.
type follower struct {
	ctx        context.Context // of the test
	dir        string
	env        []string
	ports      map[string]string // from the ports of the page to free ones
	exit       int               // of the last command
	background []*running
	changed    map[*manual.Block]string // the blocks as they should be
}

func newFollower(ctx context.Context, t *testing.T, binary string) *follower {
	t.Helper()
	dir := t.TempDir()
	f := &follower{ctx: ctx, dir: dir, ports: make(map[string]string), changed: make(map[*manual.Block]string)}
	f.env = append(os.Environ(),
		"PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"),
		"HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "LC_ALL=C", "CI=",
		"CADDY_ADMIN="+f.withPorts(t, "localhost:2019"))
	writeFile(t, filepath.Join(dir, ".curlrc"), []byte("no-progress-meter\n")) // as in a terminal
	t.Cleanup(func() {                                                         // the process that `caddy start` has started
		cmd := exec.CommandContext(context.WithoutCancel(ctx), binary, "stop")
		cmd.Env = f.env
		_ = cmd.Run()
	})
	return f
}

var (
	savedAs  = regexp.MustCompile("Save this as `([^`]+)`")
	portText = regexp.MustCompile(`:(2019|3000|80\d\d)\b`)
	lastsFor = regexp.MustCompile(`^caddy (run|fault watch)\b`)
	isExport = regexp.MustCompile(`^export (\w+)=`)
	caddyLog = regexp.MustCompile(`(?m)^(\{"level":|\d{4}/\d\d/\d\d ).*\n`)
)

const numbersVary = "<!-- numbers vary -->"

// take follows one block.
func (f *follower) take(t *testing.T, page *manual.Page, block *manual.Block) {
	t.Helper()
	if name := savedAs.FindStringSubmatch(block.Before); name != nil && block.Language != "console" {
		writeFile(t, filepath.Join(f.dir, name[1]), []byte(f.withPorts(t, block.Text)))
		return
	}
	if block.Language != "console" {
		return
	}
	at := fmt.Sprintf("%s:%d", page.Path, block.Line)
	steps := stepsOf(block.Text)
	for i := range steps {
		step := &steps[i]
		if lastsFor.MatchString(step.command) {
			f.start(t, at, step)
			continue
		}
		got := f.run(t, at, step.command)
		shown := f.withPorts(t, step.output)
		vary := block.Before == numbersVary
		if shows(shown, got, vary) {
			continue
		}
		if *update {
			f.changed[block] = "" // until the other steps are known
			step.output = f.asShown(step.output, got, vary)
			continue
		}
		t.Errorf("%s: %s\nprints\n%s\nthe page shows\n%s", at, step.command, got, shown)
	}
	if _, changed := f.changed[block]; changed {
		f.changed[block] = textOf(steps)
	}
}

// step is a command, and its output as shown on the page.
type step struct{ command, output string }

// stepsOf parses a console block.
func stepsOf(text string) (steps []step) {
	for line := range strings.Lines(text) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		last := len(steps) - 1
		switch {
		case isCommand:
			steps = append(steps, step{command: command})
		case last < 0:
		case steps[last].output == "" && (strings.HasPrefix(line, "> ") || strings.HasSuffix(steps[last].command, "\\\n")):
			steps[last].command += strings.TrimPrefix(line, "> ")
		default:
			steps[last].output += line
		}
	}
	return steps
}

// textOf formats a console block.
func textOf(steps []step) string {
	var text strings.Builder
	for _, s := range steps {
		prompt := "$ "
		for line := range strings.Lines(s.command) {
			text.WriteString(prompt + line)
			if prompt = "> "; strings.HasSuffix(line, "\\\n") {
				prompt = ""
			}
		}
		text.WriteString(s.output)
	}
	return text.String()
}

// run returns the output of a command.
func (f *follower) run(t *testing.T, at, command string) string {
	t.Helper()
	script := f.withPorts(t, command)
	name := isExport.FindStringSubmatch(command)
	if name != nil {
		script += "\nprintf %s \"$" + name[1] + "\""
	}
	cmd := f.shell(fmt.Sprintf("(exit %d)\n%s", f.exit, script))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || !cmd.ProcessState.Exited() {
		t.Fatalf("%s: %s: %v\n%s", at, command, err, out)
	}
	f.exit = cmd.ProcessState.ExitCode()
	if name != nil {
		f.env = append(f.env, name[1]+"="+string(out))
		return ""
	}
	return caddyLog.ReplaceAllString(string(out), "")
}

// shell returns a command in the reader's folder.
func (f *follower) shell(script string) *exec.Cmd {
	cmd := exec.CommandContext(f.ctx, "sh", "-c", script)
	cmd.Dir, cmd.Env, cmd.WaitDelay = f.dir, f.env, time.Second
	return cmd
}

// running is a command that runs until the page ends.
type running struct {
	at  string
	log string // the path of its output
	step
}

// start starts a command that runs until the page ends. If it is Caddy, start returns
// when Caddy serves.
func (f *follower) start(t *testing.T, at string, s *step) {
	t.Helper()
	r := &running{at: at, log: filepath.Join(t.TempDir(), "log"), step: *s}
	out, err := os.Create(r.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := f.shell("exec " + f.withPorts(t, s.command))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	f.background = append(f.background, r)
	if strings.HasPrefix(s.command, "caddy run") {
		p := &process{log: r.log}
		p.find(t, `"msg":"(serving initial configuration)"`)
	}
}

// finish compares what the running commands have printed by the end of the page.
func (f *follower) finish(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(f.ctx, maxTutorials/3)
	defer cancel()
	for _, r := range f.background {
		if r.output == "" {
			continue
		}
		shown, got := f.withPorts(t, r.output), ""
		for !shows(shown, got, false) {
			if ctx.Err() != nil {
				t.Errorf("%s: %s\nprints\n%s\nthe page shows\n%s", r.at, r.command, got, shown)
				break
			}
			<-time.After(5 * time.Millisecond) // nothing else reports that a line has arrived
			log, err := os.ReadFile(r.log)
			if err != nil {
				t.Fatal(err)
			}
			got = caddyLog.ReplaceAllString(string(log), "")
		}
	}
}

// withPorts replaces the ports of a text with free ones.
func (f *follower) withPorts(t *testing.T, text string) string {
	t.Helper()
	return portText.ReplaceAllStringFunc(text, func(port string) string {
		if f.ports[port] == "" {
			f.ports[port] = ":" + strconv.Itoa(freePort(t))
		}
		return f.ports[port]
	})
}

// asShown returns what a page should show: with the ports of the page, and with each
// line that is correct already.
func (f *follower) asShown(shown, got string, vary bool) string {
	old := slices.Collect(strings.Lines(shown))
	var text strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(got, "\r", "")) {
		for port, free := range f.ports {
			line = withPort(line, free, port)
		}
		if i := slices.IndexFunc(old, func(o string) bool { return o != "...\n" && shows(o, line, vary) }); i >= 0 {
			line = old[i]
		}
		text.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return text.String()
}

// withPort replaces a port in a line. The columns of a table remain aligned.
func withPort(line, port, by string) string {
	before, after, found := strings.Cut(line, port)
	if !found {
		return line
	}
	if cell, rest, isTable := strings.Cut(after, "  "); isTable {
		after = cell + strings.Repeat(" ", max(0, len(port)-len(by))) + "  " + rest
	}
	return before + by + withPort(after, port, by)
}

// update writes the page with its changed blocks.
func (f *follower) update(t *testing.T, page *manual.Page) {
	t.Helper()
	content, err := os.ReadFile(page.Path)
	if err != nil {
		t.Fatal(err)
	}
	for block, text := range f.changed {
		content = bytes.Replace(content, []byte("```console\n"+block.Text+"```\n"), []byte("```console\n"+text+"```\n"), 1)
	}
	writeFile(t, page.Path, content)
}

// varying matches the parts of an output that differ from run to run.
var varying = []struct {
	pattern *regexp.Regexp
	sign    string
}{
	{regexp.MustCompile(`\r`), ""},
	{regexp.MustCompile(`\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`), "<date>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*Z`), "<instant>"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?\b`), "<time>"},
	{regexp.MustCompile(`\b(\d+h)?(\d+m\d+(\.\d+)?s|\d+\.\d+m?s)\b`), "<duration>"},
	{regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{16,}\b`), "<id>"},
	{regexp.MustCompile(`\bpid=\d+`), "pid=<n>"},
	{regexp.MustCompile(`\bin \d+ ms\b`), "in <n> ms"}, // of a hit
	{regexp.MustCompile(`(?m)^Content-Length: \d+`), "Content-Length: <n>"},
	{regexp.MustCompile(`(?m)[ \t]+$`), ""},
	{regexp.MustCompile(`  +`), "  "}, // a column is as wide as its widest value
}

var anyNumber = regexp.MustCompile(`\d+(\.\d+)?`)

// shows reports whether the output is as shown.
func shows(shown, got string, numbersVary bool) bool {
	for _, v := range varying {
		shown, got = v.pattern.ReplaceAllString(shown, v.sign), v.pattern.ReplaceAllString(got, v.sign)
	}
	if numbersVary {
		shown, got = anyNumber.ReplaceAllString(shown, "<n>"), anyNumber.ReplaceAllString(got, "<n>")
		shown, got = strings.ReplaceAll(shown, " ", ""), strings.ReplaceAll(got, " ", "")
	}
	pattern := regexp.QuoteMeta(strings.Trim(shown, "\n"))
	pattern = regexp.MustCompile(`(?m)^\\\.\\\.\\\.\n?$`).ReplaceAllString(pattern, `(?s:.*)`)
	pattern = strings.ReplaceAll(pattern, `\.\.\.`, `.*`)
	return regexp.MustCompile(`^` + pattern + `$`).MatchString(strings.Trim(got, "\n"))
}

func TestShows(t *testing.T) {
	for _, tt := range []struct {
		shown, got string
		vary, want bool
	}{
		{"a\n", "a", false, true},
		{"a\n", "b", false, false},
		{"a\n", "a\nb\n", false, false},
		{"", "a\n", false, false},
		{"a\n...\nd\n", "a\nb\nc\nd\n", false, true},
		{"a\n...\n", "a\nb\nc\n", false, true},
		{"a\n...\nd\n", "a\nb\nc\n", false, false},
		{"a ... c\n", "a b c\n", false, true},
		{"a ... c\n", "a\nc\n", false, false},
		{"Date: Sun, 22 Nov 2026 12:00:00 GMT\n", "Date: Mon, 30 Nov 2026 14:00:00 GMT\r\n", false, true},
		{"time left: 10m0s\n", "time left: 9m59s\n", false, true},
		{"delay 2s\n", "delay 3s\n", false, false},
		{"HITS  3\n", "HITS     3\n", false, true},
		{"HITS  3\n", "HITS  4\n", false, false},
		{"  92 200\n   8 503\n", " 101 200\n   9 503\n", true, true},
		{"  92 200\n   8 503\n", " 101 200\n", true, false},
	} {
		if got := shows(tt.shown, tt.got, tt.vary); got != tt.want {
			t.Errorf("%q for %q: got %v, want %v", tt.shown, tt.got, got, tt.want)
		}
	}
}

func TestStepsOf(t *testing.T) {
	const text = "$ a\n$ b \\\n  c\nout\n> out\n$ for\n> do\nout\n"
	steps := stepsOf(text)
	want := []step{{"a\n", ""}, {"b \\\n  c\n", "out\n> out\n"}, {"for\ndo\n", "out\n"}}
	if !slices.Equal(steps, want) {
		t.Errorf("got %q, want %q", steps, want)
	}
	if got := textOf(steps); got != text {
		t.Errorf("got %q, want %q", got, text)
	}
}
