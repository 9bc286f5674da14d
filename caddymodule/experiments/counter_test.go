package experiments

import (
	"testing"
	"time"
)

// A counter continues where it stopped, and keeps what the journal has forgotten since.
func TestCounter(t *testing.T) {
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	j := NewJournal(3)
	add := func(rule string, seconds ...int) {
		for _, s := range seconds {
			j.Add(&Entry{Rule: rule, Time: at(s)})
		}
	}
	var c *Counter
	want := func(what string, n int, complete bool) {
		t.Helper()
		if got, all := c.Count(); got != n || all != complete {
			t.Errorf("%s: got %d entries, all of them: %v, want %d, %v", what, got, all, n, complete)
		}
	}
	add("a", 0)
	c = j.Counter(Query{Rule: "a", Since: at(0)})
	want("one there before", 1, true)
	add("b", 1)
	add("a", 2, 3)
	want("the first one is pushed out", 3, true)
	want("nothing new", 3, true)
	add("a", 4, 5, 6, 7)
	want("one came and went", 6, false)
	j.Empty()
	want("emptied", 0, false)
	add("a", 8)
	want("one more", 1, false)

	c = j.Counter(Query{Since: at(8)})
	want("another one", 1, true)
	add("a", 1, 2, 3, 4, 5) // entries that come and go are too old to count
	want("old ones", 1, false)

	c = j.Counter(Query{Since: at(9)})
	add("a", 1, 2, 3, 9)
	want("the new one", 1, true)
	j.Resize(5)
	want("resized", 1, true)
	j.Resize(0)
	want("no journal", 0, false)
}

// A counter does not look at an entry twice.
func TestCounterLooksOnce(t *testing.T) {
	const size = 100
	j := NewJournal(size)
	for range size {
		j.Add(&Entry{Time: time.Unix(1, 0)})
	}
	c := j.Counter(Query{Since: time.Unix(1, 0)})
	c.Count()
	for i := range *j.ring {
		(*j.ring)[i].Store(nil) // it would count as pushed out
	}
	j.Add(&Entry{Time: time.Unix(1, 0)})
	if n, all := c.Count(); n != size+1 || !all {
		t.Errorf("got %d entries, all of them: %v", n, all)
	}
}
