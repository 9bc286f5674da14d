package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// limits are the settings of a rule that count, as [counters] want them.
type limits struct {
	skip, every uint64
	over        int
	window      time.Duration
	times       uint64 // 0: no bound
	maxActive   int64  // 0: no bound
}

func newLimits(rl *Rule) limits {
	l := limits{
		skip:      uint64(valueOr(rl.Skip, 0)),
		every:     uint64(valueOr(rl.Every, 1)),
		times:     uint64(valueOr(rl.Times, 0)),
		maxActive: int64(valueOr(rl.MaxActive, 0)),
	}
	if rl.Over != nil {
		l.over, l.window = rl.Over.Requests, time.Duration(rl.Over.Window)
	}
	return l
}

// counting reports whether requests count that are not hits.
func (l *limits) counting() bool { return l.skip > 0 || l.every > 1 || l.over > 0 }

func valueOr[T any](setting *T, otherwise T) T {
	if setting == nil {
		return otherwise
	}
	return *setting
}

// counters are what a rule remembers of the requests it has seen, wherever the
// rule is written. They outlive a reload.
type counters struct {
	since time.Time     // the load that made them, which durations count from
	gone  chan struct{} // closed when no configuration has the rule any more

	off    atomic.Bool  // switched off while running
	active atomic.Int64 // requests held

	keys int // how many it keeps; 0: all requests are counted together

	mu    sync.Mutex
	hits  uint64 // of all keys
	all   tally
	byKey *simplelru.LRU[string, *tally] // instead of all; nil without keys
}

// newCounters is for as many keys at once; 0 counts all requests together.
func newCounters(since time.Time, keys int) *counters {
	return &counters{since: since, gone: make(chan struct{}), keys: keys, byKey: newKeys(keys)}
}

// newKeys has none of that many keys.
func newKeys(keys int) *simplelru.LRU[string, *tally] {
	lru, _ := simplelru.NewLRU[string, *tally](keys, nil) // it refuses sizes below 1 only, and is nil then
	return lru
}

// Destruct is called when the last point has let go of the rule.
func (c *counters) Destruct() error {
	close(c.gone)
	return nil
}

// admit counts a request and reports whether skip, every and over let it on.
func (c *counters) admit(l *limits, key string, now time.Time) bool {
	var at time.Duration
	if l.over > 0 {
		at = now.Sub(c.since)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tally(key).admit(l, at)
}

// take makes a request a hit and tells its number, from 1. When times or
// max_active is used up it changes nothing and returns 0 and the reason. Both
// are taken under one lock, so that no hit ever has to be given back and the
// numbers have no gap.
func (c *counters) take(l *limits, key string) (n uint64, refused Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally(key)
	switch {
	case l.times > 0 && t.hits >= l.times:
		return 0, ReasonCount
	case l.maxActive > 0 && c.active.Load() >= l.maxActive: // it grows under the lock only
		return 0, ReasonOverflow
	}
	c.active.Add(1)
	c.hits++
	t.hits++
	return t.hits, 0
}

// takeBack makes a request that was taken none. Its hold is left to release.
func (c *counters) takeBack(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.tally(key); t.hits > 0 { // a reset may have come between
		c.hits--
		t.hits--
	}
}

// spare makes a request that was taken none, whose number stays used.
func (c *counters) spare() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hits > 0 { // a reset may have come between
		c.hits--
	}
}

// release ends the hold of a request.
func (c *counters) release() { c.active.Add(-1) }

// maxKeySize is the size in bytes above which a key is kept as its hash.
const maxKeySize = 64

// tally is the one of a key. The caller has the lock.
func (c *counters) tally(key string) *tally {
	if c.byKey == nil {
		return &c.all
	}
	key = keptAs(key)
	t, known := c.byKey.Get(key)
	if !known {
		t = new(tally)
		c.byKey.Add(strings.Clone(key), t) // the request's memory must not stay
	}
	return t
}

// keptAs is what is kept of a key.
func keptAs(key string) string {
	if len(key) <= maxKeySize {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:]) // too long to be a key as it came
}

// tally is the count of requests, of all or of those with one key.
type tally struct {
	came uint64 // to skip
	hits uint64
	recent
}

// admit counts a request that comes at an instant. Each setting counts those
// that the one before it has let on.
func (t *tally) admit(l *limits, at time.Duration) bool {
	t.came++
	switch {
	case t.came <= l.skip, l.every > 1 && (t.came-l.skip)%l.every != 0:
		return false
	case l.over == 0:
		return true
	}
	above := t.above(l.over, l.window, at)
	t.add(l.over, at)
	return above
}

// recent is the instants of the last n requests: a ring that grows up to n.
type recent struct {
	at   []time.Duration
	next int // the place of the next one, once there are n
	last time.Duration
}

// above reports whether n requests have come within the window before at. Two
// that come at once may take the lock in either order, so time never goes back.
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

// Interface guards
var _ caddy.Destructor = (*counters)(nil)
