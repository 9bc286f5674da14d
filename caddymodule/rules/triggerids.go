package rules

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Bounds for the ids of the requests of a trigger.
const (
	maxTriggerIDs = 10_000
	triggerIDLife = time.Hour // without a request
)

// triggerIDs holds what a trigger remembers of each id, apart from its counters.
type triggerIDs struct {
	mu   sync.Mutex
	byID *simplelru.LRU[string, *triggerID]
}

type triggerID struct {
	used    time.Time
	refused uint64
}

func newTriggerIDs() *triggerIDs {
	ids := new(triggerIDs)
	ids.reset()
	return ids
}

func (ids *triggerIDs) reset() {
	fresh, _ := simplelru.NewLRU[string, *triggerID](maxTriggerIDs, nil) // fails only for a size below 1
	ids.mu.Lock()
	defer ids.mu.Unlock()
	ids.byID = fresh
}

// use records a request with an id. It reports whether an id that is not known starts.
func (ids *triggerIDs) use(id string, now time.Time) (starts bool) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	known, ok := ids.byID.Get(id)
	if ok && now.Sub(known.used) < triggerIDLife {
		known.used = now
		return false
	}
	ids.byID.Add(id, &triggerID{used: now})
	return true
}

func (ids *triggerIDs) refuse(id string) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if known, ok := ids.byID.Peek(id); ok {
		known.refused++
	}
}

func (ids *triggerIDs) refusals(id string) uint64 {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if known, ok := ids.byID.Peek(id); ok {
		return known.refused
	}
	return 0
}

// Use records that a request with an id comes. After an hour without one, the id starts
// again.
func (t *Triggered) Use(id string) {
	if t.ids.use(id, time.Now()) {
		t.like.counters.forget(id)
	}
}

// HitsOf returns the number of requests with an id that were hit.
func (t *Triggered) HitsOf(id string) uint64 {
	c := t.like.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peek(id).turns
}

// RefusedOf returns the number of requests with an id whose trigger was refused.
func (t *Triggered) RefusedOf(id string) uint64 { return t.ids.refusals(id) }

// forget removes what is known of a key.
func (c *counters) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byKey.Remove(keptAs(key))
}
