package seen

import (
	"testing"
	"time"
	"unsafe"
)

// BenchmarkPassed measures what a request costs that passes: at an idle point, at a rate
// at which each request is measured, and above it.
func BenchmarkPassed(b *testing.B) {
	for _, bench := range []struct {
		name  string
		on    bool
		first bool
	}{{"idle", false, false}, {"first", true, true}, {"many", true, false}} {
		b.Run(bench.name, func(b *testing.B) {
			p := New(time.Now, func(string) bool { return true }).Point("api")
			if bench.on {
				p.look()
			}
			b.ReportAllocs()
			for b.Loop() {
				if p.Counts() {
					p.Passed(p.Begin(bench.first), Succeeded)
				}
			}
		})
	}
}

// BenchmarkHit measures what a hit costs.
func BenchmarkHit(b *testing.B) {
	p := New(time.Now, func(string) bool { return true }).Point("api")
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
