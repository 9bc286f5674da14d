package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// counters are what a rule remembers of the requests it has seen, wherever the
// rule is written. They outlive a reload.
type counters struct {
	since time.Time     // the load that made them, which durations count from
	gone  chan struct{} // closed when no configuration has the rule any more

	off    atomic.Bool   // switched off while running
	active atomic.Int64  // requests held
	hits   atomic.Uint64 // requests on which a fault had an effect, of all keys

	matched, unasked atomic.Uint64 // requests at the points of a guest, see Seen

	keys int // how many it keeps; 0: all requests are counted together

	mu    sync.Mutex
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

// admit counts a request and returns the gate that it finds shut, if any.
func (rl *Rule) admit(key string, now time.Time) *gate {
	c := rl.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally(key)
	t.came++
	return rl.shut(counting, visit{now: now, tally: t})
}

// take gives a request its turn and returns the number of that, from 1. If a gate
// is shut, take changes nothing and returns the gate. One lock covers the gates and
// the count, so the numbers have no gap.
func (rl *Rule) take(key string, now time.Time) (n uint64, shut *gate) {
	c := rl.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally(key)
	if shut = rl.shut(taking, visit{now: now, tally: t}); shut != nil {
		return 0, shut
	}
	c.active.Add(1)
	t.turns++
	return t.turns, nil
}

// takeBack gives the turn of a request to another one. Its hold is left to release.
func (c *counters) takeBack(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.tally(key); t.turns > 0 { // a reset may have come between
		t.turns--
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
	return c.tallyOf(key)
}

// tallyOf is the tally of one key. It stands apart so that tally is inlined.
func (c *counters) tallyOf(key string) *tally {
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

// peek returns a copy of the tally of a key, for gates to count in. It changes
// nothing, not even which keys were used last. The caller has the lock.
func (c *counters) peek(key string) tally {
	t := c.all
	if c.byKey != nil {
		if kept, known := c.byKey.Peek(keptAs(key)); known {
			t = *kept
		}
	}
	t.at = slices.Clone(t.at)
	return t
}

// tally is the count of requests, of all or of those with one key.
type tally struct {
	came  uint64 // to the gates that count
	turns uint64 // that led, or may yet lead, to a hit
	recent
}

// Interface guards
var _ caddy.Destructor = (*counters)(nil)
