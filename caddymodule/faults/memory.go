package faults

import "time"

// Memory is what a rule remembers for its faults. It outlives a reload that does not
// change the rule.
type Memory interface {
	// Elapsed returns how long ago the rule started: at its `start`, or else when it was
	// first loaded. It is 0 before the start.
	Elapsed() time.Duration

	// Keep returns the value with this name, for the key of the request. Without a value
	// yet, it stores the result of fresh. The values of a rule have one key for each
	// value of `per`, and the least recently used keys are forgotten.
	Keep(name string, fresh func() any) any

	// Kept returns the value like Keep, or nil without a value.
	Kept(name string) any
}

// Keep returns the value that the rule keeps under this name, see [Memory]. Without a
// memory, the value is fresh.
func (h *Hit) Keep(name string, fresh func() any) any {
	if h.Memory == nil {
		return fresh()
	}
	return h.Memory.Keep(name, fresh)
}

// Elapsed returns how long ago the rule started. Without a memory, it returns 0.
func (h *Hit) Elapsed() time.Duration {
	if h.Memory == nil {
		return 0
	}
	return h.Memory.Elapsed()
}

// Keeper is implemented by a kind that may keep a value for each key, see [Memory].
type Keeper interface {
	// Keeps reports whether the fault, with its settings, keeps a value.
	Keeps() bool
}

// Foreseer is implemented by a kind whose effect depends on what its rule remembers.
type Foreseer interface {
	// Foresee says what the fault would do to the next request of the key. If idle is
	// true, the request is certainly not a hit. Foresee must change nothing. An empty
	// text means that there is nothing to say.
	Foresee(m Memory) (what string, idle bool)
}

// Foresee returns what the faults of the chain say about the next request, see
// [Foreseer]. It reports whether all of them are idle.
func (c Chain) Foresee(m Memory) (what []string, idle bool) {
	idle = len(c) > 0
	for _, f := range c {
		foreseer, ok := f.(Foreseer)
		if !ok {
			idle = false
			continue
		}
		text, may := foreseer.Foresee(m)
		if idle = idle && may; text != "" {
			what = append(what, text)
		}
	}
	return what, idle
}
