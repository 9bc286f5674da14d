package experiments

import (
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxFeeds is how many feeds may be open at a time.
	MaxFeeds = 1000

	feedEvery = 80 * time.Millisecond // how often a feed is woken at most
	feedSize  = 4096                  // how many events it may lag behind
)

// What a feed refuses.
var (
	ErrFeeds = errors.New("too many feeds are open")
	ErrSlow  = errors.New("the reader is too slow")
)

// Event is a hit that begins, or one whose request has ended. All feeds have the
// same.
type Event struct {
	number uint64
	rec    *Record
	done   bool

	once sync.Once
	text []byte
}

// Seq returns the number of its entry.
func (e *Event) Seq() uint64 { return e.rec.entry.Seq }

// Done reports whether the request has ended.
func (e *Event) Done() bool { return e.done }

// Alone reports whether no event of an end follows this one.
func (e *Event) Alone() bool { return e.done || e.rec.entry.Done }

// Text returns the event as encode writes it, which is called once for all
// feeds. The caller must not change it.
func (e *Event) Text(encode func(*Entry) []byte) []byte {
	e.once.Do(func() {
		entry := e.rec.at(e.number)
		e.text = encode(&entry)
	})
	return e.text
}

// log has the last events, each at the place of its number. It is written under
// the lock of the journal, and read without.
type log struct {
	last atomic.Uint64
	ring [feedSize]atomic.Pointer[Event]
}

// tell makes an event of a record that has begun or ended. The caller has the
// lock.
func (j *Journal) tell(rec *Record, done bool) {
	j.events++
	if done {
		rec.ended.Store(j.events)
	}
	if j.log != nil {
		j.log.ring[j.events%feedSize].Store(&Event{number: j.events, rec: rec, done: done})
		j.log.last.Store(j.events)
	}
}

// Feed is the new events for one reader.
type Feed struct {
	journal *Journal
	log     *log
	query   Query
	read    uint64 // the number of the last event
	close   func()
}

// Follow begins a feed of the entries that q selects. The entries that are there
// already come back as well. It returns [ErrFeeds] if there are [MaxFeeds].
func (j *Journal) Follow(q Query) (*Feed, iter.Seq[Entry], error) {
	f := &Feed{journal: j, query: q, close: sync.OnceFunc(j.leave)}
	f.query.AfterSeq = 0 // what comes is later; and one known as begun may be done now
	v, err := j.join(f)
	if err != nil {
		return nil, nil, err
	}
	if q.AfterSeq > v.last {
		q.AfterSeq = 0 // the reader has it from a process before this one
	}
	return f, v.entries(q), nil
}

// join opens a feed and returns what comes before it.
func (j *Journal) join(f *Feed) (v view, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.feeds == MaxFeeds {
		return v, ErrFeeds
	}
	if j.feeds++; j.log == nil {
		j.log = new(log)
		j.log.last.Store(j.events)
	}
	f.log, f.read = j.log, j.events
	return j.viewLocked(), nil
}

func (j *Journal) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.feeds--; j.feeds == 0 {
		j.log = nil
	}
}

// Woken returns a channel that is closed when there are further events. A reader
// takes it first and then asks for the events.
func (f *Feed) Woken() <-chan struct{} { return f.journal.news.Next() }

// Next returns the next event, or nil if there is none yet. It returns [ErrSlow]
// if later events have pushed that one out.
func (f *Feed) Next() (*Event, error) {
	for last := f.log.last.Load(); f.read < last; {
		f.read++
		switch e := f.log.ring[f.read%feedSize].Load(); {
		case e.number != f.read:
			return nil, ErrSlow
		case f.query.wants(&e.rec.entry):
			return e, nil
		}
	}
	return nil, nil
}

// Close ends the feed.
func (f *Feed) Close() { f.close() }
