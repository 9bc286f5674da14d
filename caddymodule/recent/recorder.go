package recent

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// size is how many visits are kept. Busy points push out the visits of others, so it
	// is more than the requests of one answer.
	size = 1000

	// Most is the maximum number of requests of an answer.
	Most = 300

	// Keep is how long requests are kept after the last look.
	Keep = 5 * time.Minute
)

// Recorder keeps the last visits of requests to the points of a process.
type Recorder struct {
	now func() time.Time
	on  atomic.Bool
	id  atomic.Uint64

	mu    sync.Mutex
	since time.Time // when it was switched on
	ring  []Visit   // at most size, the oldest at next once it is full
	next  int
	off   *time.Timer
}

// New returns a recorder that keeps nothing until somebody looks.
func New(now func() time.Time) *Recorder { return &Recorder{now: now} }

// On reports whether requests are kept.
func (rec *Recorder) On() bool { return rec.on.Load() }

// NewID returns a new number for a request, from 1.
func (rec *Recorder) NewID() uint64 { return rec.id.Add(1) }

// Add keeps a visit.
func (rec *Recorder) Add(v Visit) {
	v.At = rec.now()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	switch {
	case !rec.on.Load(): // since the caller asked
	case len(rec.ring) < size:
		rec.ring = append(rec.ring, v)
	default:
		rec.ring[rec.next] = v
		rec.next = (rec.next + 1) % size
	}
}

// A Look is what has come to some points.
type Look struct {
	// Requests has the visits of each request, the latest request first. The visits are in
	// the order in which the request reached the points.
	Requests [][]Visit

	// Since is when the oldest request has come. If there are fewer than Most requests,
	// it is when the recorder began to keep them.
	Since time.Time
}

// Look returns the last requests at the points for which at reports true. It keeps the
// recorder on, or switches it on.
func (rec *Recorder) Look(at func(point string, transport bool) bool) Look {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.wake()
	look := Look{Since: rec.since}
	known := make(map[uint64]int)
	for _, v := range rec.latest() {
		if !at(v.Point, v.Transport) {
			continue
		}
		i, again := known[v.ID]
		switch {
		case again:
			look.Requests[i] = slices.Insert(look.Requests[i], 0, v)
		case len(look.Requests) < Most:
			known[v.ID] = len(look.Requests)
			look.Requests = append(look.Requests, []Visit{v})
			if len(look.Requests) == Most {
				look.Since = v.At
			}
		}
	}
	if len(rec.ring) == size && len(look.Requests) < Most {
		look.Since = rec.ring[rec.next].At // earlier ones have been pushed out
	}
	return look
}

// latest returns the visits, the latest first. The caller holds the lock.
func (rec *Recorder) latest() []Visit {
	all := slices.Concat(rec.ring[rec.next:], rec.ring[:rec.next])
	slices.Reverse(all)
	return all
}

// wake switches the recorder on until nobody has looked for a while. The caller holds
// the lock.
func (rec *Recorder) wake() {
	if rec.off != nil {
		rec.off.Stop()
	}
	if !rec.on.Load() {
		rec.since = rec.now()
		rec.on.Store(true)
	}
	var timer *time.Timer
	timer = time.AfterFunc(Keep, func() { rec.sleep(&timer) })
	rec.off = timer
}

// sleep switches the recorder off and forgets everything, unless somebody has looked
// since the timer was set.
func (rec *Recorder) sleep(timer **time.Timer) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.off != *timer {
		return
	}
	rec.on.Store(false)
	rec.ring, rec.next, rec.off = nil, 0, nil
}
