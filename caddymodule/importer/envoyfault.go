package importer

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// draws are the faults of a route. The sources draw for each independently.
type draws struct{ rate, rewrite, delay, abort *rule } // nil if absent

// kinds are the names of the draws, from the outside.
var kinds = []string{"rate", "rewrite", "delay", "abort"}

// kind returns a draw by its name.
func (d *draws) kind(name string) *rule {
	switch name {
	case "rate":
		return d.rate
	case "rewrite":
		return d.rewrite
	case "delay":
		return d.delay
	default:
		return d.abort
	}
}

// all returns the rules that exist, from the outside.
func (d *draws) all() []*rule {
	var all []*rule
	for _, kind := range kinds {
		if r := d.kind(kind); r != nil {
			all = append(all, r)
		}
	}
	return all
}

// merge makes a delay and an abort that always happen one rule.
func (d *draws) merge() {
	if d.delay != nil && d.abort != nil && d.delay.share == 100 && d.abort.share == 100 {
		d.abort.faults = append(d.delay.faults, d.abort.faults...)
		d.delay = nil
	}
}

// points returns a point for each draw. ready completes each rule.
func (d *draws) points(in *input, name, about string, ready func(*rule)) []*point {
	d.merge()
	several := len(d.all()) > 1
	stem := ""
	if len(d.all()) > 0 {
		stem = in.names.stem(name, several)
	}
	var points []*point
	for _, kind := range kinds {
		r := d.kind(kind)
		if r == nil {
			continue
		}
		ready(r)
		pt := &point{name: stem, rules: []*rule{r}}
		if several {
			pt.name += "-" + kind
		}
		points = append(points, pt)
	}
	if d.delay != nil && d.abort != nil && about != "" {
		points[0].about = []string{about + ": a delay and an abort are two draws, so they are two points."}
	}
	return points
}

// stem returns a name that is free, with the endings of several points.
func (n *namer) stem(name string, several bool) string {
	if !several {
		return n.take(name)
	}
	taken := func(stem string) bool {
		return slices.ContainsFunc(kinds, func(kind string) bool { return n.taken[stem+"-"+kind] })
	}
	short := shorten(nameOf(name), maxName-len("-rewrite-99"))
	stem := short
	for i := max(n.next[short+"-"], 2); taken(stem); i++ {
		stem = short + "-" + strconv.Itoa(i)
		n.next[short+"-"] = i + 1
	}
	for _, kind := range kinds {
		n.taken[stem+"-"+kind] = true
	}
	return stem
}

// fixedDelay returns a rule that delays, or nil if the delay is zero.
func fixedDelay(at, delay value, percent float64) *rule {
	r := newRule(at)
	r.share = percent
	d := delay.duration()
	if d == 0 && len(at.src.problems) == 0 {
		delay.note(Remark, "a delay of 0 has no effect")
		return nil
	}
	r.fault("delay", span(d))
	return r
}

// abortText is the body of Envoy's reply.
const abortText = "fault filter abort"

// envoyAbort returns a rule that replies as Envoy does. HTTP takes precedence.
func envoyAbort(at, httpStatus, grpcStatus value, percent float64) *rule {
	r := newRule(at)
	r.share = percent
	switch {
	case httpStatus.is():
		status := statusOf(httpStatus, 0)
		if status >= 600 {
			httpStatus.cannot("Envoy refuses a status of 600 or above")
		}
		reply := reply{at: at, status: status, contentType: "text/plain", body: literalBody(abortText)}
		r.faults = []line{reply.line()}
	case grpcStatus.is():
		r.fault("grpc", grpcCode(grpcStatus), abortText)
	default:
		at.cannot("an abort needs a status")
	}
	return r
}

// grpcNames are the names of the codes of gRPC.
var grpcNames = []string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// grpcCode returns the name of a code, which may be written as a number.
func grpcCode(v value) string {
	code := cmp.Or(strings.ToUpper(v.str()), "OK")
	if v.kind == number {
		code = "OK"
		if n := v.whole(); n < len(grpcNames) {
			code = grpcNames[n]
		} else {
			v.cannot("gRPC has the codes 1 to 16")
		}
	}
	switch {
	case code == "OK":
		v.cannot("the status OK ends a stream without an error, which is not a fault here")
	case !isOneOf(code, grpcNames...):
		v.cannot("unknown code of gRPC %s", quoted(code))
	}
	return code
}

// numberTest returns an expression that compares the number in a placeholder. A text
// that is not a number does not match.
func numberTest(subject string, comparisons ...string) string {
	exprs := make([]string, 0, 1+len(comparisons))
	exprs = append(exprs, subject+`.matches("^-?[0-9]{1,18}$")`)
	for _, c := range comparisons {
		exprs = append(exprs, "int("+subject+") "+c)
	}
	return strings.Join(exprs, " && ")
}

// alternatives reads the conditions of a rule: several blocks, of which one must match.
// One that cannot be said is dropped, which makes the rule narrower.
func (in *input) alternatives(r *rule, blocks []value, read func(value) conds) {
	dropped := in.take() // of the list of blocks
	for _, b := range blocks {
		cs := read(b)
		if problems := in.take(); len(problems) > 0 {
			dropped = append(dropped, problems...)
			r.unsaid = append(r.unsaid, cs)
			continue
		}
		r.sets = append(r.sets, cs)
	}
	if len(r.sets) == 0 && len(dropped) > 0 {
		r.problems, r.sets, r.unsaid = dropped, r.unsaid, nil
	}
}
