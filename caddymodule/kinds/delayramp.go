package kinds

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

const rampName = "ramp"

// ramped is a uniform distribution, of which the time determines the draw.
func (f *Delay) ramped() quantile {
	return func(u float64) time.Duration { return nanoseconds(float64(f.From) + u*float64(f.To-f.From)) }
}

// draw returns the draw of a hit. For a ramp, it is the part of the ramp that has passed.
func (f *Delay) draw(hit *faults.Hit) float64 {
	if f.Ramp > 0 {
		return f.risen(hit.Elapsed())
	}
	return hit.Rand().Float64()
}

// risen returns the part of the ramp that has passed, from 0 to 1.
func (f *Delay) risen(elapsed time.Duration) float64 {
	return min(1, float64(elapsed)/float64(f.Ramp))
}

// usual returns a wait that many requests have: the median, or the end of the ramp.
func (f *Delay) usual() time.Duration {
	if f.Ramp > 0 {
		return f.wait(1)
	}
	return f.wait(0.5)
}

func (f *Delay) validateRamp() error {
	from, to := args.FormatDuration(f.From), args.FormatDuration(f.To)
	switch {
	case f.Ramp == 0:
		return fmt.Errorf("bad delay ramp '0s': must be greater than 0; without a ramp, write delay %s", to)
	case f.From > f.To:
		return fmt.Errorf("bad delay ramp: from '%s' is longer than to '%s'; swap them", from, to)
	case f.From == f.To && f.To > 0:
		return fmt.Errorf("bad delay ramp: from and to are both '%s', so it does not rise; write delay %[1]s", from)
	}
	return nil
}

// errUntrustedRamp is the error for a ramp in a trigger, whose rule has no start.
var errUntrustedRamp = errors.New("in a trigger, a delay cannot rise, because it has no start; write delay with one or two durations")

// Foresee says how long a ramp currently delays requests.
func (f *Delay) Foresee(m faults.Memory) (what string, idle bool) {
	if f.Ramp == 0 {
		return "", false
	}
	wait := f.wait(f.risen(m.Elapsed()))
	return fmt.Sprintf("the delay is currently %s of %s", wait.Round(time.Millisecond), args.FormatDuration(f.To)), false
}

// Interface guards
var _ faults.Foreseer = (*Delay)(nil)
