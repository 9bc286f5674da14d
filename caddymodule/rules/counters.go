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

// counters hold what a rule remembers about the requests it has seen. All points with
// the same name share the counters of a rule, and a reload keeps them.
type counters struct {
	since time.Time     // time of the load that created them; durations count from it
	gone  chan struct{} // closed when no configuration has the rule any longer

	off    atomic.Bool   // switched off at run time
	active atomic.Int64  // requests that are active
	hits   atomic.Uint64 // requests on which a fault had an effect, for all keys

	matched, unasked atomic.Uint64 // for guests, see Seen

	keys int // maximum number of keys; 0: all requests are counted together

	mu    sync.Mutex
	all   tally
	byKey *simplelru.LRU[string, *tally] // used instead of all; nil without keys
}

// newCounters returns counters for a maximum number of keys. With 0, all requests are
// counted together.
func newCounters(since time.Time, keys int) *counters {
	return &counters{since: since, gone: make(chan struct{}), keys: keys, byKey: newKeys(keys)}
}

// newKeys returns an empty cache for a maximum number of keys.
func newKeys(keys int) *simplelru.LRU[string, *tally] {
	lru, _ := simplelru.NewLRU[string, *tally](keys, nil) // NewLRU only refuses sizes below 1, and returns nil then
	return lru
}

// Destruct runs after the last point has released the rule.
func (c *counters) Destruct() error {
	close(c.gone)
	return nil
}

// admit counts a request, unless it comes in a burst. It returns the gate that stops
// it, if any.
func (rl *Rule) admit(key string, now time.Time) (shut *gate, burst bool) {
	c := rl.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	if rl.Lasts != nil && c.inBurst(key, now.Sub(c.since)) {
		return nil, true
	}
	if len(rl.gates[counting]) == 0 { // so that keys that are never hit take no room
		return nil, false
	}
	t := c.tally(key)
	t.came++
	return rl.shut(counting, visit{now: now, tally: t}), false
}

// grant is what a request has taken by its hit.
type grant struct {
	n     uint64        // number of the turn, from 1
	hitAt time.Duration // of the mark that it left; 0: none
	until time.Duration // end of the burst that it began; 0: none
	was   lastHit       // the hit before it, for a rule that others follow
}

// take gives a request its turn. If a gate is shut, take changes nothing and returns
// the gate. One lock covers the gates and the counter, so the numbers have no gaps.
func (rl *Rule) take(key string, now time.Time) (took grant, shut *gate) {
	c := rl.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally(key)
	if shut = rl.shut(taking, visit{now: now, tally: t}); shut != nil {
		return grant{}, shut
	}
	c.active.Add(1)
	t.turns++
	took.n = t.turns
	if rl.Lasts != nil {
		took.until = t.begin(now.Sub(c.since), time.Duration(*rl.Lasts))
	}
	if rl.leads && !rl.Observe {
		took.was = t.lastHit
		t.mark(now.Sub(c.since))
		took.hitAt = t.hitAt
	}
	return took, nil
}

// takeBack undoes take, except for the active count, which release decrements.
func (c *counters) takeBack(key string, took grant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally(key)
	if t.turns > 0 { // there may have been a reset since take
		t.turns--
	}
	t.end(took)
	t.unmark(took)
}

// release decrements the number of active requests.
func (c *counters) release() { c.active.Add(-1) }

// maxKeySize is the size in bytes above which the hash of a key is stored instead of
// the key.
const maxKeySize = 64

// tally returns the tally of a key. The caller holds the lock.
func (c *counters) tally(key string) *tally {
	if c.byKey == nil {
		return &c.all
	}
	return c.tallyOf(key)
}

// tallyOf returns the tally of a key. It is a separate function so that the compiler
// can inline tally.
func (c *counters) tallyOf(key string) *tally {
	key = keptAs(key)
	t, known := c.byKey.Get(key)
	if !known {
		t = new(tally)
		c.byKey.Add(strings.Clone(key), t) // the copy does not keep the request in memory
	}
	return t
}

// keptAs returns a key as it is stored: a long one as its hash.
func keptAs(key string) string {
	if len(key) <= maxKeySize {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:]) // longer than any key stored as it is
}

// peek returns a copy of the tally of a key, which gates may change. It does not change
// the original or the order in which keys were used. The caller holds the lock.
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

// tally counts requests: all of them, or those with one key.
type tally struct {
	came  uint64 // requests that reached the gates that count
	turns uint64 // requests that led, or still may lead, to a hit
	burst
	lastHit
	recent
	values []namedValue // of the faults, see Memory
}

// Interface guards
var _ caddy.Destructor = (*counters)(nil)
