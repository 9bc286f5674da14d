package clients

// HitAt records that a rule has hit the request of a visit, with the number of the hit.
// If the request has not been looked at, it has come at the time now. The caller ends the
// visit that HitAt returns, in place of the first one.
func (p *Point) HitAt(now int64, v Visit, q *Request, rule string, number uint64) Visit {
	r := p.Recorder
	now = max(now, 1)
	fresh := v.point == nil
	if fresh {
		v = Visit{point: p, start: now, sum: q.client()}
		if until := r.until.Load(); until != 0 && until < now {
			p.rest(until)
		}
	}
	settings := r.settings.Load()
	r.extend(&r.until, v.start+int64(baselineFor))
	r.extend(&r.callsTill, v.start+int64(settings.Window))
	period := p.hit(now, rule, &v, fresh)
	if v.client == nil {
		if v.client = r.roster.find(v.sum); v.client == nil || v.client.name == Other {
			v.client = r.roster.add(v.sum, q, p, settings.MaxClients)
		}
		v.client.begin(p)
	}
	v.client.failed(period)
	if v.call == nil {
		v.attach(q, period.rule, number, fresh)
	} else {
		v.mark(period.rule, number)
	}
	return v
}

// Counted returns the visit of a request that was counted when it came, and continued no
// call.
func (p *Point) Counted(now int64, q *Request) Visit {
	return Visit{point: p, start: max(now, 1), sum: q.client()}
}

// attach makes the request, which a rule has hit, an attempt of the call that it
// continues, or of a new one. A request that has been looked at continues none.
func (v *Visit) attach(q *Request, rule *string, number uint64, fresh bool) {
	v.point.observer.Attempted()
	r, id := v.point.Recorder, q.identify(v.who())
	s := r.shardOf(id.sum)
	s.mu.Lock()
	var over *call
	if fresh {
		over = v.joinIn(s, q, &id)
	}
	if v.call != nil {
		v.markIn(rule, number)
		s.mu.Unlock()
		return
	}
	crowded := v.openIn(s, q, &id)
	v.markIn(rule, number)
	due := v.start-s.swept > sweepEvery || v.start < s.swept
	s.mu.Unlock()
	for _, c := range [...]*call{over, crowded} {
		if c != nil {
			r.keep(c)
		}
	}
	if due {
		r.sweepShard(s, v.start)
	}
	if r.openNow.Add(1) > int64(r.settings.Load().MaxCalls) {
		r.loseOldest(v.start)
	}
}

// openIn opens a call, with the lock of its shard. It returns a call that was closed to
// make room, or nil.
func (v *Visit) openIn(s *shard, q *Request, id *identity) (crowded *call) {
	r := v.point.Recorder
	if id.mode == modeCount {
		v.client.counts.Store(true)
	}
	c := s.blank()
	c.identity, c.mode, c.client, c.point, c.number = id.sum, id.mode, v.client, v.point, r.numbers.Add(1)
	c.id, c.method, c.query = id.idOf(c.number), method(q.Method), short(q.Query)
	c.host, c.path = q.places()
	c.mayRepeat, c.outcome = q.mayRepeat(), Open
	v.call, v.n = c, c.begin(v.start, q)
	c.client.open[c.mode].Add(1)
	if crowded = s.add(c); crowded != nil {
		r.close(s, crowded, Lost)
	}
	return crowded
}

// method returns a method without keeping the request line in memory.
func method(name string) string {
	for _, known := range [...]string{"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if name == known {
			return known
		}
	}
	return clean(name, 16)
}

// mark says which rule has hit the attempt.
func (v *Visit) mark(rule *string, number uint64) {
	s := v.point.shardOf(v.call.identity)
	s.mu.Lock()
	defer s.mu.Unlock()
	v.markIn(rule, number)
}

// markIn is mark with the lock of the shard.
func (v *Visit) markIn(rule *string, number uint64) {
	if at := v.call.attempt(v.n); at != nil {
		at.rule, at.hit = rule, number
	}
}

// loseOldest closes the open call that was used least recently. It is lost, unless its
// window has passed.
func (r *Recorder) loseOldest(now int64) {
	var at *shard
	best := int64(0)
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		if s.oldest != nil {
			if used := s.oldest.kept[len(s.oldest.kept)-1].start; at == nil || used < best {
				at, best = s, used
			}
		}
		s.mu.Unlock()
	}
	if at == nil {
		return
	}
	at.mu.Lock()
	c := at.oldest
	if c != nil {
		outcome := Lost
		if c.inFlight == 0 && c.deadline < now {
			outcome = c.given()
		}
		r.close(at, c, outcome)
	}
	at.mu.Unlock()
	if c != nil {
		r.keep(c)
	}
}

// End is [Visit.EndAt] for a request that ends now.
func (v Visit) End(result Result) {
	if v.client != nil {
		v.EndAt(v.point.clock.now(), result)
	}
}

// EndAt records how and when the request has ended.
func (v Visit) EndAt(now int64, result Result) {
	if v.client == nil {
		return
	}
	v.client.end(v.point)
	r := v.point.Recorder
	success := result.succeeded()
	hit := false
	if v.call != nil {
		hit = v.finish(now, &result, success)
		if result.Outcome == Left && !result.Late {
			v.point.observer.Left(v.Since(now))
		}
	}
	if success {
		v.client.succeeded(r, v.start, now, !hit)
	}
}

// finish completes the attempt and reports whether a rule has hit it.
func (v *Visit) finish(now int64, result *Result, success bool) (hit bool) {
	r, c := v.point.Recorder, v.call
	window := r.settings.Load().openFor(result.RetryAfter)
	s := r.shardOf(c.identity)
	s.mu.Lock()
	if at := c.attempt(v.n); at != nil {
		hit = at.rule != nil
	}
	c.end(v.n, now, result)
	wasOpen := c.outcome == Open
	if wasOpen && success {
		r.close(s, c, Recovered)
	} else if wasOpen {
		c.deadline = now + int64(window)
		r.extend(&r.callsTill, c.deadline)
		r.extend(&r.until, c.deadline)
	}
	s.mu.Unlock()
	if wasOpen && success {
		r.keep(c)
	}
	return hit
}

// archive is the calls that are closed. The recorder's lock guards it.
type archive struct {
	clients []*client // that have some
	total   int
}

// history is the closed calls of a client. The recorder's lock guards it.
type history struct {
	calls     []*call
	known     bool // in the archive
	forgotten int
}

// keep adds a closed call to the archive. Above the bound, the client with the most calls
// loses its oldest one, so that one client cannot push out all others.
func (r *Recorder) keep(c *call) {
	most := r.settings.Load().MaxCalls
	c.point.observer.Closed(c.outcome)
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.outcome == Lost {
		r.lost++
	}
	a, h := &r.closed, &c.client.history
	if !h.known {
		h.known = true
		a.clients = append(a.clients, c.client)
	}
	h.calls = append(h.calls, c)
	for a.total++; a.total > most; a.total-- {
		a.forget(h)
	}
}

// forget forgets the oldest call of a client that has its share of all, or else of the
// client with the most calls.
func (a *archive) forget(h *history) {
	if len(h.calls)*len(a.clients) < a.total {
		for _, c := range a.clients {
			if len(c.history.calls) > len(h.calls) {
				h = &c.history
			}
		}
	}
	h.calls[0] = nil
	h.calls = h.calls[1:]
	h.forgotten++
}

// Forget forgets all calls, clients and periods.
func (r *Recorder) Forget() {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for s.oldest != nil {
			r.close(s, s.oldest, Lost)
		}
		s.mu.Unlock()
	}
	for _, c := range r.roster.all() {
		c.up(r)
	}
	r.roster.empty()
	for _, p := range r.allPoints() {
		p.mu.Lock()
		p.current, p.check = nil, 0
		p.mu.Unlock()
	}
	r.mu.Lock()
	for _, c := range r.closed.clients {
		c.history = history{} // a request of the client may not have ended
	}
	r.closed, r.finished, r.lost = archive{}, nil, 0
	r.mu.Unlock()
	r.news.mu.Lock()
	r.news.told = nil
	r.news.mu.Unlock()
	r.since.Store(r.clock.now())
}

func (r *Recorder) allPoints() (found []*Point) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.points {
		found = append(found, p)
	}
	return found
}
