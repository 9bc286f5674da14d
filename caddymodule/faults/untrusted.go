package faults

import (
	"errors"
	"fmt"
	"time"
)

// Untrusted is implemented by the kinds that a request may ask for in its own
// trigger, that is, a stranger. The kind refuses what a stranger may not have,
// and bounds what has no bound of its own. It is called once, on a valid fault,
// before Provision.
//
// It refuses, for instance, every text with a placeholder: nothing that a client
// sends is expanded.
type Untrusted interface {
	Untrusted(l *Limits) error
}

// Limits is what one trigger may use up, all of its faults together.
type Limits struct {
	// Time is how long the faults may keep the request. What a fault takes of
	// it is gone for the next one.
	Time time.Duration

	// OpenEnded is set by a fault whose time depends on the request or its
	// reply. [Hit.Ended] has to come when Time is over, then.
	OpenEnded bool
}

// Take uses up time.
func (l *Limits) Take(d time.Duration) error {
	if d > l.Time {
		return fmt.Errorf("'%s' is more than the '%s' that are left of max_delay", d, l.Time)
	}
	l.Time -= d
	return nil
}

// TakeRest uses up all the time there is.
func (l *Limits) TakeRest() (time.Duration, error) {
	rest := l.Time
	if l.Time = 0; rest <= 0 {
		return 0, errors.New("nothing is left of max_delay")
	}
	return rest, nil
}
