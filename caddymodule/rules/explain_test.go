package rules

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// verdicts returns verdicts in one line: rule, whether it fires, gate.
func verdicts(t testing.TB, p *Point, guests *Guests, r *http.Request) string {
	t.Helper()
	_, all, err := p.Explain(r, guests, known)
	if err != nil {
		t.Fatal(err)
	}
	var line []string
	for _, v := range all {
		text := v.Rule
		if v.Experiment {
			text = "*" + text
		}
		if v.Fires {
			text += " fires"
		}
		if v.Gate != "" {
			text += " " + v.Gate
		}
		if (v.Gate == "") != (v.Why == "") {
			t.Errorf("%s: gate %q and why %q", v.Rule, v.Gate, v.Why)
		}
		line = append(line, text)
	}
	return strings.Join(line, "; ")
}

func TestExplain(t *testing.T) {
	rule := func(settings string) string { return `{"rules": [{` + settings + `, ` + closing + `}]}` }
	tests := []struct {
		name, config string
		asked        int // earlier requests
		want         string
	}{
		{"no rules", `{}`, 0, ""},
		{"fires", rule(`"percent": 100`), 0, "rule1 fires"},
		{"match", rule(`"match": [{"path": ["/x"]}]`), 0, "rule1 match"},
		{"one of two sets", rule(`"match": [{"path": ["/x"]}, {"method": ["GET"]}]`), 0, "rule1 fires"},
		{"percent", rule(`"percent": 10`), 0, "rule1 fires percent"},
		{"percent 0", rule(`"percent": 0`), 0, "rule1 percent"},
		{"reply", rule(`"match_response": {"status_code": [5]}`), 0, "rule1 fires match_response"},
		{"phase response", rule(`"phase": "response"`), 0, "rule1 fires"},
		{"skip", rule(`"skip": 2`), 1, "rule1 skip"},
		{"skipped", rule(`"skip": 2`), 2, "rule1 fires"},
		{"every", rule(`"every": 3`), 1, "rule1 every"},
		{"every third", rule(`"every": 3`), 2, "rule1 fires"},
		{"over", rule(`"over": {"requests": 2, "window": "1m"}`), 1, "rule1 over"},
		{"above", rule(`"over": {"requests": 2, "window": "1m"}`), 2, "rule1 fires"},
		{"times", rule(`"times": 1`), 1, "rule1 times"},
		{"times of another key", rule(`"times": 1, "per": "{http.request.header.X-N}"`), 1, "rule1 fires"},
		{"start", rule(`"start": "1h"`), 0, "rule1 time"},
		{"end", rule(`"end": "1999-01-01T00:00:00Z"`), 0, "rule1 time"},
		{"cycle", rule(`"start": "1999-01-01T00:00:00Z", "cycle": {"on": "1ns", "period": "1h"}`), 0, "rule1 time"},
		{"shares", `{"rules": [{"percent": 30, ` + closing + `}, {"percent": 80, ` + closing + `}, {` + closing + `}]}`, 0, "rule1 fires percent; rule2 fires percent; rule3 percent"},
		{"absent at 100", `{"rules": [{"times": 1, ` + closing + `}, {` + closing + `}]}`, 1, "rule1 times; rule2 fires"},
		{"dry run", `{"rules": [{"dry_run": true, "percent": 40, ` + closing + `}, {"percent": 80, ` + closing + `}, {` + closing + `}]}`, 0, "rule1 dry_run; rule2 fires percent; rule3 percent"},
		{"dry run without a match", rule(`"dry_run": true, "match": [{"path": ["/x"]}]`), 0, "rule1 match"},
		{"full", `{"rules": [{"max_active": 1, ` + closing + `}, {` + closing + `}]}`, 1, "rule1 max_active; rule2 percent"},
		{"begin of a ramp", `{"rules": [{"ramp": "1h", ` + closing + `}, {` + closing + `}]}`, 0, "rule1 percent; rule2 percent"},
		{"replies", `{"rules": [{"match_response": {"status_code": [5]}, ` + closing + `}, {"match_response": {"status_code": [404]}, ` + closing + `}, {"phase": "response", ` + closing + `}]}`, 0, "rule1 fires match_response; rule2 fires match_response; rule3 fires"},
		{"order", `{"rules": [{"name": "late", "phase": "response", ` + closing + `}, {"name": "early", "percent": 10, ` + closing + `}]}`, 0, "early fires percent; late fires percent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Minute) // not at the edge of a cycle
				p := mustLoad(t, tt.config)
				for i := range tt.asked {
					name(t, p, request("/", "X-N", fmt.Sprint(i)))
				}
				for range 2 { // the second answer is the same, because nothing was counted
					if got := verdicts(t, p, nil, request("/")); got != tt.want {
						t.Errorf("got %q, want %q", got, tt.want)
					}
				}
			})
		})
	}
}

func TestExplainGuestsAndSwitch(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"name": "own", "percent": 40, `+closing+`}, {"name": "late", "phase": "response", `+closing+`}]}`)
	guests := invite(
		guestRule(t, `{"name": "a", "percent": 10, `+closing+`}`),
		guestRule(t, `{"name": "b", "phase": "response", `+closing+`}`),
	)
	if got, want := verdicts(t, p, guests, request("/")), "*a fires percent; own fires percent; *b fires; late fires percent"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.Rules[0].SwitchOff(true)
	if got, want := verdicts(t, p, nil, request("/")), "own switch; late fires percent"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Above max_active a guest still takes the request. A trigger leaves the request to the
// rules.
func TestExplainFull(t *testing.T) {
	p := mustLoad(t, `{"rules": [{`+closing+`}]}`)
	guests := invite(guestRule(t, `{"name": "a", "max_active": 1, `+closing+`}`))
	triggered := p.Triggered("b", 1).Rule("b", "", new(Rule), nil, 100)
	for _, want := range []string{"a", ""} {
		if got := fired(p.Decide(request("/"), guests)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p.DecideTriggered(request("/"), triggered)
	_, all, _ := p.Explain(request("/"), guests, known)
	if a := all[0]; a.Gate != "max_active" || !a.Settles {
		t.Errorf("guest: got %+v, want max_active and that it settles the request", a)
	}
	if b := p.ExplainTriggered(request("/"), triggered); b.Gate != "max_active" || b.Settles {
		t.Errorf("triggered: got %+v, want max_active and that it settles nothing", b)
	}
}

// An explanation names the matcher that does not match: of the point, of the rule, or
// that none of several sets match.
func TestExplainMatchers(t *testing.T) {
	p := mustLoad(t, `{"match": [{"path": ["/in"]}], "rules": [
		{"match": [{"method": ["GET"], "header": {"X": ["1"]}}], `+closing+`},
		{"match": [{"header": {"X": ["1"]}}, {"header": {"X": ["2"]}}], `+closing+`}]}`)
	if matches, all, err := p.Explain(request("/out"), nil, known); matches || all != nil || err != nil {
		t.Errorf("outside: got %v %v, %v", matches, all, err)
	}
	matches, all, err := p.Explain(request("/in"), nil, known)
	if !matches || err != nil || len(all) != 2 {
		t.Fatalf("got %v %v, %v", matches, all, err)
	}
	for i, want := range []string{"the matcher 'header' does not match", "none of its 2 matcher sets match"} {
		if all[i].Why != want {
			t.Errorf("got %q, want %q", all[i].Why, want)
		}
	}
	p = mustLoad(t, `{"rules": [{"match": [{"expression": "{http.request.header.X-N} / 0 == 1"}], `+closing+`}]}`)
	const want = "the matcher 'expression' fails and does not match: "
	if _, all, err := p.Explain(request("/"), nil, known); err != nil || len(all) != 1 || all[0].Gate != "match" || !strings.HasPrefix(all[0].Why, want) {
		t.Errorf("got %+v, %v, want %q and the error", all, err, want)
	}
	p = mustLoad(t, `{`+failing+`, "rules": [{`+closing+`}]}`)
	passed := passes(p)
	if matches, all, err := p.Explain(request("/"), nil, known); matches || all != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %t, %+v, %v, want a failure of the point's matcher", matches, all, err)
	}
	if len(passed) > 0 {
		t.Errorf("explaining counts %v", passed)
	}
}

// An explanation takes no draw.
func TestExplainTakesNoDraw(t *testing.T) {
	const rest = `"seed": 3, "rules": [{"percent": 50, ` + closing + `}]}`
	plain, explained := mustLoad(t, `{"point": "plain", `+rest), mustLoad(t, `{"point": "explained", `+rest)
	for i := range 50 {
		verdicts(t, explained, nil, request("/"))
		if a, b := name(t, plain, request("/")), name(t, explained, request("/")); a != b {
			t.Fatalf("request %d: got %q, and %q without explanations", i, b, a)
		}
	}
}

// If a sticky key determines the draw, the verdict is certain and says why the rule passes.
// Without the key, or if only a real request has it, the draw is open.
func TestExplainSticky(t *testing.T) {
	p := mustLoad(t, `{"sticky": "{http.request.header.X-Key}", "seed": 1, "rules": [{"percent": 30, `+closing+`}, {"percent": 30, `+closing+`}]}`)
	guest := guestRule(t, `{"name": "a", "percent": 50, `+closing+`}`)
	guest.draws = newDraws(Draws{Sticky: "{http.request.header.X-Key}"}, "a", faults.InHandler)
	guests := invite(guest)
	const open = "*a fires percent; rule1 fires percent; rule2 fires percent"
	if got := verdicts(t, p, guests, request("/")); got != open {
		t.Errorf("without a key: got %s", got)
	}
	_, all, err := p.Explain(request("/", "X-Key", "a"), guests, func(func()) bool { return false })
	if err != nil || !all[0].Fires || !all[1].Fires || !all[2].Fires || all[2].Gate != "percent" || all[2].Share != 30 {
		t.Errorf("an unknown key: got %+v, %v", all, err)
	}
	fires := make(map[string]bool)
	for i := range 50 {
		r := request("/", "X-Key", fmt.Sprint(i))
		_, all, err := p.Explain(r, guests, known)
		if err != nil {
			t.Fatal(err)
		}
		Settle(all)
		got := ""
		for _, v := range all {
			if why := strings.HasPrefix(v.Why, "the key of sticky draws "); v.Fires && (v.Gate != "" || v.Share != 100) || v.Gate == "percent" && !why {
				t.Errorf("key %d: got %+v", i, v)
			}
			if v.Fires {
				got += v.Rule
			}
		}
		if want := fired(p.Decide(r, guests)); got != want {
			t.Errorf("key %d: got %q, want %q", i, got, want)
		}
		fires[got] = true
	}
	if len(fires) != 4 {
		t.Errorf("got %v", fires)
	}
}

// A rule whose faults depend on the reply may hit, and keeps its share in any case.
func TestExplainEffect(t *testing.T) {
	const cut = `{"fault": "truncate", "percent": 50}`
	for _, tt := range []struct{ rules, want string }{
		{`{"faults": [` + cut + `]}, {` + closing + `}`, "rule1 fires effect; rule2 percent"},
		{`{"faults": [{"fault": "delay", "duration": "1s"}, ` + cut + `]}`, "rule1 fires"},
		{`{"percent": 10, "faults": [` + cut + `]}`, "rule1 fires percent"},
		{`{"faults": [{"fault": "choose", "branches": [{"weight": 1, "faults": [` + cut + `]}]}]}`, "rule1 fires effect"},
	} {
		_, verdicts, _ := mustLoad(t, `{"rules": [`+tt.rules+`]}`).Explain(request("/"), nil, known)
		Settle(verdicts)
		var got []string
		for _, v := range verdicts {
			text := v.Rule
			if v.Fires {
				text += " fires"
			}
			got = append(got, strings.TrimSpace(text+" "+v.Gate))
		}
		if text := strings.Join(got, "; "); text != tt.want {
			t.Errorf("%s: got %s, want %s", tt.rules, text, tt.want)
		}
	}
}

// Exempt leaves only the verdicts of rules that do not match as they are, so that no rule
// settles the request.
func TestExplainExempt(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"name": "a", `+closing+`}, {"name": "b", "percent": 10, `+closing+`}, {"name": "c", "skip": 1, `+closing+`}, {"name": "d", "match": [{"path": ["/d"]}], `+closing+`}]}`)
	_, verdicts, err := p.Explain(request("/"), nil, known)
	if err != nil {
		t.Fatal(err)
	}
	for i := range verdicts {
		verdicts[i].Exempt()
	}
	Settle(verdicts)
	for i, want := range []string{GateExempt, GateExempt, GateExempt, "match"} {
		if v := verdicts[i]; v.Fires || v.Settles || v.Gate != want || v.Why == "" {
			t.Errorf("%s: got %+v, want gate %s", v.Rule, v, want)
		}
	}
}

// known knows everything of a request.
func known(read func()) bool { read(); return true }
