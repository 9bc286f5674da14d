package experiments

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// follow opens a feed and returns the numbers of the existing entries.
func follow(t *testing.T, j *Journal, q Query) (feed *Feed, known string) {
	t.Helper()
	feed, entries, err := j.Follow(q)
	if err != nil {
		t.Fatal(err)
	}
	return feed, seqs(entries)
}

// eventLine describes an event in a few words.
func eventLine(e *Event) string {
	return fmt.Sprint(e.Seq(), map[bool]string{true: " done"}[e.Done()])
}

// wantEvents checks which events have come.
func wantEvents(t *testing.T, feed *Feed, want ...string) {
	t.Helper()
	var got []string
	for e, err := feed.Next(); e != nil || err != nil; e, err = feed.Next() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, eventLine(e))
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("got events %q, want %q", got, want)
	}
}

func TestFeed(t *testing.T) {
	j := NewJournal(10)
	first := j.Add(&Entry{Rule: "a"})
	j.Add(&Entry{Rule: "b"})
	feed, known := follow(t, j, Query{Rule: "a", AfterSeq: 1})
	if known != "" {
		t.Errorf("got known entries %q, want none", known)
	}
	j.Finish(first, End{Took: time.Second, Bytes: 1}) // it had only begun for the reader
	j.Add(&Entry{Rule: "b"})
	last := j.Add(&Entry{Rule: "a"})
	wantEvents(t, feed, "1 done", "4")
	j.Finish(last, End{Took: time.Second, Bytes: 1})
	wantEvents(t, feed, "4 done")
	wantEvents(t, feed)
	feed.Close()
	feed.Close() // a second call does nothing
	j.Add(&Entry{Rule: "a"})
	again, known := follow(t, j, Query{Rule: "a"})
	defer again.Close()
	wantEvents(t, again)
	if known != "1 4 5" {
		t.Errorf("got known entries %q", known)
	}
}

// If entries change while a reader takes the existing ones, the changes arrive as
// events, and not before.
func TestFeedBegins(t *testing.T) {
	j := NewJournal(10)
	rec := j.Add(&Entry{})
	feed, known, err := j.Follow(Query{})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	j.Finish(rec, End{Took: time.Second, Bytes: 1})
	for e := range known {
		if e.Done {
			t.Errorf("%+v has not ended yet", e)
		}
	}
	wantEvents(t, feed, "1 done")
}

// An entry that has been pushed out of the journal still ends for the readers, and so
// does an entry that no journal remembers.
func TestFeedOfSmallJournal(t *testing.T) {
	for _, size := range []int{0, 1} {
		j := NewJournal(size)
		feed, _ := follow(t, j, Query{})
		first := j.Add(&Entry{})
		j.Add(&Entry{})
		j.Finish(first, End{Took: time.Second, Bytes: 1})
		wantEvents(t, feed, "1", "2", "1 done")
		feed.Close()
	}
}

// A reader that followed an earlier process gets everything.
func TestFeedAfterRestart(t *testing.T) {
	j := NewJournal(10)
	j.Add(&Entry{})
	feed, known := follow(t, j, Query{AfterSeq: 5000})
	defer feed.Close()
	if known != "1" {
		t.Errorf("got known entries %q, want 1", known)
	}
	j.Add(&Entry{})
	wantEvents(t, feed, "2")
}

// A reader that is too slow gets an error. Requests and other readers continue.
func TestFeedSlowReader(t *testing.T) {
	j := NewJournal(10)
	slow, _ := follow(t, j, Query{})
	defer slow.Close()
	quick, _ := follow(t, j, Query{})
	defer quick.Close()
	for i := range feedSize {
		j.Add(&Entry{})
		wantEvents(t, quick, fmt.Sprint(i+1))
	}
	if e, err := slow.Next(); err != nil || e.Seq() != 1 {
		t.Fatalf("got %v, %v, though the log has it all", e, err)
	}
	j.Add(&Entry{})
	j.Add(&Entry{})
	if e, err := slow.Next(); !errors.Is(err, ErrSlow) {
		t.Errorf("got %v, %v, want that it is too slow", e, err)
	}
	wantEvents(t, quick, fmt.Sprint(feedSize+1), fmt.Sprint(feedSize+2))
}

// An event is encoded once for all readers, in its state at that time.
func TestFeedEncodesOnce(t *testing.T) {
	j := NewJournal(10)
	encoded := 0
	encode := func(e *Entry) []byte {
		encoded++
		return fmt.Append(nil, e.Seq, e.Done)
	}
	var feeds []*Feed
	for range 3 {
		feed, _ := follow(t, j, Query{})
		defer feed.Close()
		feeds = append(feeds, feed)
	}
	j.Finish(j.Add(&Entry{}), End{Took: time.Second, Bytes: 1})
	for _, feed := range feeds {
		for _, want := range []string{"1 false", "1 true"} {
			e, err := feed.Next()
			if err != nil {
				t.Fatal(err)
			}
			if got := string(e.Text(encode)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	if encoded != 2 {
		t.Errorf("encoded %d times, want 2", encoded)
	}
}

// The number of feeds is bounded. A feed that ends makes room.
func TestFeedCap(t *testing.T) {
	j := NewJournal(1)
	var feeds []*Feed
	for range MaxFeeds {
		feed, _ := follow(t, j, Query{})
		feeds = append(feeds, feed)
	}
	if _, _, err := j.Follow(Query{}); !errors.Is(err, ErrFeeds) {
		t.Errorf("got %v, want that there are too many", err)
	}
	feeds[0].Close()
	feeds[0].Close()
	feeds[0], _ = follow(t, j, Query{})
	if _, _, err := j.Follow(Query{}); !errors.Is(err, ErrFeeds) {
		t.Errorf("got %v, want that there are too many again", err)
	}
	for _, feed := range feeds {
		feed.Close()
	}
	if j.log != nil {
		t.Error("the log is kept, though nobody reads it")
	}
}

// The first news wakes a waiter immediately. Further news within the interval wakes it
// once.
func TestBroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Broadcast{Every: 50 * time.Millisecond}
		b.Send() // no waiter
		start := time.Now()
		for _, want := range []time.Duration{0, 50 * time.Millisecond, 100 * time.Millisecond} {
			woken, other := b.Next(), b.Next()
			for range 100 {
				b.Send()
			}
			<-woken
			<-other
			if got := time.Since(start); got != want {
				t.Errorf("woken after %v, want %v", got, want)
			}
		}
		late := b.Next()
		time.Sleep(time.Second)
		select {
		case <-late:
			t.Error("woken without news")
		default:
		}
		b.Send()
		synctest.Wait()
		select {
		case <-late:
		default:
			t.Error("not woken at once after a silence")
		}
	})
}

// A refused trigger ends immediately: its entry is done, and has one event.
func TestFeedOfRefusals(t *testing.T) {
	j := NewJournal(10)
	j.Add(&Entry{Refused: "why"})
	feed, known := follow(t, j, Query{})
	defer feed.Close()
	if known != "1" {
		t.Errorf("got known entries %q, want the one", known)
	}
	j.Add(&Entry{Refused: "why"})
	hit := j.Add(&Entry{})
	j.Finish(hit, End{Took: time.Second, Bytes: 1})
	for i, want := range []struct{ done, alone bool }{{false, true}, {false, false}, {true, true}} {
		e, err := feed.Next()
		if err != nil || e.Done() != want.done || e.Alone() != want.alone {
			t.Errorf("event %d: done %v, alone %v, want %v; %v", i, e.Done(), e.Alone(), want, err)
		}
	}
	for e := range j.Entries(Query{}) {
		if !e.Done || (e.Refused != "") != (e.Duration == 0) {
			t.Errorf("got %+v", e)
		}
	}
}
