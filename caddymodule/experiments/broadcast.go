package experiments

import (
	"sync"
	"sync/atomic"
	"time"
)

// Broadcast wakes everybody who waits for news. It does so at most once in every
// interval, so that a flood of news costs those who have it an atomic load, and
// those who wait no more than that interval allows.
//
// The zero value wakes for each piece of news.
type Broadcast struct {
	// Every is the interval.
	Every time.Duration

	awaited atomic.Bool // somebody waits, and no wake is on its way

	mu      sync.Mutex
	woken   chan struct{} // closed by the next wake
	pending bool          // that wake is on its way
	last    time.Time     // when the wake before was
}

// Next returns a channel that is closed once there are news. Whoever waits takes
// it first and then looks at what there is.
func (b *Broadcast) Next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.woken == nil {
		b.woken = make(chan struct{})
	}
	if !b.pending {
		b.awaited.Store(true)
	}
	return b.woken
}

// Send says that there are news.
func (b *Broadcast) Send() {
	if b.awaited.Load() && b.awaited.CompareAndSwap(true, false) {
		b.schedule()
	}
}

func (b *Broadcast) schedule() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pending {
		return
	}
	b.pending = true
	if wait := b.Every - time.Since(b.last); wait > 0 {
		time.AfterFunc(wait, b.wake)
	} else {
		go b.wake() // the one who has news does not wake many
	}
}

func (b *Broadcast) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.woken)
	b.woken, b.pending, b.last = nil, false, time.Now()
}
