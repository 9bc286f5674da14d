package clients

import (
	"sync"
	"time"
)

const (
	shards     = 16
	sweepEvery = int64(time.Second)
)

// shard is a part of the open calls.
type shard struct {
	mu     sync.Mutex
	open   map[uint64]*call // the oldest of each identity
	newest *call
	oldest *call
	swept  int64
	spare  []call
}

// slab is the number of calls per allocation.
const slab = 8

// blank returns a new call.
func (s *shard) blank() *call {
	if len(s.spare) == 0 {
		s.spare = make([]call, slab)
	}
	c := &s.spare[0]
	s.spare = s.spare[1:]
	return c
}

// has reports whether a call with an identity is open.
func (s *shard) has(sum uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[sum] != nil
}

// find returns the open call that the attempt with a number continues, or nil. A request
// that counts continues the oldest call of its fingerprint. Without a name, a request
// that begins before the last one has ended is another call.
func (s *shard) find(sum uint64, m mode, n int, counts bool) *call {
	first := s.open[sum]
	if m < modeCount || first == nil {
		return first
	}
	if counts && n == 1 {
		return nil
	}
	for c := first; c != nil; c = c.next {
		if c.inFlight == 0 && (counts || c.mode == modeGuess) {
			return c
		}
	}
	if counts {
		return first
	}
	return nil
}

// maxParallel is the maximum number of open calls with one identity. It bounds what a
// look-up costs.
const maxParallel = 32

// add opens a call. It returns a call that has to be closed, or nil.
func (s *shard) add(c *call) (crowded *call) {
	if s.open == nil {
		s.open = make(map[uint64]*call)
	}
	s.push(c)
	first := s.open[c.identity]
	if first == nil {
		s.open[c.identity] = c
		return nil
	}
	n, last := 1, first
	for ; last.next != nil; last = last.next {
		n++
	}
	last.next = c
	if n < maxParallel {
		return nil
	}
	return first
}

// push makes a call the one used last.
func (s *shard) push(c *call) {
	c.older, c.newer = s.newest, nil
	if s.newest != nil {
		s.newest.newer = c
	} else {
		s.oldest = c
	}
	s.newest = c
}

// unlink takes a call out of the order of use.
func (s *shard) unlink(c *call) {
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		s.newest = c.older
	}
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		s.oldest = c.newer
	}
	c.newer, c.older = nil, nil
}

// use makes a call the one used last.
func (s *shard) use(c *call) {
	if s.newest != c {
		s.unlink(c)
		s.push(c)
	}
}

// remove takes a call out of the shard.
func (s *shard) remove(c *call) {
	s.unlink(c)
	first := s.open[c.identity]
	switch {
	case first == c && c.next == nil:
		delete(s.open, c.identity)
	case first == c:
		s.open[c.identity] = c.next
	default:
		for first.next != c {
			first = first.next
		}
		first.next = c.next
	}
	c.next = nil
}

// expired returns the calls whose window has passed.
func (s *shard) expired(now int64) (found []*call) {
	s.swept = now
	for c := s.oldest; c != nil; c = c.newer {
		if c.inFlight == 0 && c.deadline < now {
			found = append(found, c)
		}
	}
	return found
}
