package experiments

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// seqs returns the numbers of the entries.
func seqs(entries iter.Seq[Entry]) string {
	var numbers []string
	for e := range entries {
		numbers = append(numbers, fmt.Sprint(e.Seq))
	}
	return strings.Join(numbers, " ")
}

func wantSeqs(t *testing.T, j *Journal, q Query, want string) {
	t.Helper()
	if got := seqs(j.Entries(q)); got != want {
		t.Errorf("%+v: got entries %q, want %q", q, got, want)
	}
}

func TestJournal(t *testing.T) {
	j := NewJournal(4)
	wantSeqs(t, j, Query{}, "")
	var records []*Record
	start := time.Now()
	for i, rule := range []string{"a", "b", "a", "b", "a", "b"} {
		records = append(records, j.Add(&Entry{Rule: rule, Point: fmt.Sprint("p", i/3), Time: start.Add(time.Duration(i) * time.Second)}))
	}
	wantSeqs(t, j, Query{}, "3 4 5 6")
	wantSeqs(t, j, Query{Rule: "a"}, "3 5")
	wantSeqs(t, j, Query{Point: "p0"}, "3")
	wantSeqs(t, j, Query{Limit: 2}, "5 6")
	wantSeqs(t, j, Query{Rule: "b", Limit: 1}, "6")
	wantSeqs(t, j, Query{Since: start.Add(4 * time.Second)}, "5 6")
	wantSeqs(t, j, Query{AfterSeq: 4}, "5 6")

	before := j.Entries(Query{AfterSeq: 4})
	j.Finish(records[1], End{Took: time.Second, Bytes: 10}) // pushed out
	j.Finish(records[4], End{Took: 1500 * time.Millisecond, Bytes: 54})
	j.Finish(records[4], End{Took: time.Second, Bytes: 1}) // a second call does nothing
	if e := slices.Collect(j.Entries(Query{AfterSeq: 4}))[0]; !e.Done || e.Duration != 1.5 || e.Bytes != 54 {
		t.Errorf("got %+v", e)
	}
	if e := slices.Collect(before)[0]; e.Done || e.Duration != 0 || e.Bytes != 0 {
		t.Errorf("got %+v, want it as it was when it was asked for", e)
	}
	j.Empty()
	wantSeqs(t, j, Query{}, "")
	if got := seqs(before); got != "5 6" {
		t.Errorf("got %q, want what was there when it was asked for", got)
	}
	j.Add(&Entry{})
	wantSeqs(t, j, Query{}, "7")
}

func TestJournalResize(t *testing.T) {
	j := NewJournal(3)
	for range 5 {
		j.Add(&Entry{})
	}
	for _, step := range []struct {
		size int
		want string
	}{{5, "3 4 5"}, {2, "4 5"}, {2, "4 5"}, {8, "4 5"}, {0, ""}} {
		j.Resize(step.size)
		wantSeqs(t, j, Query{}, step.want)
	}
	j.Finish(j.Add(&Entry{}), End{Took: time.Second, Bytes: 1}) // nowhere to remember it
	wantSeqs(t, j, Query{}, "")
	j.Resize(2)
	j.Add(&Entry{})
	wantSeqs(t, j, Query{}, "7")
}

// The texts of an entry are cut, in the ring and for the readers.
func TestJournalCuts(t *testing.T) {
	const a, umlaut, noText = "a", "ä", "\x80"
	for _, tt := range []struct{ method, host, path, wantMethod, wantHost, wantPath string }{
		{"GET", "a.test", "/b", "GET", "a.test", "/b"},
		{"", "", "", "", "", ""},
		{strings.Repeat(a, 1024), strings.Repeat(a, 1024), strings.Repeat(umlaut, 512), strings.Repeat(a, 1024), strings.Repeat(a, 1024), strings.Repeat(umlaut, 512)},
		{strings.Repeat(a, 1025), strings.Repeat(a, 1025), a + strings.Repeat(umlaut, 600), strings.Repeat(a, 1024) + "…", strings.Repeat(a, 1024) + "…", a + strings.Repeat(umlaut, 511) + "…"},
		{"GET", "", strings.Repeat(noText, 2000), "GET", "", strings.Repeat(noText, 1020) + "…"},
	} {
		var e Entry
		e.Take(&http.Request{Method: tt.method, Host: tt.host, URL: &url.URL{Path: tt.path}})
		if e.Method != tt.wantMethod || e.Host != tt.wantHost || e.Path != tt.wantPath {
			t.Errorf("%q %q %q: got %q %q %q", tt.method, tt.host, tt.path, e.Method, e.Host, e.Path)
		}
	}
}

// A short path does not keep the long line of which it is a part, neither in the ring
// nor for a slow reader.
func TestJournalKeepsNoLine(t *testing.T) {
	const entries, line = 50, 1 << 20
	for _, size := range []int{entries, 0} {
		j := NewJournal(size)
		feed, _ := follow(t, j, Query{})
		before := heap()
		for range entries {
			text := "GET /path?" + strings.Repeat("a", line)
			var e Entry
			e.Take(&http.Request{Method: text[:3], RequestURI: text[4:], URL: &url.URL{Path: text[4:9]}})
			j.Add(&e)
		}
		if grown := heap() - before; grown > line {
			t.Errorf("a journal of %d has grown by %d bytes for %d entries", size, grown, entries)
		}
		feed.Close()
	}
}

// An emptied journal has released its entries. A request that continues still ends for
// the readers.
func TestJournalEmptyFrees(t *testing.T) {
	const size = 5000
	j := NewJournal(size)
	for range size {
		j.Finish(j.Add(&Entry{Path: strings.Repeat("a", maxText)}), End{Took: time.Second, Bytes: 1})
	}
	running := j.Add(&Entry{Path: strings.Repeat("a", maxText)})
	full := heap()
	j.Empty()
	if freed := full - heap(); freed < size*maxText*9/10 {
		t.Errorf("%d bytes have been freed, want those of %d paths of %d bytes", freed, size, maxText)
	}
	feed, known := follow(t, j, Query{})
	defer feed.Close()
	j.Finish(running, End{Took: time.Second, Bytes: 1})
	wantEvents(t, feed, fmt.Sprint(running.entry.Seq, " done"))
	if known != "" {
		t.Errorf("got entries %q before", known)
	}
	wantSeqs(t, j, Query{}, "")
}

// A journal uses memory only for its entries. The bound is that of a ring of entries and
// of how they ended, plus what the allocator adds.
func TestJournalMemory(t *testing.T) {
	const size = 20_000
	before := heap()
	j := NewJournal(size)
	if empty := heap() - before; empty > 10*size {
		t.Errorf("an empty journal of %d takes %d bytes", size, empty)
	}
	for range 3 * size {
		j.Finish(j.Add(&Entry{}), End{Took: time.Second, Bytes: 1})
	}
	each := (heap() - before) / size
	t.Logf("%d bytes an entry of %d", each, unsafe.Sizeof(Entry{}))
	if most := int(unsafe.Sizeof(Entry{})) + 80; each > most {
		t.Errorf("%d bytes an entry, want at most %d", each, most)
	}
	runtime.KeepAlive(j)
}

// heap returns the memory in use.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A count reports whether it covers all entries that there have been.
func TestJournalCount(t *testing.T) {
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	j := NewJournal(3)
	want := func(since, n int, complete bool) {
		t.Helper()
		if got, all := j.Counter(Query{Rule: "a", Since: at(since)}).Count(); got != n || all != complete {
			t.Errorf("since %d: got %d entries, all of them: %v, want %d, %v", since, got, all, n, complete)
		}
	}
	want(-100, 0, true) // nothing is known from before the process
	for _, second := range []int{0, 2, 1, 3} {
		j.Add(&Entry{Rule: "a", Time: at(second)})
	}
	want(0, 3, false)
	want(1, 3, true)
	j.Add(&Entry{Rule: "b", Time: at(4)})
	j.Add(&Entry{Rule: "b", Time: at(5)}) // also pushes out the entry before it in time
	want(2, 1, false)
	want(3, 1, true)
	j.Resize(2)
	want(3, 0, false)
	j.Resize(5)
	want(4, 0, true)
	j.Empty()
	want(5, 0, false)
	want(6, 0, true)
	j.Add(&Entry{Rule: "a", Time: at(6)})
	want(6, 1, true)
	j.Resize(0)
	want(6, 0, false)
	want(7, 0, false) // it would not know of any
	j.Add(&Entry{Rule: "a", Time: at(8)})
	j.Resize(1)
	want(8, 0, false)
	want(9, 0, true)
}

func TestEntryJSON(t *testing.T) {
	text, err := json.Marshal(Entry{Seq: 1, ID: 0xab, Rule: "a"})
	if err != nil || !strings.Contains(string(text), `"id":"00000000000000ab"`) || strings.Contains(string(text), "upstream_status") {
		t.Errorf("got %s, %v", text, err)
	}
}

// Everything at the same time, for the race detector.
func TestJournalConcurrently(t *testing.T) {
	j := NewJournal(16)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			counter := j.Counter(Query{})
			for n := range 300 {
				feed, _, err := j.Follow(Query{})
				if err != nil {
					t.Error(err)
					return
				}
				j.Finish(j.Add(&Entry{}), End{Took: 0, Bytes: 0})
				entries := slices.Collect(j.Entries(Query{}))
				if !slices.IsSortedFunc(entries, func(a, b Entry) int { return int(a.Seq) - int(b.Seq) }) {
					t.Errorf("out of order: %v", entries)
				}
				if _, err := feed.Next(); err != nil {
					t.Error(err)
				}
				counter.Count()
				if n%50 == i {
					j.Resize(8 + i)
					j.Empty()
				}
				feed.Close()
			}
		})
	}
	wg.Wait()
}
