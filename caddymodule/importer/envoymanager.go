package importer

import "slices"

// manager finds the fault filters of a connection manager. A route or a virtual
// host may have a separate configuration, which stands in for that of the filter.
func (r *envoyReader) manager(v value) {
	outer := r.exceptions
	r.exceptions = r.ownFaults(v.walk("route_config", "virtual_hosts").each())
	for _, m := range v.members() {
		r.walk(m)
	}
	r.exceptions = outer
}

// ownFaults returns rules for the requests of virtual hosts and routes that have a
// separate configuration.
func (r *envoyReader) ownFaults(hosts []value) []*rule {
	var rules []*rule
	for _, host := range hosts {
		var domains conds
		if len(hosts) > 1 {
			domains = hostCond(host.get("domains"))
		}
		if _, own := faultConfig(host); own {
			rules = append(rules, r.ownFault(host, domains, "host"))
			continue
		}
		for i, route := range host.get("routes").each() {
			if _, own := faultConfig(route); own {
				short, _ := routeNames(route, "routes", i)
				rules = append(rules, r.ownFault(route, append(slices.Clip(domains), envoyMatch(route.get("match"))...), short))
			}
		}
		r.takeQuietly() // of a rule that is told where it is imported
	}
	return rules
}

// ownFault returns the rule for a route or a virtual host.
func (r *envoyReader) ownFault(v value, cs conds, name string) *rule {
	own := newRule(v)
	own.name, own.about, own.problems = ruleName(name), v.path, r.takeQuietly()
	if len(cs) > 0 {
		own.sets = []conds{cs}
	}
	return own
}

// hostCond returns the condition that the host is one of those of a virtual host. The
// host * is any.
func hostCond(domains value) conds {
	names := domains.texts()
	for _, name := range names {
		switch {
		case name == "*":
			return nil
		case !plainHost.MatchString(name):
			domains.cannot("a Caddyfile cannot contain the host %s", quoted(name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return conds{one("host", "", names...)}
}

// except lets requests pass before the rules of points, and returns the points that still
// have a rule.
func except(points []*point, exceptions []*rule) []*point {
	if len(exceptions) == 0 {
		return points
	}
	return slices.DeleteFunc(points, func(pt *point) bool {
		rules := make([]*rule, 0, len(exceptions)+len(pt.rules))
		for _, r := range exceptions {
			own := *r
			rules = append(rules, &own)
		}
		for _, r := range pt.rules {
			if r.name == "" {
				r.name = "rest"
			}
		}
		pt.rules, _ = firstMatch(append(rules, pt.rules...))
		pt.inBlocks = len(pt.rules) > 1
		uniqueRuleNames(pt.rules)
		return len(pt.rules) == 0 && len(pt.options) == 0
	})
}
