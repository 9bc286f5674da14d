package experiments

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// addEachSecond adds entries, with a second after each.
func addEachSecond(j *Journal, n int) {
	for i := range n {
		j.Add(&Entry{Rule: fmt.Sprint("r", i), Time: time.Now()})
		time.Sleep(time.Second)
	}
}

// TestKeep checks that entries leave the journal when they are too old, also while
// nobody adds or reads any.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := NewJournal(10)
		j.Keep(5 * time.Second)
		addEachSecond(j, 4) // 1 to 4, at 0 s to 3 s; now at 4 s
		wantSeqs(t, j, Query{}, "1 2 3 4")
		time.Sleep(1500 * time.Millisecond) // 5.5 s
		wantSeqs(t, j, Query{}, "2 3 4")
		time.Sleep(2 * time.Second) // 7.5 s
		wantSeqs(t, j, Query{}, "4")
		time.Sleep(time.Second) // 8.5 s
		wantSeqs(t, j, Query{}, "")
		if rec := j.ring.get(4); rec != nil {
			t.Errorf("the journal still holds %+v", rec.entry)
		}
		time.Sleep(time.Hour)
		addEachSecond(j, 1)
		wantSeqs(t, j, Query{}, "5")
		time.Sleep(5 * time.Second)
		wantSeqs(t, j, Query{}, "")
		j.Keep(0)
	})
}

// TestKeepChanges checks what a new limit does to the entries that there are.
func TestKeepChanges(t *testing.T) {
	for _, tt := range []struct {
		name         string
		before, keep time.Duration
		want, later  string
	}{
		{"shorter", time.Minute, 3500 * time.Millisecond, "3 4 5", ""},
		{"a first limit", 0, 2500 * time.Millisecond, "4 5", ""},
		{"longer", 10 * time.Second, time.Hour, "1 2 3 4 5", "1 2 3 4 5"},
		{"none", 10 * time.Second, 0, "1 2 3 4 5", "1 2 3 4 5"},
		{"the same", 10 * time.Second, 10 * time.Second, "1 2 3 4 5", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := NewJournal(10)
				j.Keep(tt.before)
				addEachSecond(j, 5)
				j.Keep(tt.keep)
				wantSeqs(t, j, Query{}, tt.want)
				time.Sleep(20 * time.Second)
				wantSeqs(t, j, Query{}, tt.later)
				j.Keep(0)
			})
		})
	}
}

// TestKeepWithOthers checks that a limit in time works with the other things that remove
// entries, and that a request may end after its entry.
func TestKeepWithOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := NewJournal(3)
		j.Keep(10 * time.Second)
		held := j.Add(&Entry{Rule: "held", Time: time.Now()})
		addEachSecond(j, 4)
		wantSeqs(t, j, Query{}, "3 4 5")
		j.Resize(6)
		wantSeqs(t, j, Query{}, "3 4 5")
		addEachSecond(j, 2)
		j.Empty()
		wantSeqs(t, j, Query{}, "")
		addEachSecond(j, 1)
		time.Sleep(time.Minute)
		j.Finish(held, End{Took: time.Minute})
		wantSeqs(t, j, Query{}, "")
		j.Keep(0)
	})
}

// TestKeepLost checks that a reader learns that entries are missing, as after any loss.
func TestKeepLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, start := NewJournal(10), time.Now()
		j.Keep(2 * time.Second)
		addEachSecond(j, 3)
		time.Sleep(time.Second / 2) // not at the moment at which an entry expires
		if lost := j.view().lost; !lost.Equal(start.Add(time.Second)) {
			t.Errorf("the last lost entry is of %v, want %v", lost.Sub(start), time.Second)
		}
		j.Keep(0)
	})
}

// TestKeepFeed checks that a feed reports what has happened, even if the entry is gone.
func TestKeepFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := NewJournal(10)
		j.Keep(time.Second)
		feed, known, err := j.Follow(Query{})
		if err != nil || len(slices.Collect(known)) != 0 {
			t.Fatal(err)
		}
		rec := j.Add(&Entry{Rule: "a", Time: time.Now()})
		time.Sleep(time.Minute)
		j.Finish(rec, End{Took: time.Minute})
		for _, done := range []bool{false, true} {
			e, err := feed.Next()
			if err != nil || e == nil || e.Done() != done {
				t.Fatalf("got %+v, %v, want the event with done %v", e, err, done)
			}
		}
		feed.Close()
		j.Keep(0)
	})
}
