package experiments

import (
	"sync"
	"sync/atomic"
	"time"
)

// Broadcast wakes all goroutines that wait for news, at most once per interval. A flood
// of news costs each sender an atomic load, and wakes each waiter once per interval.
//
// The zero value wakes for each piece of news.
type Broadcast struct {
	// Every is the minimum interval between two wakes.
	Every time.Duration

	awaited atomic.Bool // a goroutine waits, and no wake is scheduled

	mu      sync.Mutex
	woken   chan struct{} // closed by the next wake
	pending bool          // the next wake is scheduled
	last    time.Time     // time of the last wake
}

// Next returns a channel that is closed when there is news. A waiter takes the channel
// first and then looks for news.
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

// Send announces news.
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
		go b.wake() // waking many goroutines must not hold up the sender
	}
}

func (b *Broadcast) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.woken)
	b.woken, b.pending, b.last = nil, false, time.Now()
}
