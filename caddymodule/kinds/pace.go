package kinds

import (
	"math"
	"sync"
	"time"
)

// maxSlice limits how much is sent at a time, and how much lost time is made up for.
const maxSlice = 100 * time.Millisecond

// A line is a timetable for bytes. It does not pause after each piece, so a late timer
// does not slow it down. Several bodies may share a line. Each has one piece on it at a
// time, so they take turns.
type line struct {
	rate  int64         // bytes per second
	burst time.Duration // the time of the bytes that pass at once

	mu  sync.Mutex
	due time.Time // of the last piece; zero: there has been none
}

func newLine(rate, burst int64) *line {
	return &line{rate: rate, burst: timeOf(burst, rate)}
}

// timeOf returns how long n bytes take at a rate.
func timeOf(n, rate int64) time.Duration {
	return time.Duration(min(float64(n)/float64(rate)*float64(time.Second), math.MaxInt64/4))
}

// slice returns how much of n bytes is in the next piece: what may pass at once, or else
// a small part.
func (l *line) slice(n int) int {
	size := max(1, l.rate/int64(time.Second/maxSlice))
	if l.burst > 0 {
		l.mu.Lock()
		defer l.mu.Unlock()
		now := time.Now()
		l.catchUp(now)
		size = max(size, int64(min(float64(n), now.Sub(l.due).Seconds()*float64(l.rate))))
	}
	return int(min(size, int64(n)))
}

// next puts n more bytes on the line and returns how long they must wait. Without a
// burst, the first bytes wait for their own time. After a pause of the sender, only the
// burst or maxSlice is made up for.
func (l *line) next(now time.Time, n int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catchUp(now)
	l.due = l.due.Add(timeOf(int64(n), l.rate))
	return l.due.Sub(now)
}

// catchUp moves the line to the time. The caller holds the lock.
func (l *line) catchUp(now time.Time) {
	if l.due.IsZero() {
		l.due = now.Add(-l.burst)
	}
	if earliest := now.Add(-max(l.burst, maxSlice)); l.due.Before(earliest) {
		l.due = earliest
	}
}

// giveBack takes n bytes off the line that are not sent.
func (l *line) giveBack(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due = l.due.Add(-timeOf(int64(n), l.rate))
}

// A pace says when the bytes of one body may pass.
type pace struct {
	*line
	free   int64 // bytes that still pass at full speed
	used   bool  // bytes have been on the line
	waited bool  // bytes have had to wait
}

// slice returns how much of n bytes is in the next piece.
func (p *pace) slice(n int) int {
	if p.free > 0 {
		return int(min(p.free, int64(n)))
	}
	return p.line.slice(n)
}

// wait blocks until a piece of n bytes may pass.
func (p *pace) wait(o *outlet, n int) error {
	if p.free > 0 {
		p.free -= int64(n)
		return nil
	}
	p.used = true
	rest := p.next(time.Now(), n)
	p.waited = p.waited || rest > 0
	err := o.wait(rest)
	if err != nil {
		p.giveBack(n)
	}
	return err
}

// slowed reports whether bytes were slow.
func (p *pace) slowed() bool {
	if p.burst > 0 {
		return p.waited
	}
	return p.used
}
