package clients

import (
	"strings"
	"testing"
)

// TestSameIdentity holds that a request which a rule hits at once is recognized as one
// that has been looked at before.
func TestSameIdentity(t *testing.T) {
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for name, q := range map[string]*Request{
		"nothing":  get("/"),
		"key":      get("/", "X-Ms-Client-Request-Id", "a"),
		"trace":    get("/", "Traceparent", trace),
		"counter":  get("/", "Retry-Attempt", "0"),
		"AWS":      get("/", "Amz-Sdk-Request", "attempt=1; max=3"),
		"no trace": get("/", "Traceparent", "00-x"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(Settings{})
			var visits [2]Visit
			for i := range visits {
				w.hits++
				visits[i] = w.point.HitAt(w.clock.now(), Visit{}, q, "busy", w.hits)
				visits[i].End(replied(503, -1))
				again := *q
				q = &again
				if name == "counter" {
					q.Header = get("/", "Retry-Attempt", "1").Header
				}
				if name == "AWS" {
					q.Header = get("/", "Amz-Sdk-Request", "attempt=2; max=3").Header
				}
			}
			first, _ := visits[0].Attempt()
			second, n := visits[1].Attempt()
			check(t, "call", second, first)
			check(t, "attempt", n, 2)
			check(t, "the next one is part of it", w.pass(q, 200), true)
		})
	}
}

// TestAgent holds which part of User-Agent names a client.
func TestAgent(t *testing.T) {
	long := strings.Repeat("a", 2*maxAgent)
	for agent, want := range map[string]string{
		"": "", "curl/8.5": "curl/8.5", "Go-http-client/2.0 (linux)": "Go-http-client/2.0", " x": "",
		long: long[:maxAgent], long[:maxAgent] + " x": long[:maxAgent], long[:maxAgent-1] + " x": long[:maxAgent-1],
	} {
		check(t, agent, get("/", "User-Agent", agent).agent(), want)
	}
	check(t, "no field", (&Request{}).agent(), "")
}

// TestHash holds that texts at other places, and other starts, have other hashes.
func TestHash(t *testing.T) {
	sums := map[uint64]bool{
		hash(1, "a"): true, hash(2, "a"): true, hash(1, "b"): true, hash(1): true,
		hash(1, "a", ""): true, hash(1, "", "a"): true, hash(1, "a", "b"): true, hash(1, "ab", ""): true,
		hash(1, "a", "b", "c", "d"): true, hash(1, "a", "bc", "", "d"): true,
	}
	check(t, "different hashes", len(sums), 10)
	check(t, "the same hash", hash(1, "a", "b"), hash(1, "a", "b"))
}
