package importer

import "cmp"

// readEnvoyGateway returns the points of each policy. The routes that policies target
// may be in the same file.
func readEnvoyGateway(in *input) []*part {
	var parts []*part
	g := newGateway(in)
	for _, v := range in.documents {
		if !isPolicy(v.node) {
			continue
		}
		if p := g.policy(v); p != nil {
			parts = append(parts, p)
		}
	}
	return parts
}

// policy returns the part of a policy, or nil without a fault.
func (g *gateway) policy(v value) *part {
	name, kind := v.walk("metadata", "name").str(), v.get("kind").str()
	fault := v.walk("spec", "faultInjection")
	if !fault.is() {
		v.note(Skipped, "the %s %s has no fault", kind, quoted(name))
		return nil
	}
	fault.known("delay", "abort", "maxActiveFaults", "disable")
	p := &part{head: []string{"Imported from " + g.file + ", " + kind + " " + quoted(name) + "."}}
	if fault.has("disable") {
		fault.get("disable").note(Skipped, "the faults of %s are disabled", quoted(name))
		return nil
	}
	conditions := newRule(v)
	about := g.target(p, v, conditions)
	d := gatewayDraws(g.input, fault)
	p.points = d.points(g.input, name, about, func(r *rule) {
		r.like(conditions, cmp.Or(about, kind+" "+quoted(name)))
		if most := fault.get("maxActiveFaults"); most.is() {
			r.set("max_active", decimal(float64(most.whole())))
			most.note(Approximate, "maxActiveFaults counts all faults together; max_active counts those of one rule")
		}
	})
	g.exceptPolicies(p, v)
	if len(p.points) == 0 {
		return nil
	}
	return p
}

// gatewayDraws returns the faults of a policy. Without a percentage, all requests get
// them.
func gatewayDraws(in *input, fault value) draws {
	var d draws
	percent := func(v value) float64 {
		p := v.get("percentage")
		if !p.is() {
			return 100
		}
		return share(p, p.num())
	}
	if delay := fault.get("delay"); delay.is() {
		delay.known("fixedDelay", "percentage")
		d.delay = fixedDelay(delay, delay.get("fixedDelay"), percent(delay))
	}
	in.give(d.delay)
	if abort := fault.get("abort"); abort.is() {
		abort.known("httpStatus", "grpcStatus", "percentage")
		d.abort = envoyAbort(abort, abort.get("httpStatus"), abort.get("grpcStatus"), percent(abort))
	}
	in.give(d.abort)
	return d
}

// target reads the conditions of the routes that a policy targets. It returns how
// comments name them.
func (g *gateway) target(p *part, v value, r *rule) string {
	refs := targetRefs(v)
	about := ""
	for _, ref := range refs {
		kind, name := ref.get("kind").str(), ref.get("name").str()
		about = kind + " " + quoted(name)
		route := g.routes[target{kind, name}]
		if !route.is() {
			text := "It is for the " + about + ": put these lines where its requests go."
			p.head = append(p.head, text)
			ref.note(Elsewhere, "%s", text)
			if len(refs) > 1 {
				ref.cannot("the conditions of the %s are not in the input", about)
				r.problems = g.take()
			}
			continue
		}
		p.head = append(p.head, g.forSites(route.walk("spec", "hostnames"))...)
		g.routeMatches(r, route, ref.get("sectionName").str())
	}
	if selectors := v.walk("spec", "targetSelectors"); selectors.is() {
		text := "It is for what its targetSelectors select: put these lines where those requests go."
		p.head = append(p.head, text)
		selectors.note(Elsewhere, "%s", text)
	}
	return about
}

// routeMatches adds the matches of a route to the conditions of a rule.
func (in *input) routeMatches(r *rule, route value, section string) {
	var matches []value
	for _, entry := range route.walk("spec", "rules").each() {
		if section != "" && entry.get("name").str() != section {
			continue
		}
		own := entry.get("matches").each()
		if len(own) == 0 && len(in.problems) == 0 {
			r.sets = append(r.sets, nil)
		}
		matches = append(matches, own...)
	}
	in.alternatives(r, matches, gatewayMatch)
}

// gatewayMatch returns the conditions of a match of the Gateway API.
func gatewayMatch(v value) conds {
	v.known("path", "headers", "queryParams", "method")
	var all conds
	if path := v.get("path"); path.is() {
		path.known("type", "value")
		value := path.get("value")
		switch path.get("type").str() {
		case "Exact":
			all = append(all, pathCond(value, test{text: value.str()})...)
		case "PathPrefix", "":
			all = append(all, pathElements(value, value.str())...)
		case "RegularExpression":
			all = append(all, pathCond(value, test{op: whole, text: value.str()})...)
		default:
			path.get("type").cannot("unknown type %s", quoted(path.get("type").str()))
		}
	}
	for _, h := range v.get("headers").each() {
		all = append(all, headerCond(h, h.get("name").str(), gatewayValue(h))...)
	}
	for _, q := range v.get("queryParams").each() {
		all = append(all, queryCond(q, q.get("name").str(), gatewayValue(q))...)
	}
	if method := v.get("method"); method.is() {
		all = append(all, gatewayMethod(method)...)
	}
	return all
}

// gatewayValue returns the comparison of a field or a parameter.
func gatewayValue(v value) test {
	v.known("type", "name", "value")
	switch v.get("type").str() {
	case "", "Exact":
		return test{text: v.get("value").str()}
	case "RegularExpression":
		return test{op: whole, text: v.get("value").str()}
	default:
		v.get("type").cannot("unknown type %s", quoted(v.get("type").str()))
		return test{}
	}
}

// gatewayMethod returns the conditions on a method of HTTP or of gRPC.
func gatewayMethod(v value) conds {
	if v.kind != object {
		return conds{methods(v, v.str())}
	}
	v.known("type", "service", "method")
	service, method := v.get("service").str(), v.get("method").str()
	if kind := v.get("type").str(); kind != "" && kind != "Exact" {
		v.get("type").cannot("a pattern of a method of gRPC")
		return nil
	}
	switch {
	case service != "" && method != "":
		return pathCond(v, test{text: "/" + service + "/" + method})
	case service != "":
		return pathCond(v, test{op: prefix, text: "/" + service + "/"})
	case method != "":
		return pathCond(v, test{op: suffix, text: "/" + method})
	default:
		return nil
	}
}
