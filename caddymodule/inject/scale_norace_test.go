//go:build !race

package inject

import (
	"runtime"
	"testing"
)

// TestManyRules bounds what a rule costs to load, and what of it stays: whoever
// generates a rule for each test case has ten thousand of them. Most of it is Caddy's
// own: the matchers, and reading JSON.
func TestManyRules(t *testing.T) {
	const n = 2000
	load(t, manyRules("warm", 2), "") // what there is once for all rules
	config := manyRules("many", n)
	before := memory()
	h := load(t, config, "")
	h.app.Points() // which settles the rules
	after := memory()
	allocated, kept := (after.TotalAlloc-before.TotalAlloc)/n, (after.HeapAlloc-before.HeapAlloc)/n
	t.Logf("%d bytes allocated for a rule, %d kept", allocated, kept)
	if allocated > 24<<10 || kept > 4<<10 {
		t.Errorf("a rule allocates %d bytes and keeps %d, want 24 and 4 KiB at most", allocated, kept)
	}
	runtime.KeepAlive(h)
}

// memory is what is in use once the garbage is gone.
func memory() (stats runtime.MemStats) {
	runtime.GC()
	runtime.GC() // empties the pools
	runtime.ReadMemStats(&stats)
	return stats
}
