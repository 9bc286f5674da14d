package experiments

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Entry is one injected fault.
type Entry struct {
	// Seq numbers the entries of the process, from 1.
	Seq uint64 `json:"seq"`

	Time  time.Time `json:"time"`
	ID    ID        `json:"id"`
	Point string    `json:"point"`
	Rule  string    `json:"rule"`
	Kind  string    `json:"kind"`

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

	// Done says that the request is over; the fields below are known then.
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

// Journal remembers the last injected faults, and tells of new ones.
type Journal struct {
	mu      sync.Mutex
	ring    []Entry
	seq     uint64    // of the last entry
	first   uint64    // the oldest that has not been emptied
	lost    time.Time // of the latest entry that is not there any more
	readers map[*Feed]struct{}
}

// NewJournal is a journal of so many entries.
func NewJournal(size int) *Journal {
	return &Journal{ring: make([]Entry, size), first: 1, readers: make(map[*Feed]struct{})}
}

// Resize changes the number of entries; the last ones stay.
func (j *Journal) Resize(size int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if size == len(j.ring) {
		return
	}
	ring := make([]Entry, size)
	for seq := j.oldest(); seq <= j.seq; seq++ {
		if e := j.at(seq); j.seq-seq < uint64(size) {
			ring[seq%uint64(size)] = *e
		} else {
			j.lose(e)
		}
	}
	j.ring = ring
}

// Add enters a hit and returns its number, for Finish.
func (j *Journal) Add(e *Entry) (seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	e.Seq = j.seq
	if len(j.ring) > 0 {
		j.lose(j.at(e.Seq))
		*j.at(e.Seq) = *e
	} else {
		j.lose(e)
	}
	j.tell(e)
	return e.Seq
}

// lose notes that an entry is not there any more. They may have come in another
// order than by their times.
func (j *Journal) lose(e *Entry) {
	if e.Time.After(j.lost) {
		j.lost = e.Time
	}
}

// Finish completes an entry when its request is over.
func (j *Journal) Finish(seq uint64, took time.Duration, bytes int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.ring) == 0 {
		return
	}
	e := j.at(seq)
	if e.Seq != seq {
		return // pushed out
	}
	e.Done, e.Duration, e.Bytes = true, took.Seconds(), bytes
	j.tell(e)
	if seq < j.first {
		*e = Entry{} // emptied meanwhile
	}
}

// at is the place of an entry.
func (j *Journal) at(seq uint64) *Entry { return &j.ring[seq%uint64(len(j.ring))] }

// oldest is the number of the oldest entry that there is.
func (j *Journal) oldest() uint64 {
	if size := uint64(len(j.ring)); j.seq >= size {
		return max(j.first, j.seq-size+1)
	}
	return j.first
}

// Empty forgets the entries. It resets no counter. Those whose requests go on
// are only hidden: a reader has yet to be told how they end.
func (j *Journal) Empty() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.ring {
		j.lose(&j.ring[i])
		if j.ring[i].Done {
			j.ring[i] = Entry{}
		}
	}
	j.first = j.seq + 1
}

// Query selects entries.
type Query struct {
	Rule     string    // "" for all
	Point    string    // "" for all
	AfterSeq uint64    // only later ones
	Since    time.Time // only these and later ones
	Limit    int       // the last so many; 0 for all
}

func (q *Query) wants(e *Entry) bool {
	return (q.Rule == "" || e.Rule == q.Rule) && (q.Point == "" || e.Point == q.Point) &&
		e.Seq > q.AfterSeq && !e.Time.Before(q.Since)
}

// Entries are those that q selects, the oldest first.
func (j *Journal) Entries(q Query) []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries(q)
}

// Count is how many entries q selects, and whether those are all of the process
// since then. A journal of no size never knows.
func (j *Journal) Count(q Query) (n int, all bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.entries(q)), len(j.ring) > 0 && j.lost.Before(q.Since)
}

func (j *Journal) entries(q Query) []Entry {
	found := []Entry{}
	for seq := j.oldest(); seq <= j.seq && len(j.ring) > 0; seq++ {
		if e := j.at(seq); q.wants(e) {
			found = append(found, *e)
		}
	}
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[len(found)-q.Limit:]
	}
	return found
}

// feedSize is how many entries a reader may lag behind.
const feedSize = 256

// Feed is the live entries for one reader.
type Feed struct {
	// Entries has each entry twice, as it begins and when it is done, for all
	// readers the same, which must not change it. It is closed when the reader
	// is too slow.
	Entries <-chan *Entry

	journal *Journal
	send    chan *Entry
	query   Query
}

// Follow begins a feed of the entries that q selects. The entries that are there
// already come back as well.
func (j *Journal) Follow(q Query) (*Feed, []Entry) {
	send := make(chan *Entry, feedSize)
	f := &Feed{Entries: send, journal: j, send: send, query: q}
	f.query.AfterSeq = 0 // what comes is later; and one known as begun may be done now
	j.mu.Lock()
	defer j.mu.Unlock()
	if q.AfterSeq > j.seq {
		f.query.AfterSeq, q.AfterSeq = 0, 0 // the reader has it from a process before this one
	}
	j.readers[f] = struct{}{}
	return f, j.entries(q)
}

// tell sends an entry to the readers, who must not hold up a request.
func (j *Journal) tell(e *Entry) {
	if len(j.readers) == 0 {
		return
	}
	sent := *e // the one in the ring will change
	for f := range j.readers {
		if !f.query.wants(&sent) {
			continue
		}
		select {
		case f.send <- &sent:
		default:
			j.drop(f)
		}
	}
}

// drop ends a feed.
func (j *Journal) drop(f *Feed) {
	if _, ok := j.readers[f]; ok {
		delete(j.readers, f)
		close(f.send)
	}
}

// Close ends the feed.
func (f *Feed) Close() {
	f.journal.mu.Lock()
	defer f.journal.mu.Unlock()
	f.journal.drop(f)
}
