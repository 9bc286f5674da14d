package experiments

import (
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Entry is one injected fault, or one trigger that was refused.
type Entry struct {
	// Seq numbers the entries of the process, from 1.
	Seq uint64 `json:"seq"`

	Time  time.Time `json:"time"`
	ID    ID        `json:"id,omitzero"` // only of a fault
	Point string    `json:"point"`
	Rule  string    `json:"rule"`
	Kind  string    `json:"kind,omitempty"` // only of a fault

	// Refused is why a trigger injects nothing.
	Refused string `json:"refused,omitempty"`

	// Method, Host and Path are the request's, without its query. What is longer
	// than 1 KiB is cut there and ends in "…".
	Method string `json:"method"`
	Host   string `json:"host"`
	Path   string `json:"path"`

	Client string `json:"client,omitempty"`
	Trace  string `json:"trace_id,omitempty"`

	// UpstreamStatus is the status of the reply on which a rule of phase
	// response fired.
	UpstreamStatus int `json:"upstream_status,omitempty"`

	// Done says that the request is over; the fields below are known then. Of a
	// refused trigger nothing more is told.
	Done bool `json:"done"`

	// Duration is how long the request took from the hit on, in seconds.
	Duration float64 `json:"duration,omitempty"`

	// Bytes is the size of the reply's body, where Caddy records it.
	Bytes int `json:"bytes,omitempty"`
}

// ID tells a hit from all others.
type ID uint64

// String is the ID as it stands in logs and replies.
func (id ID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// MarshalText writes the ID as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText has written.
func (id *ID) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	*id = ID(n)
	return err
}

// maxText is the size, in bytes, to which what a client chooses freely is cut: a
// journal can have many entries.
const maxText = 1 << 10

// Take takes over what the entry tells of the request. Its texts may be parts of
// the request line, and would keep it in memory: those of a long one are copied.
func (e *Entry) Take(r *http.Request) {
	e.Method, e.Host, e.Path = r.Method, r.Host, r.URL.Path
	if len(r.Method)+len(r.Host)+len(r.URL.Path)+len(r.RequestURI) > maxText {
		e.own()
	}
}

// own makes the texts of the entry its own, and not too long.
func (e *Entry) own() {
	method, host, path := cut(e.Method, maxText), cut(e.Host, maxText), cut(e.Path, maxText)
	var one strings.Builder // a single piece of memory for the three
	one.Grow(len(method) + len(host) + len(path))
	one.WriteString(method)
	one.WriteString(host)
	one.WriteString(path)
	all := one.String()
	e.Method, all = all[:len(method)], all[len(method):]
	e.Host, e.Path = all[:len(host)], all[len(host):]
}

// cut shortens a text that has more than so many bytes, and not in the middle of
// a character.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// Record is an entry as the journal has it. Nobody changes it once it is there,
// except that [Journal.Finish] completes it, so that it is read without a lock.
type Record struct {
	entry Entry         // as the hit began
	ended atomic.Uint64 // the number of the event of its end; 0: the request goes on
	took  time.Duration // known when it has ended
	bytes int
}

// Age returns how long ago the hit was.
func (rec *Record) Age() time.Duration { return time.Since(rec.entry.Time) }

// at returns the entry as it was after an event.
func (rec *Record) at(event uint64) Entry {
	e := rec.entry
	if ended := rec.ended.Load(); ended > 0 && ended <= event {
		e.Done, e.Duration, e.Bytes = true, rec.took.Seconds(), rec.bytes
	}
	return e
}

// ring has the last records, each at the place of its number.
type ring []atomic.Pointer[Record]

func (g ring) at(seq uint64) *atomic.Pointer[Record] { return &g[seq%uint64(len(g))] }

// get returns the record of that number, or nil if it has been pushed out.
func (g ring) get(seq uint64) *Record {
	if rec := g.at(seq).Load(); rec != nil && rec.entry.Seq == seq {
		return rec
	}
	return nil
}

// Journal remembers the last injected faults, and feeds its readers with new
// ones. Each hit takes its lock, so nobody looks at records under it: readers
// take a [view].
type Journal struct {
	news Broadcast // to the feeds

	mu     sync.Mutex
	ring   *ring // replaced when it is resized or emptied
	spare  []Record
	seq    uint64    // of the last record
	first  uint64    // the oldest that has not been emptied
	latest time.Time // of all records
	lost   time.Time // of the latest record that is not there any more
	events uint64    // the number of the last one
	feeds  int
	log    *log // nil: no feed is open
}

// NewJournal returns a journal of that many entries.
func NewJournal(size int) *Journal {
	fresh := make(ring, size)
	return &Journal{ring: &fresh, first: 1, news: Broadcast{Every: feedEvery}}
}

// Resize changes the number of entries; the last ones stay.
func (j *Journal) Resize(size int) {
	fresh := make(ring, size)
	j.mu.Lock()
	defer j.mu.Unlock()
	if size == len(*j.ring) {
		return
	}
	before, oldest := j.ring, j.oldest()
	j.ring, j.first = &fresh, oldest
	for seq := oldest; seq <= j.seq; seq++ {
		if rec := before.get(seq); seq >= j.oldest() {
			fresh.at(seq).Store(rec)
		} else {
			j.lose(rec.entry.Time)
		}
	}
	j.first = j.oldest()
}

// Empty forgets the entries. It resets no counter, and feeds still learn how the
// requests end that go on.
func (j *Journal) Empty() {
	j.mu.Lock()
	size := len(*j.ring)
	j.mu.Unlock()
	fresh := make(ring, size)
	j.mu.Lock()
	defer j.mu.Unlock()
	if size != len(*j.ring) { // resized meanwhile
		fresh = make(ring, len(*j.ring))
	}
	j.lose(j.latest)
	j.ring, j.spare, j.first = &fresh, nil, j.seq+1
}

// Add enters a hit and returns its record, for Finish.
func (j *Journal) Add(e *Entry) *Record {
	defer j.news.Send()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	rec := j.blank()
	rec.entry = *e
	rec.entry.Seq = j.seq
	rec.entry.Done = e.Refused != ""
	if e.Time.After(j.latest) {
		j.latest = e.Time
	}
	if len(*j.ring) == 0 {
		j.lose(e.Time)
	} else if before := j.ring.at(j.seq).Swap(rec); before != nil {
		j.lose(before.entry.Time)
	}
	j.tell(rec, false)
	return rec
}

// slab is how many records are allocated at once: they fill 8 KiB.
const slab = 34

// blank returns a new record.
func (j *Journal) blank() *Record {
	if len(j.spare) == 0 {
		j.spare = make([]Record, slab)
	}
	rec := &j.spare[0]
	j.spare = j.spare[1:]
	return rec
}

// lose notes that an entry is not there any more. Entries may come in another
// order than by their times.
func (j *Journal) lose(at time.Time) {
	if at.After(j.lost) {
		j.lost = at
	}
}

// Finish completes a record when its request has ended.
func (j *Journal) Finish(rec *Record, took time.Duration, bytes int) {
	defer j.news.Send()
	j.mu.Lock()
	defer j.mu.Unlock()
	if rec.ended.Load() > 0 {
		return
	}
	rec.took, rec.bytes = took, bytes
	j.tell(rec, true)
}

// oldest returns the number of the oldest entry.
func (j *Journal) oldest() uint64 {
	if size := uint64(len(*j.ring)); j.seq >= size {
		return max(j.first, j.seq-size+1)
	}
	return j.first
}

// view is the journal at an instant. The lock has been released, so that hits
// may push out what it can still name.
type view struct {
	*ring
	oldest, last uint64 // numbers of records
	event        uint64
	lost         time.Time
}

func (j *Journal) view() view {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.viewLocked()
}

func (j *Journal) viewLocked() view {
	return view{ring: j.ring, oldest: j.oldest(), last: j.seq, event: j.events, lost: j.lost}
}

// Query selects entries.
type Query struct {
	Rule     string    // "" for all
	Point    string    // "" for all
	AfterSeq uint64    // only later ones
	Since    time.Time // only these and later ones
	Limit    int       // the last n; 0 for all
}

func (q *Query) wants(e *Entry) bool {
	return (q.Rule == "" || e.Rule == q.Rule) && (q.Point == "" || e.Point == q.Point) &&
		e.Seq > q.AfterSeq && !e.Time.Before(q.Since)
}

// Entries returns those that q selects, the oldest first, as they are now.
func (j *Journal) Entries(q Query) iter.Seq[Entry] {
	v := j.view()
	return v.entries(q)
}

// entries finds the records at once, from the last one back, and reads them one
// by one.
func (v *view) entries(q Query) iter.Seq[Entry] {
	var found []*Record
	for seq := v.last; seq >= max(v.oldest, q.AfterSeq+1); seq-- {
		if rec := v.get(seq); rec != nil && q.wants(&rec.entry) {
			found = append(found, rec)
			if len(found) == q.Limit {
				break
			}
		}
	}
	event := v.event
	return func(yield func(Entry) bool) {
		for _, rec := range slices.Backward(found) {
			if !yield(rec.at(event)) {
				return
			}
		}
	}
}
