package clients

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Recorder records what clients do after a fault. Its methods may be called at the same
// time.
type Recorder struct {
	clock    clock
	settings atomic.Pointer[Settings]

	// until is when requests are no longer looked at, 0 if they are not. While it is 0,
	// a request costs this one load.
	until     atomic.Int64
	callsTill atomic.Int64 // when no call can be open any more
	down      atomic.Int64 // clients that have not succeeded since they were hit
	since     atomic.Int64

	roster  roster
	shards  [shards]shard
	openNow atomic.Int64
	numbers atomic.Uint64

	observer func(point string) Observer // nil: none
	news     newsroom

	mu       sync.Mutex
	points   map[string]*Point
	closed   archive
	finished []*period
	lost     uint64
}

// New returns a recorder that takes the time from a clock.
func New(s Settings, c Clock) *Recorder {
	r := &Recorder{clock: clock{Clock: c}, points: make(map[string]*Point)}
	r.Configure(s)
	r.since.Store(r.clock.now())
	return r
}

// Configure changes the settings. What has been recorded is kept.
func (r *Recorder) Configure(s Settings) {
	s = s.withDefaults()
	r.settings.Store(&s)
}

// Settings returns the settings, with a value in each field.
func (r *Recorder) Settings() Settings { return *r.settings.Load() }

// maxPoints is the maximum number of points. All others share one.
const maxPoints = 64

// Point returns the recorder's view of a point.
func (r *Recorder) Point(name string) *Point {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.points) >= maxPoints && r.points[name] == nil {
		name = Other
	}
	p := r.points[name]
	if p == nil {
		p = &Point{Recorder: r, name: clean(name, maxPath), salt: hash(9, name), observer: unobserved{}}
		if r.observer != nil {
			p.observer = r.observer(p.name)
		}
		r.points[name] = p
	}
	return p
}

// Idle reports whether no request needs to be looked at.
func (r *Recorder) Idle() bool { return r.until.Load() == 0 }

// Watch counts requests for a time, so that a fault which begins within it has a
// baseline.
func (r *Recorder) Watch(d time.Duration) {
	raise(&r.until, r.clock.now()+int64(d))
}

// raise makes a time later.
func raise(at *atomic.Int64, to int64) {
	for {
		before := at.Load()
		if before >= to || at.CompareAndSwap(before, to) {
			return
		}
	}
}

// Visit is a request that is looked at. The zero value is one that is not.
type Visit struct {
	point  *Point
	client *client
	call   *call
	n      int // the attempt of the call
	start  int64
	sum    uint64 // of the client
}

// Watched reports whether the recorder wants to know how the request ends. If it does,
// the caller calls [Visit.End].
func (v *Visit) Watched() bool { return v.client != nil }

// At reports whether the visit is at a point.
func (v *Visit) At(p *Point) bool { return v.point == p }

// Attempt returns the call of the request and the number of the attempt, from 1. Both are
// 0 if the request is part of no call.
func (v *Visit) Attempt() (call CallID, n int) {
	if v.call == nil {
		return 0, 0
	}
	return v.call.id, v.n
}

// Since returns how long ago the request came.
func (v *Visit) Since(now int64) time.Duration { return time.Duration(max(now-v.start, 0)) }

// Look returns when a request has come that needs to be looked at, in nanoseconds since
// 1970, or 0 if it needs not. The caller need not know anything about the request yet.
func (p *Point) Look() int64 {
	until := p.until.Load()
	if until == 0 {
		return 0
	}
	now := p.clock.now()
	switch {
	case now > until:
		p.rest(until)
		return 0
	case now > p.callsTill.Load() && p.down.Load() <= 0: // only the baseline is of interest
		p.count(now, 0)
		return 0
	}
	return now
}

// ArriveAt looks a request up before anything is done with it. It has come at the time
// that [Point.Look] has returned.
func (p *Point) ArriveAt(now int64, q *Request) Visit {
	if now == 0 {
		return Visit{}
	}
	sum := q.client()
	p.count(now, sum)
	v := Visit{point: p, client: p.roster.find(sum), start: now, sum: sum}
	if v.client != nil {
		v.follow(q)
		v.client.begin(p)
	}
	return v
}

// who is what identities begin with: the client and the point. A request may come to
// several points, and is an attempt at each of them.
func (v *Visit) who() uint64 { return v.sum ^ v.point.salt }

// rest stops looking at requests.
func (p *Point) rest(until int64) {
	p.sweep(p.clock.now())
	if !p.until.CompareAndSwap(until, 0) {
		return
	}
	for _, point := range p.allPoints() {
		point.mu.Lock()
		point.since = 0 // counting starts again with the next hit
		point.mu.Unlock()
	}
}

// follow looks for the open call that the request continues. It looks at as little of
// the request as it can: most requests continue none.
func (v *Visit) follow(q *Request) {
	c := v.client
	if q.Call != "" {
		if c.has(modeCall) {
			v.join(q, q.byCall(v.who()))
		}
		return
	}
	keys, traces, unnamed := c.has(modeKey), c.has(modeTrace), c.has(modeCount) || c.has(modeGuess)
	sum := uint64(0)
	if unnamed {
		sum = q.fingerprint(v.who())
		unnamed = v.point.shardOf(sum).has(sum)
	}
	if !keys && !traces && !unnamed {
		return
	}
	if id, ok := q.byKey(v.who()); ok {
		if keys {
			v.join(q, id)
		}
		return
	}
	if id, ok := q.byTrace(v.who()); ok {
		if traces {
			v.join(q, id)
		}
		return
	}
	if unnamed {
		v.join(q, q.byCount(sum))
	}
}

// join makes the request an attempt of the open call that it continues, if there is one.
func (v *Visit) join(q *Request, id identity) {
	s := v.point.shardOf(id.sum)
	s.mu.Lock()
	over := v.joinIn(s, q, &id)
	s.mu.Unlock()
	if over != nil {
		v.point.keep(over)
	}
	if v.call != nil {
		v.point.observer.Attempted()
	}
}

// joinIn is join with the lock of the shard. It returns a call whose window has passed,
// which the caller keeps without the lock.
func (v *Visit) joinIn(s *shard, q *Request, id *identity) (over *call) {
	counts := id.mode >= modeCount && (id.counts || v.client.counts.Load())
	found := s.find(id.sum, id.mode, id.n, counts)
	switch {
	case found == nil:
		return nil
	case found.inFlight == 0 && found.deadline < v.start:
		v.point.close(s, found, found.given())
		return found
	}
	if counts && found.mode == modeGuess { // its first attempt had no number
		found.mode = modeCount
		v.client.counts.Store(true)
		v.client.open[modeGuess].Add(-1)
		v.client.open[modeCount].Add(1)
	}
	v.call, v.n = found, found.begin(v.start, q)
	s.use(found)
	return nil
}

func connOf(conn string) uint32 { return uint32(maphash.String(seed, conn)) }

func (r *Recorder) shardOf(sum uint64) *shard { return &r.shards[sum%shards] }

// close takes a call out of its shard. The caller holds the shard's lock, and calls keep
// without it.
func (r *Recorder) close(s *shard, c *call, outcome Outcome) {
	c.outcome = outcome
	s.remove(c)
	c.client.open[c.mode].Add(-1)
	r.openNow.Add(-1)
}

// sweep closes the calls whose window has passed.
func (r *Recorder) sweep(now int64) {
	for i := range r.shards {
		r.sweepShard(&r.shards[i], now)
	}
}

func (r *Recorder) sweepShard(s *shard, now int64) {
	s.mu.Lock()
	found := s.expired(now)
	for _, c := range found {
		r.close(s, c, c.given())
	}
	s.mu.Unlock()
	for _, c := range found {
		r.keep(c)
	}
}
