//go:build !race

package inject

import (
	"runtime"
	"testing"
)

// TestManyRules limits the memory that loading a rule allocates and retains, because
// generated configurations can have ten thousand rules. Caddy's matchers and JSON
// decoder use most of it.
func TestManyRules(t *testing.T) {
	const n = 2000
	load(t, manyRules("warm", 2), "") // the fixed cost of all rules
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

// memory returns the memory in use after garbage collection.
func memory() (stats runtime.MemStats) {
	runtime.GC()
	runtime.GC() // empties the pools
	runtime.ReadMemStats(&stats)
	return stats
}
