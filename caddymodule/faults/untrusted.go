package faults

import (
	"errors"
	"fmt"
	"time"
)

// Untrusted is implemented by kinds that clients may use in a trigger. Clients are not
// trusted. The method returns an error for settings that a client may not use, and
// limits settings that have no limit. It is called once, on a valid fault, before
// Provision.
//
// For example, a text with a placeholder must be refused, because nothing that a client
// sends may be expanded.
type Untrusted interface {
	Untrusted(l *Limits) error
}

// Limits is what all faults of one trigger together may use.
type Limits struct {
	// Time is how long the faults may hold the request. Time that one fault takes is
	// not available to the next.
	Time time.Duration

	// OpenEnded is set by a fault whose time depends on the request or its reply.
	// [Hit.Ended] must then be closed when Time has expired.
	OpenEnded bool

	// Texts is set for a fault whose texts are those of a preset, and not of a client.
	Texts bool
}

// Take takes d from Time. It returns an error if Time is shorter.
func (l *Limits) Take(d time.Duration) error {
	if d > l.Time {
		return fmt.Errorf("'%s' is longer than '%s', which is left of max_delay", d, l.Time)
	}
	l.Time -= d
	return nil
}

// TakeRest takes and returns all of Time. It returns an error if Time is 0.
func (l *Limits) TakeRest() (time.Duration, error) {
	rest := l.Time
	if l.Time = 0; rest <= 0 {
		return 0, errors.New("nothing is left of max_delay for another fault")
	}
	return rest, nil
}
