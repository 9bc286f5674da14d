package importer

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// apisixPlugins are the plugins that are imported.
var apisixPlugins = []string{"fault-injection", "response-rewrite"}

// isAPISIX reports whether an object near the top has one of the plugins.
func isAPISIX(n *node) bool { return hasAPISIX(n, 0) }

func hasAPISIX(n *node, depth int) bool {
	if plugins := n.find("plugins"); plugins != nil && slices.ContainsFunc(apisixPlugins, plugins.has) {
		return true
	}
	return depth < 4 && n.kind >= list && n.anyChild(func(c *child) bool { return hasAPISIX(&c.node, depth+1) })
}

// readAPISIX returns the points of the routes of each document.
func readAPISIX(in *input) []*part {
	var parts []*part
	for _, document := range in.documents {
		objects, about := apisixRoutes(document)
		entries := in.apisixEntries(objects)
		last := 0
		for i, e := range entries {
			if len(e.all()) > 0 {
				last = i + 1
			}
		}
		if last == 0 {
			continue
		}
		p := &part{head: []string{"Imported from " + in.file + ", " + about + "."}}
		for _, object := range objects {
			p.head = append(p.head, in.apisixHost(object)...)
		}
		if len(objects) == 1 {
			p.points = in.apisixAlone(objects[0], entries)
		} else {
			p.points = in.routedPoints(base(in.file), entries[:last])
		}
		if len(p.points) > 0 {
			parts = append(parts, p)
		}
	}
	return parts
}

// apisixRoutes returns the routes of a document, and what it is.
func apisixRoutes(v value) (routes []value, about string) {
	switch {
	case v.kind == list:
		routes = v.each()
	case v.get("routes").is():
		v.known("routes", "services", "upstreams", "plugins", "plugin_configs", "consumers", "global_rules", "ssls", "plugin_metadata", "stream_routes", "consumer_groups")
		routes = v.get("routes").each()
		for _, name := range []string{"services", "global_rules", "plugin_configs", "consumers", "consumer_groups"} {
			if other := v.get(name); other.is() && hasAPISIX(other.node, 0) {
				other.note(LeftOut, "only the plugins of routes are imported: copy those of %s into a route", name)
			}
		}
	case v.get("list").is(): // an answer of the Admin API
		for _, each := range v.get("list").each() {
			routes = append(routes, each.get("value"))
		}
	case v.get("value").is():
		routes = []value{v.get("value")}
	default:
		routes = []value{v}
	}
	if len(routes) == 1 {
		uris := strings.Join(append(routes[0].get("uri").texts(), routes[0].get("uris").texts()...), ", ")
		return routes, "the route of " + quoted(cmp.Or(uris, "all paths"))
	}
	return routes, count(len(routes), "route", "routes")
}

// apisixHost returns the comment about the hosts of a route.
func (in *input) apisixHost(v value) []string {
	for _, name := range []string{"host", "hosts"} {
		if hosts := v.get(name); hosts.is() && hasAPISIX(v.node, 3) {
			return in.forSites(hosts)
		}
	}
	return nil
}

// apisixEntries returns the routes in the order in which APISIX tries them. A route with
// several paths has an entry for each.
func (in *input) apisixEntries(objects []value) []*routed {
	type entry struct {
		*routed
		path     string
		priority float64
	}
	var all []entry
	for i, object := range objects {
		uris := append(object.get("uri").texts(), object.get("uris").texts()...)
		groups := [][]string{uris}
		if len(objects) > 1 && len(uris) > 1 {
			groups = nil
			for _, uri := range uris {
				groups = append(groups, []string{uri})
			}
		}
		for _, group := range groups {
			r, rest := in.apisixRoute(object, i, group)
			priority := object.get("priority").num()
			path := strings.Join(group, "")
			all = append(all, entry{r, path, priority})
			if rest != nil {
				all = append(all, entry{rest, path, priority})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b entry) int {
		wild := func(e entry) int { return strings.Count(e.path, "*") }
		return cmp.Or(wild(a)-wild(b), len(b.path)-len(a.path), cmp.Compare(b.priority, a.priority))
	})
	routes := make([]*routed, 0, len(all))
	for _, e := range all {
		routes = append(routes, e.routed)
	}
	return routes
}

var apisixRouteFields = []string{
	"id", "name", "desc", "labels", "uri", "uris", "methods", "host", "hosts", "remote_addr", "remote_addrs", "vars", "priority", "plugins",
	"upstream", "upstream_id", "service_id", "plugin_config_id", "status", "timeout", "enable_websocket", "filter_func", "script",
	"create_time", "update_time", "service_name", "service_protocol",
}

// apisixRoute reads a route. The second result lets the requests pass that the route
// gets and its faults do not hit.
func (in *input) apisixRoute(v value, i int, uris []string) (r, rest *routed) {
	r = &routed{value: v, rule: newRule(v)}
	r.short, r.label = routeNames(v, "routes", i)
	if status := v.get("status"); status.is() && status.whole() == 0 {
		status.note(Skipped, "the route is disabled")
		r.rule.sets = []conds{{expression("false")}}
		return r, nil
	}
	if len(uris) == 0 {
		v.cannot("without uri or uris it is not a route: a consumer, a service or a plugin configuration is for some requests only, so copy its plugins into a route")
	} else {
		v.known(apisixRouteFields...)
	}
	r.rule.sets = in.apisixConditions(v, uris)
	r.rule.problems = in.takeQuietly()
	plugins := v.get("plugins")
	if fault := plugins.get("fault-injection"); fault.is() && !fault.walk("_meta", "disable").truth(false) {
		fault.known("abort", "delay", "_meta")
		r.delay = in.apisixDelay(fault.get("delay"))
		r.abort = in.apisixAbort(fault.get("abort"))
	}
	if rewrite := plugins.get("response-rewrite"); rewrite.is() && !rewrite.walk("_meta", "disable").truth(false) {
		r.rewrite = in.apisixRewrite(rewrite)
	}
	if len(r.all()) == 0 {
		return r, nil
	}
	in.notes = append(in.notes, r.rule.problems...)
	if !slices.ContainsFunc(r.all(), func(each *rule) bool { return len(each.sets) > 0 || each.share == 0 }) {
		return r, nil // its faults get all its requests
	}
	rest = &routed{value: v, short: r.short + "-rest", label: r.label, rule: newRule(v)}
	rest.rule.sets, rest.rule.problems = r.rule.sets, r.rule.problems
	return r, rest
}

// apisixConditions returns the conditions of a route.
func (in *input) apisixConditions(v value, uris []string) []conds {
	var all conds
	if m := v.get("methods").texts(); len(m) > 0 {
		all = append(all, methods(v.get("methods"), m...))
	}
	hosts := append(v.get("host").texts(), v.get("hosts").texts()...)
	if len(hosts) > 0 && !slices.ContainsFunc(hosts, func(h string) bool { return !plainHost.MatchString(h) }) {
		all = append(all, one("host", "", hosts...))
	} else if len(hosts) > 0 {
		v.cannot("a host that a Caddyfile cannot contain")
	}
	addresses := append(v.get("remote_addr").texts(), v.get("remote_addrs").texts()...)
	if len(addresses) > 0 {
		all = append(all, one("remote_ip", "", addresses...))
	}
	if f := v.get("filter_func"); f.is() {
		f.cannot("no matcher knows a function in Lua")
	}
	sets := []conds{all}
	if len(uris) > 0 && !slices.Contains(uris, "/*") && !slices.Contains(uris, "*") {
		sets = withPaths(v, all, uris)
	}
	if vars := v.get("vars"); vars.is() {
		sets = product(v, sets, apisixVars(vars))
	}
	if len(sets) == 1 && len(sets[0]) == 0 {
		return nil
	}
	return sets
}

var plainHost = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9.-]+$`)

// withPaths adds paths, of which one must match.
func withPaths(v value, to conds, uris []string) []conds {
	var sets []conds
	for _, uri := range uris {
		t := test{text: uri}
		if short, ok := strings.CutSuffix(uri, "*"); ok {
			t = test{op: prefix, text: short}
		}
		cs := pathCond(v, t)
		if len(sets) == 1 && len(cs) == 1 && cs[0].matcher == "path" && len(uris) > 1 {
			last := &sets[0][len(sets[0])-1]
			if last.matcher == "path" { // one line for all
				last.lines[0] = append(last.lines[0], cs[0].lines[0]...)
				last.path = pathShape{}
				continue
			}
		}
		sets = append(sets, slices.Concat(to, cs))
	}
	return sets
}

// product returns the alternatives that match one of each of two lists.
func product(v value, a, b []conds) []conds {
	if len(a)*len(b) > 64 {
		v.cannot("more than 64 alternatives")
		return a
	}
	var all []conds
	for _, x := range a {
		for _, y := range b {
			all = append(all, slices.Concat(x, y))
		}
	}
	return all
}

// apisixAlone returns the points of the only route of a document. Its conditions are a
// matcher that the points share.
func (in *input) apisixAlone(v value, entries []*routed) []*point {
	i := slices.IndexFunc(entries, func(e *routed) bool { return len(e.all()) > 0 })
	r := entries[i]
	name := cmp.Or(v.get("name").textOrNone(), base(in.file))
	d := r.draws
	points := d.points(in, name, "", func(each *rule) {
		each.about = r.label
		each.problems = append(slices.Clone(r.rule.problems), each.problems...)
		if len(r.rule.sets) > 1 {
			each.sets = product(v, r.rule.sets, orAll(each.sets))
		}
	})
	if len(r.rule.sets) == 1 {
		for _, pt := range points {
			pt.matcher, pt.label = r.rule.sets[0], nameOf(name)
		}
	}
	return points
}

// orAll returns alternatives, of which there is at least one.
func orAll(sets []conds) []conds {
	if len(sets) == 0 {
		return []conds{nil}
	}
	return sets
}
