package seen

import "time"

// Summary is what a point has seen in its last seconds.
type Summary struct {
	Point string `json:"point"`

	// Over is the number of seconds up to now.
	Over float64 `json:"over"`

	// Since is when the point began to count, if that is within these seconds. The rates
	// are those from then on.
	Since *time.Time `json:"since,omitempty"`

	All    Figures `json:"all"`
	Hit    Figures `json:"hit"`
	NotHit Figures `json:"not_hit"`

	// RealErrors is the number of requests that were answered with a status of 500 or
	// above, without a fault.
	RealErrors uint64 `json:"real_errors"`
}

// Figures are the figures of some requests. A request counts when its fault has an
// effect, or when it ends without one.
type Figures struct {
	Count uint64  `json:"count"`
	Rate  float64 `json:"rate"` // per second

	// Success is the part of the requests that have ended and have not failed, from 0 to
	// 1. It is null if none has ended, like the percentiles of the duration in seconds.
	Success *float64 `json:"success"`
	P50     *float64 `json:"p50"`
	P95     *float64 `json:"p95"`
	P99     *float64 `json:"p99"`
}

// Summarize returns what a point has seen over the last time, which is at most an hour.
// To look at a point makes it count for an hour.
func (p *Point) Summarize(over time.Duration) Summary {
	p.look()
	at := p.rec.since()
	now, length := int64(at/time.Second), int64(over/time.Second)
	var sum bucket
	p.mu.Lock()
	p.each(now-length, func(_ int64, b *bucket) { b.addTo(&sum) })
	began := p.began
	p.mu.Unlock()
	view := Summary{Point: p.name, Over: over.Seconds(), RealErrors: uint64(sum.real.Load())}
	from := time.Duration(now-length+1) * time.Second
	if began > now-length {
		from = time.Duration(began) * time.Second
		since := p.rec.timeOf(began)
		view.Since = &since
	}
	span := max(at-from, time.Second).Seconds()
	view.Hit = figures(uint64(sum.begun.Load()), span, &sum.ends)
	view.NotHit = figures(uint64(sum.passed.ended.Load()), span, &sum.passed)
	sum.ends.addTo(&sum.passed)
	view.All = figures(view.Hit.Count+view.NotHit.Count, span, &sum.passed)
	return view
}

func figures(count uint64, span float64, c *class) Figures {
	f := Figures{Count: count, Rate: float64(count) / span}
	if ended := c.ended.Load(); ended > 0 {
		success := 1 - float64(c.failed.Load())/float64(ended)
		f.Success = &success
	}
	f.P50, f.P95, f.P99 = c.took.percentile(0.5), c.took.percentile(0.95), c.took.percentile(0.99)
	return f
}

// percentile returns a percentile in seconds, or nil if there is no duration. Within an
// index of the histogram, durations count as evenly spread.
func (h *histogram) percentile(part float64) *float64 {
	var total, below float64
	for i := range h {
		total += float64(h[i].Load())
	}
	if total == 0 {
		return nil
	}
	for i := range h {
		n := float64(h[i].Load())
		if below+n >= part*total && n > 0 {
			low, high := bound(i), bound(i+1)
			value := low + (high-low)*(part*total-below)/n
			return &value
		}
		below += n
	}
	return nil // total is above 0, so some index has the percentile
}

// each calls f with each bucket after a second. The caller holds the lock.
func (p *Point) each(from int64, f func(second int64, b *bucket)) {
	for _, b := range p.second {
		if b != nil && b.no > from {
			f(b.no, b)
		}
	}
	for _, b := range p.ten {
		if b != nil && b.no*ten > from {
			f(b.no*ten, b)
		}
	}
}

// Brief is what a point has seen in its last seconds, for a list of points.
type Brief struct {
	Point        string  `json:"point,omitempty"` // empty: all points
	Count        uint64  `json:"count"`           // all requests
	Injected     uint64  `json:"injected"`        // those with an injected fault
	RealErrors   uint64  `json:"real_errors"`     // those with a status of 500 or above and no fault
	Rate         float64 `json:"rate"`            // all requests per second
	InjectedRate float64 `json:"injected_rate"`   // hits per second
}

// Brief returns what a point has seen over the last time. To look at a point makes it
// count for an hour.
func (p *Point) Brief(over time.Duration) Brief {
	s := p.Summarize(over)
	return Brief{
		Point: p.name, Count: s.All.Count, Injected: s.Hit.Count, RealErrors: s.RealErrors,
		Rate: s.All.Rate, InjectedRate: s.Hit.Rate,
	}
}

// Add adds what another point has seen over the same time.
func (b *Brief) Add(other Brief) {
	b.Count += other.Count
	b.Injected += other.Injected
	b.RealErrors += other.RealErrors
	b.Rate += other.Rate
	b.InjectedRate += other.InjectedRate
}
