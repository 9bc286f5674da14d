package rules

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const (
	observesPUT = `{"name": "put", "match": [{"method": ["PUT"]}], "observe": true}`
	failsGET    = `"name": "get", "match": [{"method": ["GET"]}], ` + closing
)

// nameOf returns the rule that hits a request with a method and a key.
func nameOf(t *testing.T, p *Point, method, key string) string {
	t.Helper()
	r := request("/", "X-Key", key)
	r.Method = method
	d := later(p.Decide(r, nil), 200, nil)
	if d.Rule != nil {
		d.Release()
	}
	return fired(d)
}

// After an observed PUT, GETs are hit for the time that follows says. The PUT itself
// reaches the other rules.
func TestFollows(t *testing.T) {
	for _, tt := range []struct {
		rules string
		steps string // method, seconds to wait before it, and the rule that hits
	}{
		{observesPUT + `, {"follows": {"rule": "put", "for": "5s"}, ` + failsGET + `}`, "GET 0 -, PUT 1 -, GET 0 get, GET 4 get, GET 1 -, PUT 0 -, GET 4 get, PUT 0 -, GET 4 get"},
		{observesPUT + `, {"follows": {"rule": "put"}, ` + failsGET + `}`, "GET 0 -, PUT 1 -, GET 0 get, GET 100000 get"},
		{`{"follows": {"rule": "put"}, ` + failsGET + `}, ` + observesPUT, "GET 0 -, PUT 0 -, GET 0 get"},
		{observesPUT + `, {"follows": {"rule": "put"}, "skip": 1, "times": 1, ` + failsGET + `}`, "GET 0 -, GET 0 -, PUT 0 -, GET 0 -, GET 0 get, GET 0 -"},

		// The rule that is followed can inject as well, and need not end the request.
		{
			`{"name": "first", "times": 2, ` + closing + `}, {"name": "second", "follows": {"rule": "first"}, "times": 1, ` + closing + `}, {"name": "third", "follows": {"rule": "second"}, ` + closing + `}`,
			"GET 0 first, GET 0 first, GET 0 second, GET 0 third, GET 0 third",
		},

		// A request does not follow itself.
		{`{"name": "all", "observe": true}, {"name": "next", "follows": {"rule": "all", "for": "5s"}, ` + closing + `}`, "GET 0 -, GET 0 next, GET 5 -, GET 4 next"},

		// Observing takes no share of the draw and keeps no other rule from firing.
		{`{"name": "all", "observe": true, "times": 1}, {"name": "rest", ` + closing + `}`, "GET 0 rest, GET 0 rest"},

		// On the reply.
		{`{"name": "ok", "observe": true, "match_response": {"status_code": [2]}, "match": [{"method": ["PUT"]}]}, {"follows": {"rule": "ok"}, ` + failsGET + `}`, "GET 0 -, PUT 0 -, GET 0 get"},
		{`{"name": "ok", "observe": true, "match_response": {"status_code": [5]}, "match": [{"method": ["PUT"]}]}, {"follows": {"rule": "ok"}, ` + failsGET + `}`, "GET 0 -, PUT 0 -, GET 0 -"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := mustLoad(t, `{"rules": [`+tt.rules+`]}`)
			defer unload(t, p)
			for i, step := range strings.Split(tt.steps, ", ") {
				words := strings.Fields(step)
				wait, err := time.ParseDuration(words[1] + "s")
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(wait)
				if got := nameOf(t, p, words[0], "a"); got != strings.Trim(words[2], "-") {
					t.Errorf("%s: step %d: got rule %q, want %s", tt.rules, i+1, got, words[2])
				}
			}
		})
	}
}

// With per, only the key of the observed request is hit. A reload keeps the mark.
func TestFollowsPerKey(t *testing.T) {
	const per = `"per": "{http.request.header.X-Key}", `
	config := `{"rules": [` + strings.Replace(observesPUT, "{", "{"+per, 1) + `, {"follows": {"rule": "put"}, ` + per + failsGET + `}]}`
	p := mustLoad(t, config)
	nameOf(t, p, "PUT", "a")
	p = reload(t, p, config)
	if a, b := nameOf(t, p, "GET", "a"), nameOf(t, p, "GET", "b"); a != "get" || b != "" {
		t.Errorf("got %q for the key of the PUT, and %q for another", a, b)
	}
	p.Rules[0].Reset()
	if got := nameOf(t, p, "GET", "a"); got != "" {
		t.Errorf("after a reset of the rule it follows: got %q", got)
	}
}

// An observed request is not a hit. It counts as passed, and its turns are numbered.
func TestObservePasses(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"name": "a", "observe": true, "skip": 1, "times": 2}, {"name": "b", "follows": {"rule": "a", "for": "1ns"}, `+closing+`}]}`)
	got := passes(p)
	for range 5 {
		nameOf(t, p, "GET", "")
	}
	if s := p.Rules[0].Stats(); s.Hits != 0 || s.Active != 0 || got["a observe"] != 2 || got["a count"] != 3 {
		t.Errorf("got %+v and %v, want 2 observed of 5", s, got)
	}
}

// A hit without an effect leaves no mark.
func TestFollowsTakenBack(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"name": "a", "times": 1, `+closing+`}, {"name": "b", "follows": {"rule": "a"}, `+closing+`}]}`)
	d := p.Decide(request("/"), nil)
	d.TakeBack()
	if d := p.Decide(request("/"), nil); fired(d) != "a" {
		t.Errorf("got rule %q, want the first one again", fired(d))
	}
	if got := nameOf(t, p, "GET", ""); got != "b" {
		t.Errorf("got rule %q after a hit", got)
	}
}

// Concurrent requests open the rule that follows exactly when the count is reached.
func TestFollowsUnderLoad(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"name": "a", "times": 100, `+closing+`}, {"name": "b", "follows": {"rule": "a"}, "times": 50, `+closing+`}]}`)
	var a, b atomic.Int64
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			for range 10 {
				switch fired(p.Decide(request("/"), nil)) {
				case "a":
					a.Add(1)
				case "b":
					b.Add(1)
				}
			}
		})
	}
	all.Wait()
	if a.Load() != 100 || b.Load() != 50 {
		t.Errorf("got %d and %d hits, want 100 and 50", a.Load(), b.Load())
	}
}

// The circuit breaker of the manual opens after the third failure within 10 seconds, and
// closes after 5 seconds.
func TestCircuitBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustLoad(t, `{"rules": [
			{"name": "failing", "match_response": {"status_code": [5]}, "over": {"requests": 2, "window": "10s"}, "observe": true},
			{"name": "open", "follows": {"rule": "failing", "for": "5s"}, `+closing+`}
		]}`)
		defer unload(t, p)
		for i, step := range []struct {
			wait time.Duration
			code int
			want string
		}{
			{0, 500, ""}, {0, 200, ""}, {0, 500, ""}, {0, 200, ""}, {9 * time.Second, 500, ""}, // the third failure
			{0, 200, "open"}, {5*time.Second - 1, 500, "open"}, {1, 200, ""}, // nothing was asked of the upstream
			{10 * time.Second, 500, ""}, {0, 500, ""}, {0, 200, ""}, {0, 500, ""}, {0, 200, "open"},
		} {
			time.Sleep(step.wait)
			if got := fired(later(p.Decide(request("/"), nil), step.code, nil)); got != step.want {
				t.Errorf("step %d: got rule %q, want %q", i+1, got, step.want)
			}
		}
	})
}

func TestFollowsRefusals(t *testing.T) {
	const x, y = `"per": "{http.request.header.X}", `, `"per": "{http.request.header.Y}", `
	for rules, want := range map[string]string{
		`{"follows": {"rule": "b"}, ` + closing + `}`:                                                                        "the point has no rule of this name; the first is 'rule1'",
		`{"name": "writes", ` + closing + `}, {"follows": {"rule": "wirtes"}, ` + closing + `}`:                              "write follows writes",
		`{"follows": {}, ` + closing + `}`:                                                                                   "follows: bad name ''",
		`{"name": "a", "follows": {"rule": "a"}, ` + closing + `}`:                                                           "follows 'a' is a cycle",
		`{"name": "a", "follows": {"rule": "b"}, ` + closing + `}, {"name": "b", "follows": {"rule": "a"}, ` + closing + `}`: "follows 'b' is a cycle",
		`{"name": "c", "follows": {"rule": "a"}, ` + closing + `}, {"name": "a", "follows": {"rule": "b"}, ` + closing + `}, {"name": "b", "follows": {"rule": "a"}, ` + closing + `}`: "is a cycle",
		`{"name": "a", ` + x + closing + `}, {"name": "b", ` + y + `"follows": {"rule": "a"}, ` + closing + `}`:                                                                        "both rules must have the same per",
		`{"name": "a", ` + closing + `}, {"name": "b", ` + y + `"follows": {"rule": "a"}, ` + closing + `}`:                                                                            "both rules must have the same per",
		`{"name": "a", ` + closing + `}, {"follows": {"rule": "a", "for": "366d"}, ` + closing + `}`:                                                                                   "want at most 8760h0m0s",
		`{"name": "a", ` + closing + `}, {"follows": {"rule": "a", "for": "0s"}, ` + closing + `}`:                                                                                     "want more than 0",
		`{"observe": true, ` + closing + `}`: "cannot have faults",
		`{"observe": true, "percent": 10}`:   "cannot be combined with percent or ramp",
		`{"observe": true, "lasts": "1s"}`:   "cannot be combined with lasts",
		`{"observe": true, "max_active": 1}`: "cannot be combined with max_active",
		`{"observe": true, "dry_run": true}`: "cannot be combined with dry_run",
	} {
		if _, err := load(t, `{"rules": [`+rules+`]}`, new(Group)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", rules, err, want)
		}
	}
}
