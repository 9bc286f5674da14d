package seen

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Recorder has the points of a process.
type Recorder struct {
	clock  Clock
	start  time.Time
	ahead  time.Duration // from the start of a ten to start
	active func(point string) bool

	observer func(point string) Observer // nil: none

	mu     sync.Mutex
	points map[string]*Point
}

// Clock is the time. To ask how much time has passed takes half as long as to ask what
// time it is.
type Clock struct {
	Now   func() time.Time
	Since func(time.Time) time.Duration
}

// New returns a recorder. The function active reports whether a rule or an experiment is
// active at a point.
func New(clock Clock, active func(point string) bool) *Recorder {
	start := clock.Now()
	return &Recorder{
		clock: clock, start: start, ahead: time.Duration(start.UnixNano() % int64(ten*time.Second)),
		active: active, points: make(map[string]*Point),
	}
}

// since returns the time since the epoch of the recorder, which is the start of a ten. A
// change of the machine's time does not change it.
func (rec *Recorder) since() time.Duration { return rec.clock.Since(rec.start) + rec.ahead }

// second returns the number of the current second.
func (rec *Recorder) second() int64 { return int64(rec.since() / time.Second) }

// timeOf returns the time at which a second begins.
func (rec *Recorder) timeOf(second int64) time.Time {
	return rec.start.Add(time.Duration(second)*time.Second - rec.ahead).UTC().Truncate(time.Second)
}

// Point returns the point with a name, for an injection point that is loaded.
func (rec *Recorder) Point(name string) *Point {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	p := rec.points[name]
	if p == nil {
		p = &Point{rec: rec, name: name, observer: rec.observe(name)}
		rec.points[name] = p
	}
	return p
}

// Wake makes all points count, because a rule or an experiment may have become active at
// some. The others stop with their next request.
func (rec *Recorder) Wake() {
	for _, p := range rec.all() {
		p.wake()
	}
}

// Keep forgets the points that are not among the names and have nothing to show.
func (rec *Recorder) Keep(names []string) {
	now := rec.second()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	maps.DeleteFunc(rec.points, func(name string, p *Point) bool {
		return !slices.Contains(names, name) && p.stale(now)
	})
}

// all returns the points in the order of their names.
func (rec *Recorder) all() []*Point {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	found := make([]*Point, 0, len(rec.points))
	for _, name := range slices.Sorted(maps.Keys(rec.points)) {
		found = append(found, rec.points[name])
	}
	return found
}

// find returns the points with a name. An empty name matches all.
func (rec *Recorder) find(name string) []*Point {
	if name == "" {
		return rec.all()
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if p := rec.points[name]; p != nil {
		return []*Point{p}
	}
	return nil
}
