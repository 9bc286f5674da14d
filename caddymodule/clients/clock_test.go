package clients

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestClock holds that a clock returns the time, asks for it once a second, and follows a
// machine whose time is set.
func TestClock(t *testing.T) {
	wall, passed, asked := time.Unix(1_800_000_000, 0), time.Duration(0), 0
	start := passed
	c := &clock{Clock: Clock{
		Now:   func() time.Time { asked++; start = passed; return wall },
		Since: func(time.Time) time.Duration { return passed - start },
	}}
	for _, step := range []struct {
		name  string
		set   time.Duration // by hand
		wait  time.Duration
		want  time.Duration // since the first time
		asked int
	}{
		{"the first time", 0, 0, 0, 1},
		{"within a second", 0, 300 * time.Millisecond, 300 * time.Millisecond, 1},
		{"the end of the second", 0, 699 * time.Millisecond, 999 * time.Millisecond, 1},
		{"after a second", 0, time.Millisecond, time.Second, 2},
		{"set, within a second", time.Hour, 500 * time.Millisecond, 1500 * time.Millisecond, 2},
		{"set, after a second", 0, 500 * time.Millisecond, time.Hour + 2*time.Second, 3},
		{"two hours back, after a second", -2 * time.Hour, 2 * time.Second, 4*time.Second - time.Hour, 4},
	} {
		wall, passed = wall.Add(step.set+step.wait), passed+step.wait
		check(t, step.name, time.Duration(c.now()-time.Unix(1_800_000_000, 0).UnixNano()), step.want)
		check(t, step.name+": asked", asked, step.asked)
	}
}

// TestClockBefore1970 holds that no time is 0, which means none.
func TestClockBefore1970(t *testing.T) {
	at := time.Unix(-5, 0)
	c := &clock{Clock: Clock{Now: func() time.Time { return at }, Since: func(from time.Time) time.Duration { return at.Sub(from) }}}
	for range 2 {
		check(t, "time", c.now(), 1)
	}
}

// TestClockOfMachine compares with the clock of the machine, here of a bubble.
func TestClockOfMachine(t *testing.T) {
	c := &clock{Clock: Clock{time.Now, time.Since}}
	outside := c.now()
	check(t, "is after 2020", outside > time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), true)
	synctest.Test(t, func(t *testing.T) {
		for _, wait := range []time.Duration{0, time.Millisecond, 998 * time.Millisecond, time.Second, time.Hour} {
			time.Sleep(wait)
			check(t, wait.String(), c.now(), time.Now().UnixNano())
		}
	})
	check(t, "goes on", c.now() >= outside, true)
}
