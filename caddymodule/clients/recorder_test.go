package clients

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIdle holds when requests are looked at.
func TestIdle(t *testing.T) {
	w := newWorld(Settings{})
	check(t, "idle at first", w.Idle(), true)
	w.busy(get("/"), 503, -1)
	check(t, "idle after a hit", w.Idle(), false)
	check(t, "a follow-up", w.pass(get("/"), 200), true)
	w.wait(9 * time.Minute)
	w.pass(get("/"), 200)
	check(t, "idle while the baseline is counted", w.Idle(), false)
	w.wait(2 * time.Minute)
	w.pass(get("/"), 200)
	check(t, "idle eleven minutes after a hit", w.Idle(), true)
}

// TestRecognized holds how a call is recognized, and which requests continue it.
func TestRecognized(t *testing.T) {
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	sameTrace := "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
	named := get("/")
	named.Call = "c1"
	elsewhere := get("/")
	elsewhere.Address = "192.0.2.8"
	ranged := get("/", "Range", "bytes=100-", "Date", "now")
	for name, test := range map[string]struct {
		first, second *Request
		by            By
		same          bool
	}{
		"call":                {named, named, ByCall, true},
		"call, named once":    {named, get("/"), ByCall, false},
		"key":                 {get("/", "Idempotency-Key", "a"), get("/b", "Idempotency-Key", "a"), ByKey, true},
		"another key":         {get("/", "Idempotency-Key", "a"), get("/", "Idempotency-Key", "b"), ByKey, false},
		"no key any more":     {get("/", "Idempotency-Key", "a"), get("/"), ByKey, false},
		"AWS":                 {get("/", "Amz-Sdk-Invocation-Id", "a"), get("/", "Amz-Sdk-Invocation-Id", "a"), ByKey, true},
		"two kinds of key":    {get("/", "Amz-Sdk-Invocation-Id", "a"), get("/", "Idempotency-Key", "a"), ByKey, false},
		"trace":               {get("/", "Traceparent", trace), get("/", "Traceparent", sameTrace), ByTrace, true},
		"trace, another path": {get("/", "Traceparent", trace), get("/b", "Traceparent", sameTrace), ByTrace, false},
		"broken trace":        {get("/", "Traceparent", "00-x"), get("/", "Traceparent", "00-y"), ByGuess, true},
		"OpenAI":              {get("/", "X-Stainless-Retry-Count", "0"), get("/", "X-Stainless-Retry-Count", "1"), ByCount, true},
		"OpenAI, another":     {get("/", "X-Stainless-Retry-Count", "0"), get("/", "X-Stainless-Retry-Count", "0"), ByCount, false},
		"Envoy":               {get("/", "X-Envoy-Attempt-Count", "1"), get("/", "X-Envoy-Attempt-Count", "2"), ByCount, true},
		"Envoy, another":      {get("/", "X-Envoy-Attempt-Count", "1"), get("/", "X-Envoy-Attempt-Count", "1"), ByCount, false},
		"AWS counter":         {get("/", "Amz-Sdk-Request", "attempt=1; max=3"), get("/", "Amz-Sdk-Request", "attempt=2; max=3"), ByCount, true},
		"gRPC":                {get("/"), get("/", "Grpc-Previous-Rpc-Attempts", "1"), ByCount, true},
		"Graph":               {get("/"), get("/", "Retry-Attempt", "1"), ByCount, true},
		"guess":               {get("/"), get("/"), ByGuess, true},
		"guess, a range":      {get("/"), ranged, ByGuess, true},
		"guess, another path": {get("/"), get("/b"), ByGuess, false},
		"another client":      {get("/"), elsewhere, ByGuess, false},
		"guess, then a key":   {get("/"), get("/", "Idempotency-Key", "a"), ByGuess, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(Settings{})
			w.busy(test.first, 503, -1)
			w.wait(time.Second)
			check(t, "continues the call", w.pass(test.second, 200), test.same)
			calls := w.Evidence().Calls
			if len(calls) != 1 {
				t.Fatalf("got %d calls, want 1", len(calls))
			}
			check(t, "by", calls[0].By, test.by)
		})
	}
}

// TestCounts holds that a client which counts begins a call without a number.
func TestCounts(t *testing.T) {
	w := newWorld(Settings{})
	w.busy(get("/"), 503, -1)
	w.busy(get("/", "Grpc-Previous-Rpc-Attempts", "1"), 503, -1)
	w.busy(get("/"), 503, -1)
	w.busy(get("/", "Grpc-Previous-Rpc-Attempts", "1"), 503, -1)
	check(t, "the first call goes on", len(w.Evidence().Calls), 2)
	counts := []int{}
	for _, c := range w.Evidence().Calls {
		counts = append(counts, c.Count)
	}
	check(t, "attempts", fmt.Sprint(counts), "[3 1]")
}

// TestParallel holds what overlaps.
func TestParallel(t *testing.T) {
	w := newWorld(Settings{})
	one := w.hit(get("/"))
	two := w.hit(get("/"))
	one.End(replied(503, -1))
	two.End(replied(503, -1))
	check(t, "guessed calls that overlap", len(w.Evidence().Calls), 2)
	check(t, "the client's requests overlap", w.Evidence().Clients[0].Overlaps, true)

	w = newWorld(Settings{})
	key := get("/", "Idempotency-Key", "a")
	one = w.hit(key)
	two = w.hit(key)
	one.End(replied(503, 2))
	two.End(replied(503, 2))
	calls := w.Evidence().Calls
	check(t, "calls with one key", len(calls), 1)
	check(t, "overlap", calls[0].Attempts[1].Overlap, true)
	check(t, "no finding on waits", why(w.judge(), RetryAfterIgnored), "no attempt followed a Retry-After")
}

// TestSeveralPoints holds that a request which comes to two points is an attempt at each.
func TestSeveralPoints(t *testing.T) {
	w := newWorld(Settings{})
	inner := w.Recorder.Point("inner")
	for range 3 {
		outside := w.hit(get("/"))
		inside := inner.Hit(inner.Arrive(get("/")), get("/"), "slow", 1)
		inside.End(replied(503, -1))
		outside.End(replied(503, -1))
	}
	ev := w.Evidence()
	check(t, "calls", len(ev.Calls), 2)
	check(t, "attempts", ev.Calls[0].Count, 3)
	check(t, "overlaps", ev.Clients[0].Overlaps, false)
}

// TestOutcomes holds how calls end.
func TestOutcomes(t *testing.T) {
	key := get("/", "Idempotency-Key", "a")
	for name, test := range map[string]struct {
		do   func(w *world)
		want Outcome
	}{
		"a success":           {func(w *world) { w.busy(key, 503, -1); w.pass(key, 200) }, Recovered},
		"a delayed success":   {func(w *world) { w.busy(key, 200, -1) }, Recovered},
		"nothing yet":         {func(w *world) { w.busy(key, 503, -1); w.wait(time.Minute) }, Open},
		"nothing":             {func(w *world) { w.busy(key, 503, -1); w.wait(61 * time.Second) }, GaveUp},
		"a long Retry-After":  {func(w *world) { w.busy(key, 503, 300); w.wait(309 * time.Second) }, Open},
		"its end":             {func(w *world) { w.busy(key, 503, 300); w.wait(311 * time.Second) }, GaveUp},
		"a huge Retry-After":  {func(w *world) { w.busy(key, 503, 1e6); w.wait(601 * time.Second) }, GaveUp},
		"a real failure":      {func(w *world) { w.busy(key, 503, -1); w.pass(key, 502); w.wait(61 * time.Second) }, GaveUp},
		"a real 404":          {func(w *world) { w.busy(key, 503, -1); w.pass(key, 404); w.wait(61 * time.Second) }, Refused},
		"an injected 404":     {func(w *world) { w.busy(key, 404, -1); w.wait(61 * time.Second) }, Refused},
		"a 429":               {func(w *world) { w.busy(key, 429, -1); w.wait(61 * time.Second) }, GaveUp},
		"a request that runs": {func(w *world) { w.hit(key); w.wait(9 * time.Minute) }, Open},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(Settings{})
			test.do(w)
			calls := w.Evidence().Calls
			if len(calls) != 1 {
				t.Fatalf("got %d calls, want 1", len(calls))
			}
			check(t, "outcome", calls[0].Outcome, test.want)
		})
	}
}

// TestKept holds which attempts are kept of a storm.
func TestKept(t *testing.T) {
	w := newWorld(Settings{})
	key := get("/", "Idempotency-Key", "a")
	for range 1000 {
		w.busy(key, 503, -1)
		w.wait(time.Second)
	}
	c := w.Evidence().Calls[0]
	numbers := []int{}
	for _, a := range c.Attempts {
		numbers = append(numbers, a.N)
	}
	check(t, "count", c.Count, 1000)
	check(t, "kept", fmt.Sprint(numbers), "[1 2 3 996 997 998 999 1000]")
}

// TestSecrets holds that evidence and reports have no keys, queries or header fields.
func TestSecrets(t *testing.T) {
	w := newWorld(Settings{})
	q := request(http.MethodPost, "/orders", "Idempotency-Key", "topsecret-1", "Authorization", "Bearer topsecret-2", "Cookie", "topsecret-3")
	q.Query, q.Conn = "token=topsecret-4", "topsecret-5"
	for range 30 {
		w.busy(q, 503, 2)
	}
	ev := w.Evidence()
	for what, value := range map[string]any{"evidence": ev, "report": Judge(ev, Settings{})} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "topsecret") {
			t.Errorf("%s has a secret: %s", what, text)
		}
	}
	check(t, "host", ev.Calls[0].Host, "shop.example")
	check(t, "key", ev.Calls[0].ID, "fc502ac7")
	check(t, "query", ev.Calls[0].Query, fmt.Sprintf("%08x", short("token=topsecret-4")))
}

// TestForget holds that nothing is left, and that requests which still run do no harm.
func TestForget(t *testing.T) {
	w := newWorld(Settings{})
	w.busy(get("/a"), 503, -1)
	running := w.hit(get("/b"))
	w.Forget()
	running.End(replied(200, -1))
	ev := w.Evidence()
	check(t, "calls", len(ev.Calls), 0)
	check(t, "clients", len(ev.Clients), 0)
	check(t, "periods", len(ev.Periods), 0)
	w.busy(get("/a"), 503, -1)
	check(t, "calls afterwards", len(w.Evidence().Calls), 1)
}

// TestConfigure holds that a reload keeps what was recorded.
func TestConfigure(t *testing.T) {
	w := newWorld(Settings{})
	w.busy(get("/a"), 503, -1)
	w.Configure(Settings{Window: time.Second})
	w.busy(get("/b"), 503, -1)
	w.wait(2 * time.Second)
	ev := w.Evidence()
	check(t, "calls", len(ev.Calls), 2)
	check(t, "the old window", ev.Calls[0].Outcome, Open)
	check(t, "the new window", ev.Calls[1].Outcome, GaveUp)
}

// TestAtTheSameTime lets many goroutines use a recorder.
func TestAtTheSameTime(t *testing.T) {
	r := New(Settings{MaxCalls: 50, MaxClients: 5}, Clock{time.Now, time.Since})
	p := r.Point("api")
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 500 {
				q := get("/", "Idempotency-Key", fmt.Sprint(i%90))
				q.Client = fmt.Sprint(g)
				v := p.Arrive(q)
				if i%3 == 0 {
					v = p.Hit(v, q, "busy", uint64(i))
				}
				v.End(replied(200+303*(i%2), -1))
				if i%100 == 0 {
					Judge(r.Evidence(), Settings{})
					p.End("busy")
				}
				if i == 250 && g == 0 {
					r.Forget()
				}
			}
		})
	}
	group.Wait()
	if open := r.openNow.Load(); open < 0 || open > 50 {
		t.Errorf("%d open calls, want 0 to 50", open)
	}
}
