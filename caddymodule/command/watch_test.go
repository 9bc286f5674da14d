package command

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// A line comes when the request ends, or at once if it is held for long.
func TestTail(t *testing.T) {
	const (
		first  = `{"seq":1,"time":"2026-11-22T12:00:00Z","point":"p","rule":"r","kind":"delay","method":"GET","host":"h","path":"/a"}`
		second = `{"seq":2,"time":"2026-11-22T12:00:00Z","point":"p","rule":"r","kind":"hang","method":"GET","host":"h","path":"/b"}`
	)
	ended := func(entry, how string) string { return strings.TrimSuffix(entry, "}") + `,"done":true,` + how + "}" }
	start := time.Now()
	var out strings.Builder
	tl := tail{scr: &screen{Writer: &out, color: true}}
	take := func(data string, after time.Duration) {
		t.Helper()
		if _, err := tl.take([]byte(data), start.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(lines string) {
		t.Helper()
		if got := clock.ReplaceAllString(out.String(), "12:00:00.000"); got != lines {
			t.Errorf("got\n%s\nwant\n%s", got, lines)
		}
		out.Reset()
	}
	take(first, 0)
	take(second, 100*time.Millisecond)
	want("")
	take(ended(first, `"outcome":"reply 200","duration":0.2004`), 200*time.Millisecond)
	want("12:00:00.000 p/r delay: GET h/a, 200 in 200 ms\n")
	_ = tl.overdue(start.Add(heldAfter))
	want("")
	_ = tl.overdue(start.Add(heldAfter + 100*time.Millisecond))
	want("\x1b[33m12:00:00.000 p/r hang: GET h/b, held\x1b[0m\n")
	if tl.next(start) != nil {
		t.Error("waits although no request is open")
	}
	take(ended(second, `"outcome":"left","duration":30`), 30*time.Second)
	want("12:00:00.000 p/r hang: GET h/b, client left after 30000 ms\n")
	take(ended(second, `"outcome":"left","duration":30`), 30*time.Second)
	take(ended(first, `"duration":30`), 30*time.Second)
	want("")
	take(strings.Replace(first, `"seq":1`, `"seq":3`, 1), 0)
	if tl.next(start) == nil {
		t.Error("does not wait although a request is open")
	}
	_ = tl.flush()
	want("12:00:00.000 p/r delay: GET h/a\n")
	take(`{"seq":4,"point":"p","rule":"trigger","method":"GET","host":"h","path":"/","refused":"key"}`, 0)
	want("\x1b[31m12:00:00.000 p/trigger refused: GET h/: key\x1b[0m\n")
	if _, err := tl.take([]byte("{"), start); err == nil {
		t.Error("got no error for broken JSON")
	}
}

func TestEndText(t *testing.T) {
	for outcome, want := range map[string]string{
		"reply 503": "503 in 12 ms", "cut": "cut after 12 ms", "no_reply": "no reply after 12 ms",
		"left": "client left after 12 ms", "": "12 ms",
	} {
		if got := endText(&experiments.Entry{Outcome: outcome, Duration: 0.012}); got != want {
			t.Errorf("%s: got %s, want %s", outcome, got, want)
		}
	}
}

// Who waits for a name that does not exist is told so.
func TestCommandWatchUnknown(t *testing.T) {
	_, address := adminEndpoint(t, namedRules)
	for args, want := range map[string]string{
		"slwo":             "Warning: no rule 'slwo'; did you mean 'slow'? (waiting for it)\n",
		"--point ap":       "Warning: no injection point 'ap' (waiting for it)\n",
		"--point api":      "",
		"slow --point api": "",
		"slow --rule slow": "Error: the rule is given twice",
		"--stat --refused": "Error: --stat and --refused exclude each other",
	} {
		got := watchUntil(t, 1, append([]string{"--address", address}, strings.Fields(args)...)...)
		if !strings.HasPrefix(got.stderr, want) || want == "" && strings.Contains(got.stderr, "Warning") {
			t.Errorf("%s: got %q, want %q", args, got.stderr, want)
		}
	}
}
