package seen

import (
	"sync"
	"sync/atomic"
	"time"
)

// Sizes of the rings.
const (
	seconds = 120
	tens    = 360
	ten     = 10 // seconds
)

// keep is how many seconds a point counts after its last hit or look.
const keep = int64(time.Hour / time.Second)

// Point counts the requests of one injection point. All handlers with the name share it,
// and it outlives reloads.
type Point struct {
	rec      *Recorder
	name     string
	observer Observer
	on       atomic.Bool
	until    atomic.Int64           // second to which the point counts without an active rule
	now      atomic.Pointer[bucket] // of the current second; nil: the second has not been opened

	mu     sync.Mutex
	began  int64 // second in which counting began
	second [seconds]*bucket
	ten    [tens]*bucket
	rules  map[string]*ring
}

// Counts reports whether the point counts its requests.
func (p *Point) Counts() bool { return p.on.Load() }

// A Span measures the duration of a request. Above a rate, only some are measured.
type Span struct {
	at     time.Duration
	weight uint32 // requests that it represents; 0: not measured
}

// Of the requests that pass in a second, the first ones are measured, and then each of a
// few. To read the clock twice costs more than to count. At 10 requests a second each is
// measured, at 100 a fifth of them. That keeps percentiles about as exact as the halves of
// a histogram (TestMeasuredPercentiles).
const (
	measured = 12 // so that the one is in the middle of those it stands for
	oneOf    = 8
)

// Begin returns the span of a request that begins. If sure is true, it is measured.
func (p *Point) Begin(sure bool) Span {
	n := p.current().passed.ended.Load()
	switch {
	case sure || n < measured:
		return Span{p.rec.since(), 1}
	case n%oneOf == 0:
		return Span{p.rec.since(), oneOf}
	}
	return Span{}
}

// Result is how a request has ended.
type Result int

// The results of a request.
const (
	Succeeded Result = iota
	Failed           // with 429 or a status of 500 and above, or cut
	RealError        // failed with a status of 500 and above that no fault has caused
)

// Passed counts the end of a request on which no fault has had an effect.
func (p *Point) Passed(s Span, result Result) {
	b := p.current()
	if result == RealError {
		b.real.Add(1)
		p.observer.Erred()
	}
	p.observer.Saw()
	p.end(s, &b.passed, result)
}

// Hit counts a hit when its fault has an effect.
func (p *Point) Hit(rule string) {
	b := p.current()
	b.begun.Add(1)
	p.observer.Saw()
	p.until.Store(b.no + keep)
	if !p.on.Load() {
		p.wake()
	}
	p.countRule(rule, b.no)
}

// Ended counts the end of a request that was hit.
func (p *Point) Ended(s Span, result Result) { p.end(s, &p.current().ends, result) }

func (p *Point) end(s Span, c *class, result Result) {
	c.ended.Add(1)
	if result != Succeeded {
		c.failed.Add(1)
	}
	if s.weight > 0 {
		c.took.add(p.rec.since()-s.at, s.weight)
	}
}

// current returns the bucket of the current second.
func (p *Point) current() *bucket {
	if b := p.now.Load(); b != nil {
		return b
	}
	return p.open()
}

// open begins the bucket of a second, which a timer ends. A second without requests
// costs nothing.
func (p *Point) open() *bucket {
	b, opened := p.openNow()
	if !opened || !p.idle(b.no) {
		return b
	}
	p.on.Store(false)
	if !p.idle(b.no) { // a wake meanwhile has found the point still counting
		p.wake()
	}
	return b
}

// idle reports whether nothing makes the point count in a second.
func (p *Point) idle(no int64) bool { return no >= p.until.Load() && !p.rec.active(p.name) }

func (p *Point) openNow() (b *bucket, opened bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.now.Load(); b != nil {
		return b, false
	}
	at := p.rec.since()
	no := int64(at / time.Second)
	slot := &p.second[no%seconds]
	if *slot == nil || (*slot).no != no {
		p.fold(*slot)
		*slot = &bucket{no: no}
	}
	b = *slot
	p.now.Store(b)
	time.AfterFunc(time.Duration(no+1)*time.Second-at, func() { p.now.CompareAndSwap(b, nil) })
	return b, true
}

// fold adds a bucket of a second to that of its ten, unless the ten has been forgotten.
// The caller holds the lock.
func (p *Point) fold(b *bucket) {
	if b == nil {
		return
	}
	no := b.no / ten
	slot := &p.ten[no%tens]
	switch {
	case *slot == nil || (*slot).no < no:
		b.no = no
		*slot = b
	case (*slot).no == no:
		b.addTo(*slot)
	}
}

// wake makes the point count. If nothing is active at it, the next request ends that.
func (p *Point) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on.Load() {
		p.began = p.rec.second()
		p.on.Store(true)
	}
}

// look makes the point count for an hour.
func (p *Point) look() {
	p.until.Store(p.rec.second() + keep)
	p.wake()
}

// stale reports whether the point has neither counted nor been looked at for an hour.
func (p *Point) stale(now int64) bool {
	if p.until.Load() >= now {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.second {
		if b != nil && b.no > now-keep {
			return false
		}
	}
	return true
}
