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

// index finds the rules that a request can match, so that rules for other requests cost
// nothing. It looks up one value of the request per matcher set, as Caddy's matcher
// reads the value. The matchers still confirm the rules that it finds. The rules that
// it leaves out cannot match.
//
// The zero value has no rules. A rule is identified by its number. Add rules in
// ascending order.
type index struct {
	always  []int // rules that cannot be looked up
	fields  []*field
	byName  map[string]*field
	paths   *paths
	hosts   map[string][]int
	methods map[string][]int
}

// field maps the values of one header field to rules.
type field struct {
	name   string // in canonical form
	values map[string][]int
}

// add adds a rule for each value for which one of its sets may match.
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

// with appends a number, unless it is already the last one.
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

// findHost compares as Caddy does. A letter beyond ASCII, which no proper client sends,
// may fold to an ASCII letter.
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

// hostOf returns the request's host without port and brackets, as Caddy's matcher does.
// The first condition saves the error that net.SplitHostPort allocates for a host
// without a port.
func hostOf(r *http.Request) string {
	if strings.Contains(r.Host, ":") && !strings.HasSuffix(r.Host, "]") {
		if host, _, err := net.SplitHostPort(r.Host); err == nil {
			return host
		}
	}
	return strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
}

// queue is the result of a search in an index: lists of ascending numbers, none of
// which is empty at first. A number may be in several lists.
type queue [][]int

// room holds a queue without allocation. More lists are found only for a request with
// many values that rules match.
type room [8][]int

// with adds a list, unless it is empty or already there. A repeated field gives the
// same list again.
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

// next removes and returns the smallest number of the queue, if it is below end.
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

// The matchers that an index can look up, the most selective ones first.
const (
	prunesHeader = iota
	prunesPath
	prunesHost
	prunesMethod
	prunesNothing
)

// pruner returns how an index can look up a loaded matcher, or prunesNothing. Such a
// matcher matches only requests with one of a list of values.
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

// prunersFirst puts the matcher that an index looks up first in its set. Caddy loads a
// set in random order. With the fixed first matcher, a rule that the index leaves out
// behaves as without the index: no other matcher could have failed or had a side
// effect.
func prunersFirst(set caddyhttp.MatcherSet) {
	slices.SortStableFunc(set, func(a, b any) int { return cmp.Compare(pruner(a), pruner(b)) })
}

// cannotPrune reports whether an index cannot look up the first matcher of a set.
func cannotPrune(set caddyhttp.MatcherSet) bool {
	return len(set) == 0 || pruner(set[0]) == prunesNothing
}

// exactField returns the first field name of m, in order, whose values Caddy compares
// literally, or an empty text. It ignores the fields that net/http keeps outside of the
// header.
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

// isOddValue reports whether Caddy does not compare the value of a header field
// literally, because of a star at an end, or braces.
func isOddValue(value string) bool {
	return strings.HasPrefix(value, "*") || strings.HasSuffix(value, "*") || strings.ContainsAny(value, "{}")
}
