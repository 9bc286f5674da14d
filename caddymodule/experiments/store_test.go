package experiments

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp" // the matchers

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// bench is a store and its notifications.
type bench struct {
	*Store
	t        testing.TB
	sw       *Switch
	told     []string
	unloaded int
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, sw: NewSwitch(t.Context())}
	b.Store = NewStore(b.sw, func(e *Experiment) (func(), error) {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		return func() { b.unloaded++; cancel() }, rules.LoadGuest(ctx, &e.Rule, e.Draws)
	}, func() []Place { return []Place{{Point: "in"}, {Point: "out", Transport: true}} })
	b.Watch(func(live *Live, why, _ string) { b.told = append(b.told, strings.TrimSpace(live.Name+" "+why)) })
	t.Cleanup(func() { b.endAll("") })
	return b
}

const closing = `"faults": [{"fault": "close"}]`

func (b *bench) put(name, settings string, when Condition) (*Live, bool, error) {
	b.t.Helper()
	data := []byte(`{` + settings + `"points": ["*"], ` + closing + `}`)
	e, err := Parse(name, data)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.start(e, data, when)
}

// start starts one experiment.
func (b *bench) start(e *Experiment, data []byte, when Condition) (*Live, bool, error) {
	started, created, err := b.Start(Batch{Drafts: []Draft{{e, data}}, When: when})
	if err != nil {
		return nil, false, err
	}
	return started[0], created == 1, nil
}

func (b *bench) mustPut(name, settings string) *Live {
	b.t.Helper()
	live, _, err := b.put(name, settings, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return live
}

func (b *bench) wantTold(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.told, want) {
		b.t.Errorf("watchers were told %q, want %q", b.told, want)
	}
}

func ended(l *Live) bool { return l.Ended().Err() != nil }

func TestStoreTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		byDefault, short, forever := b.mustPut("a", ""), b.mustPut("b", `"ttl": "1m", `), b.mustPut("c", `"ttl": 0, `)
		if want := byDefault.Started.Add(DefaultTTL); !byDefault.Ends.Equal(want) || !forever.Ends.IsZero() {
			t.Errorf("ends: got %v and %v, want %v and none", byDefault.Ends, forever.Ends, want)
		}
		time.Sleep(time.Minute - time.Second)
		if ended(short) {
			t.Error("over before its time")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !ended(short) || b.Get("b") != nil || ended(byDefault) {
			t.Error("its ttl has expired, and it has not ended")
		}
		time.Sleep(DefaultTTL)
		synctest.Wait()
		if !ended(byDefault) || ended(forever) {
			t.Error("only the one without an end should be left")
		}
		b.wantTold("a", "b", "c", "b expired", "a expired")
		if b.unloaded != 2 {
			t.Errorf("%d unloaded, want 2", b.unloaded)
		}
	})
}

// The timer of a replaced experiment stops.
func TestStoreReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		first := b.mustPut("a", `"ttl": "1m", `)
		time.Sleep(30 * time.Second)
		second, created, err := b.put("a", `"ttl": "1m", `, nil)
		if err != nil || created {
			t.Fatalf("created %v, %v", created, err)
		}
		if !ended(first) || ended(second) || second.Revision <= first.Revision || b.Get("a") != second {
			t.Error("the first should have ended, and the second should run with another revision")
		}
		select {
		case <-first.Removed():
		default:
			t.Error("what waits for the end of the first still does")
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if ended(second) {
			t.Error("the second ended with the time of the first")
		}
		b.wantTold("a", "a", "a replaced")
	})
}

// A request that arrives while an experiment is replaced meets one of the two.
func TestStoreReplaceWithoutGap(t *testing.T) {
	b := newBench(t)
	b.mustPut("a", "")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if b.Snapshot() == nil {
					t.Error("there is no experiment")
					return
				}
			}
		}
	})
	for range 200 {
		b.mustPut("a", "")
	}
	close(stop)
	wg.Wait()
}

func TestStoreHalt(t *testing.T) {
	b := newBench(t)
	a, c := b.mustPut("a", ""), b.mustPut("c", "")
	b.sw.Set(State{Halted: true})
	if !ended(a) || !ended(c) || b.Snapshot() != nil || len(b.List()) != 0 {
		t.Error("a halt ends every experiment")
	}
	if _, _, err := b.put("a", "", nil); !errors.Is(err, ErrHalted) {
		t.Errorf("put while halted: got error %v", err)
	}
	b.sw.Set(State{})
	if len(b.List()) != 0 || b.Snapshot() != nil {
		t.Error("a resume has started an experiment again")
	}
	past := b.Past()
	if len(past) != 2 || past[0].Name != "c" || past[0].Why != WhyHalted {
		t.Fatalf("got past %+v", past)
	}
	if !slices.Equal(past[0].Points, []string{"in"}) {
		t.Errorf("the ended experiment was at the points %q, want those but the transport", past[0].Points)
	}
	if _, err := Parse(past[0].Name, past[0].JSON); err != nil {
		t.Errorf("an ended experiment cannot be started again: %v", err)
	}
	b.wantTold("a", "c", "a halted", "c halted")
}

func TestStoreConditions(t *testing.T) {
	b := newBench(t)
	no := func(*Live) bool { return false }
	absent := func(now *Live) bool { return now == nil }
	if err := b.Delete("a", "", nil); !errors.Is(err, ErrUnknown) {
		t.Errorf("delete of nothing: got error %v", err)
	}
	if _, created, err := b.put("a", "", absent); !created || err != nil {
		t.Errorf("created %v, %v", created, err)
	}
	before := b.Get("a")
	for _, when := range []Condition{no, absent} {
		if _, _, err := b.put("a", "", when); !errors.Is(err, ErrModified) {
			t.Errorf("got error %v, want ErrModified", err)
		}
	}
	if err := b.Delete("a", "", no); !errors.Is(err, ErrModified) {
		t.Errorf("delete: got error %v, want ErrModified", err)
	}
	if b.Get("a") != before || ended(before) {
		t.Error("a refused change has changed something")
	}
	if err := b.Delete("a", "", func(now *Live) bool { return now == before }); err != nil {
		t.Error(err)
	}
	b.wantTold("a", "a deleted")
}

// A rule that cannot be loaded does not affect the earlier one.
func TestStoreLoadFails(t *testing.T) {
	b := newBench(t)
	before := b.mustPut("a", "")
	data := []byte(`{"points": ["*"], "faults": [{"fault": "explode"}]}`)
	e, err := Parse("a", data)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.start(e, data, nil); err == nil || !strings.Contains(err.Error(), "unknown name 'explode'") {
		t.Errorf("got error %v", err)
	}
	if b.Get("a") != before || ended(before) {
		t.Error("a refused change has changed something")
	}
	b.wantTold("a")
}

// A revision is not valid in the next process, where another experiment may have the
// name.
func TestRevisionOfAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := newBench(t).mustPut("a", "")
		time.Sleep(time.Second)
		if after := newBench(t).mustPut("a", ""); after.Revision <= before.Revision {
			t.Errorf("got revision %d after %d", after.Revision, before.Revision)
		}
	})
}

func TestPastIsBoundedInSize(t *testing.T) {
	b := newBench(t)
	for _, size := range []int{10, maxPastJSON / 2, maxPastJSON / 2, 10, 2 * maxPastJSON} {
		b.mustPut("a", fmt.Sprintf(`"note": "%s",`, strings.Repeat("x", size)))
		must(t, b.Delete("a", "", nil))
		if size > maxPastJSON && len(b.Past()) != 1 {
			t.Errorf("%d remembered beside a large one", len(b.Past()))
		}
	}
	b.mustPut("b", "")
	must(t, b.Delete("b", "", nil))
	if past := b.Past(); len(past) != 1 || past[0].Name != "b" {
		t.Errorf("%d remembered, want the last one", len(past))
	}
}

func TestPastIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for i := range maxPast + 1 {
			name := fmt.Sprintf("e%d", i)
			b.mustPut(name, "")
			must(t, b.Delete(name, "", nil))
		}
		if got := len(b.Past()); got != maxPast {
			t.Errorf("%d remembered, want %d", got, maxPast)
		}
		time.Sleep(pastFor)
		b.mustPut("last", "")
		b.endAll("")
		if got := len(b.Past()); got != maxPast {
			t.Errorf("%d remembered, want %d", got, maxPast)
		}
		time.Sleep(time.Second)
		if past := b.Past(); len(past) != 1 || past[0].Name != "last" {
			t.Errorf("%d remembered, want the last one only", len(past))
		}
	})
}

// Everything at the same time, for the race detector.
func TestStoreConcurrently(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			name := fmt.Sprint("e", i%2)
			for n := range 100 {
				if _, _, err := b.put(name, "", nil); err != nil && !errors.Is(err, ErrHalted) {
					t.Error(err)
				}
				b.Snapshot().Guests(Place{Point: "p"})
				if n%10 == i {
					b.sw.Set(State{Halted: true})
					b.sw.Set(State{})
				}
				_ = b.Delete(name, "", nil)
				b.Past()
			}
		})
	}
	wg.Wait()
	if len(b.List()) != 0 || b.Snapshot() != nil {
		t.Errorf("left: %d", len(b.List()))
	}
}

func TestPlaces(t *testing.T) {
	tests := []struct {
		experiment         string
		here, there, trans bool
	}{
		{`"points": ["*"]`, true, true, false},
		{`"match": [{"path": ["/"]}]`, true, true, false},
		{`"points": ["here"]`, true, false, false},
		{`"points": ["here", "trans"]`, true, false, true},
		{`"points": ["*", "trans"]`, true, true, true},
	}
	for _, tt := range tests {
		e, err := Parse("a", []byte(`{`+tt.experiment+`, `+closing+`}`))
		if err != nil {
			t.Fatal(err)
		}
		got := [3]bool{e.At(Place{Point: "here"}), e.At(Place{Point: "there"}), e.At(Place{Point: "trans", Transport: true})}
		if want := [3]bool{tt.here, tt.there, tt.trans}; got != want {
			t.Errorf("%s: got %v, want %v", tt.experiment, got, want)
		}
	}
}
