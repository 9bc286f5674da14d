package importer

import (
	"slices"
	"strconv"
)

// routed is a route with its faults. The first route that matches a request decides.
type routed struct {
	value
	draws
	short string // what its points and rules are called
	label string // how comments name it
	rule  *rule  // its conditions
}

// give makes what has been found the problems of a rule.
func (in *input) give(r *rule) {
	problems := in.take()
	if r != nil {
		r.problems = problems
	}
}

// routedPoints returns the points of the routes of a VirtualService.
func (in *input) routedPoints(name string, routes []*routed) []*point {
	last := routes[len(routes)-1]
	alone := !slices.ContainsFunc(routes[:len(routes)-1], func(r *routed) bool {
		return len(r.all()) > 0 || overlap(r.rule.sets, last.rule.sets) || overlapDropped(r.rule, last.rule)
	})
	if alone {
		return last.draws.points(in, name+"-"+last.short, last.label, func(r *rule) { r.like(last.rule, last.label) })
	}
	stem := in.names.stem(name, true)
	var points []*point
	for _, kind := range kinds {
		pt, takesAll := routedList(routes, kind)
		if pt == nil {
			continue
		}
		pt.name = stem + "-" + kind
		if takesAll && len(points) == 0 {
			pt.about = append(pt.about, "The first route that matches decides, so each is a rule that takes all of the draw.")
		}
		points = append(points, pt)
	}
	if len(points) > 1 {
		points[0].about = append(points[0].about, "Each kind of fault is a separate draw, so it is a separate point.")
	}
	return points
}

// overlapDropped reports whether an alternative that cannot be said may match what
// another rule matches.
func overlapDropped(r, other *rule) bool {
	return r.leftOut() || len(r.unsaid) > 0 && overlap(r.unsaid, other.sets)
}

// routedList returns the point of all faults of a kind.
func routedList(routes []*routed, kind string) (*point, bool) {
	if !slices.ContainsFunc(routes, func(r *routed) bool { return r.kind(kind) != nil }) {
		return nil, false
	}
	rules := make([]*rule, 0, len(routes))
	for _, route := range routes {
		r := route.kind(kind)
		if r == nil {
			r = newRule(route.value)
		}
		r.like(route.rule, route.label)
		r.name = ruleName(route.short)
		rules = append(rules, r)
	}
	arranged, takesAll := firstMatch(rules)
	if len(arranged) == 0 {
		return nil, false
	}
	uniqueRuleNames(arranged)
	return &point{rules: arranged, inBlocks: true}, takesAll
}

// like adds the conditions of a route to those of a rule.
func (r *rule) like(route *rule, about string) {
	if own := r.sets; len(own) > 0 {
		r.sets = product(r.at, orAll(route.sets), own)
	} else {
		r.sets = route.sets
	}
	r.unsaid, r.about = route.unsaid, about
	r.problems = slices.Concat(route.problems, r.problems, r.at.src.take())
}

// routeNames returns what the points of a route are called, and how comments name it.
func routeNames(entry value, list string, i int) (short, label string) {
	short, label = list+strconv.Itoa(i), list+"["+strconv.Itoa(i)+"]"
	if name := entry.get("name").str(); name != "" {
		short, label = name, label+" "+quoted(name)
	}
	return short, label
}
