package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// envoyNames are the names of Envoy's fault filter.
var envoyNames = []string{"envoy.filters.http.fault", "envoy.fault"}

// isEnvoy reports whether there is a fault filter anywhere in a document.
func isEnvoy(n *node) bool {
	if isEnvoyFault(n) || n.has("config") && slices.Contains(envoyNames, n.textOf("name")) {
		return true
	}
	return n.anyChild(func(c *child) bool {
		return slices.Contains(envoyNames, c.name) || c.kind >= list && isEnvoy(&c.node)
	})
}

// isEnvoyFault reports whether an object is the configuration of a fault filter.
func isEnvoyFault(n *node) bool { return strings.HasSuffix(n.textOf("@type"), "HTTPFault") }

// envoyReader reads the fault filters of a document.
type envoyReader struct {
	*input
	part       *part
	exceptions []*rule // for which requests a filter has another configuration
}

// readEnvoy returns the points of the fault filters of each document.
func readEnvoy(in *input) []*part {
	in.snake = true
	var parts []*part
	for _, document := range in.documents {
		r := &envoyReader{input: in, part: &part{head: []string{"Imported from " + in.file + ", " + envoyNames[0] + "."}}}
		r.walk(document)
		if len(r.part.points) > 0 {
			parts = append(parts, r.part)
		}
	}
	in.snake = false
	return parts
}

// walk finds the fault filters within a value.
func (r *envoyReader) walk(v value) {
	switch {
	case !v.is() || v.kind < list:
	case v.kind == list:
		for _, each := range v.each() {
			r.walk(each)
		}
	case isEnvoyFault(v.node):
		r.filter(v, base(r.file))
	case isOneOf(v.get("name").textOrNone(), envoyNames...) && v.get("config").is():
		r.filter(v.get("config"), base(r.file)) // of the old API
	case v.get("http_filters").is() && v.get("route_config").is():
		r.manager(v)
	case v.get("routes").is() && v.get("domains").is():
		r.virtualHost(v)
	default:
		for _, m := range v.members() {
			r.walk(m)
		}
	}
}

// textOrNone returns the text of a scalar, or "" for anything else.
func (v value) textOrNone() string {
	if !v.is() || v.kind >= list {
		return ""
	}
	return v.node.text
}

// filter adds the points of one fault filter.
func (r *envoyReader) filter(v value, name string) {
	conditions := newRule(v)
	r.part.head = append(r.part.head, r.filterHead(v)...)
	d := r.draws(v, name)
	conditions.sets = r.filterConditions(v, nil)
	conditions.problems = r.take()
	options := r.trigger(v)
	points := d.points(r.input, name, "", func(each *rule) {
		each.like(conditions, "the fault filter")
		r.maxActive(v, each)
	})
	if options != nil {
		pt := &point{name: r.names.take(name), options: options}
		if conditions.leftOut() {
			pt.options, pt.rules = nil, []*rule{conditions}
		}
		points = append(points, pt)
	}
	if len(conditions.sets) > 0 && !conditions.leftOut() && (len(points) > 1 || options != nil) {
		for _, pt := range points {
			pt.matcher, pt.label = conditions.sets[0], nameOf(name)
			for _, each := range pt.rules {
				each.sets = nil
			}
		}
	}
	points = except(points, r.exceptions)
	if options != nil && len(r.exceptions) > 0 {
		v.note(Approximate, "the trigger also serves the routes that have a separate configuration")
	}
	r.part.points = append(r.part.points, points...)
}

// filterHead returns comments about a filter, and adds notes.
func (r *envoyReader) filterHead(v value) []string {
	v.known("@type", "delay", "abort", "upstream_cluster", "headers", "downstream_nodes", "max_active_faults", "response_rate_limit",
		"delay_percent_runtime", "abort_percent_runtime", "delay_duration_runtime", "abort_http_status_runtime", "abort_grpc_status_runtime",
		"max_active_faults_runtime", "response_rate_limit_percent_runtime", "disable_downstream_cluster_stats", "filter_metadata")
	for _, m := range v.members() {
		if strings.HasSuffix(m.name, "_runtime") || strings.HasSuffix(m.name, "Runtime") {
			m.note(Skipped, "a key of Envoy's runtime")
		}
	}
	var head []string
	if cluster := v.get("upstream_cluster"); cluster.is() {
		text := "upstream_cluster " + quoted(cluster.str()) + ": put these lines where requests go to it."
		cluster.note(Elsewhere, "%s", text)
		head = append(head, text)
	}
	if most := v.get("max_active_faults"); most.is() {
		faults := 0
		for _, name := range []string{"delay", "abort", "response_rate_limit"} {
			if v.get(name).is() {
				faults++
			}
		}
		if faults > 1 {
			number := [...]string{2: "both", 3: "all three"}[faults]
			text := fmt.Sprintf("max_active_faults counts %s together: give the global option fault max_active %d for that.", number, most.whole())
			most.note(Approximate, "%s", text)
			head = append(head, text)
		}
	}
	return head
}

// maxActive sets the bound of a filter in a rule.
func (r *envoyReader) maxActive(v value, to *rule) {
	if most := v.get("max_active_faults"); most.is() {
		if n := most.whole(); n > 0 {
			to.set("max_active", strconv.Itoa(n))
		} else {
			to.share = 0
		}
	}
}

// draws returns the faults of a filter that it decides itself.
func (r *envoyReader) draws(v value, name string) *draws {
	d := &draws{}
	if limit := v.walk("response_rate_limit", "fixed_limit"); limit.is() {
		d.rate = newRule(limit)
		d.rate.share = envoyPercent(v.get("response_rate_limit"))
		if rate := limit.get("limit_kbps").whole(); rate > 0 {
			d.rate.fault("throttle", strconv.Itoa(rate)+"KiB/s")
		} else {
			limit.cannot("a rate of 0 is not valid in Envoy")
		}
		r.give(d.rate)
	}
	if delay := v.get("delay"); delay.get("fixed_delay").is() {
		delay.known("type", "fixed_delay", "percentage", "percent")
		d.delay = fixedDelay(delay, delay.get("fixed_delay"), envoyPercent(delay))
		r.give(d.delay)
	}
	if abort := v.get("abort"); abort.is() && !abort.has("header_abort") && !abort.has("headerAbort") {
		abort.known("http_status", "grpc_status", "percentage", "percent")
		d.abort = envoyAbort(abort, abort.get("http_status"), abort.get("grpc_status"), envoyPercent(abort))
		r.give(d.abort)
	}
	return d
}

// denominators are the denominators of a percentage by name.
var denominators = map[string]float64{"": 100, "HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}

// envoyPercent returns the percentage of a fault. Without one, Envoy injects nothing.
func envoyPercent(v value) float64 {
	if old := v.get("percent"); old.is() {
		return share(old, old.num())
	}
	p := v.get("percentage")
	if !p.is() {
		v.note(Remark, "without a percentage, Envoy injects nothing: percent 0")
		return 0
	}
	p.known("numerator", "denominator")
	of, ok := denominators[p.get("denominator").str()]
	if !ok {
		p.get("denominator").cannot("unknown denominator %s", quoted(p.get("denominator").str()))
		return 0
	}
	return share(p, p.get("numerator").num()/of*100)
}

// trigger returns a trigger for what requests ask for by header fields, or nil.
func (r *envoyReader) trigger(v value) []line {
	var asked []string
	var shares []float64
	for _, each := range [][2]string{{"delay", "header_delay"}, {"abort", "header_abort"}, {"response_rate_limit", "header_limit"}} {
		fault := v.get(each[0])
		if fault.is() && (fault.find(each[1]) != nil || fault.find(camel(each[1])) != nil) {
			shares = append(shares, envoyPercent(fault))
			asked = append(asked, fmt.Sprintf("%s %s %%", cmp.Or(map[string]string{"response_rate_limit": "rate limit"}[each[0]], each[0]), decimal(shares[len(shares)-1])))
		}
	}
	if len(asked) == 0 {
		return nil
	}
	lowest := slices.Min(shares)
	trigger := said("trigger", "envoy")
	if lowest != 100 {
		trigger.block = []line{said("percent", percentage(lowest))}
	}
	if slices.Max(shares) != lowest {
		text := strings.Replace(strings.Join(asked, " and "), " ", " may take ", 1) + "; a trigger has one percent for all it is asked for."
		v.note(Approximate, "%s", strings.TrimSuffix(text, "."))
		r.part.head = append(r.part.head, "Approximate: "+text)
	}
	return []line{trigger}
}
