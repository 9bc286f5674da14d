package rules

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// A burst is not a gate. While it lasts, the gates that count and the draw are not
// asked. The gates before and after them are.

// maxLasts is the maximum length of a burst. Sums with it cannot overflow.
const maxLasts = 365 * 24 * time.Hour

func checkLasts(rl *Rule) error {
	if rl.Lasts == nil {
		return nil
	}
	return checkLength("lasts", *rl.Lasts)
}

// checkLength checks the length of a setting that remembers a hit.
func checkLength(name string, d caddy.Duration) error {
	if err := positive(name, d); err != nil {
		return err
	}
	if time.Duration(d) > maxLasts {
		return fmt.Errorf("bad %s '%v': want at most %v", name, time.Duration(d), maxLasts)
	}
	return nil
}

// admits reports whether requests of the rule must pass [Rule.admit] before the draw.
func (rl *Rule) admits() bool { return len(rl.gates[counting]) > 0 || rl.Lasts != nil }

// burst is the last burst of a tally. The zero value has ended.
type burst struct {
	until time.Duration // after counters.since
}

// lasts reports whether the burst has not ended.
func (b *burst) lasts(at time.Duration) bool { return at < b.until }

// begin begins a burst, and returns its end. If one lasts already, begin returns 0.
// Concurrent requests may take the lock in either order, so the time may be earlier
// than the end of a burst that has begun later.
func (b *burst) begin(at, length time.Duration) (until time.Duration) {
	if b.lasts(at) {
		return 0
	}
	b.until = at + length
	return b.until
}

// end ends the burst that a turn began, unless another has begun since.
func (b *burst) end(took grant) {
	if took.until != 0 && b.until == took.until {
		b.until = 0
	}
}

// inBurst reports whether a burst of a key lasts. The caller holds the lock.
func (c *counters) inBurst(key string, at time.Duration) bool {
	if c.byKey == nil {
		return c.all.lasts(at)
	}
	t, known := c.byKey.Get(keptAs(key))
	return known && t.lasts(at)
}

// noHit undoes what a turn began, but not the turn. Its request has turned out not to be
// hit.
func (c *counters) noHit(key string, took grant) {
	if took.until == 0 && took.hitAt == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally(key)
	t.end(took)
	t.unmark(took)
}

// hitAt returns the time of a hit by the rule. On a reply, time has passed since the
// request came. Only bursts and rules that follow need the difference.
func (w *walk) hitAt(rule *Rule) time.Time {
	if w.onHead && (rule.Lasts != nil || rule.leads) {
		return time.Now()
	}
	return w.now
}

// explainBurst completes the verdict on a rule whose burst lasts. The share of the
// rule begins at sum, and the rule keeps a share if it cannot fire. explainBurst returns
// the share that later rules certainly do not get.
func (rl *Rule) explainBurst(v *Verdict, sum, kept float64) (taken float64) {
	v.Fires, v.Share = true, 100
	switch {
	case rl.MatchResponse != nil:
		v.Gate, v.Why = "match_response", "in a burst, if the reply matches"
		return kept
	case sum > 0:
		v.Gate, v.Why = "lasts", "in a burst, unless an earlier rule takes the request"
	}
	v.Settles = true
	return 100
}
