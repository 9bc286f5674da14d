package rules

import (
	"testing"
	"testing/synctest"
	"time"
)

func newInt() any { return new(int) }

// remembered returns the number that a rule keeps for the key of a request.
func remembered(p *Point, key, name string) *int {
	r := request("/")
	r.Header.Set("X-User", key)
	d := p.Decide(r, nil)
	m := d.Memory()
	defer d.Release()
	return m.Keep(name, newInt).(*int)
}

// A rule keeps one value for each name and key, up to max_keys. A reload of the rule
// keeps the values, and a reset drops them.
func TestMemoryKeeps(t *testing.T) {
	const config = `{"rules": [{"name": "a", "per": "{http.request.header.X-User}", "max_keys": 2, ` + closing + `}]}`
	p := mustLoad(t, config)
	*remembered(p, "ann", "n") = 1
	*remembered(p, "bob", "n") = 2
	*remembered(p, "ann", "m") = 3
	p = reload(t, p, config)
	for _, tt := range []struct {
		key, name string
		want      int
	}{{"ann", "n", 1}, {"bob", "n", 2}, {"ann", "m", 3}, {"cid", "n", 0}, {"ann", "n", 1}, {"bob", "n", 0}} {
		if got := *remembered(p, tt.key, tt.name); got != tt.want {
			t.Errorf("%s of %s: got %d, want %d", tt.name, tt.key, got, tt.want)
		}
	}
	p.Rules[0].Reset()
	if got := *remembered(p, "bob", "n"); got != 0 {
		t.Errorf("after a reset: got %d", got)
	}
}

// Kept stores nothing and uses no key.
func TestMemoryKept(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"per": "{http.request.header.X-User}", "max_keys": 1, `+closing+`}]}`)
	*remembered(p, "ann", "n") = 1
	for range 2 {
		if got := (&Memory{p.Rules[0], "bob"}).Kept("n"); got != nil {
			t.Errorf("another key: got %v, want nothing", got)
		}
	}
	if got, ok := (&Memory{p.Rules[0], "ann"}).Kept("n").(*int); !ok || *got != 1 {
		t.Errorf("got %v, want what is kept", got)
	}
	if got := (&Memory{p.Rules[0], "ann"}).Kept("m"); got != nil {
		t.Errorf("another name: got %v, want nothing", got)
	}
}

// The time counts from the start, or else from the first load.
func TestMemoryElapsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const config = `{"rules": [{"name": "a", ` + closing + `}, {"name": "b", "start": "10m", ` + closing + `}]}`
		p := mustLoad(t, config)
		time.Sleep(9 * time.Minute)
		p = reload(t, p, config)
		time.Sleep(3 * time.Minute)
		for i, want := range []time.Duration{12 * time.Minute, 2 * time.Minute} {
			if got := (&Memory{p.Rules[i], ""}).Elapsed(); got != want {
				t.Errorf("rule %d: got %v, want %v", i+1, got, want)
			}
		}
		p = mustLoad(t, `{"point": "later", "rules": [{"start": "10m", `+closing+`}]}`)
		if got := (&Memory{p.Rules[0], ""}).Elapsed(); got != 0 {
			t.Errorf("before the start: got %v, want 0", got)
		}
	})
}
