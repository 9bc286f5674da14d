package kinds

import "time"

// maxSlice bounds how much goes out at a time, and how much of the time that
// was lost may be made up for.
const maxSlice = 100 * time.Millisecond

// A pace tells when bytes may pass. It follows a timetable instead of pausing
// by the piece, so that a timer that is late does not slow it down.
type pace struct {
	rate int64 // bytes per second
	free int64 // bytes that still pass at once
	due  time.Time
}

// slice is how much of n bytes goes in the next piece.
func (p *pace) slice(n int) int {
	if p.free > 0 {
		return int(min(p.free, int64(n)))
	}
	return int(min(max(1, p.rate/int64(time.Second/maxSlice)), int64(n)))
}

// begun reports whether the timetable has begun.
func (p *pace) begun() bool { return !p.due.IsZero() }

// wait blocks until a piece of n bytes may pass.
func (p *pace) wait(o *outlet, n int) error {
	if p.free > 0 {
		p.free -= int64(n)
		return nil
	}
	return o.wait(p.next(time.Now(), n))
}

// next puts n more bytes on the timetable and returns how long it is until they
// may pass. There is no burst: not at the beginning, when the time of the first
// bytes has to go by as well, and not after a pause of the sender.
func (p *pace) next(now time.Time, n int) time.Duration {
	if !p.begun() {
		p.due = now
	}
	if earliest := now.Add(-maxSlice); p.due.Before(earliest) {
		p.due = earliest
	}
	p.due = p.due.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	return p.due.Sub(now)
}
