package importer

import (
	"cmp"
	"slices"
	"strconv"
)

// filterConditions returns the conditions of a filter, added to those of a route. It
// returns nil if there are no conditions.
func (r *envoyReader) filterConditions(v value, route conds) []conds {
	all := slices.Clone(route)
	for _, h := range v.get("headers").each() {
		all = append(all, envoyHeader(h)...)
	}
	if nodes := v.get("downstream_nodes").texts(); len(nodes) > 0 {
		const name = "X-Envoy-Downstream-Service-Node"
		c := cond{matcher: "header", key: name}
		for _, node := range nodes {
			one := headerCond(v.get("downstream_nodes"), name, test{text: node})
			if len(one) == 1 && one[0].matcher == "header" {
				c.lines = append(c.lines, one[0].lines...)
			} else {
				v.get("downstream_nodes").cannot("a Caddyfile cannot contain the node %s", quoted(node))
			}
		}
		if len(c.lines) > 0 {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return []conds{all}
}

// envoyHeader returns the conditions of a header matcher, of this API and the old one.
func envoyHeader(v value) conds {
	v.known("name", "exact_match", "safe_regex_match", "regex_match", "range_match", "present_match", "prefix_match", "suffix_match",
		"contains_match", "string_match", "invert_match", "treat_missing_header_as_empty")
	name := v.get("name").str()
	t := test{op: exists}
	switch {
	case v.get("string_match").is():
		t = envoyString(v.get("string_match"))
	case v.get("exact_match").is():
		t = test{text: v.get("exact_match").str()}
	case v.get("prefix_match").is():
		t = test{op: prefix, text: v.get("prefix_match").str()}
	case v.get("suffix_match").is():
		t = test{op: suffix, text: v.get("suffix_match").str()}
	case v.get("contains_match").is():
		t = test{op: contains, text: v.get("contains_match").str()}
	case v.get("safe_regex_match").is():
		t = test{op: whole, text: v.get("safe_regex_match").get("regex").str()}
	case v.get("regex_match").is():
		t = test{op: whole, text: v.get("regex_match").str()}
	case v.get("range_match").is():
		return envoyRange(v, name)
	case v.get("present_match").is():
		t.not = !v.get("present_match").truth(true)
	}
	if v.get("invert_match").truth(false) {
		t.not = !t.not
		if t.op != exists && v.get("treat_missing_header_as_empty").truth(false) {
			return withoutHeader(v, name, t)
		}
	}
	return pseudoHeader(v, name, t)
}

// envoyRange returns the condition that a field has a number of a range.
func envoyRange(v value, name string) conds {
	bounds := v.get("range_match")
	bounds.known("start", "end")
	if !fieldName.MatchString(name) {
		v.cannot("%s is not the name of a header field", quoted(name))
		return nil
	}
	subject := "{http.request.header." + canonical(name) + "}"
	number := func(bound string) string { return strconv.FormatInt(int64(bounds.get(bound).num()), 10) }
	expr := numberTest(subject, ">= "+number("start"), "< "+number("end"))
	if v.get("invert_match").truth(false) {
		expr = subject + ` != "" && !(` + expr + ")"
	}
	return conds{expression(expr)}
}

// envoyString returns the comparison of a StringMatcher.
func envoyString(v value) test {
	v.known("exact", "prefix", "suffix", "contains", "safe_regex", "ignore_case")
	t := test{fold: v.get("ignore_case").truth(false)}
	switch {
	case v.get("exact").is():
		t.text = v.get("exact").str()
	case v.get("prefix").is():
		t.op, t.text = prefix, v.get("prefix").str()
	case v.get("suffix").is():
		t.op, t.text = suffix, v.get("suffix").str()
	case v.get("contains").is():
		t.op, t.text = contains, v.get("contains").str()
	case v.get("safe_regex").is():
		t.op, t.fold, t.text = whole, false, v.get("safe_regex").get("regex").str()
	default:
		v.cannot("want exact, prefix, suffix, contains or safe_regex")
	}
	return t
}

// virtualHost adds the points of the routes of a virtual host. A fault of the virtual
// host is for the routes without a fault.
func (r *envoyReader) virtualHost(v value) {
	common, _ := faultConfig(v)
	name := cmp.Or(v.get("name").str(), base(r.file))
	var routes []*routed
	last := 0
	for i, entry := range v.get("routes").each() {
		fault, own := faultConfig(entry)
		if !own {
			fault = common
		}
		route := &routed{value: entry, rule: newRule(entry)}
		route.short, route.label = routeNames(entry, "routes", i)
		r.routeFault(route, fault, name)
		routes = append(routes, route)
		if len(route.all()) > 0 {
			last = len(routes)
			routes = append(routes, r.restOf(route)) // needed only if more faults follow
		}
	}
	if last == 0 {
		return
	}
	r.part.head = append(r.part.head, r.forSites(v.get("domains"))...)
	r.part.points = append(r.part.points, r.routedPoints(name, routes[:last])...)
}

// routeFault reads the conditions and the faults of a route.
func (r *envoyReader) routeFault(route *routed, fault value, name string) {
	conditions := envoyMatch(route.get("match"))
	if !fault.is() {
		route.rule.sets = []conds{conditions}
		route.rule.problems = r.takeQuietly()
		return
	}
	r.filterHead(fault)
	route.rule.sets = r.filterConditions(fault, conditions)
	route.rule.problems = r.take()
	route.draws = *r.draws(fault, name)
	for _, each := range route.all() {
		r.maxActive(fault, each)
	}
	if r.trigger(fault) != nil {
		fault.note(LeftOut, "a fault that requests of one route ask for: write trigger envoy in a handle block for the route")
	}
}

// restOf returns a route without a fault for the requests of a route that its fault
// filter lets pass.
func (r *envoyReader) restOf(route *routed) *routed {
	rest := &routed{value: route.value, short: route.short + "-rest", label: route.label, rule: newRule(route.value)}
	rest.rule.sets = []conds{envoyMatch(route.get("match"))}
	rest.rule.problems = r.takeQuietly()
	return rest
}

// takeQuietly returns the problems without notes, for what is not imported anyway.
func (s *source) takeQuietly() []Note {
	problems := s.problems
	s.problems = nil
	return problems
}

// faultConfig returns the configuration of the fault filter of a route or a host, and
// whether there is one. It may be disabled.
func faultConfig(v value) (config value, own bool) {
	for _, group := range []string{"typed_per_filter_config", "per_filter_config"} {
		for _, name := range envoyNames {
			config := v.get(group).get(name)
			if !config.is() {
				continue
			}
			if config.get("disabled").truth(false) {
				return value{}, true
			}
			return config, true
		}
	}
	return value{}, false
}

// envoyMatch returns the conditions of the match of a route.
func envoyMatch(v value) conds {
	v.known("prefix", "path", "safe_regex", "path_separated_prefix", "case_sensitive", "headers", "query_parameters",
		"runtime_fraction", "grpc", "tls_context", "dynamic_metadata", "connect_matcher", "path_match_policy", "filter_state", "cookies")
	fold := !v.get("case_sensitive").truth(true)
	var all conds
	if p := v.get("prefix"); p.is() && p.str() != "/" {
		all = append(all, pathCond(p, test{op: prefix, text: p.str(), fold: fold})...)
	}
	if p := v.get("path"); p.is() {
		all = append(all, pathCond(p, test{text: p.str(), fold: fold})...)
	}
	if p := v.get("path_separated_prefix"); p.is() {
		all = append(all, pathElements(p, p.str())...)
	}
	if p := v.get("safe_regex"); p.is() {
		all = append(all, pathCond(p, test{op: whole, text: p.get("regex").str()})...)
	}
	for _, h := range v.get("headers").each() {
		all = append(all, envoyHeader(h)...)
	}
	for _, q := range v.get("query_parameters").each() {
		t := test{op: exists}
		if s := q.get("string_match"); s.is() {
			t = envoyString(s)
		} else if present := q.get("present_match"); present.is() {
			t.not = !present.truth(true)
		}
		all = append(all, queryCond(q, q.get("name").str(), t)...)
	}
	for _, name := range []string{"runtime_fraction", "grpc", "tls_context", "dynamic_metadata", "connect_matcher", "path_match_policy", "filter_state", "cookies"} {
		if found := v.get(name); found.is() {
			found.cannot("no matcher knows %s", name)
		}
	}
	return all
}
