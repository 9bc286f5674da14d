package control_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// told returns the activity as text, the latest last.
func told(ctl *control.Control) (lines []string) {
	for _, a := range ctl.Activity() {
		var words []string
		for _, word := range []string{a.What, a.Experiment, a.Rule, a.Line, a.Ended, a.By, a.Note} {
			if word != "" {
				words = append(words, word)
			}
		}
		lines = append(lines, strings.Join(words, " | "))
	}
	return lines
}

func wantTold(t *testing.T, ctl *control.Control, want ...string) {
	t.Helper()
	if got := told(ctl); !slices.Equal(got, want) {
		t.Errorf("activity:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Each change has one entry, with who made it.
func TestActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, "")
		began := time.Now().UTC()
		n.Put("slow", `{"match": [{"path": ["/slow"]}], "ttl": "1m", "note": "does it retry?", "faults": [{"fault": "respond", "status_code": 500}]}`)
		time.Sleep(time.Second)
		n.Want(200, "PATCH", "/experiments/slow", `{"percent": 20}`, "")
		n.Want(200, "PATCH", "/experiments/slow", `{"ttl": "2m"}`, `"by": "api"`)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		n.Put("a", testnode.Slow500)
		n.Want(204, "DELETE", "/experiments/a", "", "")
		n.Put("a", testnode.Slow500)
		n.Put("b", testnode.Slow500)
		n.Want(200, "POST", "/rules/shop/gone/off", "", "")
		n.Want(200, "POST", "/rules/shop/gone/on", "", "")
		n.Want(200, "POST", "/halt", `{"note": "real errors"}`, `"note": "real errors"`)
		n.Want(200, "POST", "/halt", "", "Already halted") // turns nothing
		since := n.Ctl.Switch.State().Since
		time.Sleep(time.Second)
		n.Want(200, "POST", "/halt", `{"note": "the upstream is down"}`, `"note": "the upstream is down"`)
		if now := n.Ctl.Switch.State().Since; !now.Equal(*since) {
			t.Errorf("a note has changed the time of the halt from %s to %s", since, now)
		}
		time.Sleep(time.Second)
		n.Want(200, "PATCH", "/halt", `{"note": "the shop is down"}`, "Saved the note.")
		if now := n.Ctl.Switch.State(); now.Note != "the shop is down" || now.By != "" || !now.Since.Equal(*since) {
			t.Errorf("with another note, the halt of %s is %+v", since, now)
		}
		n.Want(200, "POST", "/resume", "", "")
		n.Want(409, "PATCH", "/halt", `{"note": "too late"}`, "faults are not halted")
		line := "match path /slow; respond 500"
		wantTold(t, n.Ctl,
			"started | slow | "+line+" | api | does it retry?",
			"changed | slow | match path /slow; percent 20; respond 500 | api | does it retry?",
			"extended | slow | api | does it retry?",
			"expired | slow | does it retry?",
			"started | a | "+line+" | api",
			"stopped | a | api",
			"started | a | "+line+" | api",
			"started | b | "+line+" | api",
			"switched_off | shop/gone | api",
			"switched_on | shop/gone | api",
			"halted | a, b | api | real errors",
			"noted | api | the upstream is down",
			"noted | api | the shop is down",
			"resumed | api",
		)
		all := n.Ctl.Activity()
		if !all[0].At.Equal(began) || !all[1].At.Equal(began.Add(time.Second)) {
			t.Errorf("times: got %s and %s, want %s and a second later", all[0].At, all[1].At, began)
		}
		past := n.Ctl.Store.Past()
		if last := past[len(past)-1]; last.Why != experiments.WhyReplaced || last.By != "api" {
			t.Errorf("the replaced experiment: got %s by %s", last.Why, last.By)
		}
		if past[0].Why != experiments.WhyHalted || past[0].By != "api" {
			t.Errorf("the halted experiment: got %s by %s", past[0].Why, past[0].By)
		}
	})
}

// The list is bounded, and so are its texts.
func TestActivityBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, "")
		n.Want(201, "PUT", "/experiments/long", `{"points": ["shop"], "note": "`+strings.Repeat("ä", 300)+`", "faults": [{"fault": "close"}]}`, "")
		if note := n.Ctl.Activity()[0].Note; note != strings.Repeat("ä", 250)+"…" {
			t.Errorf("the note is %q", note)
		}
		n.Ctl.SwitchRule("shop", "gone", strings.Repeat("\x80", 600), true) // not UTF-8
		if by := n.Ctl.Activity()[1].By; by != strings.Repeat("\x80", 496)+"…" {
			t.Errorf("the name is %q", by)
		}
		for range 101 {
			n.Want(200, "POST", "/halt", "", "")
			n.Want(200, "POST", "/resume", "", "")
		}
		all := n.Ctl.Activity()
		if len(all) != 200 || all[0].What != control.ActHalted || all[199].What != control.ActResumed {
			t.Errorf("%d entries, from %s to %s", len(all), all[0].What, all[len(all)-1].What)
		}
	})
}

// A reload is told once it is certain, and keeps the list. A configuration that Caddy
// discards is not told.
func TestActivityOfReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := control.New()
		app := func(settings string) *control.App {
			ctx, err := testkit.Provision(t, ctl, settings)
			if err != nil {
				t.Fatal(err)
			}
			return loadApp(t, ctx, `{}`)
		}
		one, two, halted := app(`{}`), app(`{}`), app(`{"halted": true}`)
		ctl.Run(one)
		wantTold(t, ctl)
		ctl.Run(one, two)
		ctl.Run(one)
		wantTold(t, ctl)
		ctl.Run(one, two)
		ctl.Run(two)
		ctl.Run(two)
		wantTold(t, ctl, "reloaded")
		ctl.Run()
		ctl.Run(halted)
		wantTold(t, ctl, "reloaded", "reloaded", "halted | configuration")
	})
}

// halt_when says what it has halted for.
func TestActivityOfHaltWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, `{"halt_when": {"errors": 1, "window": "10s"}}`)
		n.App.HaltWhen.Count()
		n.App.HaltWhen.Count()
		synctest.Wait()
		wantTold(t, n.Ctl, "halted | halt_when | more than 1 upstream errors within 10s")
		n.Want(200, "GET", "/", "", `"why": "halt_when"`)
		n.Want(200, "POST", "/halt", `{"note": "by hand"}`, `"why": "api"`) // another halt, which stays
	})
}

// A node lists what it sees of the changes of its group, and who made them.
func TestActivityOfGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, `{"share": {"group": "g"}}`)
		other := testnode.Start(t, testnode.Shop, "")
		member := other.Ctl.Group("g").Member(n.App.Context().Storage(), zap.NewNop())
		sync := func() { n.Ctl.Shared().Sync(t.Context()) }
		put := func(ttl string) {
			body := fmt.Sprintf(`{"points": ["shop"], "ttl": %q, "faults": [{"fault": "close"}]}`, ttl)
			e, err := experiments.Parse("x", []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			e.By = "ada"
			if other.Ctl.Store.Get("x") == nil {
				_, _, err = member.Start(experiments.Batch{Drafts: []experiments.Draft{{Experiment: e, JSON: []byte(body)}}})
			} else {
				_, err = member.Extend(e, []byte(body), nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			sync()
		}
		sync()
		put("5m")
		put("10m")
		if err := member.Delete("x", "ada", nil); err != nil {
			t.Fatal(err)
		}
		sync()
		if err := member.Halt(control.NewState(true, control.Cause{Why: "api", By: "eve", Note: "enough"})); err != nil {
			t.Fatal(err)
		}
		sync()
		wantTold(t, n.Ctl, "started | x | close | ada", "extended | x | ada", "stopped | x | group", "halted | eve | enough")
		time.Sleep(time.Minute)
	})
}

// A process that starts halted lists since when, and by whom.
func TestActivityOfRestore(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	n.Want(200, "POST", "/halt", `{"note": "friday"}`, "")
	next := control.New()
	defer next.BeginExit()
	next.Restore(n.App.Context())
	wantTold(t, next, "halted | api | friday")
	if all := next.Activity(); len(all) == 1 && !all[0].At.Equal(*n.Ctl.Switch.State().Since) {
		t.Errorf("halted at %s, want %s", all[0].At, n.Ctl.Switch.State().Since)
	}
}
