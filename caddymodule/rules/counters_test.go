package rules

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// fires returns, in order, which of n requests p hits, if all draw 0 and come a second
// apart.
func fires(p *Point, n int) []int {
	var hit []int
	for i := range n {
		if d := decide(p, 0, time.Duration(i)*time.Second); d.Rule != nil {
			hit = append(hit, i+1)
		}
	}
	return hit
}

func TestCounts(t *testing.T) {
	tests := []struct {
		settings string
		want     []int // of the first twelve requests
	}{
		{`"skip": 0`, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{`"skip": 10`, []int{11, 12}},
		{`"times": 3`, []int{1, 2, 3}},
		{`"skip": 2, "times": 3`, []int{3, 4, 5}},
		{`"every": 1, "times": 1`, []int{1}},
		{`"every": 5`, []int{5, 10}},
		{`"skip": 2, "every": 3`, []int{5, 8, 11}},
		{`"skip": 2, "every": 3, "times": 2`, []int{5, 8}},
		{`"over": {"requests": 2, "window": "1h"}`, []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{`"over": {"requests": 2, "window": "2s"}`, nil},
		{`"over": {"requests": 2, "window": "2001ms"}`, []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{`"over": {"requests": 2, "window": "1h"}, "times": 2`, []int{3, 4}},
		{`"skip": 4, "every": 2, "over": {"requests": 2, "window": "1h"}`, []int{10, 12}},
		{`"percent": 0, "times": 3`, nil},
		{`"lasts": "3s", "skip": 2, "every": 4`, []int{6, 7, 8, 12}},
		{`"lasts": "1s", "every": 2`, []int{2, 4, 6, 8, 10, 12}},
		{`"lasts": "2s", "every": 2, "times": 3`, []int{2, 3, 5}},
		{`"lasts": "3s", "over": {"requests": 2, "window": "3s"}`, []int{3, 4, 5, 8, 9, 10}},
		{`"lasts": "4s", "over": {"requests": 2, "window": "2001ms"}`, []int{3, 4, 5, 6, 9, 10, 11, 12}},
		{`"lasts": "10s", "end": "5s"`, []int{1, 2, 3, 4, 5}},
		{`"lasts": "10s", "cycle": {"on": "1s", "period": "3s"}`, []int{1, 4, 7, 10}},
		{`"lasts": "10s", "percent": 0`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.settings, func(t *testing.T) {
			p := mustLoad(t, `{"rules": [{`+tt.settings+`, `+closing+`}]}`)
			if got := fires(p, 12); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got hits %v, want %v", got, tt.want)
			}
		})
	}
}

// The sliding window agrees with a plain count of the requests in it, even if clocks
// sometimes go back.
func TestOverIsASlidingWindow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n, window := 1+random.IntN(8), time.Duration(1+random.IntN(50))
		var q recent
		var came []time.Duration
		at := time.Duration(0)
		for range 200 {
			at = max(0, at+time.Duration(random.IntN(20)-2))
			now := at
			if len(came) > 0 {
				now = max(now, came[len(came)-1])
			}
			before := 0
			for _, c := range came {
				if now-c < window {
					before++
				}
			}
			if got, want := q.above(n, window, at), before >= n; got != want {
				t.Fatalf("over %d %d at %d: got %v with %d requests in the window", n, window, at, got, before)
			}
			q.add(n, at)
			came = append(came, now)
		}
		if len(q.at) > n {
			t.Fatalf("over %d remembers %d requests", n, len(q.at))
		}
	}
}

// Counters are exact for concurrent requests. The numbers of hits have no gap and no
// duplicate.
func TestCountsAreExactAtOnce(t *testing.T) {
	const workers, each = 8, 500
	tests := []struct {
		settings string
		want     int
	}{
		{`"times": 137`, 137},
		{`"skip": 137`, workers*each - 137},
		{`"every": 7`, workers * each / 7},
		{`"over": {"requests": 137, "window": "1h"}`, workers*each - 137},
		{`"skip": 100, "every": 3, "times": 137`, 137},
		{`"times": 137, "max_active": 1`, 137},
		{`"per": "{http.request.method}", "times": 137`, 137},
	}
	for _, tt := range tests {
		t.Run(tt.settings, func(t *testing.T) {
			p := mustLoad(t, `{"rules": [{`+tt.settings+`, `+closing+`}]}`)
			var mu sync.Mutex
			numbers := make(map[uint64]int)
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					r := request("/")
					for range each {
						d := p.Decide(r, nil)
						if d.Rule == nil {
							continue
						}
						d.Release()
						mu.Lock()
						numbers[d.N]++
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if len(numbers) != tt.want {
				t.Errorf("got %d hits, want %d", len(numbers), tt.want)
			}
			for n, hits := range numbers {
				if hits != 1 || n < 1 || n > uint64(tt.want) {
					t.Errorf("number %d: %d hits, want numbers 1 to %d once each", n, hits, tt.want)
				}
			}
		})
	}
}

// hits returns the number of requests that p hits, of n requests with the header field
// X-Key.
func hits(t testing.TB, p *Point, key string, n int) (hit int) {
	t.Helper()
	for range n {
		if name(t, p, request("/", "X-Key", key)) != "" {
			hit++
		}
	}
	return hit
}

func TestPer(t *testing.T) {
	for _, key := range []string{"{http.request.header.X-Key}", "{http.request.header.x-key}", "k-{http.request.header.X-Key}"} {
		p := mustLoad(t, `{"rules": [{"per": "`+key+`", "times": 2, `+closing+`}]}`)
		for _, value := range []string{"a", "b", ""} {
			if got := hits(t, p, value, 5); got != 2 {
				t.Errorf("%s: got %d hits of 5 for %q, want 2", key, got, value)
			}
		}
		if got := hits(t, p, "a", 5); got != 0 {
			t.Errorf("%s: got %d more hits for a, want none", key, got)
		}
		unload(t, p)
	}
}

// Each key has separate hit numbers, which determine the step of a sequence.
func TestPerNumbersHits(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"per": "{http.request.header.X-Key}", `+closing+`}]}`)
	for want := uint64(1); want <= 3; want++ {
		for _, key := range []string{"a", "b"} {
			if d := p.Decide(request("/", "X-Key", key), nil); d.N != want {
				t.Errorf("key %s: got hit %d, want %d", key, d.N, want)
			}
		}
	}
}

// At most max_keys keys are remembered, those that were used last.
func TestPerForgetsTheLeastRecentlyUsed(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"per": "{http.request.header.X-Key}", "max_keys": 2, "times": 1, `+closing+`}]}`)
	for _, tt := range []struct {
		key  string
		want int
	}{{"a", 1}, {"b", 1}, {"a", 0}, {"c", 1}, {"a", 0}, {"b", 1}} {
		if got := hits(t, p, tt.key, 1); got != tt.want {
			t.Errorf("key %s: got %d hits, want %d", tt.key, got, tt.want)
		}
	}
	if got := p.Rules[0].counters.byKey.Len(); got != 2 {
		t.Errorf("got %d keys, want 2", got)
	}
}

// A request that does not match the rule uses no key. If only hits count, a request
// that misses its draw uses no key either.
func TestPerIsNotTouched(t *testing.T) {
	for _, settings := range []string{`"match": [{"path": ["/x"]}], "skip": 1`, `"percent": 0, "times": 1`, `"start": "1h", "skip": 1`} {
		p := mustLoad(t, `{"rules": [{`+settings+`, "per": "{http.request.header.X-Key}", `+closing+`}]}`)
		hits(t, p, "a", 3)
		if got := p.Rules[0].counters.byKey.Len(); got != 0 {
			t.Errorf("%s: got %d keys, want none", settings, got)
		}
	}
}

// A long key is stored as its hash, which differs from any short key.
func TestLongKeys(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"per": "{http.request.header.X-Key}", "times": 1, `+closing+`}]}`)
	long := strings.Repeat("x", 10_000)
	for _, key := range []string{long + "a", long + "b", strings.Repeat("x", maxKeySize)} {
		if got := hits(t, p, key, 2); got != 1 {
			t.Errorf("key of %d bytes: got %d hits, want 1", len(key), got)
		}
	}
	for _, kept := range p.Rules[0].counters.byKey.Keys() {
		if len(kept) > 100 {
			t.Errorf("a key of %d bytes is stored without a hash", len(kept))
		}
	}
}

// Above max_active a request passes unchanged, whatever rules follow, and counts as no
// hit.
func TestMaxActive(t *testing.T) {
	p := mustLoad(t, `{"rules": [
		{"name": "few", "max_active": 2, "times": 4, `+closing+`},
		{"name": "rest", `+closing+`}
	]}`)
	got := passes(p)
	first, second := decide(p, 0, 0), decide(p, 0, 0)
	for range 3 {
		if d := decide(p, 0, 0); d.Rule != nil {
			t.Errorf("rule %s takes a request above max_active", d.Rule.Name)
		}
	}
	first.Release()
	third := decide(p, 0, 0)
	second.Release()
	third.Release()
	for want := uint64(4); want <= 5; want++ {
		d := decide(p, 0, 0)
		if wantRule := map[bool]string{true: "few", false: "rest"}[want == 4]; d.Rule.Name != wantRule {
			t.Errorf("request %d: got rule %s, want %s", want, d.Rule.Name, wantRule)
		}
		d.Release()
	}
	if first.N != 1 || second.N != 2 || third.N != 3 {
		t.Errorf("got hits %d, %d, %d, want 1, 2, 3", first.N, second.N, third.N)
	}
	if got["few overflow"] != 3 || got["few count"] != 1 || len(got) != 2 {
		t.Errorf("passed: got %v, want 3 of overflow and one of count", got)
	}
}

// passes counts the requests that p reports as passed.
func passes(p *Point) map[string]int {
	got := make(map[string]int)
	p.Passed = func(rule *Rule, reason Reason) {
		name := "the point"
		if rule != nil {
			name = rule.Name
		}
		got[name+" "+reason.String()]++
	}
	return got
}

// Dry runs use up times like hits.
func TestDryRunCounts(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"dry_run": true, "skip": 1, "times": 2, `+closing+`}]}`)
	got := passes(p)
	if hit := fires(p, 5); fmt.Sprint(hit) != "[2 3]" {
		t.Errorf("got %v, want [2 3]", hit)
	}
	if got["rule1 dry_run"] != 2 || got["rule1 count"] != 3 {
		t.Errorf("got %v, want 2 of dry_run and 3 of count", got)
	}
}
