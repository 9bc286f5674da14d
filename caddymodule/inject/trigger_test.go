package inject

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

func TestTriggerLine(t *testing.T) {
	tests := []struct {
		line   string
		status int // 200: not hit; 0: aborted
		took   time.Duration
	}{
		{"551", 551, 0},
		{"smtp:450", 450, 0},
		{"respond 503", 503, 0},
		{" respond  503 ; ", 503, 0},
		{"delay 250ms; respond 503", 503, 250 * time.Millisecond},
		{"delay 1s 1s; 503", 503, time.Second},
		{"reset", 0, 0},
		{"close", 0, 0},
		{"hang 2s", 0, 2 * time.Second},
		{"hang", 0, 30 * time.Second},
		{"delay 29s; hang", 0, 30 * time.Second},
		{"delay pareto 1h 1", 200, 0}, // its shortest wait exceeds the limit
		{"delay lognormal 30s 0 {", 200, 0},
		{"grpc UNAVAILABLE busy", 200, 0},
		{"error", 502, 0},
		{"error 500", 500, 0},
		{"throttle 1B/s", 200, time.Duration(len(testkit.UpstreamBody)) * time.Second},
		{"throttle 1B/s; burst 1KiB", 200, 0},
		{"throttle 1B/s; after 20B", 200, time.Duration(len(testkit.UpstreamBody)-20) * time.Second},
		{"dribble 10 5s", 200, 5 * time.Second},
		{"truncate 5B", 0, 0},
		{"corrupt 100%", 200, 0},
		{"garbage 1MiB", 0, 0},
		{"malformed 500", 0, 0},
		{"503; retry_after 5s", 503, 0},
		{"delay 1s; respond 429; retry_after 1m date; percent 100", 429, time.Second},
		{"retry_after 5s; 503", 200, 0},
		{"503; delay 1s; retry_after 5s", 200, 0},
		{"503; retry_after 5", 200, 0},
		{"503; retry_after {env.HOME}", 200, 0},
		{"close; retry_after 5s", 200, 0},
		{"phase response; 551", 551, 0},
		{"phase response; delay 1s", 200, time.Second},
		{"percent 0; 551", 200, 0},
		{"percent 100%; 551", 551, 0},

		{"", 200, 0},
		{";", 200, 0},
		{"pass", 200, 0},
		{"pass; 551", 200, 0},
		{"550 551", 200, 0},
		{"1000", 200, 0},
		{"199", 200, 0},
		{"respond 551 body", 200, 0},
		{"error 500 message", 200, 0},
		{"grpc OK", 200, 0},
		{`grpc UNAVAILABLE "{env.HOME}"`, 200, 0},
		{"nonsense", 200, 0},
		{"delay 31s", 200, 0},
		{"delay 20s; delay 11s", 200, 0},
		{"delay 30s; hang", 200, 0},
		{"hang 1h", 200, 0},
		{"dribble 10 1h", 200, 0},
		{"truncate 2MiB", 200, 0},
		{"garbage 2MiB", 200, 0},
		{"reset; 551", 200, 0},
		{"truncate 5B; reset", 200, 0},
		{"percent 101; 551", 200, 0},
		{"percent -1; 551", 200, 0},
		{"percent 50; percent 50; 551", 200, 0},
		{"times 3; 551", 200, 0},
		{"match path /; 551", 200, 0},
		{"dry_run; 551", 200, 0},
		{"choose", 200, 0},
		{"sequence", 200, 0},
		{"ratelimit 1 1m", 200, 0},
		{"delay ramp 1s 2s 1m", 200, 0},
		{"throttle 1B/s; shared", 200, 0},
		{"throttle 1B/s; burst 2MiB", 200, 0},
		{"patch", 200, 0},
		{"key 0123456789abcdef; 551", 200, 0},
		{"percent 10", 200, 0},
		{"phase response", 200, 0},
		{`respond "open`, 200, 0},
		{strings.Repeat("delay 1ms;", 8), 200, 8 * time.Millisecond},
		{strings.Repeat("delay 1ms;", 9), 200, 0},
		{"551" + strings.Repeat(" ", 1<<10), 200, 0},
	}
	synctest.Test(t, func(t *testing.T) {
		h := load(t, testkit.Triggered(`{"source": "header"}`), "")
		for _, tt := range tests {
			got := testkit.Ask(h, "X-Fault", tt.line)
			if got.Status != tt.status || got.Took != tt.took {
				t.Errorf("%q: got status %d after %v, want %d after %v", tt.line, got.Status, got.Took, tt.status, tt.took)
			}
			if _, seen := got.Upstream["X-Fault"]; seen {
				t.Errorf("%q: the upstream has seen it", tt.line)
			}
		}
	})
}

// Faults without a longest time are limited. The rest of a slow body is then sent at
// once.
func TestTriggerBoundsEveryWait(t *testing.T) {
	const maxDelay = 3 * time.Second
	synctest.Test(t, func(t *testing.T) {
		h := load(t, testkit.Triggered(`{"source": "header", "max_delay": "3s"}`), "")
		for _, line := range []string{"throttle 1B/s", "delay pareto 1s 1", "delay lognormal 1s 9", "delay normal 1s 1h", "hang"} {
			longest := time.Duration(0)
			for range 50 {
				longest = max(longest, testkit.Ask(h, "X-Fault", line).Took)
			}
			if longest != maxDelay {
				t.Errorf("%s: got %v at most of 50 requests, want %v", line, longest, maxDelay)
			}
		}
	})
}

// Triggers come from untrusted clients, so a triggered reply must not be cached or
// sniffed.
func TestTriggerReply(t *testing.T) {
	h := load(t, testkit.Triggered(`{"source": "header"}`), "")
	testkit.Grows(t, metrics.InjectedTotal.WithLabelValues("trig", "trigger", "respond"), 1)
	testkit.Grows(t, metrics.InjectedTotal.WithLabelValues("trig", "trigger", "several"), 1)
	got := testkit.Ask(h, "X-Fault", "551")
	if got.Body != body551 {
		t.Errorf("got body %s, want %s", got.Body, body551)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Fault-Injected": "trigger"} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: got %q, want %q", name, value, want)
		}
	}
	testkit.Ask(h, "X-Fault", "delay 1ns; 551")
}

func TestTriggerSources(t *testing.T) {
	const key = "0123456789abcdef"
	keyed := `, "key": "` + key + `"`
	tests := []struct {
		trigger string
		fields  []string
		status  int
		left    []string // the fields that the upstream sees, if the request reaches it
	}{
		{`{"source": "header"}`, []string{"X-Fault", "551"}, 551, nil},
		{`{"source": "header"}`, []string{"X-Fault", "nonsense"}, 200, nil},
		{`{"source": "header", "name": "x-chaos"}`, []string{"X-Chaos", "551"}, 551, nil},
		{`{"source": "header", "name": "x-chaos"}`, []string{"X-Fault", "551"}, 200, []string{"X-Fault"}},
		{`{"source": "header"` + keyed + `}`, []string{"X-Fault", "key " + key + "; 551"}, 551, nil},
		{`{"source": "header"` + keyed + `}`, []string{"X-Fault", "551"}, 200, nil},
		{`{"source": "header"` + keyed + `}`, []string{"X-Fault", "key " + key[1:] + "; 551"}, 200, nil},
		{`{"source": "header"` + keyed + `}`, []string{"X-Fault", "551; key " + key}, 200, nil},

		// if there are two, none is obeyed and both are removed
		{`{"source": "header"}`, []string{"X-Fault", "551", "X-Fault", "552"}, 200, nil},
		{`{"source": "header"}`, []string{"X-Fault", "551", "X-Fault", "551"}, 200, nil},
		{`{"source": "header"}`, []string{"X-Fault", "", "X-Fault", "551"}, 200, nil},
		{`{"source": "header"}`, []string{"X-Fault", "pass", "X-Fault", "551"}, 200, nil},
		{`{"source": "header"` + keyed + `}`, []string{"X-Fault", "551", "X-Fault", "key " + key + "; 551"}, 200, nil},
		{`{"source": "header"` + keyed + `}`, []string{"X-Fault", "key " + key + "; 551", "X-Fault", "551"}, 200, nil},
		{`{"source": "cookie"}`, []string{"Cookie", "fault=551; fault=552"}, 200, []string{"Cookie"}},
		{`{"source": "cookie"}`, []string{"Cookie", "fault=551", "Cookie", "a=b; fault=pass"}, 200, []string{"Cookie"}},
		{`{"source": "cookie"}`, []string{"Cookie", "a=b", "Cookie", "fault=551"}, 551, nil},
		{`{"source": "baggage"}`, []string{"Baggage", "fault=551,fault=552"}, 200, []string{"Baggage"}},
		{`{"source": "baggage"}`, []string{"Baggage", "fault=551", "Baggage", "fault=pass"}, 200, []string{"Baggage"}},
		{`{"source": "baggage"}`, []string{"Baggage", "fault=552,fault.trig=551,fault=553"}, 551, nil},
		{`{"source": "baggage"` + keyed + `}`, []string{"Baggage", "fault=551;key=" + key + ";key=" + key}, 200, []string{"Baggage"}},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Abort-Request", "503", "X-Envoy-Fault-Abort-Request", "404"}, 200, nil},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Abort-Request", "503", "X-Envoy-Fault-Abort-Request-Percentage", "100", "X-Envoy-Fault-Abort-Request-Percentage", "0"}, 200, nil},

		{`{"source": "cookie"}`, []string{"Cookie", "fault=551"}, 551, nil},
		{`{"source": "cookie"}`, []string{"Cookie", "a=b; fault=delay%201ns%3B%20551; c=d"}, 551, nil},
		{`{"source": "cookie"}`, []string{"Cookie", "fault=%zz"}, 200, []string{"Cookie"}},
		{`{"source": "cookie"}`, []string{"Cookie", "default=551"}, 200, []string{"Cookie"}},
		{`{"source": "cookie"` + keyed + `}`, []string{"Cookie", "fault=key%20" + key + "%3B551"}, 551, nil},

		{`{"source": "baggage"}`, []string{"Baggage", "fault=551"}, 551, nil},
		{`{"source": "baggage"}`, []string{"Baggage", "user=anna,fault=delay%201ns%3B%20551"}, 551, nil},
		{`{"source": "baggage"}`, []string{"Baggage", "user=anna", "Baggage", "fault=551"}, 551, nil},
		{`{"source": "baggage"}`, []string{"Baggage", "fault.trig=551"}, 551, nil},
		{`{"source": "baggage"}`, []string{"Baggage", "fault.trig=551,fault=552"}, 551, nil},
		{`{"source": "baggage"}`, []string{"Baggage", "fault.other=551"}, 200, []string{"Baggage"}},
		{`{"source": "baggage"}`, []string{"Baggage", "fault=nonsense"}, 200, []string{"Baggage"}},
		{`{"source": "baggage"}`, []string{"Baggage", "fault=551,,=;"}, 200, []string{"Baggage"}},
		{`{"source": "baggage"` + keyed + `}`, []string{"Baggage", "fault=551;key=" + key}, 551, nil},
		{`{"source": "baggage"` + keyed + `}`, []string{"Baggage", "fault=551"}, 200, []string{"Baggage"}},

		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Abort-Request", "503"}, 503, nil},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Abort-Request", "503", "X-Envoy-Fault-Abort-Request-Percentage", "0"}, 200, nil},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Abort-Request", "503", "X-Envoy-Fault-Abort-Request-Percentage", "lots"}, 503, nil},
		{`{"source": "envoy", "percent": 0}`, []string{"X-Envoy-Fault-Abort-Request", "503", "X-Envoy-Fault-Abort-Request-Percentage", "100"}, 200, nil},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Abort-Request", "199"}, 200, nil},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Abort-Request", "600"}, 200, nil},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Abort-Request", "0503"}, 200, nil},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Abort-Request", "503", "X-Envoy-Fault-Abort-Grpc-Request", "14"}, 503, nil},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Delay-Request", "1", "X-Envoy-Fault-Abort-Request", "503"}, 503, nil},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Throughput-Response", "1", "X-Envoy-Fault-Abort-Request", "503"}, 503, nil},

		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Delay-Request", "0", "X-Envoy-Fault-Abort-Request", "503"}, 503, nil},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Delay-Request", "0", "X-Envoy-Fault-Throughput-Response", "0"}, 200, nil},

		{`{"source": "header", "percent": 0}`, []string{"X-Fault", "percent 100; 551"}, 200, nil},
		{`{"source": "header", "allow": ["reset"]}`, []string{"X-Fault", "551"}, 200, nil},
		{`{"source": "header", "allow": ["respond"]}`, []string{"X-Fault", "551"}, 551, nil},
		{`{"source": "header", "max_delay": "1ms"}`, []string{"X-Fault", "delay 2ms; 551"}, 200, nil},
		{`{"source": "header"}, {"source": "cookie"}`, []string{"X-Fault", "nonsense", "Cookie", "fault=551"}, 551, nil},
		{`{"source": "header"}, {"source": "header", "name": "X-Other"` + keyed + `}`, []string{"X-Fault", "delay 1ns", "X-Other", "key " + key + "; 551"}, 200, nil},
		{`{"source": "header"}, {"source": "envoy"}`, []string{"X-Fault", "pass", "X-Envoy-Fault-Abort-Request", "503"}, 200, nil},
	}
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range tests {
			got := testkit.Ask(load(t, testkit.Triggered(tt.trigger), ""), tt.fields...)
			if got.Status != tt.status {
				t.Errorf("%s %q: got %d, want %d", tt.trigger, tt.fields, got.Status, tt.status)
			}
			if seen := slices.Collect(maps.Keys(got.Upstream)); got.Upstream != nil && !slices.Equal(seen, tt.left) {
				t.Errorf("%s %q: the upstream saw %v, want %v", tt.trigger, tt.fields, seen, tt.left)
			}
		}
	})
}

// Envoy's gRPC abort and throughput.
func TestTriggerEnvoyKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := load(t, testkit.Triggered(`{"source": "envoy", "max_delay": "2s"}`), "")
		if got := testkit.Ask(h, "X-Envoy-Fault-Abort-Grpc-Request", "14"); got.Header.Get("Grpc-Status") != "14" {
			t.Errorf("grpc: got %+v, want status 14", got)
		}
		if got := testkit.Ask(h, "X-Envoy-Fault-Delay-Request", "1500"); got.Took != 1500*time.Millisecond || got.Body != testkit.UpstreamBody {
			t.Errorf("delay: got %+v, want the upstream's reply after 1.5s", got)
		}
		if got := testkit.Ask(h, "X-Envoy-Fault-Throughput-Response", "1"); got.Took < 22*time.Millisecond || got.Took > 24*time.Millisecond {
			t.Errorf("throughput: got %+v, want 23 bytes in 23/1024 s", got)
		}
	})
}

// `pass` lets a request pass that every rule would hit. If a trigger is refused or
// misses its draw, the request goes on to the rules.
func TestTriggerBeforeRules(t *testing.T) {
	h := load(t, `{"point": "trig", "triggers": [{"source": "header"}], "rules": [{"faults": [{"fault": "respond", "status_code": 418}]}]}`, "")
	for line, want := range map[string]int{"pass": 200, "551": 551, "nonsense": 418, "percent 0; 551": 418} {
		if got := testkit.Ask(h, "X-Fault", line); got.Status != want {
			t.Errorf("%q: got %d, want %d", line, got.Status, want)
		}
	}
	if got := testkit.Ask(h); got.Status != 418 {
		t.Errorf("no trigger: got %d, want 418", got.Status)
	}
}

// TestTriggersAreTakenOut checks that the second trigger of a request is also removed
// if the first one is obeyed.
func TestTriggersAreTakenOut(t *testing.T) {
	h := load(t, testkit.Triggered(`{"source": "header"}, {"source": "header", "name": "X-Second"}`), "")
	for _, first := range []string{"delay 1ns", "pass", "nonsense"} {
		got := testkit.Ask(h, "X-Fault", first, "X-Second", "delay 1ns", "X-Other", "stays")
		if len(got.Upstream["X-Fault"])+len(got.Upstream["X-Second"]) != 0 || got.Upstream.Get("X-Other") != "stays" {
			t.Errorf("%s: the upstream sees %v", first, got.Upstream)
		}
	}
}

// The point's matcher also limits its triggers, but not which fields are removed.
func TestTriggerWithinMatcher(t *testing.T) {
	h := load(t, `{"match": [{"path": ["/api/*"]}], "triggers": [{"source": "header"}]}`, "")
	if got := testkit.Ask(h, "X-Fault", "551", "X-Other", "stays"); got.Status != 200 || len(got.Upstream) != 1 || got.Upstream.Get("X-Other") != "stays" {
		t.Errorf("got %+v, want the request passed without the field", got)
	}
}

func TestTriggerMaxActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := load(t, testkit.Triggered(`{"source": "header", "max_active": 2}`), "")
		testkit.Grows(t, metrics.PassedTotal.WithLabelValues("trig", "trigger", "overflow"), 1)
		statuses := make(chan int, 3)
		for range 3 {
			go func() { statuses <- testkit.Ask(h, "X-Fault", "delay 1s; 551").Status }()
		}
		if first := <-statuses; first != 200 {
			t.Errorf("one of three: got %d, want it passed at once", first)
		}
		if second, third := <-statuses, <-statuses; second != 551 || third != 551 {
			t.Errorf("got %d and %d, want 551", second, third)
		}
		if got := testkit.Ask(h, "X-Fault", "551"); got.Status != 551 {
			t.Errorf("afterwards: got %d, want 551", got.Status)
		}
	})
}

// A refusal is counted and logged, and the log does not contain a key.
func TestTriggerRefusedIsSeen(t *testing.T) {
	h := load(t, testkit.Triggered(`{"source": "header", "key": "0123456789abcdef"}`), "")
	core, logs := observer.New(zapcore.DebugLevel)
	h.logger = zap.New(core)
	testkit.Grows(t, metrics.PassedTotal.WithLabelValues("trig", "trigger", "trigger_refused"), 2)
	testkit.Ask(h, "X-Fault", "key wrong-wrong-wrong; 551")
	testkit.Ask(h, "X-Fault", "key 0123456789abcdef; nonsense")
	lines := logs.FilterMessage("refused a trigger").All()
	if len(lines) != 2 {
		t.Fatalf("got %d lines, want 2", len(lines))
	}
	for _, line := range lines {
		if text := fmt.Sprint(line.ContextMap()); strings.Contains(text, "0123456789") || strings.Contains(text, "wrong-wrong") {
			t.Errorf("the log has a key in it: %s", text)
		}
	}
}

// The error in a line is reported if it cannot contain a key.
func TestTriggerReasons(t *testing.T) {
	for line, want := range map[string]string{
		"close; 551":                "after 'close'",
		"delay soon":                "'soon'",
		"nonsense":                  "'nonsense' is not allowed",
		"key 0123456789abcdef; 551": "'key' is only allowed as the first statement",
		"respond 0123456789abcdef":  "the line cannot be parsed: want a line",
	} {
		h := load(t, testkit.Triggered(`{"source": "header"}`), "")
		logs := Observe(h)
		testkit.Ask(h, "X-Fault", line)
		if text := fmt.Sprint(logs.All()[0].ContextMap()["error"]); !strings.Contains(text, want) {
			t.Errorf("%s: got %s, want %s", line, text, want)
		}
	}
}

// A list that is malformed but contains no trigger refuses no trigger.
func TestTriggerMalformedBaggage(t *testing.T) {
	h := load(t, testkit.Triggered(`{"source": "baggage"}`), "")
	for list, refused := range map[string]float64{
		"default=1,=x":      0,
		"a=fault,=x":        0,
		"fault.other=1,=x":  0,
		"fault=551,=x":      1,
		"=x, fault = 551":   1,
		"=x,fault.trig=551": 1,
		"=x,fault;p=1":      1,
		"fault":             1,
	} {
		counter := metrics.PassedTotal.WithLabelValues("trig", "trigger", "trigger_refused")
		before := testutil.ToFloat64(counter)
		testkit.Ask(h, "Baggage", list)
		if got := testutil.ToFloat64(counter) - before; got != refused {
			t.Errorf("%s: %v refused, want %v", list, got, refused)
		}
	}
}

func TestTriggerBadConfig(t *testing.T) {
	t.Setenv("FAULT_KEY", "from the environment")
	for _, tt := range []struct{ trigger, want string }{
		{`{"source": "smoke"}`, "bad trigger 'smoke': want header, cookie, query, baggage, envoy"},
		{`{}`, "bad trigger ''"},
		{`{"source": "header", "name": "X Fault"}`, "bad name 'X Fault'"},
		{`{"source": "header", "name": "Cookie"}`, "bad name 'Cookie' of trigger header: every point removes the field from requests"},
		{`{"source": "header", "key": "env.STAGING_FAULT_KEY"}`, "write a placeholder, such as key {env.FAULT_KEY}"},
		{`{"source": "header", "key": "short"}`, "trigger key has 5 bytes: want 16 or more, such as the output of: openssl rand -hex 16"},
		{`{"source": "header", "key": "0123456789 abcdef"}`, "contains a space"},
		{`{"source": "header", "key": "{env.FAULT_KEY}"}`, "contains a space"},
		{`{"source": "header", "key": "{env.NO_SUCH_KEY_IS_SET}"}`, "trigger key"},
		{`{"source": "header", "allow": ["sequence"]}`, "bad trigger allow 'sequence': want some of close, corrupt"},
		{`{"source": "header", "max_delay": -1}`, "bad trigger max_delay '-1ns': must not be negative"},
		{`{"source": "header", "max_active": -1}`, "bad trigger max_active '-1': must not be negative"},
		{`{"source": "header", "percent": 101}`, "bad percent '101'"},
		{`{"source": "envoy", "key": "0123456789abcdef"}`, "envoy does not support key"},
		{`{"source": "envoy", "name": "x"}`, "has fixed names"},
		{`{"source": "header"}, {"source": "header"}`, "already specified"},
		{`null`, "null"},
	} {
		if _, err := tryLoad(t, testkit.Triggered(tt.trigger), ""); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.trigger, err, tt.want)
		}
	}
}

// Whatever a client sends, the handler does not panic, holds the request no longer than
// max_delay and expands no placeholder.
func FuzzTrigger(f *testing.F) {
	for _, line := range []string{"551", "delay 1s; respond 503", "percent 50; reset", "throttle 1B/s", "hang", "grpc 14 `x`", `error "{env.HOME}"`, "delay pareto 1s 0.1", "key 0123456789abcdef; 551"} {
		f.Add(line)
	}
	const maxDelay = 3 * time.Second
	f.Fuzz(func(t *testing.T, line string) {
		synctest.Test(t, func(t *testing.T) {
			for _, source := range []string{"header", "cookie", "baggage", "envoy"} {
				h := load(t, testkit.Triggered(fmt.Sprintf(`{"source": %q, "max_delay": %d}`, source, maxDelay)), "")
				got := testkit.Ask(h, "X-Fault", line, "Cookie", "fault="+line, "Baggage", "fault="+line,
					"X-Envoy-Fault-Abort-Grpc-Request", line, "X-Envoy-Fault-Delay-Request", line, "X-Envoy-Fault-Throughput-Response", line, "X-Envoy-Fault-Delay-Request-Percentage", line)
				for _, reason := range got.Header["X-Fault-Refused"] {
					checkReason(t, reason)
				}
				if got.Took > maxDelay {
					t.Errorf("%s %q: held for %v", source, line, got.Took)
				}
				if home := caddy.HomeDir(); strings.Contains(got.Body, home) && !strings.Contains(line, home) {
					t.Errorf("%s %q: the reply has an expanded placeholder: %s", source, line, got.Body)
				}
			}
		})
	})
}

// BenchmarkTrigger measures the cost of an absent trigger, and of a line that is
// already parsed.
func BenchmarkTrigger(b *testing.B) {
	for _, source := range []string{"header", "cookie", "baggage", "envoy"} {
		h := load(b, testkit.Triggered(`{"source": "`+source+`"}`), "")
		for _, bench := range []struct {
			name   string
			fields http.Header
		}{
			{"absent", http.Header{"Cookie": {"session=0123456789abcdef; theme=dark"}, "Baggage": {"user=anna"}}},
			{"known", http.Header{"X-Fault": {"551"}, "Cookie": {"fault=551"}, "Baggage": {"fault=551"}, "X-Envoy-Fault-Abort-Request": {"551"}}},
		} {
			b.Run(source+"_"+bench.name, func(b *testing.B) {
				r := testkit.Request(http.MethodGet, "/", &testkit.Discard{Fields: make(http.Header)})
				trigger := h.Triggers[0]
				b.ReportAllocs()
				for b.Loop() {
					if bench.name == "known" {
						r.Header = maps.Clone(bench.fields) // reading removes it
					} else {
						r.Header = bench.fields
					}
					if !trigger.MayAsk(r, true) {
						continue
					}
					if asked, err := trigger.Ask(r, h.fields); err != nil {
						b.Fatal(err)
					} else if asked != nil {
						d := h.DecideTriggered(r, asked.Rule)
						d.Release()
					}
				}
			})
		}
	}
}

// A parameter of the query is a trigger. No upstream sees it, also in the original URL
// that error routes get.
func TestTriggerQuery(t *testing.T) {
	const key = "0123456789abcdef"
	for _, tt := range []struct {
		trigger, query string
		status         int
		left           string
		refused        string
	}{
		{"", "fault=551", 551, "", ""},
		{"", "a=1&fault=delay%201ns%3B%20551&b=2", 551, "", ""},
		{"", "a=1&fault=delay+1ns%3B551", 551, "", ""},
		{"", "a=1&fault=pass&b=2", 200, "a=1&b=2", ""},
		{"", "a=1", 200, "a=1", ""},
		{"", "faults=551", 200, "faults=551", ""},
		{"", "fault=551;a=1", 200, "", "the parameter has a semicolon: write ; as %3B, for example with encodeURIComponent"},
		{"", "fault=%zz", 200, "", "the parameter is not percent-encoded: each % must be followed by two hexadecimal digits; write % as %25"},
		{"", "fault=551&fault=551", 200, "", "parameter fault occurs 2 times; send it once"},
		{"", "fault", 200, "", "the line is empty"},
		{`, "name": "chaos"`, "chaos=551", 551, "", ""},
		{`, "name": "chaos"`, "fault=551", 200, "fault=551", ""},
		{`, "key": "` + key + `"`, "fault=key+" + key + "%3B551", 551, "", ""},
		{`, "key": "` + key + `"`, "a=1&fault=551", 200, "a=1", "key"},
	} {
		h := load(t, testkit.Triggered(`{"source": "query"`+tt.trigger+`}`), "")
		w := httptest.NewRecorder()
		r := testkit.Request(http.MethodGet, "/x?"+tt.query, w)
		left := ""
		err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			left = r.URL.RawQuery
			return testkit.Upstream(w, r)
		}))
		if err != nil || w.Code != tt.status || left != tt.left || w.Header().Get("X-Fault-Refused") != tt.refused {
			t.Errorf("%s: got %d, %v, left %q, refused %q", tt.query, w.Code, err, left, w.Header().Get("X-Fault-Refused"))
		}
		original := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
		if text := r.RequestURI + original.URL.RawQuery; tt.trigger == "" && strings.Contains(text, "fault=") {
			t.Errorf("%s: the request still has it: %s", tt.query, text)
		}
	}
}

// Requests with an id count separately, so that a request can ask to fail twice and then
// to work. The journal has the id.
func TestTriggerID(t *testing.T) {
	h := load(t, testkit.Triggered(`{"source": "header"}`), "")
	for _, tt := range []struct {
		line string
		want []int
	}{
		{"id test-1; times 2; 503", []int{503, 503, 200, 200}},
		{"times 2; 503; id test-2", []int{503, 503, 200}},
		{"id test-3; skip 1; times 1; delay 1ns; 503", []int{200, 503, 200}},
		{"id test-4; 503", []int{503, 503, 503}},
		{"503", []int{503, 503}},
		{"id test-5; pass", []int{200}},
		{"id test-1; 551", []int{551}},
		{"id test-6; id test-6; 503", []int{200}},
		{"id; 503", []int{200}},
		{"id a b; 503", []int{200}},
		{"id test/7; 503", []int{200}},
		{"id " + strings.Repeat("x", 65) + "; 503", []int{200}},
		{"id test-8", []int{200}},
		{"id test-9; times 0; 503", []int{200}},
	} {
		for i, want := range tt.want {
			if got := testkit.Ask(h, "X-Fault", tt.line).Status; got != want {
				t.Errorf("%q, request %d: got %d, want %d", tt.line, i+1, got, want)
			}
		}
	}
	hits := make(map[string]int)
	for e := range h.ctl.Journal.Entries(experiments.Query{}) {
		hits[e.TriggerID]++
	}
	if want := map[string]int{"": 2, "test-1": 3, "test-2": 2, "test-3": 1, "test-4": 3}; !maps.Equal(hits, want) {
		t.Errorf("got hits %v, want %v", hits, want)
	}
	refused := make(map[string]int)
	for e := range h.ctl.Refusals.Entries(experiments.Query{}) {
		refused[e.TriggerID]++
	}
	if want := map[string]int{"": 5, "test-8": 1, "test-9": 1}; !maps.Equal(refused, want) {
		t.Errorf("got refusals %v, want %v", refused, want)
	}
}
