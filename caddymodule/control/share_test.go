package control_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// A group that resumes also ends an earlier halt of this node alone, including for the
// next process.
func TestSwitchFromBeforeTheGroup(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"share": {"group": "g"}}`)
	n.Ctl.Switch.Set(control.NewState(true, control.Cause{Why: "api"}))
	if err := n.Ctl.Save(t.Context(), n.App.Context().Storage()); err != nil {
		t.Fatal(err)
	}
	n.Want(200, "POST", "/resume", "", `"halted": false`)
	next := control.New()
	next.Restore(n.App.Context())
	if next.Switch.Halted() {
		t.Error("the next process is halted")
	}
	next.BeginExit()
}

// A note does not make a halt of this node alone one of its group, which would end it
// when the process starts again.
func TestNoteOfHaltFromBeforeTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, `{"share": {"group": "g"}}`)
		storage := n.App.Context().Storage()
		wantNext := func(what string, halted bool) {
			t.Helper()
			next := control.New()
			next.Restore(n.App.Context())
			new(control.Share{Group: "g"}).Join(control.NewApp(n.App.Context(), next, nil))
			if next.Switch.Halted() != halted {
				t.Errorf("%s: the next process is halted: %t", what, !halted)
			}
			next.BeginExit()
		}
		n.Want(200, "POST", "/resume", "", "")
		n.Ctl.Switch.Set(control.NewState(true, control.Cause{Why: "api"}))
		time.Sleep(2 * control.DefaultInterval)
		wantNext("a halt of the node", true)
		if err := n.Ctl.Annotate("ann", "note", storage); err != nil {
			t.Fatal(err)
		}
		wantNext("a halt of the node with a note", true)
		n.Want(200, "POST", "/halt", "", "")
		wantNext("a halt of the group", true)
		n.App.Share.Leave()
		sw := experiments.NewSwitch(t.Context())
		other := experiments.NewGroup("g", sw, experiments.NewStore(sw, nil, n.Ctl.Places)).Member(storage, zap.NewNop())
		other.Sync(t.Context())
		if err := other.Resume(control.NewState(false, control.Cause{Why: "api"})); err != nil {
			t.Fatal(err)
		}
		wantNext("a halt that the group has ended", false)
		n.Ctl.BeginExit()
		time.Sleep(time.Minute) // Caddy's storage is slow to notice that a lock has been released
	})
}

// A change of the switch by the group, from any node, is stored for a process without
// the group. A process with the group follows the group.
func TestSwitchOfGroupIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, `{"share": {"group": "g"}}`)
		storage := n.App.Context().Storage()
		sw := experiments.NewSwitch(t.Context())
		other := experiments.NewGroup("g", sw, experiments.NewStore(sw, nil, n.Ctl.Places)).Member(storage, zap.NewNop())
		check := func(what string, halted bool) {
			t.Helper()
			next := control.New()
			next.Restore(n.App.Context())
			if next.Switch.Halted() != halted {
				t.Errorf("%s: the next process without the group is halted: %v", what, !halted)
			}
			next.BeginExit()
		}
		turn := func(f func(experiments.State) error, halted bool) {
			t.Helper()
			other.Sync(t.Context())
			if err := f(control.NewState(halted, control.Cause{Why: "api"})); err != nil {
				t.Fatal(err)
			}
		}
		n.Want(200, "POST", "/halt", "", "")
		check("halted here", true)
		turn(other.Resume, false)
		time.Sleep(2 * control.DefaultInterval)
		check("resumed elsewhere", false)
		turn(other.Halt, true)
		time.Sleep(2 * control.DefaultInterval)
		check("halted elsewhere", true)

		n.App.Share.Leave()
		turn(other.Resume, false)
		check("resumed elsewhere while away", true)
		next := control.New()
		next.Restore(n.App.Context())
		new(control.Share{Group: "g"}).Join(control.NewApp(n.App.Context(), next, nil))
		if next.Switch.Halted() {
			t.Error("the next process with the group is halted")
		}
		next.BeginExit()
		n.Ctl.BeginExit()
		time.Sleep(time.Minute) // Caddy's storage is slow to notice that a lock has been released
	})
}

// Each halt logs what it did, whatever its cause.
func TestHaltIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, `{"share": {"group": "g"}, "halt_when": {"errors": 1, "window": "1m"}}`)
		storage := n.App.Context().Storage()
		core, logs := observer.New(zap.InfoLevel)
		n.App.SetLogger(zap.New(core))
		sw := experiments.NewSwitch(t.Context())
		other := experiments.NewGroup("g", sw, experiments.NewStore(sw, n.Ctl.LoadExperiment, n.Ctl.Places)).Member(storage, zap.NewNop())
		for why, halt := range map[string]func(){
			"api": func() { n.Want(200, "POST", "/halt", "", "") },
			"another node": func() {
				other.Sync(t.Context())
				if err := other.Halt(control.NewState(true, control.Cause{Why: "another node"})); err != nil {
					t.Fatal(err)
				}
			},
			"halt_when": func() {
				n.App.HaltWhen.Count()
				n.App.HaltWhen.Count()
			},
		} {
			n.Put("slow", testnode.Slow500)
			n.Ctl.Active.Add(2)
			halt()
			time.Sleep(2 * control.DefaultInterval)
			n.Ctl.Active.Add(-2)
			lines := logs.FilterMessage("faults halted").TakeAll()
			if len(lines) != 1 {
				t.Fatalf("%s: got %d lines, want one", why, len(lines))
			}
			if got, want := fmt.Sprint(lines[0].ContextMap()), fmt.Sprintf("map[ended:slow released:2 why:%s]", why); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			n.Want(200, "POST", "/resume", "", `"halted": false`)
			logs.TakeAll()
		}
		n.App.Share.Leave()
		n.Ctl.BeginExit()
		time.Sleep(time.Minute) // Caddy's storage is slow to notice that a lock has been released
	})
}

// A node that starts in a halted group logs this.
func TestHaltOfGroupAtStart(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"share": {"group": "g"}}`)
	n.App.Share.Leave()
	n.Want(200, "POST", "/halt", "", "")
	for group, want := range map[string]string{"g": "map[group:g why:api]", "other": ""} {
		core, logs := observer.New(zap.WarnLevel)
		next := control.New()
		app := control.NewApp(n.App.Context(), next, nil)
		app.SetLogger(zap.New(core))
		(&control.Share{Group: group}).Join(app)
		got := ""
		for _, line := range logs.FilterMessage("faults are halted by the group").All() {
			got += fmt.Sprint(line.ContextMap())
		}
		if got != want {
			t.Errorf("group %s: got %q, want %q", group, got, want)
		}
		next.BeginExit()
	}
}

// A patch applies to the experiment as another node has just changed it.
func TestPatchOfGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, `{"share": {"group": "g", "interval": "1h"}}`)
		synctest.Wait() // the node has read the group
		storage := n.App.Context().Storage()
		sw := experiments.NewSwitch(t.Context())
		other := experiments.NewGroup("g", sw, experiments.NewStore(sw, n.Ctl.LoadExperiment, n.Ctl.Places)).Member(storage, zap.NewNop())
		for _, status := range []int{551, 552} { // a new experiment, and one that replaces another
			data := fmt.Sprintf(`{"points": ["*"], "faults": [{"fault": "respond", "status_code": %d}]}`, status)
			e, err := experiments.Parse("tea", []byte(data))
			if err == nil {
				_, _, err = other.Start(experiments.Batch{Drafts: []experiments.Draft{{Experiment: e, JSON: []byte(data)}}})
			}
			if err != nil {
				t.Fatal(err)
			}
			n.Want(200, "PATCH", "/experiments/tea", `{"ttl": "1m"}`, fmt.Sprint(`"status_code": `, status))
		}
		n.Want(404, "PATCH", "/experiments/none", `{}`, "no experiment 'none'")
		if err := storage.Store(t.Context(), "fault/g.json", []byte("no JSON")); err != nil {
			t.Fatal(err)
		}
		n.Want(503, "PATCH", "/experiments/none", `{}`, "the shared storage cannot be used: fault/g.json is corrupt")
		n.App.Share.Leave()
		n.Ctl.BeginExit()
		time.Sleep(time.Minute) // Caddy's storage is slow to notice that a lock has been released
	})
}

// A halt of this node outside of the group stays when the node joins the group again,
// whatever the state of the group was when the node left.
func TestSwitchWhenJoiningAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, "")
		storage := n.App.Context().Storage()
		sw := experiments.NewSwitch(t.Context())
		other := experiments.NewGroup("g", sw, experiments.NewStore(sw, nil, n.Ctl.Places)).Member(storage, zap.NewNop())
		if err := other.Halt(control.NewState(true, control.Cause{Why: "api"})); err != nil {
			t.Fatal(err)
		}
		n.Ctl.Group("g").Member(storage, zap.NewNop()).Sync(t.Context())
		if !n.Ctl.Switch.Halted() {
			t.Fatal("not halted with the group")
		}
		if err := other.Resume(control.NewState(false, control.Cause{Why: "api"})); err != nil {
			t.Fatal(err)
		}
		n.Want(200, "POST", "/resume", "", "")
		n.Want(200, "POST", "/halt", "", "")
		n.Ctl.Group("g").Member(storage, zap.NewNop()).Sync(t.Context())
		if !n.Ctl.Switch.Halted() {
			t.Error("the group has ended a halt of the node")
		}
		time.Sleep(time.Minute) // Caddy's storage is slow to notice that a lock has been released
	})
}

// The latest state of the switch is stored for the next process.
func TestSwitchIsKept(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	for _, turn := range []string{"halt", "resume", "halt"} {
		n.Want(200, "POST", "/"+turn, "", "")
		next := control.New()
		next.Restore(n.App.Context())
		if got, want := next.Switch.Halted(), turn == "halt"; got != want {
			t.Errorf("after %s the next process is halted: %v", turn, got)
		}
		next.BeginExit()
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { n.Do("POST", []string{"/halt", "/resume"}[i%2], "") })
	}
	wg.Wait()
	next := control.New()
	next.Restore(n.App.Context())
	if got, want := next.Switch.Halted(), n.Ctl.Switch.Halted(); got != want {
		t.Errorf("after concurrent turns the next process is halted: %v, this one: %v", got, want)
	}
	next.BeginExit()
}

// A group may be named like the folder of the switch without overwriting its object.
func TestSwitchOfGroupSwitch(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"share": {"group": "switch"}}`)
	for _, turn := range []string{"halt", "resume"} {
		n.Want(200, "POST", "/"+turn, "", "")
		data, err := n.App.Context().Storage().Load(t.Context(), "fault/switch.json")
		if err != nil || !strings.Contains(string(data), `"experiments"`) {
			t.Errorf("after %s the group's object is %s, %v", turn, data, err)
		}
	}
	keys, err := n.App.Context().Storage().List(t.Context(), "fault", true)
	if err != nil || !slices.Contains(keys, "fault/switch.json") {
		t.Errorf("the storage has %q, %v", keys, err)
	}
	if state := n.Ctl.Shared().State(); state.Error != "" {
		t.Errorf("not synchronized: %s", state.Error)
	}
}

// Caddys that use the same storage have separate switches, by their data directory, or
// by their host if the directory cannot be used.
func TestSwitchIsOfThisCaddy(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dirs := []string{t.TempDir(), t.TempDir(), file}
	halted := func(dir string) bool {
		t.Setenv("XDG_DATA_HOME", dir)
		next := control.New()
		defer next.BeginExit()
		next.Restore(n.App.Context())
		return next.Switch.Halted()
	}
	for i, dir := range dirs {
		t.Setenv("XDG_DATA_HOME", dir)
		n.Want(200, "POST", "/halt", "", "")
		for j, other := range dirs {
			if got := halted(other); got != (i == j) {
				t.Errorf("halted with data directory %d, the next process with %d is halted: %v", i, j, got)
			}
		}
		t.Setenv("XDG_DATA_HOME", dir)
		n.Want(200, "POST", "/resume", "", "")
		if halted(dir) {
			t.Errorf("resumed with data directory %d, the next process is halted", i)
		}
	}
}
