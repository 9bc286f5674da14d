package experiments

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestExtends(t *testing.T) {
	for patch, want := range map[string]bool{
		`{"ttl": "5m"}`: true, `{"ttl": null, "note": "x"}`: true, `{}`: true,
		`{"ttl": "5m", "percent": 1}`: false, `{"TTL": 1}`: false, `null`: false, `[]`: false, `"ttl"`: false,
	} {
		if got := Extends([]byte(patch)); got != want {
			t.Errorf("%s: got %v", patch, got)
		}
	}
}

// extension is a change of ttl and note alone.
func extension(t testing.TB, name, settings, time string) (*Experiment, []byte) {
	t.Helper()
	data := []byte(`{` + settings + time + `"points": ["*"], ` + closing + `}`)
	e, err := Parse(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return e, data
}

// An extended experiment continues unchanged, with another end.
func TestStoreExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		first := b.mustPut("a", `"ttl": "1m", `)
		time.Sleep(50 * time.Second)
		e, data := extension(t, "a", "", `"ttl": "1m", "note": "longer", `)
		next, err := b.Extend(e, data, func(now *Live) bool { return now == first })
		if err != nil {
			t.Fatal(err)
		}
		if b.Get("a") != next || next.Revision == first.Revision || next.Note != "longer" || !next.Started.Equal(first.Started) || next.Ended() != first.Ended() {
			t.Errorf("got %+v after %+v", next, first)
		}
		time.Sleep(59 * time.Second)
		if ended(next) {
			t.Error("over before its new time")
		}
		if _, err := b.Extend(e, data, func(*Live) bool { return false }); !errors.Is(err, ErrModified) {
			t.Errorf("got %v, want %v", err, ErrModified)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !ended(next) || !ended(first) || b.Get("a") != nil {
			t.Error("its new ttl has expired, and it has not ended")
		}
		if _, err := b.Extend(e, data, nil); !errors.Is(err, ErrUnknown) {
			t.Errorf("got %v, want %v", err, ErrUnknown)
		}
		b.wantTold("a", "a extended", "a expired")
		if b.unloaded != 1 {
			t.Errorf("unloaded %d times", b.unloaded)
		}
	})
}

func TestStoreExtendForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.mustPut("a", `"ttl": "1m", `)
		e, data := extension(t, "a", "", `"ttl": 0, `)
		next, err := b.Extend(e, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if ended(next) || !next.Ends.IsZero() {
			t.Error("it has an end")
		}
	})
}

// If a node extends an experiment, it continues on all nodes. If a node changes it
// otherwise or puts it again, it starts again.
func TestShareExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		must(t, a.put("x", `"ttl": "1m", `, nil))
		b.Sync(t.Context())
		before := b.Get("x")
		time.Sleep(50 * time.Second)
		e, data := extension(t, "x", "", `"ttl": "1m", "note": "longer", `)
		extended, err := a.Member.Extend(e, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.Sync(t.Context())
		if now := b.Get("x"); now.Ended() != before.Ended() || now.Note != "longer" || now.Revision != extended.Revision || !now.Ends.Equal(extended.Ends) {
			t.Errorf("got %+v after %+v", now, before)
		}
		a.Sync(t.Context())
		if a.Get("x") != extended {
			t.Error("the node that has extended it does so again")
		}
		time.Sleep(59 * time.Second)
		b.want(b.step(), "x")
		must(t, a.put("x", `"ttl": "1m", "note": "again", `, nil))
		b.Sync(t.Context())
		if !ended(before) || b.Get("x").Note != "again" {
			t.Error("one that is put again goes on")
		}
		if _, err := a.Member.Extend(e, data, func(*Live) bool { return false }); !errors.Is(err, ErrModified) {
			t.Errorf("got %v, want %v", err, ErrModified)
		}
		must(t, a.Member.Delete("x", "", nil))
		if _, err := a.Member.Extend(e, data, nil); !errors.Is(err, ErrUnknown) {
			t.Errorf("got %v, want %v", err, ErrUnknown)
		}
		b.want(b.step())
	})
}

// An experiment does not end while its extension is being stored, unless the extension
// fails.
func TestShareExtendAtTheEnd(t *testing.T) {
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			storage := new(memory)
			a := newNode(t, storage)
			must(t, a.put("x", `"ttl": "1m", `, nil))
			time.Sleep(59 * time.Second)
			storage.storing = func() { time.Sleep(2 * time.Second) }
			if fails {
				storage.storing = func() { time.Sleep(2 * StorageTime) }
			}
			before := a.Get("x")
			e, data := extension(t, "x", "", `"ttl": "1m", `)
			extended, err := a.Member.Extend(e, data, nil)
			if fails {
				if !errors.Is(err, ErrStorage) {
					t.Errorf("got %v, want %v", err, ErrStorage)
				}
				synctest.Wait()
				a.want(a.has())
				time.Sleep(time.Minute) // the call that hangs
				return
			}
			if err != nil || ended(before) || a.Get("x") != extended {
				t.Fatalf("got %v, and the experiment has ended: %v", err, ended(before))
			}
			time.Sleep(time.Minute)
			a.want(a.step())
		})
	}
}
