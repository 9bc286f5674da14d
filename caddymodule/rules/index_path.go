package rules

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// paths has the rules for exact paths and for prefixes of them. It is a radix
// tree: a node stands for the bytes on the way to it.
type paths struct {
	label    string // bytes from the parent
	exact    []int  // rules for the path that ends here
	prefix   []int  // rules for it and all that go on from here
	children []*paths
	first    int // byte that the label of children[0] begins with, the others follow; nil: none does
}

// add files a rule under a pattern, `/exact` or `/prefix*`.
func (p *paths) add(number int, pattern string) {
	if prefix, is := strings.CutSuffix(pattern, "*"); is {
		n := p.node(prefix)
		n.prefix = with(n.prefix, number)
	} else {
		n := p.node(pattern)
		n.exact = with(n.exact, number)
	}
}

// node is the one for a path below p; it is made if it is missing.
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

// place is where p has the child whose label begins with b.
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

// common is how many bytes a and b begin with together.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// find adds to q the rules for a path.
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

// pathOf is the request's path as Caddy's matcher compares it with patterns
// that are not odd.
func pathOf(r *http.Request) string {
	if r.URL.Path == "" {
		return "." // of CONNECT, cleaned
	}
	return caddyhttp.NormalizedPath(strings.ToLower(r.URL.Path), true)
}

// isOddPath reports whether a pattern is something else than an exact path or a
// prefix: one with placeholders, compared in escaped form or with double
// slashes, or with wildcards elsewhere than at its end.
func isOddPath(pattern string) bool {
	if strings.ContainsAny(pattern, "{%") || strings.Contains(pattern, "//") {
		return true
	}
	if prefix, is := strings.CutSuffix(pattern, "*"); is {
		return prefix == "" || strings.Contains(prefix, "*")
	}
	return strings.ContainsAny(pattern, `*?[\`)
}
