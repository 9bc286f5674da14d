package clients

// Hit records that a rule has hit the request of a visit, with the number of the hit.
// The caller calls [Visit.End] of the visit that Hit returns, in place of the first one.
func (p *Point) Hit(v Visit, q *Request, rule string, number uint64) Visit {
	r := p.Recorder
	if v.point == nil {
		v = Visit{point: p, start: r.clock(), sum: q.client()}
	}
	now, settings := v.start, r.settings.Load()
	raise(&r.until, now+int64(baselineFor))
	raise(&r.callsTill, now+int64(settings.Window))
	period := p.hit(rule, now)
	if v.client == nil {
		if v.client = r.roster.find(v.sum); v.client == nil || v.client.name == Other {
			v.client = r.roster.add(v.sum, q, p, settings.MaxClients)
		}
		v.client.begin(p)
	}
	v.client.failed(period)
	if v.call == nil {
		v.open(q, attempt{start: now, rule: period.rule, hit: number})
	} else {
		v.mark(period.rule, number)
	}
	return v
}

// open opens a call with the request as its first attempt.
func (v *Visit) open(q *Request, first attempt) {
	r := v.point.Recorder
	id := q.identify(v.who())
	if id.mode == modeCount {
		v.client.counts.Store(true)
	}
	now := first.start
	first.conn = connOf(q.Conn)
	key, query := short(id.named), short(q.Query)
	s := r.shardOf(id.sum)
	s.mu.Lock()
	c := s.blank()
	c.identity, c.mode, c.client, c.point, c.number = id.sum, id.mode, v.client, v.point, r.numbers.Add(1)
	c.method, c.key, c.query = method(q.Method), key, query
	c.host, c.path = q.places()
	c.mayRepeat, c.outcome = q.mayRepeat(), Open
	v.call, v.n = c, c.begin(first)
	c.client.open[c.mode].Add(1)
	crowded := s.add(c)
	if crowded != nil {
		r.close(s, crowded, Lost)
	}
	due := now-s.swept > sweepEvery || now < s.swept
	s.mu.Unlock()
	if crowded != nil {
		r.keep(crowded)
	}
	if due {
		r.sweepShard(s, now)
	}
	if r.openNow.Add(1) > int64(r.settings.Load().MaxCalls) {
		r.loseOldest(now)
	}
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

// End records how the request has ended.
func (v Visit) End(result Result) {
	if v.client == nil {
		return
	}
	v.client.end(v.point)
	r := v.point.Recorder
	now := r.clock()
	success := result.succeeded()
	hit := false
	if v.call != nil {
		hit = v.finish(now, &result, success)
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
		raise(&r.callsTill, c.deadline)
		raise(&r.until, c.deadline)
	}
	s.mu.Unlock()
	if wasOpen && success {
		r.keep(c)
	}
	return hit
}

// archive is the calls that are closed. The recorder's lock guards it.
type archive struct {
	of        map[*client][]*call
	forgotten map[*client]int
	total     int
}

// keep adds a closed call to the archive. Above the bound, the client with the most calls
// loses its oldest one, so that one client cannot push out all others.
func (r *Recorder) keep(c *call) {
	most := r.settings.Load().MaxCalls
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.outcome == Lost {
		r.lost++
	}
	a := &r.closed
	if a.of == nil {
		a.of, a.forgotten = make(map[*client][]*call), make(map[*client]int)
	}
	a.of[c.client] = append(a.of[c.client], c)
	for a.total++; a.total > most; a.total-- {
		a.forget(c.client)
	}
}

// forget forgets the oldest call of a client that has its share of all, or else of the
// client with the most calls.
func (a *archive) forget(c *client) {
	if len(a.of[c])*len(a.of) < a.total {
		for known, calls := range a.of {
			if len(calls) > len(a.of[c]) {
				c = known
			}
		}
	}
	a.of[c][0] = nil
	a.of[c] = a.of[c][1:]
	a.forgotten[c]++
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
	r.closed, r.finished, r.lost = archive{}, nil, 0
	r.mu.Unlock()
	r.since.Store(r.clock())
}

func (r *Recorder) allPoints() (found []*Point) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.points {
		found = append(found, p)
	}
	return found
}
