package clients

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Evidence is what a recorder has recorded. It has no values of header fields and no
// queries.
type Evidence struct {
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Calls   []Call    `json:"calls"`
	Clients []Client  `json:"clients"`
	Periods []Period  `json:"periods"`

	// Lost is how many calls were closed early, since there were too many.
	Lost uint64 `json:"lost,omitempty"`
}

// Call is the attempts of a client that belong together.
type Call struct {
	Client string `json:"client"`

	// ID is the first 8 hex digits of the SHA-256 of the call's key. A call without a key
	// has a number of this process instead.
	ID string `json:"call"`

	By     By     `json:"by"`
	Point  string `json:"point"`
	Method string `json:"method"`
	Host   string `json:"host"` // without a port
	Path   string `json:"path"` // at most 128 bytes

	// Query is the first 8 hex digits of the SHA-256 of the query.
	Query string `json:"query,omitempty"`

	// MayRepeat reports that a client may send the request again without knowing what
	// became of it: its method is idempotent, it has an Idempotency-Key, or the operator
	// has declared so.
	MayRepeat bool `json:"may_repeat"`

	Outcome  Outcome   `json:"outcome"`
	Count    int       `json:"count"`    // all attempts
	Attempts []Attempt `json:"attempts"` // the first 3 and the last 5

	node int // while the evidence of several nodes is joined
}

// Body says whether an attempt has the body of the one before.
type Body string

// A Body is empty if one of the two is not known.
const (
	SameBody  Body = "same"
	OtherBody Body = "other"
)

// Attempt is one request of a call.
type Attempt struct {
	N       int       `json:"n"` // from 1
	Start   time.Time `json:"start"`
	End     time.Time `json:"end,omitzero"`
	Outcome Outcome   `json:"outcome"`
	Status  int       `json:"status,omitempty"`
	Rule    string    `json:"rule,omitempty"` // that has hit it
	Hit     string    `json:"hit,omitempty"`

	// Body compares the body with that of the attempt before, if both are known.
	Body Body `json:"body,omitempty"`

	// RetryAfter is what the reply told the client to wait, in seconds.
	RetryAfter *float64 `json:"retry_after,omitempty"`

	Conn    string `json:"conn,omitempty"`    // tells connections apart
	Overlap bool   `json:"overlap,omitempty"` // began before another attempt had ended

	// Late reports that End was noticed late, since a body was not read.
	Late bool `json:"late,omitempty"`
}

// Client is what is known of a client beside its calls.
type Client struct {
	Client string `json:"client"`

	// Shared reports that the client may be several users.
	Shared bool `json:"shared,omitempty"`

	// Overlaps reports that requests of the client have overlapped.
	Overlaps bool `json:"overlaps,omitempty"`

	// Passed are durations of requests that passed, in seconds.
	Passed []float64 `json:"passed,omitempty"`

	// Forgotten is how many of its calls are no longer kept.
	Forgotten int `json:"forgotten,omitempty"`
}

// Period is one fault at a point, from its first hit to its end.
type Period struct {
	Point string    `json:"point"`
	Rule  string    `json:"rule"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end,omitzero"` // zero while the fault continues

	// Baseline is how many requests came within the BaselineSeconds before the fault.
	Baseline        int     `json:"baseline"`
	BaselineSeconds float64 `json:"baseline_seconds"`

	Requests int `json:"requests"` // from the first to the last hit

	// After are the requests in the ten seconds after the fault, by tenths of a second.
	// Without any it may be too early to know.
	After    []Step `json:"after"`
	Complete bool   `json:"complete"` // the ten seconds have passed

	Clients []Recovery `json:"clients"`
}

// Step is the requests within a tenth of a second.
type Step struct {
	At       uint8  `json:"at"` // tenths of a second after the fault
	Clients  uint8  `json:"clients"`
	Requests uint16 `json:"requests"`
}

// Recovery is when a client that was hit succeeded again.
type Recovery struct {
	Client string    `json:"client"`
	At     time.Time `json:"at,omitzero"` // zero: not yet
}

// Evidence returns what has been recorded, in a stable order.
func (r *Recorder) Evidence() Evidence {
	now := r.clock.now()
	r.sweep(now)
	ev := Evidence{Since: time.Unix(0, r.since.Load()).UTC(), Until: time.Unix(0, now).UTC()}
	calls := r.openCalls()
	open := make(map[uint64]bool, len(calls)) // a call may be closed meanwhile
	for i := range calls {
		open[calls[i].number] = true
	}
	r.mu.Lock()
	var closed []*call
	forgotten := make(map[*client]int, len(r.closed.clients))
	for _, c := range r.closed.clients {
		closed = append(closed, c.history.calls...)
		forgotten[c] = c.history.forgotten
	}
	ev.Lost = r.lost
	r.mu.Unlock()
	for _, c := range closed {
		s := r.shardOf(c.identity)
		s.mu.Lock()
		if !open[c.number] {
			calls = append(calls, c.copy())
		}
		s.mu.Unlock()
	}
	for i := range calls {
		ev.Calls = append(ev.Calls, calls[i].evidence())
	}
	for _, c := range r.roster.all() {
		c.mu.Lock()
		ev.Clients = append(ev.Clients, Client{c.name, c.shared, c.overlaps.Load(), c.passed.seconds(), forgotten[c]})
		c.mu.Unlock()
	}
	ev.Periods = r.periods(now)
	ev.sort()
	return ev
}

// openCalls returns copies of the open calls. Requests wait for the locks meanwhile, so
// it does no more than that.
func (r *Recorder) openCalls() (found []call) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for c := s.oldest; c != nil; c = c.newer {
			found = append(found, c.copy())
		}
		s.mu.Unlock()
	}
	return found
}

// copy returns a copy of the call. The caller holds the shard's lock.
func (c *call) copy() call {
	same := *c
	same.kept = slices.Clone(c.kept)
	return same
}

// sort brings the evidence into a stable order.
func (ev *Evidence) sort() {
	slices.SortFunc(ev.Calls, func(a, b Call) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), a.start().Compare(b.start()), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Point, b.Point))
	})
	slices.SortFunc(ev.Clients, func(a, b Client) int { return cmp.Compare(a.Client, b.Client) })
	slices.SortFunc(ev.Periods, func(a, b Period) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Point, b.Point), cmp.Compare(a.Rule, b.Rule))
	})
}

func (c *Call) start() time.Time {
	if len(c.Attempts) == 0 {
		return time.Time{}
	}
	return c.Attempts[0].Start
}

// evidence returns the call as others see it.
func (c *call) evidence() Call {
	shown := Call{
		Client: c.client.name, ID: c.id.String(), By: modeNames[c.mode], Point: c.point.name,
		Method: c.method, Host: clean(c.host, maxPath), Path: clean(c.path, maxPath), MayRepeat: c.mayRepeat,
		Outcome: c.outcome, Count: c.count,
	}
	if c.query != 0 {
		shown.Query = fmt.Sprintf("%08x", c.query)
	}
	for i := range c.kept {
		n := i + 1
		if i >= keepFirst {
			n = c.count - (len(c.kept) - 1 - i)
		}
		a := c.kept[i].evidence(n)
		if i > 0 && shown.Attempts[i-1].N == n-1 {
			a.Body = c.kept[i].compare(c.kept[i-1].body)
		}
		shown.Attempts = append(shown.Attempts, a)
	}
	return shown
}

// compare compares the body with that of the attempt before.
func (a *attempt) compare(before uint64) Body {
	switch {
	case a.body == 0 || before == 0:
		return ""
	case a.body == before:
		return SameBody
	default:
		return OtherBody
	}
}

func (a *attempt) evidence(n int) Attempt {
	shown := Attempt{
		N: n, Start: time.Unix(0, a.start).UTC(), Outcome: outcomes[a.outcome], Status: int(a.status),
		Conn: fmt.Sprintf("%08x", a.conn), Overlap: a.overlap, Late: a.late,
	}
	if a.end != 0 {
		shown.End = time.Unix(0, a.end).UTC()
	}
	if a.rule != nil {
		shown.Rule = *a.rule
		shown.Hit = fmt.Sprintf("%016x", a.hit)
	}
	if a.retryAfter >= 0 {
		seconds := (time.Duration(a.retryAfter) * time.Millisecond).Seconds()
		shown.RetryAfter = &seconds
	}
	return shown
}

// periods returns the periods that are kept, and the current ones.
func (r *Recorder) periods(now int64) (found []Period) {
	for _, p := range r.allPoints() {
		p.mu.Lock()
		p.finish(now)
		for _, current := range p.current {
			shown := current.evidence()
			if end, ok := current.ended(now); ok {
				shown.End, shown.After = time.Unix(0, end).UTC(), p.afterOf(end)
			}
			found = append(found, shown)
		}
		p.mu.Unlock()
	}
	r.mu.Lock()
	finished := slices.Clone(r.finished)
	r.mu.Unlock()
	for _, done := range finished {
		shown := done.evidence()
		shown.End, shown.After, shown.Complete = time.Unix(0, done.end).UTC(), done.after, done.watched
		found = append(found, shown)
	}
	return found
}

func (p *period) evidence() Period {
	shown := Period{
		Point: p.point.name, Rule: *p.rule, Start: time.Unix(0, p.start).UTC(),
		Baseline: int(p.baseCount), BaselineSeconds: p.baseSeconds, Requests: int(p.atLast - p.atStart),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for c, at := range p.clients {
		one := Recovery{Client: c.name}
		if at != 0 {
			one.At = time.Unix(0, at).UTC()
		}
		shown.Clients = append(shown.Clients, one)
	}
	slices.SortFunc(shown.Clients, func(a, b Recovery) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), a.At.Compare(b.At))
	})
	return shown
}
