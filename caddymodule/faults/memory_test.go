package faults

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// notes is a memory for one key.
type notes map[string]any

func (notes) Elapsed() time.Duration { return time.Minute }
func (n notes) Kept(name string) any { return n[name] }
func (n notes) Keep(name string, fresh func() any) any {
	if n[name] == nil {
		n[name] = fresh()
	}
	return n[name]
}

// A hit uses the memory of its rule. Without one, values are fresh and no time passes.
func TestHitMemory(t *testing.T) {
	fresh := func() any { return new(int) }
	with, without := &Hit{Memory: make(notes)}, new(Hit)
	if a, b := with.Keep("n", fresh), with.Keep("n", fresh); a != b {
		t.Error("the value is not kept")
	}
	if a, b := with.Keep("n", fresh), with.Keep("m", fresh); a == b {
		t.Error("two names have the same value")
	}
	if a, b := without.Keep("n", fresh), without.Keep("n", fresh); a == b {
		t.Error("without a memory, a value is kept")
	}
	if got := with.Elapsed(); got != time.Minute {
		t.Errorf("got %v, want that of the memory", got)
	}
	if got := without.Elapsed(); got != 0 {
		t.Errorf("without a memory: got %v, want 0", got)
	}
}

// seer is a fault that foresees.
type seer struct {
	step
	what string
	idle bool
}

func (s seer) Foresee(m Memory) (string, bool) {
	if kept, ok := m.Kept("what").(string); ok {
		return s.what + kept, s.idle
	}
	return s.what, s.idle
}

// A chain says what all of its faults foresee. It is idle if all of them are.
func TestChainForesee(t *testing.T) {
	idle, busy, mute, other := seer{what: "a", idle: true}, seer{what: "b"}, seer{idle: true}, step{}
	for _, tt := range []struct {
		name  string
		chain Chain
		want  string
		idle  bool
	}{
		{"empty", nil, "", false},
		{"idle", Chain{idle}, "a", true},
		{"busy", Chain{busy}, "b", false},
		{"one of two", Chain{idle, busy}, "a, b", false},
		{"the other of two", Chain{busy, idle}, "b, a", false},
		{"nothing to say", Chain{mute, idle}, "a", true},
		{"another fault", Chain{idle, other}, "a", false},
		{"only others", Chain{other}, "", false},
	} {
		what, idle := tt.chain.Foresee(notes{})
		if got := strings.Join(what, ", "); got != tt.want || idle != tt.idle {
			t.Errorf("%s: got %q, %v, want %q, %v", tt.name, got, idle, tt.want, tt.idle)
		}
	}
	if what, _ := (Chain{idle, busy}).Foresee(notes{"what": "!"}); !slices.Equal(what, []string{"a!", "b!"}) {
		t.Errorf("got %q, want what the memory has", what)
	}
}
