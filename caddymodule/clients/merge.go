package clients

import (
	"slices"
	"strconv"
	"time"
)

// Merge joins the evidence of several nodes. Attempts of a call may have reached
// different nodes: calls that are told apart by a name, a key or a trace are joined.
// A node records only calls that a fault has hit there. So a call that was given up may
// have been answered by another node, and is [Unseen].
func Merge(nodes ...Evidence) Evidence {
	var all Evidence
	for i, node := range nodes {
		if i == 0 || node.Since.Before(all.Since) {
			all.Since = node.Since
		}
		if node.Until.After(all.Until) {
			all.Until = node.Until
		}
		all.Lost += node.Lost
		for _, c := range node.Calls {
			c.node = i
			if c.By == ByCount || c.By == ByGuess {
				c.ID = strconv.Itoa(i+1) + "." + c.ID // the number is of one process
			}
			all.Calls = append(all.Calls, c)
		}
		all.Clients = append(all.Clients, node.Clients...)
		all.Periods = append(all.Periods, node.Periods...)
	}
	all.sort()
	all.Calls = joinCalls(all.Calls)
	for i := range all.Calls {
		if c := &all.Calls[i]; len(nodes) > 1 && c.Outcome == GaveUp {
			c.Outcome = Unseen
		}
	}
	all.Clients = joinClients(all.Clients)
	all.Periods = joinPeriods(all.Periods)
	return all
}

// callName is what joins calls of several nodes.
type callName struct{ client, id, point, method, host, path, query string }

func joinCalls(calls []Call) []Call {
	joined := make([]Call, 0, len(calls))
	last := make(map[callName]int)
	for _, c := range calls {
		name := callName{c.Client, c.ID, c.Point, c.Method, c.Host, c.Path, c.Query}
		i, known := last[name]
		if named := c.By != ByCount && c.By != ByGuess; named && known && joined[i].continues(&c) {
			joined[i] = joined[i].join(&c)
			continue
		}
		last[name] = len(joined)
		joined = append(joined, c)
	}
	return joined
}

// continues reports whether another part of a call belongs to this one. A call that has
// recovered continues with what another node saw before.
func (c *Call) continues(part *Call) bool {
	if c.node == part.node || len(c.Attempts) == 0 || len(part.Attempts) == 0 {
		return false
	}
	if c.Outcome == Recovered {
		return part.start().Before(c.last())
	}
	return part.start().Sub(c.last()) <= maxWindow
}

// last returns when the last attempt ended or, if it has not ended, when it began.
func (c *Call) last() time.Time {
	end := c.Attempts[len(c.Attempts)-1]
	return later(end.Start, end.End)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// join returns the call with the attempts of another part.
func (c *Call) join(part *Call) Call {
	joined := *c
	joined.node = part.node
	joined.Count += part.Count
	joined.Attempts = slices.Concat(c.Attempts, part.Attempts)
	slices.SortStableFunc(joined.Attempts, func(a, b Attempt) int { return a.Start.Compare(b.Start) })
	if extra := len(joined.Attempts) - keepAll; extra > 0 {
		joined.Attempts = slices.Delete(joined.Attempts, keepFirst, keepFirst+extra)
	}
	var busy time.Time
	for i := range joined.Attempts {
		a := &joined.Attempts[i]
		a.N = i + 1
		if i >= keepFirst {
			a.N = joined.Count - (len(joined.Attempts) - 1 - i)
		}
		a.Overlap = a.Overlap || a.Start.Before(busy)
		busy = later(busy, a.End)
		if a.Late {
			busy = time.Time{}
		}
	}
	switch {
	case c.Outcome == Recovered || part.Outcome == Lost:
	case part.Outcome == Recovered || c.Outcome == Lost || part.last().After(c.last()):
		joined.Outcome = part.Outcome
	}
	joined.MayRepeat = c.MayRepeat && part.MayRepeat
	return joined
}

func joinClients(found []Client) []Client {
	joined := found[:0]
	for _, c := range found {
		if n := len(joined); n > 0 && joined[n-1].Client == c.Client {
			before := &joined[n-1]
			before.Shared, before.Overlaps = before.Shared || c.Shared, before.Overlaps || c.Overlaps
			before.Passed = slices.Concat(before.Passed, c.Passed)
			before.Forgotten += c.Forgotten
			continue
		}
		joined = append(joined, c)
	}
	return joined
}

// joinPeriods joins the periods of a rule that overlap.
func joinPeriods(found []Period) (joined []Period) {
next:
	for _, p := range found {
		for i := range joined {
			before := &joined[i]
			if before.Point == p.Point && before.Rule == p.Rule && (before.End.IsZero() || !p.Start.After(before.End)) {
				before.join(&p)
				continue next
			}
		}
		joined = append(joined, p)
	}
	return joined
}

func (p *Period) join(other *Period) {
	end := later(p.End, other.End)
	if p.End.IsZero() || other.End.IsZero() {
		end = time.Time{}
	}
	p.After = addSteps(shifted(p.After, p.End, end), shifted(other.After, other.End, end))
	p.End, p.Complete = end, p.Complete && other.Complete
	p.Baseline += other.Baseline
	p.BaselineSeconds = max(p.BaselineSeconds, other.BaselineSeconds)
	p.Requests += other.Requests
	p.Clients = slices.Concat(p.Clients, other.Clients)
	slices.SortStableFunc(p.Clients, func(a, b Recovery) int {
		if a.Client != b.Client {
			if a.Client < b.Client {
				return -1
			}
			return 1
		}
		return b.At.Compare(a.At)
	})
	p.Clients = slices.CompactFunc(p.Clients, func(a, b Recovery) bool { return a.Client == b.Client })
}

// shifted returns steps as counted from another end.
func shifted(steps []Step, from, to time.Time) (found []Step) {
	shift := int64(to.Sub(from) / (time.Second / 10))
	for _, step := range steps {
		if at := int64(step.At) - shift; !to.IsZero() && at >= 0 && at < int64(afterSteps) {
			step.At = uint8(at)
			found = append(found, step)
		}
	}
	return found
}

func addSteps(a, b []Step) []Step {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(a, b Step) int { return int(a.At) - int(b.At) })
	joined := all[:0]
	for _, step := range all {
		if n := len(joined); n > 0 && joined[n-1].At == step.At {
			before := &joined[n-1]
			before.Requests += min(step.Requests, ^uint16(0)-before.Requests)
			before.Clients += min(step.Clients, ^uint8(0)-before.Clients)
			continue
		}
		joined = append(joined, step)
	}
	return joined
}
