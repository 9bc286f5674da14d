package rules

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// paths is a radix tree that finds the rules for exact paths and for path prefixes. A
// node represents the bytes on the way to it.
type paths struct {
	label    string // bytes that follow the parent
	exact    []int  // rules for exactly this path
	prefix   []int  // rules for paths that begin with this path
	children []*paths
	first    int // children[i] is for labels that begin with byte first+i; nil: no such label
}

// add adds a rule for a pattern, `/exact` or `/prefix*`.
func (p *paths) add(number int, pattern string) {
	if prefix, is := strings.CutSuffix(pattern, "*"); is {
		n := p.node(prefix)
		n.prefix = with(n.prefix, number)
	} else {
		n := p.node(pattern)
		n.exact = with(n.exact, number)
	}
}

// node returns the node for a path below p, and creates it if necessary.
func (p *paths) node(path string) *paths {
	if path == "" {
		return p
	}
	place := p.place(int(path[0]))
	if *place == nil {
		*place = &paths{label: path}
		return *place
	}
	child := *place
	if same := common(child.label, path); same < len(child.label) {
		upper := &paths{label: child.label[:same]}
		child.label = child.label[same:]
		*upper.place(int(child.label[0])) = child
		*place, child = upper, upper
	}
	return child.node(path[len(child.label):])
}

// place returns the place in p for the child whose label begins with b.
func (p *paths) place(b int) **paths {
	switch last := p.first + len(p.children) - 1; {
	case p.children == nil:
		p.first, p.children = b, make([]*paths, 1)
	case b < p.first:
		p.children = append(make([]*paths, p.first-b), p.children...)
		p.first = b
	case b > last:
		p.children = append(p.children, make([]*paths, b-last)...)
	}
	return &p.children[b-p.first]
}

// common returns the length of the common prefix of a and b.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// find adds the rules for a path to q.
func (p *paths) find(path string, q queue) queue {
	for {
		q = q.with(p.prefix)
		if path == "" {
			return q.with(p.exact)
		}
		i := int(path[0]) - p.first
		if i < 0 || i >= len(p.children) || p.children[i] == nil {
			return q
		}
		p = p.children[i]
		rest, is := strings.CutPrefix(path, p.label)
		if !is {
			return q
		}
		path = rest
	}
}

// pathOf returns the request's path in the form that Caddy's matcher compares with
// patterns that are not odd.
func pathOf(r *http.Request) string {
	if r.URL.Path == "" {
		return "." // the cleaned path of CONNECT
	}
	return caddyhttp.NormalizedPath(strings.ToLower(r.URL.Path), true)
}

// isOddPath reports whether a pattern is neither an exact path nor a prefix. Such
// patterns have placeholders, percent escapes, double slashes, or wildcards before the
// end.
func isOddPath(pattern string) bool {
	if strings.ContainsAny(pattern, "{%") || strings.Contains(pattern, "//") {
		return true
	}
	if prefix, is := strings.CutSuffix(pattern, "*"); is {
		return prefix == "" || strings.Contains(prefix, "*")
	}
	return strings.ContainsAny(pattern, `*?[\`)
}
