package importer

import "slices"

// gateway is an input whose policies and routes can be looked up.
type gateway struct {
	*input
	routes     map[target]value
	refs       []policyRef      // of all policies, in the order of the input
	ofTarget   map[target][]int // the refs with a target
	ofGateway  map[string][]int // the refs to the routes of a Gateway
	ofGateways []int            // the refs to routes that may belong to any Gateway
}

// target is the kind and the name of what a policy is for.
type target struct{ kind, name string }

func (t target) isRoute() bool { return t.kind == "HTTPRoute" || t.kind == "GRPCRoute" }

// policyRef is a reference of a policy to its target.
type policyRef struct {
	policy, ref value
	target
	section string
}

func isPolicy(n *node) bool { return isKind("BackendTrafficPolicy", "TrafficPolicy")(n) }

// newGateway finds the policies and routes of an input. Whoever reads them reports what
// is wrong with them.
func newGateway(in *input) *gateway {
	g := &gateway{input: in, routes: make(map[target]value), ofTarget: make(map[target][]int), ofGateway: make(map[string][]int)}
	for _, d := range in.documents {
		t := target{d.get("kind").str(), d.walk("metadata", "name").str()}
		if _, known := g.routes[t]; t.isRoute() && !known {
			g.routes[t] = d
		}
	}
	for _, d := range in.documents {
		if !isPolicy(d.node) {
			continue
		}
		for _, ref := range targetRefs(d) {
			g.add(policyRef{d, ref, target{ref.get("kind").str(), ref.get("name").str()}, ref.get("sectionName").str()})
		}
	}
	in.takeQuietly()
	return g
}

// add makes a reference of a policy known.
func (g *gateway) add(r policyRef) {
	i := len(g.refs)
	g.refs = append(g.refs, r)
	g.ofTarget[r.target] = append(g.ofTarget[r.target], i)
	if !r.isRoute() {
		return
	}
	parents := g.routes[r.target].walk("spec", "parentRefs").each()
	if len(parents) == 0 || slices.ContainsFunc(parents, func(p value) bool { return p.get("kind").str() == "ListenerSet" }) {
		g.ofGateways = append(g.ofGateways, i)
		return
	}
	for _, p := range parents {
		name := p.get("name").str()
		g.ofGateway[name] = append(g.ofGateway[name], i)
	}
}

// targetRefs returns what a policy targets.
func targetRefs(policy value) []value {
	refs := policy.walk("spec", "targetRefs").each()
	if ref := policy.walk("spec", "targetRef"); ref.is() {
		refs = append(refs, ref)
	}
	return refs
}

// exceptPolicies lets the requests pass that another policy is for. The policy of a route stands
// in for that of its Gateway, and the policy of a rule for that of its route.
func (g *gateway) exceptPolicies(p *part, policy value) {
	var others []*rule
	for _, i := range g.narrower(policy) {
		if r := g.refs[i]; r.policy.node != policy.node && r.policy.textOf("kind") == policy.textOf("kind") {
			others = append(others, g.exception(r))
		}
	}
	p.points = except(p.points, others)
}

// narrower returns the references to something narrower than a policy is for.
func (g *gateway) narrower(policy value) []int {
	var all []int
	for _, own := range targetRefs(policy) {
		t := target{own.get("kind").str(), own.get("name").str()}
		if !own.get("sectionName").is() {
			for _, i := range g.ofTarget[t] {
				if g.refs[i].section != "" {
					all = append(all, i)
				}
			}
		}
		if !t.isRoute() {
			all = append(append(all, g.ofGateway[t.name]...), g.ofGateways...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// exception returns a rule for the requests of a reference.
func (g *gateway) exception(to policyRef) *rule {
	r := newRule(to.ref)
	r.name, r.about = ruleName(to.name), "the policy "+quoted(to.policy.walk("metadata", "name").str())+" of "+to.kind+" "+quoted(to.name)
	route := g.routes[to.target]
	if !route.is() {
		to.ref.cannot("the conditions of the %s %s are not known", to.kind, quoted(to.name))
		r.problems = g.takeQuietly()
		return r
	}
	g.routeMatches(r, route, to.section)
	return r
}
