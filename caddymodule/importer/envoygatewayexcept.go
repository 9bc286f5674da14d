package importer

import "slices"

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
func (in *input) exceptPolicies(p *part, policy value) {
	var others []*rule
	for _, other := range in.documents {
		if other.node == policy.node || !isKind(policy.get("kind").str())(other.node) {
			continue
		}
		for _, ref := range targetRefs(other) {
			if r := in.exception(policy, other, ref); r != nil {
				others = append(others, r)
			}
		}
	}
	p.points = except(p.points, others)
}

// exception returns a rule for the requests of a policy for something narrower, or nil.
func (in *input) exception(policy, other, ref value) *rule {
	kind, name, section := ref.get("kind").str(), ref.get("name").str(), ref.get("sectionName").str()
	narrower := slices.ContainsFunc(targetRefs(policy), func(own value) bool {
		if own.get("kind").str() == kind && own.get("name").str() == name {
			return section != "" && !own.get("sectionName").is()
		}
		return isRoute(kind) && !isRoute(own.get("kind").str()) && in.attached(kind, name, own.get("name").str())
	})
	if !narrower {
		return nil
	}
	r := newRule(ref)
	r.name, r.about = ruleName(name), "the policy "+quoted(other.walk("metadata", "name").str())+" of "+kind+" "+quoted(name)
	route := in.route(kind, name)
	if !route.is() {
		ref.cannot("the conditions of the %s %s are not known", kind, quoted(name))
		r.problems = in.takeQuietly()
		return r
	}
	in.routeMatches(r, route, section)
	return r
}

func isRoute(kind string) bool { return kind == "HTTPRoute" || kind == "GRPCRoute" }

// attached reports whether a route may belong to a Gateway, or to listeners of one.
func (in *input) attached(kind, name, gateway string) bool {
	route := in.route(kind, name)
	parents := route.walk("spec", "parentRefs").each()
	return len(parents) == 0 || slices.ContainsFunc(parents, func(p value) bool {
		return p.get("name").str() == gateway || p.get("kind").str() == "ListenerSet"
	})
}
