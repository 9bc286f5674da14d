package rules

import (
	"cmp"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// index finds the rules that a request can match, so that the cost of those
// that it cannot does not grow with their number. It asks for one value of the
// request per matcher set, as Caddy's matcher reads it, and leaves all else to
// the matchers: what it finds is to be confirmed, what it leaves out cannot
// match.
//
// The zero value has no rules. A rule is known by its number; they are added in
// ascending order.
type index struct {
	always  []int // rules that only their matchers can tell
	fields  []*field
	byName  map[string]*field
	paths   *paths
	hosts   map[string][]int
	methods map[string][]int
}

// field has the rules for the values of one header field.
type field struct {
	name   string // canonical
	values map[string][]int
}

// add files a rule under every value for which one of its sets may match.
func (x *index) add(number int, sets caddyhttp.MatcherSets) {
	if len(sets) == 0 || slices.ContainsFunc(sets, cannotPrune) {
		x.always = with(x.always, number)
		return
	}
	for _, set := range sets {
		switch m := set[0].(type) {
		case *caddyhttp.MatchHeader:
			x.addHeader(number, *m)
		case *caddyhttp.MatchPath:
			if x.paths == nil {
				x.paths = new(paths)
			}
			for _, pattern := range *m {
				x.paths.add(number, pattern)
			}
		case *caddyhttp.MatchHost:
			addEach(&x.hosts, number, *m)
		case *caddyhttp.MatchMethod:
			addEach(&x.methods, number, *m)
		}
	}
}

func (x *index) addHeader(number int, m caddyhttp.MatchHeader) {
	key := exactField(m)
	name := textproto.CanonicalMIMEHeaderKey(key)
	f := x.byName[name]
	if f == nil {
		f = &field{name: name}
		if x.byName == nil {
			x.byName = make(map[string]*field)
		}
		x.byName[name] = f
		x.fields = append(x.fields, f)
	}
	addEach(&f.values, number, m[key])
}

func addEach(to *map[string][]int, number int, values []string) {
	if *to == nil {
		*to = make(map[string][]int)
	}
	for _, value := range values {
		(*to)[value] = with((*to)[value], number)
	}
}

// with appends a number that may be there already.
func with(numbers []int, number int) []int {
	if n := len(numbers); n > 0 && numbers[n-1] == number {
		return numbers
	}
	return append(numbers, number)
}

// find adds to q the rules that r can match.
func (x *index) find(r *http.Request, q queue) queue {
	q = q.with(x.always)
	if len(x.fields) <= len(r.Header) {
		for _, f := range x.fields {
			q = f.find(r.Header[f.name], q)
		}
	} else {
		for name, values := range r.Header {
			if f := x.byName[name]; f != nil {
				q = f.find(values, q)
			}
		}
	}
	if x.paths != nil {
		q = x.paths.find(pathOf(r), q)
	}
	if x.hosts != nil {
		q = x.findHost(hostOf(r), q)
	}
	if x.methods != nil {
		q = q.with(x.methods[r.Method])
	}
	return q
}

func (f *field) find(values []string, q queue) queue {
	for _, value := range values {
		q = q.with(f.values[value])
	}
	return q
}

// findHost looks for a host as Caddy compares it: letters beyond ASCII, which
// no proper client sends, may fold to those within.
func (x *index) findHost(host string, q queue) queue {
	lower := strings.ToLower(host)
	if isASCII(host) {
		return q.with(x.hosts[lower])
	}
	for known, numbers := range x.hosts {
		if known == lower || strings.EqualFold(known, host) {
			q = q.with(numbers)
		}
	}
	return q
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// hostOf is the request's host without port and brackets, as Caddy's matcher
// cuts it. The guard keeps net.SplitHostPort from making an error of a host
// that just has no port.
func hostOf(r *http.Request) string {
	if strings.Contains(r.Host, ":") && !strings.HasSuffix(r.Host, "]") {
		if host, _, err := net.SplitHostPort(r.Host); err == nil {
			return host
		}
	}
	return strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
}

// queue is what an index has found: lists of ascending numbers, each with some
// at first; a number may be in several.
type queue [][]int

// room holds a queue without allocation: more lists than these are only found
// for a request with many values that rules ask for.
type room [8][]int

// with adds a list, mostly an empty one. That of a field that the request
// repeats is added once.
func (q queue) with(list []int) queue {
	if len(list) == 0 {
		return q
	}
	return q.once(list)
}

func (q queue) once(list []int) queue {
	for _, has := range q {
		if &has[0] == &list[0] {
			return q
		}
	}
	return append(q, list)
}

// next takes the least number out of the queue, if it is below end.
func (q queue) next(end int) (number int, ok bool) {
	number = end
	for _, list := range q {
		if len(list) > 0 {
			number = min(number, list[0])
		}
	}
	if number == end {
		return 0, false
	}
	for i, list := range q {
		if len(list) > 0 && list[0] == number {
			q[i] = list[1:]
		}
	}
	return number, true
}

// pruners are the matchers that an index can ask for, the best ones first.
const (
	prunesHeader = iota
	prunesPath
	prunesHost
	prunesMethod
	prunesNothing
)

// pruner tells whether a loaded matcher matches nothing but requests with one
// of some values that an index can look up.
func pruner(matcher any) int {
	switch m := matcher.(type) {
	case *caddyhttp.MatchHeader:
		if exactField(*m) != "" {
			return prunesHeader
		}
	case *caddyhttp.MatchPath:
		if !slices.ContainsFunc(*m, isOddPath) {
			return prunesPath
		}
	case *caddyhttp.MatchHost:
		if !slices.ContainsFunc(*m, func(host string) bool { return strings.ContainsAny(host, "{}*") }) {
			return prunesHost
		}
	case *caddyhttp.MatchMethod:
		return prunesMethod
	}
	return prunesNothing
}

// prunersFirst puts the matcher that an index asks for in front of its set.
// Caddy loads a set in random order; with this one a rule that the index leaves
// out would have been refused by its first matcher, before any of the others
// could fail or leave a trace.
func prunersFirst(set caddyhttp.MatcherSet) {
	slices.SortStableFunc(set, func(a, b any) int { return cmp.Compare(pruner(a), pruner(b)) })
}

// cannotPrune reports whether the first matcher of a set is of no use to an
// index.
func cannotPrune(set caddyhttp.MatcherSet) bool {
	return len(set) == 0 || pruner(set[0]) == prunesNothing
}

// exactField is the first name of m, in order, whose values are compared as
// they stand; empty if there is none. The fields that net/http keeps outside of
// the header are none.
func exactField(m caddyhttp.MatchHeader) string {
	exact := ""
	for name, values := range m {
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "Host", "Transfer-Encoding":
			continue
		}
		if len(values) > 0 && !slices.ContainsFunc(values, isOddValue) && (exact == "" || name < exact) {
			exact = name
		}
	}
	return exact
}

// isOddValue reports whether Caddy reads more than a text in the value of a
// header field: a star at an end, or braces.
func isOddValue(value string) bool {
	return strings.HasPrefix(value, "*") || strings.HasSuffix(value, "*") || strings.ContainsAny(value, "{}")
}
