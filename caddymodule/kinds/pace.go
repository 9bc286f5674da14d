package kinds

import "time"

// maxSlice limits how much is sent at a time, and how much lost time is made up for.
const maxSlice = 100 * time.Millisecond

// A pace says when bytes may pass. It follows a timetable and does not pause after each
// piece. A late timer therefore does not slow it down.
type pace struct {
	rate int64 // bytes per second
	free int64 // bytes that still pass at full speed
	due  time.Time
}

// slice returns how much of n bytes is in the next piece.
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

// next puts n more bytes on the timetable and returns how long they must wait. There is
// no burst. At the beginning, the first bytes wait for their own time. After a pause of
// the sender, only maxSlice is made up for.
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
