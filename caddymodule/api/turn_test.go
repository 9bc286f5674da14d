package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// turn turns the switch and returns the answer.
func turn(n *testnode.Node, path string) (view api.TurnView) {
	n.T.Helper()
	if err := json.Unmarshal(n.Want(200, "POST", path, "", "").Body.Bytes(), &view); err != nil {
		n.T.Fatal(err)
	}
	return view
}

const closes = `{"points": ["*"], "match": [{"path": ["/none"]}], "faults": [{"fault": "close"}]}`

// A halt reports what it has ended and released, a resume what it has armed. Both
// report if there was nothing to do.
func TestTurnReports(t *testing.T) {
	const held = `{"point": "held", "match": [{"path": ["/*"]}], "triggers": [{"source": "header"}], "rules": [
		{"name": "hang", "match": [{"path": ["/"]}], "faults": [{"fault": "delay", "duration": "1h"}]},
		{"name": "off", "match": [{"path": ["/off"]}], "faults": [{"fault": "close"}]}]}`
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, held, "")
		n.Want(200, "POST", "/rules/held/off/off", "", "")
		n.Put("slow", closes)
		n.Put("boom", closes)
		for range 3 {
			go testkit.Ask(n.Handler)
		}
		synctest.Wait()
		began := time.Now()
		got := turn(n, "/halt")
		if want := "Halted. Ended 2 experiments: boom, slow. Released 3 requests."; got.Answer != want || !got.Halted || got.Already {
			t.Errorf("halt: got %+v, want %q", got, want)
		}
		if got.Released != 3 || !slices.Equal(got.Ended, []string{"boom", "slow"}) {
			t.Errorf("halt: got %+v", got)
		}
		synctest.Wait()
		if active := n.Ctl.Active.Load(); active != 0 {
			t.Errorf("%d requests are still held", active)
		}
		time.Sleep(time.Minute)
		again := turn(n, "/halt")
		if want := "Already halted since " + began.Local().Format(time.RFC3339) + " (api)."; again.Answer != want || !again.Already || again.Released != 0 || again.Ended != nil {
			t.Errorf("another halt: got %+v, want %q", again, want)
		}
		time.Sleep(time.Minute)
		resumed := turn(n, "/resume")
		if want := "Resumed. Armed again: 1 rule, 1 trigger."; resumed.Answer != want || resumed.Halted || resumed.Rules != 1 || resumed.Triggers != 1 {
			t.Errorf("resume: got %+v, want %q", resumed, want)
		}
		if got := turn(n, "/resume"); !got.Already || !strings.HasPrefix(got.Answer, "Already on since ") || got.Rules != 0 {
			t.Errorf("another resume: got %+v", got)
		}
		if got := turn(n, "/halt"); got.Answer != "Halted." || got.Ended != nil {
			t.Errorf("nothing to end: got %+v", got)
		}
		n.Ctl.BeginExit()
	})
}

// A halt of many experiments names the first ones in words, and lists all.
func TestHaltOfMany(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	for i := range 22 {
		n.Put(fmt.Sprintf("e%02d", i), closes)
	}
	got := turn(n, "/halt")
	if want := "Halted. Ended 22 experiments: e00, e01, e02, e03, e04, e05, e06, e07, e08, e09 and 12 more."; got.Answer != want || len(got.Ended) != 22 {
		t.Errorf("got %+v, want %q", got, want)
	}
}

// A halt reports an earlier halt by other means.
func TestHaltAfterOthers(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"halted": true}`)
	if got := turn(n, "/halt"); !got.Already || !strings.HasSuffix(got.Answer, " (configuration).") {
		t.Errorf("by the configuration: got %+v", got)
	}
	n.Want(409, "POST", "/resume", "", "the configuration says halted")
}

func TestTurnWithoutPoints(t *testing.T) {
	n := testnode.Start(t, `{"point": "empty"}`, "")
	if got := turn(n, "/resume"); got.Answer != "Already on." {
		t.Errorf("never turned: got %+v", got)
	}
	turn(n, "/halt")
	if got := turn(n, "/resume"); got.Answer != "Resumed. No rule or trigger is on." {
		t.Errorf("got %+v", got)
	}
}

// A note never halts, whatever it comes after.
func TestAnnotate(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	want := func(status int, body, text string, halted bool, note string) {
		t.Helper()
		n.Want(status, "PATCH", "/halt", body, text)
		if now := n.Ctl.Switch.State(); now.Halted != halted || now.Note != note {
			t.Errorf("%s: halted: %v with note %q, want %v with %q", body, now.Halted, now.Note, halted, note)
		}
	}
	want(409, `{"note": "a"}`, "faults are not halted", false, "")
	turn(n, "/halt")
	want(200, `{"note": "a"}`, `"note": "a"`, true, "a")
	for body, text := range map[string]string{
		``:               "",
		`{}`:             "note: required",
		`{"note": null}`: "note",
		`{"note": 7}`:    "note",
		`{"notes": "b"}`: "notes",
		`{"note": "` + strings.Repeat("x", 501) + `"}`: "note: it has 501 bytes, more than 500",
	} {
		want(400, body, text, true, "a")
	}
	want(200, `{"note": ""}`, "Saved the note.", true, "")
	turn(n, "/resume")
	want(409, `{"note": "b"}`, "faults are not halted", false, "")
	configured := testnode.Start(t, testnode.Shop, `{"halted": true}`)
	configured.Want(409, "PATCH", "/halt", `{"note": "a"}`, "the configuration says halted")
}
