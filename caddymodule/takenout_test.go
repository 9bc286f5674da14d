package caddymodule

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// loadBeside provisions a handler in the configuration of another one.
func loadBeside(t testing.TB, other *Handler, config string) *Handler {
	t.Helper()
	mod, err := other.app.ctx.LoadModuleByID("http.handlers.fault", []byte(config))
	if err != nil {
		t.Fatalf("loading %s: %v", config, err)
	}
	h := mod.(*Handler)
	t.Cleanup(func() {
		if err := h.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// askBoth sends a request through two handlers and tells its status and what
// the upstream saw of it, nil if it was not asked.
func askBoth(t testing.TB, outer, inner *Handler, between func(*http.Request), fields ...string) (status int, seen http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	r := request(http.MethodGet, "/", w)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	err := outer.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if between != nil {
			between(r)
		}
		return inner.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			seen = r.Header.Clone()
			return upstream(w, r)
		}))
	}))
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, seen
}

// A trigger reaches every point on the way that has one, but not the upstream.
func TestTriggerReachesEveryPoint(t *testing.T) {
	const keyA, keyB = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
	const keyed = `"source": "header", "key": `
	tests := []struct {
		name, outer, inner string // fields of the points
		fields             []string
		status             int
	}{
		{"left alone by both", `"triggers": [{"source": "header"}]`, `"triggers": [{"source": "header"}]`, []string{"X-Fault", "pass"}, 200},
		{"passed by the first", `"triggers": [{"source": "header", "allow": ["delay"]}]`, `"triggers": [{"source": "header"}]`, []string{"X-Fault", "551"}, 551},
		{"a draw that misses", `"triggers": [{"source": "header", "percent": 0}]`, `"triggers": [{"source": "header"}]`, []string{"X-Fault", "551"}, 551},
		{"a key of its own", `"triggers": [{` + keyed + `"` + keyA + `"}]`, `"triggers": [{` + keyed + `"` + keyB + `"}]`, []string{"X-Fault", "key " + keyB + "; 551"}, 551},
		{"behind phase response", `"triggers": [{"source": "header"}]`, `"triggers": [{"source": "header"}]`, []string{"X-Fault", "phase response; delay 1ns"}, 200},
		{"a matcher for the field", `"triggers": [{"source": "header", "percent": 0}]`, `"match": [{"header": {"X-Fault": ["*"]}}], "triggers": [{"source": "header"}]`, []string{"X-Fault", "551"}, 551},
		{"a matcher that says no", `"triggers": [{"source": "header", "percent": 0}]`, `"match": [{"path": ["/other"]}], "triggers": [{"source": "header"}]`, []string{"X-Fault", "551"}, 200},
		{"another field", `"triggers": [{"source": "header"}]`, `"triggers": [{"source": "header", "name": "X-Other"}]`, []string{"X-Fault", "pass"}, 418},
		{"only the first has triggers", `"triggers": [{"source": "header"}]`, `"triggers": []`, []string{"X-Fault", "pass"}, 418},
		{"envoy", `"triggers": [{"source": "envoy", "percent": 0}]`, `"triggers": [{"source": "envoy"}]`, []string{envoyAbort, "503", envoyAbortPercent, "100"}, 503},
		{"envoy, lowered", `"triggers": [{"source": "envoy"}]`, `"triggers": [{"source": "envoy"}]`, []string{envoyAbort, "503", envoyAbortPercent, "0"}, 418},
	}
	const rule = `, "rules": [{"faults": [{"fault": "respond", "status_code": 418}]}]}`
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			outer := load(t, `{"point": "outer", `+tt.outer+`}`, "")
			inner := loadBeside(t, outer, `{"point": "inner", `+tt.inner+rule)
			status, seen := askBoth(t, outer, inner, nil, tt.fields...)
			if status != tt.status || len(seen) > 0 {
				t.Errorf("got %d, the upstream saw %v, want %d and nothing", status, seen, tt.status)
			}
		})
	}
}

// What is set between two points counts for the second one, and is taken out
// there, also if it is the first one's field.
func TestTriggerSetBetweenPoints(t *testing.T) {
	set := func(r *http.Request) { r.Header.Set("X-Fault", "552") }
	outer := load(t, `{"point": "outer", "triggers": [{"source": "header"}]}`, "")
	same := loadBeside(t, outer, `{"point": "same", "triggers": [{"source": "header"}]}`)
	if status, _ := askBoth(t, outer, same, set, "X-Fault", "delay 1ns"); status != 552 {
		t.Errorf("got %d, want what has been set, 552", status)
	}
	other := loadBeside(t, outer, `{"point": "other", "triggers": [{"source": "header", "name": "X-Other"}]}`)
	if status, seen := askBoth(t, outer, other, set, "X-Fault", "delay 1ns"); status != 200 || len(seen) > 0 {
		t.Errorf("got %d, the upstream saw %v, want 200 and nothing", status, seen)
	}
}

// A point of the error route is not asked a second time by a trigger that has led
// there.
func TestTriggerInErrorRoute(t *testing.T) {
	point := `"triggers": [{"source": "header"}]}`
	outer := load(t, `{"point": "outer", `+point, "")
	inner := loadBeside(t, outer, `{"point": "inner", `+point)
	w := httptest.NewRecorder()
	r := request(http.MethodGet, "/", w)
	r.Header.Set("X-Fault", "error 502")
	err := outer.ServeHTTP(w, r, caddyhttp.HandlerFunc(upstream))
	if err == nil {
		t.Fatal("got no error")
	}
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.ErrorCtxKey, err))
	if err := inner.ServeHTTP(w, r, caddyhttp.HandlerFunc(upstream)); err != nil || r.Header.Get("X-Fault") != "" {
		t.Errorf("got error %v and field %q", err, r.Header.Get("X-Fault"))
	}
}

// While all is halted triggers are kept from the upstream at every point.
func TestTriggersHaltedAtEveryPoint(t *testing.T) {
	outer := load(t, `{"point": "outer", "triggers": [{"source": "header"}]}`, `{"halted": true}`)
	inner := loadBeside(t, outer, `{"point": "inner", "triggers": [{"source": "header"}]}`)
	if status, seen := askBoth(t, outer, inner, nil, "X-Fault", "551"); status != 200 || len(seen) > 0 {
		t.Errorf("got %d, the upstream saw %v", status, seen)
	}
}

// What is kept of a trigger may have its key in it: nobody can write it out.
func TestTakenOutShowsNothing(t *testing.T) {
	outer := load(t, `{"point": "outer", "triggers": [{"source": "header"}]}`, "")
	inner := loadBeside(t, outer, `{"point": "inner", "triggers": [{"source": "header"}]}`)
	kept := false
	askBoth(t, outer, inner, func(r *http.Request) {
		repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		value, is := repl.Get(takenOutKey)
		text, err := json.Marshal(value)
		if kept = is; err != nil || string(text) != "{}" {
			t.Errorf("as JSON: got %s, %v", text, err)
		}
		if got := repl.ReplaceAll("{"+takenOutKey+"}", "empty"); got != "empty" && got != "" {
			t.Errorf("as a placeholder: got %q", got)
		}
	}, "X-Fault", "delay 1ns")
	if !kept {
		t.Error("nothing is kept")
	}
}

// No trigger costs nothing, not even where there are several points with one.
func TestNoTriggerAllocatesNothing(t *testing.T) {
	outer := load(t, `{"point": "outer", "triggers": [{"source": "header"}, {"source": "envoy"}]}`, "")
	inner := loadBeside(t, outer, `{"point": "inner", "triggers": [{"source": "header"}, {"source": "envoy"}]}`)
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	w := &discard{header: make(http.Header)}
	r := request(http.MethodGet, "/", w)
	if got := testing.AllocsPerRun(100, func() { _ = inner.ServeHTTP(w, r, next) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

// BenchmarkTriggerAtPoint is what the absence of a trigger costs a point, alone
// and beside another one that takes fields out.
func BenchmarkTriggerAtPoint(b *testing.B) {
	h := load(b, triggered(`{"source": "header"}`), "")
	r := request(http.MethodGet, "/", &discard{header: make(http.Header)})
	for _, name := range []string{"alone", "beside"} {
		if name == "beside" {
			loadBeside(b, h, `{"point": "second", "triggers": [{"source": "header"}]}`)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.decide(r, h.fields.enter(r)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
