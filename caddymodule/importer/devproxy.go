package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// isDevProxy reports whether a document is a configuration of Dev Proxy.
func isDevProxy(n *node) bool {
	return n.has("urlsToWatch") || strings.Contains(n.textOf("$schema"), "dev-proxy") || hasIn(n, "plugins", "pluginPath")
}

// devProxy is a configuration of Dev Proxy that is being read.
type devProxy struct {
	*input
	config value
	part   *part
	hosts  []string
	name   string
	others []*source // files beside the configuration
	before []*rule   // what other plugins reply to first
}

// readDevProxy returns a point for each enabled plugin that injects faults.
func readDevProxy(in *input) []*part {
	var parts []*part
	for _, config := range in.documents {
		plugins := config.get("plugins").each()
		if in.partOfDevProxy(config) {
			continue
		}
		d := &devProxy{input: in, config: config, part: &part{}, name: base(in.file)}
		d.part.head = []string{"Imported from " + in.file + ", " + count(len(plugins), "plugin", "plugins") + "."}
		d.watched(config.get("urlsToWatch").texts(), config.get("urlsToWatch"))
		for _, plugin := range plugins {
			d.plugin(plugin)
		}
		if len(d.part.points) > 0 {
			parts = append(parts, d.part)
		}
	}
	return parts
}

// watched reads the hosts. If there is one, it is the site.
func (d *devProxy) watched(patterns []string, v value) {
	for _, pattern := range patterns {
		if strings.HasPrefix(pattern, "!") {
			continue
		}
		if u, ok := splitURL(pattern); ok && !slices.Contains(d.hosts, u.host) {
			d.hosts = append(d.hosts, u.host)
		}
	}
	if len(d.hosts) == 1 && d.hosts[0] != "*" {
		text := "It is for the site " + quoted(d.hosts[0]) + "."
		d.part.head = append(d.part.head, text)
		v.note(Elsewhere, "%s", text)
	}
}

// urlPattern is a URL with stars.
type urlPattern struct{ host, path string }

// splitURL splits a URL with stars.
func splitURL(s string) (urlPattern, bool) {
	_, rest, ok := strings.Cut(s, "://")
	if !ok {
		return urlPattern{}, false
	}
	host, path, hasPath := strings.Cut(rest, "/")
	if !hasPath && strings.HasSuffix(host, "*") && host != "*" {
		return urlPattern{}, false // the star may stand for the end of the host
	}
	return urlPattern{strings.ToLower(host), "/" + path}, true
}

// conditions returns the conditions of a list of URLs, as alternatives. Those with ! are
// exceptions.
func (d *devProxy) conditions(urls value) []conds {
	var sets []conds
	var except conds
	for _, v := range urls.each() {
		pattern, isException := strings.CutPrefix(v.str(), "!")
		u, ok := splitURL(pattern)
		if !ok {
			v.cannot("the URL %s does not have a host and a path", quoted(pattern))
			continue
		}
		cs := d.urlConditions(v, u)
		switch {
		case !isException:
			sets = append(sets, cs)
		case len(cs) == 1:
			except = append(except, negated(cs[0]))
		default:
			v.cannot("the exception %s cannot be said", quoted(pattern))
		}
	}
	for i := range sets {
		sets[i] = append(sets[i], except...)
		if len(sets[i]) == 0 {
			return nil
		}
	}
	return sets
}

// urlConditions returns the conditions of one URL.
func (d *devProxy) urlConditions(v value, u urlPattern) conds {
	var all conds
	if u.host != "*" && (len(d.hosts) != 1 || d.hosts[0] != u.host) {
		host, _, _ := strings.Cut(u.host, ":")
		if !plainHost.MatchString(host) {
			v.cannot("a Caddyfile cannot contain the host %s", quoted(u.host))
		}
		all = append(all, one("host", "", host))
	}
	short, atEnd := strings.CutSuffix(u.path, "*")
	switch {
	case u.path == "/*":
		return all
	case atEnd && !strings.ContainsAny(short, "*?"):
		return append(all, pathCond(v, test{op: prefix, text: short})...)
	case !strings.Contains(u.path, "*"):
		return append(all, exprCond(v, "{http.request.uri}", test{text: u.path})...)
	default:
		return append(all, exprCond(v, "{http.request.uri}", test{op: whole, text: starPattern(u.path)})...)
	}
}

// plugin adds the point of a plugin.
func (d *devProxy) plugin(v value) {
	name := v.get("name").str()
	v.known("name", "enabled", "pluginPath", "configSection", "urlsToWatch")
	if !v.get("enabled").truth(true) {
		v.note(Skipped, "%s is not enabled", quoted(name))
		d.part.after = append(d.part.after, "Skipped: "+clean(name)+", which is not enabled.")
		return
	}
	urls := v.get("urlsToWatch")
	if !urls.is() {
		urls = d.config.get("urlsToWatch")
	}
	section := value{}
	if key := v.get("configSection").str(); key != "" {
		section = d.config.get(key)
	}
	var rules []*rule
	switch name {
	case "LatencyPlugin":
		rules = d.latency(v, section)
		name = "latency"
	case "GenericRandomErrorPlugin":
		rules = d.randomErrors(v, section)
		name = "errors"
	case "GraphRandomErrorPlugin":
		rules = d.graphErrors(v, section)
		name = "graph-errors"
	case "RateLimitingPlugin":
		rules = d.rateLimit(v, section)
		name = "limit"
	default:
		v.note(Skipped, "%s injects no faults that can be imported", quoted(name))
		d.replies(name, v, section)
		return
	}
	if name != "latency" { // replies do not keep it from waiting
		rules = slices.Concat(d.repliedBefore(), rules)
	}
	d.add(name, v, d.conditions(urls), rules)
}

// add adds the point of a plugin. The conditions of the plugin are added to those of its
// rules.
func (d *devProxy) add(name string, v value, watched []conds, rules []*rule) {
	problems := d.take()
	for _, r := range rules {
		if len(watched) > 0 {
			r.sets = product(v, watched, orAll(r.sets))
		}
		r.problems = append(r.problems, problems...)
	}
	arranged, _ := firstMatch(rules)
	if len(arranged) == 0 {
		return
	}
	uniqueRuleNames(arranged)
	d.part.points = append(d.part.points, &point{name: d.names.take(d.name, name), rules: arranged, inBlocks: len(arranged) > 1})
}

func (d *devProxy) latency(v, section value) []*rule {
	section.known("$schema", "minMs", "maxMs")
	r := newRule(v)
	r.about = "LatencyPlugin"
	shortest, longest := section.get("minMs").scaled(time.Millisecond), 5*time.Second
	if most := section.get("maxMs"); most.is() {
		longest = most.scaled(time.Millisecond)
	}
	switch {
	case shortest > longest:
		section.cannot("minMs is above maxMs")
		fallthrough
	case shortest == longest:
		r.fault("delay", span(longest))
	default:
		r.fault("delay", span(shortest), span(longest))
	}
	if longest == 0 {
		return nil
	}
	return []*rule{r}
}

// rate returns the percentage of a plugin.
func (d *devProxy) rate(section value) float64 {
	for _, v := range []value{section.get("rate"), d.config.get("rate")} {
		if v.is() {
			return share(v, v.num())
		}
	}
	return 50
}

// graphErrors returns the rule of the errors of Microsoft Graph.
func (d *devProxy) graphErrors(v, section value) []*rule {
	section.known("$schema", "allowedErrors", "rate", "retryAfterInSeconds")
	r := newRule(v)
	r.about, r.share = "GraphRandomErrorPlugin", d.rate(section)
	allowed := section.get("allowedErrors").each()
	statuses := make([]string, 0, len(allowed))
	for _, each := range allowed {
		statuses = append(statuses, strconv.Itoa(statusOf(each, 0)))
	}
	if len(statuses) == 0 {
		v.cannot("its errors are in Dev Proxy: write them as allowedErrors")
	}
	v.note(Approximate, "the errors have the bodies of the catalog, not those of Microsoft Graph")
	r.fault("respond", strings.Join(statuses, ","))
	return []*rule{r}
}

// rateLimit returns the rule of a quota.
func (d *devProxy) rateLimit(v, section value) []*rule {
	section.known("$schema", "headerLimit", "headerRemaining", "headerReset", "headerRetryAfter", "costPerRequest", "resetTimeWindowSeconds",
		"warningThresholdPercent", "rateLimit", "whenLimitExceeded", "resetFormat", "customResponseFile",
		"retryAfterSeconds") // of old versions
	number := func(name string, otherwise int) int {
		if n := section.get(name); n.is() {
			return n.whole()
		}
		return otherwise
	}
	r := newRule(v)
	r.about = "RateLimitingPlugin"
	requests := number("rateLimit", 120) / max(number("costPerRequest", 2), 1)
	window := number("resetTimeWindowSeconds", 60)
	reply := &reply{at: v, status: 429, body: literalBody("")}
	if strings.EqualFold(section.get("whenLimitExceeded").str(), "Custom") {
		file := cmp.Or(section.get("customResponseFile").str(), "rate-limit-response.json")
		if custom, ok := d.readBeside(section, file); ok {
			reply = d.reply(custom, "{http.fault.reset}")
		}
	} else if seconds := section.get("retryAfterSeconds"); seconds.is() {
		reply.add("Retry-After", strconv.Itoa(seconds.whole()))
	} else {
		reply.fields = []field{{name: cmp.Or(section.get("headerRetryAfter").str(), "Retry-After"), value: "{http.fault.reset}", raw: true}}
	}
	if requests < 1 || window < 1 {
		v.cannot("the quota is less than one request, or the time is less than a second")
	}
	v.note(Approximate, "Dev Proxy sends the limit fields of the last requests; here they are not sent")
	limit := said("ratelimit", strconv.Itoa(requests), span(time.Duration(window)*time.Second), "off")
	limit.block = []line{reply.line()}
	r.faults = []line{limit}
	return []*rule{r}
}

// readBeside reads a file that the configuration names.
func (d *devProxy) readBeside(v value, name string) (value, bool) {
	if d.open == nil {
		v.cannot("the file %s beside the source is not read", quoted(name))
		return value{}, false
	}
	content, err := d.open(name)
	if err != nil {
		v.cannot("the file %s cannot be read", quoted(name))
		return value{}, false
	}
	documents, err := read(name, content)
	if err != nil || len(documents) == 0 {
		v.cannot("the file %s: %s", quoted(name), clean(fmt.Sprint(err)))
		return value{}, false
	}
	src := &source{file: name, open: d.open}
	d.others = append(d.others, src)
	return value{node: &documents[0], at: documents[0].line, src: src}, true
}

// take takes the problems of the configuration and of the files beside it.
func (d *devProxy) take() []Note {
	for _, src := range d.others {
		d.problems = append(d.problems, src.problems...)
		d.notes = append(d.notes, src.notes...)
		src.problems, src.notes = nil, nil
	}
	return d.source.take()
}

// give makes what has been found the problems of a rule.
func (d *devProxy) give(r *rule) { r.problems = d.take() }
