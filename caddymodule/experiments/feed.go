package experiments

import (
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxFeeds is the maximum number of open feeds.
	MaxFeeds = 1000

	feedEvery = 80 * time.Millisecond // minimum interval between two wakes of a feed
	feedSize  = 4096                  // how many events a feed may lag
)

// Errors of a feed.
var (
	ErrFeeds = errors.New("too many feeds are open")
	ErrSlow  = errors.New("the reader is too slow")
)

// Event reports that a hit has begun, or that its request has ended. All feeds share
// the same events.
type Event struct {
	number uint64
	rec    *Record
	done   bool

	once sync.Once
	text []byte
}

// Seq returns the number of the journal entry.
func (e *Event) Seq() uint64 { return e.rec.entry.Seq }

// Done reports whether the request has ended.
func (e *Event) Done() bool { return e.done }

// Alone reports whether no end event follows this event.
func (e *Event) Alone() bool { return e.done || e.rec.entry.Done }

// Text returns the event in the form that encode writes. Encode runs once for all
// feeds. The caller must not modify the result.
func (e *Event) Text(encode func(*Entry) []byte) []byte {
	e.once.Do(func() {
		entry := e.rec.at(e.number)
		e.text = encode(&entry)
	})
	return e.text
}

// log holds the last events, each at the index of its number. Writers hold the lock of
// the journal; readers need no lock.
type log struct {
	last atomic.Uint64
	ring [feedSize]atomic.Pointer[Event]
}

// tell makes an event of a record that has begun or ended. The caller holds the lock.
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

// Feed delivers new events to one reader.
type Feed struct {
	journal *Journal
	log     *log
	query   Query
	read    uint64 // the number of the last event
	close   func()
}

// Follow opens a feed of the entries that q selects, and returns the existing entries.
// It returns [ErrFeeds] if [MaxFeeds] feeds are open.
func (j *Journal) Follow(q Query) (*Feed, iter.Seq[Entry], error) {
	f := &Feed{journal: j, query: q, close: sync.OnceFunc(j.leave)}
	f.query.AfterSeq = 0 // new events come later; an entry seen as begun may be done now
	v, err := j.join(f)
	if err != nil {
		return nil, nil, err
	}
	if q.AfterSeq > v.last {
		q.AfterSeq = 0 // the reader knows the entry from an earlier process
	}
	return f, v.entries(q), nil
}

// join opens a feed and returns the existing entries.
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

// Woken returns a channel that is closed when there are new events. A reader takes the
// channel first and then calls Next.
func (f *Feed) Woken() <-chan struct{} { return f.journal.news.Next() }

// Next returns the next event, or nil if there are no new events. It returns [ErrSlow]
// if later events have overwritten the next one.
func (f *Feed) Next() (*Event, error) {
	for last := f.log.last.Load(); f.read < last; {
		f.read++
		switch e := f.log.ring[f.read%feedSize].Load(); {
		case e.number != f.read:
			return nil, ErrSlow
		case f.query.wants(e.rec, e.number):
			return e, nil
		}
	}
	return nil, nil
}

// Close ends the feed.
func (f *Feed) Close() { f.close() }
