package seen

import (
	"testing"
	"time"
	"unsafe"
)

// BenchmarkPassed measures what a request costs that passes: at an idle point, if it is
// measured, and the average at some rates of requests per second.
func BenchmarkPassed(b *testing.B) {
	for _, bench := range []struct {
		name string
		on   bool
		sure bool
		rate uint32 // 0: no limit
	}{{"idle", false, false, 0}, {"measured", true, true, 0}, {"10", true, false, 10}, {"100", true, false, 100}, {"1000", true, false, 1000}} {
		b.Run(bench.name, func(b *testing.B) {
			p := New(Clock{time.Now, time.Since}, func(string) bool { return true }).Point("api")
			if bench.on {
				p.look()
			}
			b.ReportAllocs()
			for b.Loop() {
				if !p.Counts() {
					continue
				}
				p.Passed(p.Begin(bench.sure), Succeeded)
				if ended := &p.current().passed.ended; bench.rate > 0 && ended.Load() >= bench.rate {
					ended.Store(0) // as in the next second
				}
			}
		})
	}
}

// BenchmarkHit measures what a hit costs.
func BenchmarkHit(b *testing.B) {
	p := New(Clock{time.Now, time.Since}, func(string) bool { return true }).Point("api")
	p.look()
	b.ReportAllocs()
	for b.Loop() {
		s := p.Begin(true)
		p.Hit("a")
		p.Ended(s, Failed)
	}
}

// TestSize bounds the memory of a busy point and of a rule.
func TestSize(t *testing.T) {
	point := unsafe.Sizeof(Point{}) + (seconds+tens)*unsafe.Sizeof(bucket{})
	rule := unsafe.Sizeof(ring{})
	t.Logf("a point has %d bytes without requests and at most %d, a rule with hits %d", unsafe.Sizeof(Point{}), point, rule)
	if point > 200<<10 || rule > 2<<10 {
		t.Errorf("a point has %d bytes, a rule %d: want 200 KiB and 2 KiB at most", point, rule)
	}
}
