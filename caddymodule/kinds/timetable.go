package kinds

import "time"

// A timetable says when events that wait are due. A wait counts from when the last event
// was due, not from when it was sent, so that late timers do not add up.
type timetable struct {
	due  time.Time // of the last event
	free time.Time // when the sender could send its next event
	came time.Time // the event that is being sent
}

// maxReading is the longest time in which a sender passes on an event that has waited
// for it.
const maxReading = time.Millisecond

// pause records that the sender can send its next event.
func (t *timetable) pause() {
	if !t.due.IsZero() {
		t.free = time.Now()
	}
}

// resume records when the sender sends. If it did so at once, its event was already
// there when the last one was due.
func (t *timetable) resume() {
	if t.due.IsZero() {
		return
	}
	if t.came = time.Now(); t.came.Sub(t.free) <= maxReading {
		t.came = t.due
	}
}

// next returns how long to wait for the next event, which waits for d more.
func (t *timetable) next(d time.Duration) time.Duration {
	now := time.Now()
	if t.due.IsZero() {
		t.due = now
	}
	if t.came.After(t.due) {
		t.due = t.came
	}
	t.due = t.due.Add(d)
	return t.due.Sub(now)
}
