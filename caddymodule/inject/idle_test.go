package inject

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// A request for which the faults do nothing is not a hit. Nothing reports it, and
// errors count as the upstream's.
func TestIdle(t *testing.T) {
	const respond = `{"fault": "respond", "status_code": 503}`
	for name, tt := range map[string]struct {
		fault string
		want  []bool // which requests are hit
	}{
		"sequence that ends":   {`{"fault": "sequence", "steps": [[` + respond + `], [` + respond + `]]}`, []bool{true, true, false, false}},
		"step that passes":     {`{"fault": "sequence", "loop": true, "steps": [[], [` + respond + `]]}`, []bool{false, true, false, true}},
		"branch that passes":   {`{"fault": "choose", "branches": [{"weight": 1}, {"weight": 0, "faults": [` + respond + `]}]}`, []bool{false, false, false}},
		"choose in a sequence": {`{"fault": "sequence", "steps": [[{"fault": "choose", "branches": [{"weight": 1}]}], [` + respond + `]]}`, []bool{false, true, false}},
		"one of two faults":    {`{"fault": "sequence", "steps": [[]]}, ` + respond, []bool{true, true}},
	} {
		for _, phase := range []string{"request", "response"} {
			t.Run(name+", "+phase, func(t *testing.T) {
				point := fmt.Sprintf("idle-%s-%s", strings.ReplaceAll(name, " ", "-"), phase)
				h := load(t, `{"point": "`+point+`", "rules": [{"name": "r", "phase": "`+phase+`", "faults": [`+tt.fault+`]}]}`, "")
				rule, hits := h.Rules[0], 0
				injected := metrics.InjectedTotal.WithLabelValues(point, "r", rule.KindNames())
				passed := metrics.PassedTotal.WithLabelValues(point, "r", rules.ReasonPass.String())
				injectedBefore, passedBefore := testutil.ToFloat64(injected), testutil.ToFloat64(passed)
				for i, want := range tt.want {
					got := testkit.Ask(h)
					if want {
						hits++
					}
					if disclosed := got.Header.Get("X-Fault-Injected") != ""; disclosed != want || (got.Status == 503) != want {
						t.Errorf("request %d: got %+v, want a hit: %v", i+1, got, want)
					}
				}
				if got := int(testutil.ToFloat64(injected) - injectedBefore); got != hits {
					t.Errorf("%d injected, want %d", got, hits)
				}
				if got := int(rule.Stats().Hits); got != hits {
					t.Errorf("%d hits, want %d", got, hits)
				}
				if got, want := int(testutil.ToFloat64(passed)-passedBefore), len(tt.want)-hits; got != want {
					t.Errorf("%d passed, want %d", got, want)
				}
			})
		}
	}
}

// A choose after another one draws from the rest of the draw. The check for idle hits
// must do the same.
func TestIdleTwoDraws(t *testing.T) {
	const second = `{"fault": "choose", "branches": [{"weight": 1}, {"weight": 1, "faults": [{"fault": "respond", "status_code": 503}]}]}`
	for name, first := range map[string]string{
		"plain":  `{"fault": "choose", "branches": [{"weight": 1}, {"weight": 1, "faults": [{"fault": "delay", "duration": "1ns"}]}]}`,
		"nested": `{"fault": "choose", "branches": [{"weight": 1, "faults": [` + second + `]}, {"weight": 1}]}`,
	} {
		h := load(t, `{"seed": 1, "rules": [{"faults": [`+first+`, `+second+`]}]}`, "")
		const requests = 4000
		failed := 0
		for range requests {
			if testkit.Ask(h).Status == 503 {
				failed++
			}
		}
		want := map[string]float64{"plain": 0.5, "nested": 0.625}[name]
		if got := float64(failed) / requests; math.Abs(got-want) > 0.03 {
			t.Errorf("%s: %.3f of the requests failed, want %v", name, got, want)
		}
	}
}

// Requests that a draw lets pass use no turn of times. Requests that pass are not
// active for max_active.
func TestIdleTakesNothing(t *testing.T) {
	const respond = `{"fault": "respond", "status_code": 503}`
	h := load(t, `{"rules": [{"times": 10, "faults": [{"fault": "choose", "branches": [{"weight": 9}, {"weight": 1, "faults": [`+respond+`]}]}]}]}`, "")
	hits := 0
	for range 2000 {
		if testkit.Ask(h).Status == 503 {
			hits++
		}
	}
	if hits != 10 || h.Rules[0].Stats().Hits != 10 {
		t.Errorf("got %d hits, counted %d, want 10", hits, h.Rules[0].Stats().Hits)
	}

	h = load(t, `{"rules": [{"max_active": 1, "faults": [{"fault": "sequence", "steps": [[], [`+respond+`]]}]}]}`, "")
	w := httptest.NewRecorder()
	err := h.ServeHTTP(w, testkit.Request(http.MethodGet, "/", w), caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		if got := testkit.Ask(h); got.Status != 503 {
			t.Errorf("beside one that passes: got %+v, want 503", got)
		}
		return nil
	}))
	if err != nil || h.Rules[0].Stats().Active != 0 {
		t.Errorf("error %v, %d active", err, h.Rules[0].Stats().Active)
	}
}

// A dry run counts a request once.
func TestIdleDryRun(t *testing.T) {
	h := load(t, `{"point": "idle-dry", "rules": [{"name": "r", "dry_run": true, "faults": [{"fault": "sequence", "steps": [[]]}]}]}`, "")
	passed := metrics.PassedTotal.WithLabelValues("idle-dry", "r", rules.ReasonPass.String())
	before := testutil.ToFloat64(passed)
	testkit.Ask(h)
	if got := testutil.ToFloat64(passed) - before; got != 0 {
		t.Errorf("%v passed besides the dry run", got)
	}
}

// Explain knows the next step of a sequence, but not the draw of a request.
func TestExplainIdle(t *testing.T) {
	const respond = `{"fault": "respond", "status_code": 503}`
	h := load(t, `{"rules": [
		{"name": "ends", "match": [{"path": ["/*"]}], "faults": [{"fault": "sequence", "steps": [[`+respond+`]]}]},
		{"name": "draws", "faults": [{"fault": "choose", "branches": [{"weight": 1}, {"weight": 1, "faults": [`+respond+`]}]}]}
	]}`, "")
	for _, want := range []string{"", "pass"} {
		_, verdicts, err := h.Explain(testkit.Request("GET", "/", nil), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := verdicts[0]; got.Fires == (want != "") || got.Gate != want {
			t.Errorf("got %+v, want gate %q", got, want)
		}
		if got := verdicts[1]; got.Fires {
			t.Errorf("got %+v, want it unasked", got)
		}
		testkit.Ask(h)
	}
}
