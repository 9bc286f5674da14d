package clients

import (
	"sync"
	"sync/atomic"
	"time"
)

// Observer is told what is recorded at a point, such as to count it. Requests wait for
// its methods.
type Observer interface {
	Attempted()
	Closed(call Outcome)
	Left(after time.Duration) // a client left
}

// Observe gives each new point the observer that of returns for its name. It must be
// called before the first point.
func (r *Recorder) Observe(of func(point string) Observer) { r.observer = of }

// unobserved is the observer of points that have none.
type unobserved struct{}

func (unobserved) Attempted()         {}
func (unobserved) Closed(Outcome)     {}
func (unobserved) Left(time.Duration) {}

// News is a finding that a client or a period did not have before, or had at a better
// level.
type News struct {
	Point   string
	Client  string // "" for a finding of a period
	Rule    string // of the period
	Finding string
	Level   Level

	start time.Time // of the period, which tells it from others of the rule
}

// judgeEvery is how long after a hit clients are judged for news.
const judgeEvery = 10 * time.Second

// newsroom knows which findings have been told.
type newsroom struct {
	tell  func([]News)
	armed atomic.Bool

	mu   sync.Mutex
	told map[News]Level // by news without a level
}

// Notify calls tell with findings that are new. While faults hit, and until all is known
// about the clients that they have hit, clients are judged every ten seconds. Notify must
// be called before the first hit.
func (r *Recorder) Notify(tell func([]News)) { r.news.tell = tell }

// extend makes a time later than another one, in steps of a second, so that few requests
// write what all of them read.
func (r *Recorder) extend(at *atomic.Int64, to int64) {
	if at.Load() < to {
		raise(at, to+second)
		r.arm()
	}
}

// arm lets clients be judged in a while.
func (r *Recorder) arm() {
	if r.news.tell != nil && r.news.armed.CompareAndSwap(false, true) {
		time.AfterFunc(judgeEvery, r.judgeNews)
	}
}

// judgeNews judges the clients of each point, and reports what is new.
func (r *Recorder) judgeNews() {
	n := &r.news
	n.mu.Lock()
	defer n.mu.Unlock()
	n.armed.Store(false)
	ev, settings := r.Evidence(), *r.settings.Load()
	found, fresh := make(map[News]Level), []News(nil)
	see := func(news News, findings []Finding) {
		for _, f := range findings {
			news.Finding = f.Finding
			found[news] = f.Level
			if before, known := n.told[news]; !known || f.Level.rank() > before.rank() {
				known := news
				known.Level = f.Level
				fresh = append(fresh, known)
			}
		}
	}
	for _, p := range r.allPoints() {
		report := Judge(ev.Select(Filter{Point: p.name}), settings)
		for i := range report.Clients {
			see(News{Point: p.name, Client: report.Clients[i].Client}, report.Clients[i].Findings)
		}
		for i := range report.Periods {
			see(News{Point: p.name, Rule: report.Periods[i].Rule, start: report.Periods[i].Start}, report.Periods[i].Findings)
		}
	}
	n.told = found
	if len(fresh) > 0 {
		n.tell(fresh)
	}
	if r.unsettled() {
		r.arm()
	}
}

// unsettled reports whether time may still add to what is known of clients.
func (r *Recorder) unsettled() bool {
	now := r.clock.now()
	if now <= r.callsTill.Load() || r.down.Load() > 0 && now < r.until.Load() {
		return true
	}
	for _, p := range r.allPoints() {
		p.mu.Lock()
		current := len(p.current)
		p.mu.Unlock()
		if current > 0 {
			return true
		}
	}
	return false
}
