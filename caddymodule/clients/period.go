package clients

import (
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"
)

const (
	tenth      = int64(100 * time.Millisecond)
	second     = int64(time.Second)
	quiet      = 10 * second // a fault that has hit nobody for this long has ended
	watchAfter = 10 * second // how long the requests after a fault are looked at
	baseline   = 60          // seconds

	ringTenths  = 256
	ringSeconds = 64

	maxPeriods    = 32 // that have ended
	maxCurrent    = 8  // of a point
	maxRecoveries = 64 // clients of a period whose recovery is timed
	afterSteps    = int(watchAfter / tenth)
)

// step is the requests within a short time.
type step struct {
	at      int64 // number of the step since 1970
	n       uint32
	clients uint64 // a bit for each of 64 groups of clients
}

// period is one fault from its first hit to its end.
type period struct {
	point *Point
	rule  *string // for attempts, which must not keep a period in memory

	start, last, end int64 // end 0: the fault continues
	baseCount        uint64
	baseSeconds      float64
	atStart, atLast  uint64 // requests of the point before
	after            []Step
	watched          bool // all requests of after have come

	mu      sync.Mutex
	clients map[*client]int64 // that were hit, and when they succeeded; 0: not yet
}

// hit records a hit of a client.
func (p *period) hit(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.clients[c]; known || len(p.clients) < maxRecoveries {
		p.clients[c] = 0
	}
}

// recovered records the success of a client.
func (p *period) recovered(c *client, now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.clients[c]; ok {
		p.clients[c] = now
	}
}

// Point is the recorder's view of an injection point.
type Point struct {
	*Recorder
	name string
	salt uint64 // of identities

	observer Observer

	mu      sync.Mutex
	since   int64 // requests are counted since then
	total   uint64
	seconds [ringSeconds]step
	tenths  [ringTenths]step
	current []*period
	check   int64 // when a period of current may be complete
}

// count counts a request.
func (p *Point) count(now int64, client uint64) {
	p.mu.Lock()
	p.countIn(now, client)
	p.mu.Unlock()
}

// countIn is count with the lock of the point.
func (p *Point) countIn(now int64, client uint64) {
	if p.check != 0 && now >= p.check {
		p.finish(now)
	}
	if p.since == 0 {
		p.since = now
	}
	p.total++
	add(p.seconds[:], now/second, 0)
	add(p.tenths[:], now/tenth, 1<<(client>>58))
}

// add counts a request in a ring of steps.
func add(ring []step, at int64, client uint64) {
	s := &ring[int(at)&(len(ring)-1)] // the sizes of rings are powers of two
	if s.at != at {
		*s = step{at: at}
	}
	s.n++
	s.clients |= client
}

// hit records that a rule has hit a visit at the time now, and returns the period of the
// fault. If the request has not been looked at, hit counts it.
func (p *Point) hit(now int64, rule string, v *Visit, fresh bool) *period {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fresh {
		p.countIn(now, v.sum)
	} else if p.check != 0 && now >= p.check {
		p.finish(now)
	}
	var current *period
	for _, known := range p.current {
		if *known.rule == rule && known.end == 0 {
			current = known
		}
	}
	if current == nil {
		current = p.begin(rule, v.start)
	}
	current.last, current.atLast = now, p.total
	p.check = p.next()
	return current
}

// begin opens a period. The requests of the last minute are its baseline, without those
// of the second that has just begun. If the point has too many periods, the new one takes
// the place of one that has ended, and without such a one it is in no report.
func (p *Point) begin(rule string, now int64) *period {
	fresh := &period{point: p, rule: &rule, start: now, atStart: p.total, clients: make(map[*client]int64)}
	from, to := now/second-baseline, now/second
	if p.since != 0 {
		from = max(from, (p.since+second-1)/second)
		for i := range p.seconds {
			if s := &p.seconds[i]; s.at >= from && s.at < to {
				fresh.baseCount += uint64(s.n)
			}
		}
		fresh.baseSeconds = float64(max(to-from, 0))
	}
	if len(p.current) >= maxCurrent {
		i := slices.IndexFunc(p.current, func(known *period) bool { return known.end != 0 })
		if i < 0 {
			return fresh
		}
		p.complete(p.current[i], now)
		p.current = slices.Delete(p.current, i, i+1)
	}
	p.current = append(p.current, fresh)
	return fresh
}

// ended returns when the fault has ended, and whether it has.
func (p *period) ended(now int64) (at int64, ok bool) {
	if p.end != 0 {
		return p.end, true
	}
	return p.last, now-p.last >= quiet
}

// next returns when the first of the current periods may be complete, 0 for never.
func (p *Point) next() (at int64) {
	for _, current := range p.current {
		end := current.last + quiet
		if current.end != 0 {
			end = current.end + watchAfter
		}
		if at == 0 || end < at {
			at = end
		}
	}
	return at
}

// finish completes the periods of which all is known.
func (p *Point) finish(now int64) {
	kept := p.current[:0]
	for _, current := range p.current {
		if end, ok := current.ended(now); ok && now >= end+watchAfter {
			current.end = end
			p.complete(current, now)
		} else {
			kept = append(kept, current)
		}
	}
	clear(p.current[len(kept):])
	p.current = kept
	p.check = p.next()
}

// complete keeps a period for the report.
func (p *Point) complete(done *period, now int64) {
	done.after, done.watched = p.afterOf(done.end), now >= done.end+watchAfter
	r := p.Recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.finished) >= maxPeriods {
		copy(r.finished, r.finished[1:])
		r.finished = r.finished[:maxPeriods-1]
	}
	r.finished = append(r.finished, done)
}

// afterOf returns the requests in the ten seconds after an instant.
func (p *Point) afterOf(end int64) (found []Step) {
	for i := range afterSteps {
		at := end/tenth + int64(i)
		if s := &p.tenths[uint64(at)%ringTenths]; s.at == at {
			found = append(found, Step{
				At: uint8(i), Clients: uint8(bits.OnesCount64(s.clients)), Requests: uint16(min(s.n, math.MaxUint16)),
			})
		}
	}
	return found
}

// End records that the fault of a rule has ended at the point, such as by the removal of
// an experiment, a halt, or the end of a schedule. Without a rule, all have ended.
func (p *Point) End(rule string) { p.end(rule, p.clock.now()) }

func (p *Point) end(rule string, now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, current := range p.current {
		if current.end == 0 && (rule == "" || *current.rule == rule) {
			current.end = max(now, 1)
		}
	}
	p.check = p.next()
}
