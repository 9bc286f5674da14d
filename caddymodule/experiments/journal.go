package experiments

import (
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Entry is an injected fault or a refused trigger.
type Entry struct {
	// Seq numbers the entries of the process, starting at 1.
	Seq uint64 `json:"seq"`

	Time  time.Time `json:"time"`
	ID    ID        `json:"id,omitzero"` // faults only
	Point string    `json:"point"`
	Rule  string    `json:"rule"`
	Kind  string    `json:"kind,omitempty"` // faults only

	// Refused is why a trigger was refused.
	Refused string `json:"refused,omitempty"`

	// Method, Host and Path come from the request, without its query. Texts over 1 KiB
	// are cut and end in "…".
	Method string `json:"method"`
	Host   string `json:"host"`
	Path   string `json:"path"`

	Client string `json:"client,omitempty"`
	Trace  string `json:"trace_id,omitempty"`

	TriggerID string `json:"trigger_id,omitempty"` // in the line of the trigger

	// UpstreamStatus is the status of the reply on which a rule in phase response
	// fired.
	UpstreamStatus int `json:"upstream_status,omitempty"`

	// Change is what the faults have changed in the body of the reply. A change of a later
	// fault of the rule is known when the request has ended.
	Change []faults.Change `json:"change,omitempty"`

	// Call is the call of the client that the request belongs to. Attempt is the number of
	// the attempt in the call, from 1. Both are absent unless clients are recorded.
	Call    clients.CallID `json:"call,omitzero"`
	Attempt int32          `json:"attempt,omitempty"`

	// Done reports that the request has ended. The fields below are known then. For a
	// refused trigger they remain unknown.
	Done bool `json:"done"`

	// Duration is the time from the hit to the end of the request, in seconds.
	Duration float64 `json:"duration,omitempty"`

	// Bytes is the size of the reply's body, if Caddy records it.
	Bytes int `json:"bytes,omitempty"`

	// Outcome is how the request ended for its client: "reply <status>", "cut",
	// "no_reply" or "left". It is absent unless clients are recorded.
	Outcome string `json:"outcome,omitempty"`

	// LeftAfter is how long the client waited until it left, in seconds. It is absent if
	// the client did not leave, or if that was noticed late.
	LeftAfter float64 `json:"left_after,omitempty"`
}

// End is how the request of an entry ended.
type End struct {
	Took   time.Duration
	Bytes  int
	Ending clients.Ending
	Left   time.Duration // how long the client waited until it left; 0: not known
	Change []faults.Change
}

// maxText is the maximum size, in bytes, of texts that a client chooses. A journal can
// have many entries.
const maxText = 1 << 10

// Take copies what the entry needs from the request. Its texts may be parts of the
// request line and would keep a long line in memory, so Take copies them.
func (e *Entry) Take(r *http.Request) {
	e.Method, e.Host, e.Path = r.Method, r.Host, r.URL.Path
	if len(r.Method)+len(r.Host)+len(r.URL.Path)+len(r.RequestURI) > maxText {
		e.own()
	}
}

// own copies the texts of the entry and cuts long ones.
func (e *Entry) own() {
	method, host, path := Cut(e.Method, maxText), Cut(e.Host, maxText), Cut(e.Path, maxText)
	var one strings.Builder // one allocation for the three
	one.Grow(len(method) + len(host) + len(path))
	one.WriteString(method)
	one.WriteString(host)
	one.WriteString(path)
	all := one.String()
	e.Method, all = all[:len(method)], all[len(method):]
	e.Host, e.Path = all[:len(host)], all[len(host):]
}

// Cut shortens a text to a number of bytes without splitting a character. A text that has
// been shortened ends in "…".
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// Record is an entry in the journal. Only [Journal.Finish] changes a record after it
// was added, so reading it needs no lock.
type Record struct {
	entry Entry         // state at the start of the hit
	ended atomic.Uint64 // number of the end event; 0: the request continues
	end   End           // known after the end of the request
}

// Age returns how long before now the hit was.
func (rec *Record) Age(now time.Time) time.Duration { return now.Sub(rec.entry.Time) }

// at returns the entry as of an event.
func (rec *Record) at(event uint64) Entry {
	e := rec.entry
	if ended := rec.ended.Load(); ended > 0 && ended <= event {
		e.Done, e.Duration, e.Bytes = true, rec.end.Took.Seconds(), rec.end.Bytes
		e.Outcome, e.LeftAfter = rec.end.Ending.String(), rec.end.Left.Seconds()
		e.Change = rec.end.Change
	}
	return e
}

// ring holds the last records, each at the index of its number.
type ring []atomic.Pointer[Record]

func (g ring) at(seq uint64) *atomic.Pointer[Record] { return &g[seq%uint64(len(g))] }

// get returns the record with a number, or nil if it has been pushed out.
func (g ring) get(seq uint64) *Record {
	if rec := g.at(seq).Load(); rec != nil && rec.entry.Seq == seq {
		return rec
	}
	return nil
}

// Journal remembers the last injected faults and feeds new ones to its readers. Each
// hit takes its lock, so readers use a [view] and do not hold the lock while they look
// at records.
type Journal struct {
	news Broadcast // of the feeds

	mu     sync.Mutex
	ring   *ring // replaced by Resize and Empty
	spare  []Record
	seq    uint64    // of the last record
	first  uint64    // oldest entry that Empty has not removed
	latest time.Time // of all records
	lost   time.Time // time of the latest removed record
	events uint64    // number of the last event
	feeds  int
	log    *log // nil: no open feed

	retention retention
}

// NewJournal returns a journal of n entries.
func NewJournal(size int) *Journal {
	fresh := make(ring, size)
	return &Journal{ring: &fresh, first: 1, news: Broadcast{Every: feedEvery}}
}

// Resize changes the number of entries. The latest entries are kept.
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

// Empty removes all entries. It resets no counter, and feeds still report the ends of
// current requests.
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

// Add adds a hit and returns its record, for Finish.
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
	j.added()
	j.tell(rec, false)
	return rec
}

// slab is the number of records per allocation. They fill 10 KiB.
const slab = 29

// blank returns a new record. If entries have a limit in time, each record has separate
// memory, which ends with the record.
func (j *Journal) blank() *Record {
	if j.retention.keep > 0 {
		return new(Record)
	}
	if len(j.spare) == 0 {
		j.spare = make([]Record, slab)
	}
	rec := &j.spare[0]
	j.spare = j.spare[1:]
	return rec
}

// lose records that an entry has been removed. The order of entries can differ from the
// order of their times.
func (j *Journal) lose(at time.Time) {
	if at.After(j.lost) {
		j.lost = at
	}
}

// Finish completes a record after its request has ended.
func (j *Journal) Finish(rec *Record, end End) {
	defer j.news.Send()
	j.mu.Lock()
	defer j.mu.Unlock()
	if rec.ended.Load() > 0 {
		return
	}
	rec.end = end
	j.tell(rec, true)
}

// oldest returns the number of the oldest entry.
func (j *Journal) oldest() uint64 {
	if size := uint64(len(*j.ring)); j.seq >= size {
		return max(j.first, j.seq-size+1)
	}
	return j.first
}

// view is the journal at an instant. The lock has been released, so hits may push out
// records that the view still names.
type view struct {
	*ring
	oldest, last uint64 // record numbers
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

// Entries returns the entries that q selects, oldest first, in their current state.
func (j *Journal) Entries(q Query) iter.Seq[Entry] {
	v := j.view()
	return v.entries(q)
}

// entries selects the records first, from the latest to the oldest, and then reads them
// one by one.
func (v *view) entries(q Query) iter.Seq[Entry] {
	var found []*Record
	for seq := v.last; seq >= max(v.oldest, q.AfterSeq+1); seq-- {
		if rec := v.get(seq); rec != nil && q.wants(rec, v.event) {
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
