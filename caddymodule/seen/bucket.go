package seen

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A bucket counts the requests of one second, or of ten.
type bucket struct {
	no           int64         // of its second or ten, since the epoch of the recorder; guarded by Point.mu
	begun        atomic.Uint32 // hits
	real         atomic.Uint32 // real errors, which are among the failed requests of passed
	passed, ends class         // requests without an effect, and hits that have ended
}

// class counts requests that have ended.
type class struct {
	ended, failed atomic.Uint32
	took          histogram
}

// The durations of a histogram: octaves from 128 µs to 134 s, each in two halves.
const (
	shortest = 128 * time.Microsecond
	halves   = 42
)

// histogram counts durations on a logarithmic scale.
type histogram [halves]atomic.Uint32

// add counts a duration with a weight.
func (h *histogram) add(took time.Duration, weight uint32) { h[half(took)].Add(weight) }

// half returns the index of a duration. The first one is below shortest, the last one is
// open.
func half(took time.Duration) int {
	units := uint64(max(took, 0) / shortest)
	if units == 0 {
		return 0
	}
	octave := bits.Len64(units) - 1
	upper := 0
	if took >= time.Duration(float64(shortest<<octave)*math.Sqrt2) {
		upper = 1
	}
	return min(1+2*octave+upper, halves-1)
}

// bound returns the shortest duration with an index.
func bound(i int) float64 {
	if i == 0 {
		return 0
	}
	return shortest.Seconds() * math.Exp2(float64(i-1)/2)
}

// addTo adds a bucket to another.
func (b *bucket) addTo(to *bucket) {
	to.begun.Add(b.begun.Load())
	to.real.Add(b.real.Load())
	b.passed.addTo(&to.passed)
	b.ends.addTo(&to.ends)
}

func (c *class) addTo(to *class) {
	to.ended.Add(c.ended.Load())
	to.failed.Add(c.failed.Load())
	for i := range c.took {
		if n := c.took[i].Load(); n > 0 {
			to.took[i].Add(n)
		}
	}
}

// total is the number of requests of a bucket: those that passed and have ended, and the
// hits that have begun.
func (b *bucket) total() uint64 { return uint64(b.passed.ended.Load()) + uint64(b.begun.Load()) }
