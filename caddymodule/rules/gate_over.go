package rules

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Over is a quota. It hits the requests above a number within a sliding window.
type Over struct {
	// The number of requests that pass within the window: 1 to 100000. Required.
	Requests int `json:"requests,omitempty"`

	// The length of the sliding window. Required.
	Window caddy.Duration `json:"window,omitempty"`
}

const maxOver = 100_000

// overGate lets a quota of requests pass. It counts only requests that have passed the
// gates before it.
var overGate = &gate{
	name: "over", reason: ReasonCount, timed: true,
	check: checkOver,
	has:   func(rl *Rule) bool { return rl.Over != nil },
	shut: func(rl *Rule, v visit) bool {
		n, at := rl.Over.Requests, v.now.Sub(rl.counters.since)
		above := v.tally.above(n, time.Duration(rl.Over.Window), at)
		v.tally.add(n, at)
		return !above
	},
	why: func(rl *Rule, _ visit) string {
		return fmt.Sprintf("%d requests within %s pass", rl.Over.Requests, time.Duration(rl.Over.Window))
	},
}

func checkOver(rl *Rule) error {
	if rl.Over == nil {
		return nil
	}
	requests := rl.Over.Requests
	if requests < 1 || requests > maxOver {
		return fmt.Errorf("bad over '%d': want 1 to %d requests", requests, maxOver)
	}
	return positive("window of over", rl.Over.Window)
}

// recent holds the times of the last n requests in a ring, which grows to n entries.
type recent struct {
	at   []time.Duration
	next int // index of the next entry, once there are n
	last time.Duration
}

// above reports whether n requests have come within the window before at. Concurrent
// requests may take the lock in either order, so an earlier time counts as the latest
// one.
func (q *recent) above(n int, window, at time.Duration) bool {
	return len(q.at) == n && max(at, q.last)-q.at[q.next] < window
}

func (q *recent) add(n int, at time.Duration) {
	q.last = max(at, q.last)
	if len(q.at) < n {
		q.at = append(q.at, q.last)
		return
	}
	q.at[q.next] = q.last
	if q.next++; q.next == n {
		q.next = 0
	}
}
