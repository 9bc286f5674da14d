package clients

import (
	"sync/atomic"
	"time"
)

// Clock is the time. To ask how much time has passed takes half as long as to ask what
// time it is.
type Clock struct {
	Now   func() time.Time
	Since func(time.Time) time.Duration
}

// A clock counts from the time that it has asked for within the last second. So it follows
// within a second if somebody sets the time of the machine.
type clock struct {
	Clock
	asked atomic.Pointer[time.Time]
}

// now returns the time in nanoseconds since 1970, never 0.
func (c *clock) now() int64 {
	if asked := c.asked.Load(); asked != nil {
		if passed := c.Since(*asked); passed >= 0 && passed < time.Second {
			return max(asked.UnixNano()+int64(passed), 1)
		}
	}
	now := c.Now()
	c.asked.Store(&now)
	return max(now.UnixNano(), 1)
}
