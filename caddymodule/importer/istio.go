package importer

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// readIstio returns the points of each VirtualService.
func readIstio(in *input) []*part {
	var parts []*part
	for _, v := range in.documents {
		in.virtual(v, &parts)
	}
	return parts
}

// virtual adds the part of a VirtualService, if it has a fault.
func (in *input) virtual(v value, parts *[]*part) {
	name := v.walk("metadata", "name").str()
	spec := v.get("spec")
	spec.known("hosts", "gateways", "http", "tcp", "tls", "exportTo")
	last := -1
	entries := spec.get("http").each()
	routes := make([]*routed, 0, len(entries))
	for i, entry := range entries {
		if entry.get("fault").is() {
			last = i
		}
		short, label := routeNames(entry, "http", i)
		routes = append(routes, &routed{value: entry, short: short, label: label})
	}
	if last < 0 {
		v.note(Skipped, "the VirtualService %s has no fault", quoted(name))
		return
	}
	p := &part{head: []string{"Imported from " + in.file + ", VirtualService " + quoted(name) + "."}}
	p.head = append(p.head, in.forSites(spec.get("hosts"))...)
	for _, r := range routes[:last+1] {
		in.readIstioRoute(r)
		r.children = nil // of a large file, both the routes and their rules are too much
	}
	p.points = in.routedPoints(name, routes[:last+1])
	if len(p.points) > 0 {
		*parts = append(*parts, p)
	}
}

// forSites returns the comment about the site of the lines, and adds a note.
func (in *input) forSites(hosts value) []string {
	names := hosts.texts()
	if len(names) == 0 || slices.Equal(names, []string{"*"}) {
		return nil
	}
	for i := range names {
		names[i] = quoted(names[i])
	}
	text := "It is for the site " + names[0] + "."
	if len(names) > 1 {
		text = "It is for the sites " + strings.Join(names, ", ") + "."
	}
	hosts.note(Elsewhere, "%s", text)
	return []string{text}
}

// readIstioRoute reads the conditions and faults of a route.
func (in *input) readIstioRoute(r *routed) {
	r.known("name", "match", "route", "redirect", "directResponse", "delegate", "rewrite", "timeout", "retries", "fault",
		"mirror", "mirrors", "mirrorPercent", "mirrorPercentage", "corsPolicy", "headers")
	r.rule = newRule(r.value)
	r.rule.about = r.label
	in.alternatives(r.rule, r.get("match").each(), istioMatch)
	fault := r.get("fault")
	if !fault.is() {
		return
	}
	fault.known("delay", "abort")
	for _, name := range []string{"timeout", "retries"} {
		if v := r.get(name); v.is() {
			v.note(Remark, "%s does not apply to the fault, as in Istio", name)
		}
	}
	if delay := fault.get("delay"); delay.is() {
		delay.known("fixedDelay", "exponentialDelay", "percent", "percentage")
		if e := delay.get("exponentialDelay"); e.is() {
			e.cannot("exponentialDelay has no meaning in Istio either")
		}
		r.delay = fixedDelay(delay, delay.get("fixedDelay"), istioPercent(delay))
	}
	in.give(r.delay)
	if abort := fault.get("abort"); abort.is() {
		abort.known("httpStatus", "grpcStatus", "http2Error", "percent", "percentage")
		if e := abort.get("http2Error"); e.is() {
			e.cannot("http2Error is not known in Istio's proxies either")
		}
		r.abort = envoyAbort(abort, abort.get("httpStatus"), abort.get("grpcStatus"), istioPercent(abort))
	}
	in.give(r.abort)
}

// istioPercent returns the percentage of a fault. Without one, Istio injects nothing.
func istioPercent(v value) float64 {
	percent := v.walk("percentage", "value")
	if !percent.is() {
		percent = v.get("percent")
	}
	if !percent.is() {
		v.note(Remark, "without a percentage, Istio injects nothing: percent 0")
		return 0
	}
	return share(percent, percent.num())
}

// istioMatch returns the conditions of a match block.
func istioMatch(v value) conds {
	v.known("name", "uri", "scheme", "method", "authority", "headers", "port", "sourceLabels", "gateways", "queryParams",
		"ignoreUriCase", "withoutHeaders", "sourceNamespace", "statPrefix")
	var all conds
	if uri := v.get("uri"); uri.is() {
		t := istioString(uri)
		t.fold = v.get("ignoreUriCase").truth(false)
		all = append(all, pathCond(uri, t)...)
	}
	if method := v.get("method"); method.is() {
		all = append(all, methodCond(method, istioString(method))...)
	}
	if scheme := v.get("scheme"); scheme.is() {
		all = append(all, exprCond(scheme, "{http.request.scheme}", istioString(scheme))...)
	}
	if authority := v.get("authority"); authority.is() {
		all = append(all, exprCond(authority, "{http.request.hostport}", istioString(authority))...)
	}
	if port := v.get("port"); port.is() {
		all = append(all, expression("{http.request.port} == "+strconv.Itoa(port.whole())))
	}
	for _, h := range v.get("headers").members() {
		all = append(all, istioHeader(h)...)
	}
	for _, h := range v.get("withoutHeaders").members() {
		t := istioString(h)
		t.not = true
		all = append(all, withoutHeader(h, h.name, t)...)
	}
	for _, q := range v.get("queryParams").members() {
		all = append(all, queryCond(q, q.name, istioString(q))...)
	}
	for _, name := range []string{"sourceLabels", "sourceNamespace", "gateways"} {
		if caller := v.get(name); caller.is() {
			caller.cannot("%s is not a property of a request here", caller.described())
		}
	}
	return all
}

// described returns a value with its name, such as sourceLabels app=web.
func (v value) described() string {
	if v.kind != object {
		return v.name + " " + clean(strings.Join(v.texts(), ", "))
	}
	words := []string{v.name}
	for _, m := range v.members() {
		words = append(words, clean(m.name)+"="+clean(m.str()))
	}
	return strings.Join(words, " ")
}

// istioString returns the comparison of a text.
func istioString(v value) test {
	if !v.is() || v.kind == object && len(v.children) == 0 {
		return test{op: exists}
	}
	v.known("exact", "prefix", "regex")
	switch {
	case v.get("exact").is():
		return test{text: v.get("exact").str()}
	case v.get("prefix").is():
		return test{op: prefix, text: v.get("prefix").str()}
	case v.get("regex").is():
		return test{op: whole, text: v.get("regex").str()}
	default:
		v.cannot("want exact, prefix or regex")
		return test{op: exists}
	}
}

// istioHeader returns the conditions on a header field. Those of HTTP/2 have names with
// a colon.
func istioHeader(h value) conds {
	return pseudoHeader(h, h.name, istioString(h))
}

// pseudoHeader returns the conditions on a header field, or on a field of HTTP/2 such
// as :path.
func pseudoHeader(v value, name string, t test) conds {
	switch strings.ToLower(name) {
	case ":path":
		return exprCond(v, "{http.request.uri}", t)
	case ":method":
		return methodCond(v, t)
	case ":authority", "host":
		return exprCond(v, "{http.request.hostport}", t)
	case ":scheme":
		return exprCond(v, "{http.request.scheme}", t)
	default:
		return headerCond(v, name, t)
	}
}

// withoutHeader returns the condition that a field does not match. An absent field
// counts as an empty one.
func withoutHeader(v value, name string, t test) conds {
	if t.op == exists {
		return headerCond(v, name, t)
	}
	plain := t
	plain.not = false
	cs := pseudoHeader(v, name, plain)
	if len(cs) != 1 {
		return cs
	}
	if matchesEmpty(t) {
		return pseudoHeader(v, name, t) // an absent field matches, so it must be there
	}
	return conds{negated(cs[0])}
}

// matchesEmpty reports whether a comparison matches the empty text.
func matchesEmpty(t test) bool {
	if t.op != whole && t.op != search {
		return t.text == ""
	}
	re, err := regexp.Compile("^(?:" + t.text + ")$")
	return err != nil || re.MatchString("")
}

var methodList = regexp.MustCompile(`^[A-Z]+(\|[A-Z]+)*$`)

// methodCond returns the conditions on the method.
func methodCond(v value, t test) conds {
	switch {
	case t.op == exists && !t.not:
		return nil
	case t.not || t.fold || t.text == "" || t.op != equal && t.op != whole || !methodList.MatchString(t.text):
		return exprCond(v, "{http.request.method}", t)
	case t.op == whole:
		return conds{methods(v, strings.Split(t.text, "|")...)}
	default:
		return conds{methods(v, t.text)}
	}
}
