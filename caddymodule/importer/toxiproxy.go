package importer

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// isToxiproxy reports whether a document is an answer of GET /proxies, or the
// configuration file of Toxiproxy.
func isToxiproxy(n *node) bool {
	if n.kind != object && n.kind != list || len(n.children) == 0 {
		return false
	}
	for i := range n.children {
		c := &n.children[i].node
		if !c.has("upstream") || !c.has("listen") && !c.has("toxics") {
			return false
		}
	}
	return true
}

// readToxiproxy returns a site for each proxy.
func readToxiproxy(in *input) []*part {
	parts := make([]*part, 0, len(in.documents))
	for _, document := range in.documents {
		proxies := document
		p := &part{}
		var all []value
		if proxies.kind == list {
			all = proxies.each()
		} else {
			all = proxies.members()
		}
		isConfig := true
		for _, proxy := range all {
			if proxy.get("toxics").is() {
				isConfig = false
			}
			if s := in.proxy(proxy); s != nil {
				p.sites = append(p.sites, s)
			}
		}
		p.head = []string{"Imported from " + in.file + ", " + count(len(all), "proxy", "proxies") + "."}
		if isConfig {
			document.note(LeftOut, "the file has no toxics: ask the running Toxiproxy for GET /proxies, and import the answer")
			p.head = append(p.head, "A configuration file has no toxics: import the answer of GET /proxies.")
		} else {
			p.head = append(p.head, "Toxicity is drawn for each request here, not for each connection.")
		}
		parts = append(parts, p)
	}
	return parts
}

// count returns a number with a noun.
func count(n int, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return fmt.Sprintf("%d %s", n, plural)
}

// otherProtocols maps well-known ports to what is there instead of HTTP.
var otherProtocols = map[string]string{
	"25": "SMTP", "389": "LDAP", "3306": "MySQL", "5060": "SIP", "5432": "PostgreSQL",
	"5672": "AMQP", "6379": "Redis", "9092": "Kafka", "11211": "memcached", "27017": "MongoDB",
}

// proxy returns the site of a proxy, or nil.
func (in *input) proxy(v value) *site {
	name := cmp.Or(v.get("name").str(), v.name, base(in.file))
	v.known("name", "listen", "upstream", "enabled", "toxics", "Logger")
	upstream := v.get("upstream").str()
	_, port, ok := splitPort(upstream)
	if what, other := otherProtocols[port]; other {
		v.get("upstream").note(LeftOut, "the proxy %s: port %s is for %s, and these faults are for HTTP", quoted(name), port, what)
		return nil
	}
	listen, listens := siteAddress(v.get("listen").str())
	if !ok || !listens || strings.ContainsAny(upstream, " {}\"`\\") {
		v.note(LeftOut, "the proxy %s needs a host and a port as listen and as upstream", quoted(name))
		in.problems = nil
		return nil
	}
	s := &site{address: listen, upstream: upstream}
	if !v.get("enabled").truth(true) {
		r := newRule(v)
		r.fault("close")
		v.get("enabled").note(Approximate, "a proxy that is not enabled refuses connections; here each request has its connection closed")
		s.points = []*point{{name: in.names.take(name), rules: []*rule{r}}}
		return s
	}
	toxics := v.get("toxics").each()
	slices.SortStableFunc(toxics, func(a, b value) int { return toxicPlace(a) - toxicPlace(b) })
	for _, toxic := range toxics {
		in.toxic(s, name, toxic)
	}
	return s
}

// siteAddress returns the address of a site that listens where a proxy does.
func siteAddress(listen string) (string, bool) {
	host, port, ok := splitPort(listen)
	if !ok || strings.Trim(port, "0123456789") != "" {
		return "", false
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "http://:" + port, true
	}
	if strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.-:") != "" {
		return "", false
	}
	return "http://" + net.JoinHostPort(host, port), true
}

// toxicPlace returns the place of a toxic in a row, from the outside.
func toxicPlace(v value) int {
	if i := slices.Index([]string{"bandwidth", "limit_data", "latency"}, v.get("type").str()); i >= 0 {
		return i
	}
	return 3
}

// toxic adds the point of a toxic to a site.
func (in *input) toxic(s *site, proxy string, v value) {
	kind, stream := v.get("type").str(), cmp.Or(v.get("stream").str(), "downstream")
	name := cmp.Or(v.get("name").str(), kind+"_"+stream)
	v.known("name", "type", "stream", "toxicity", "attributes")
	r := newRule(v)
	r.about = kind + " " + name
	if toxicity := v.get("toxicity"); toxicity.is() {
		r.share = share(toxicity, toxicity.num()*100)
	}
	t := toxic{value: v, attributes: v.get("attributes"), rule: r, up: stream == "upstream"}
	if stream != "upstream" && stream != "downstream" {
		v.get("stream").cannot("unknown stream %s: want upstream or downstream", quoted(stream))
	}
	t.convert(kind)
	if len(r.faults) == 0 && len(in.problems) == 0 {
		return // without an effect
	}
	r.problems = in.take()
	if r.leftOut() {
		s.about = append(s.about, r.reason())
		return
	}
	s.points = append(s.points, &point{name: in.names.take(proxy, name), rules: []*rule{r}})
}

// toxic is a toxic that is being converted.
type toxic struct {
	value
	attributes value
	rule       *rule
	up         bool
}

// millis returns an attribute in milliseconds.
func (t *toxic) millis(name string) time.Duration {
	return t.attributes.get(name).scaled(time.Millisecond)
}

// late makes the rule one of phase response, if the toxic is downstream.
func (t *toxic) late() {
	if !t.up {
		t.rule.set("phase", "response")
	}
}

func (t *toxic) convert(kind string) {
	switch kind {
	case "latency":
		t.latency()
	case "bandwidth":
		t.attributes.known("rate")
		t.throttle(int64(t.attributes.get("rate").whole()) * 1000)
	case "slicer":
		t.slicer()
	case "timeout":
		t.timeout()
	case "reset_peer":
		t.attributes.known("timeout")
		t.late()
		if d := t.millis("timeout"); d > 0 {
			t.rule.fault("delay", span(d))
		}
		t.rule.fault("reset")
	case "limit_data":
		t.limit()
	case "slow_close":
		t.cannot("nothing keeps a connection open after a reply")
	default:
		t.get("type").cannot("unknown toxic %s", quoted(kind))
	}
}

func (t *toxic) latency() {
	t.attributes.known("latency", "jitter")
	latency, jitter := t.millis("latency"), t.millis("jitter")
	shortest, longest := max(latency-jitter, 0), latency+jitter
	if longest == 0 {
		t.note(Remark, "a latency of 0 has no effect")
		return
	}
	t.late()
	if jitter == 0 {
		t.rule.fault("delay", span(longest))
	} else {
		t.rule.fault("delay", span(shortest), span(longest))
	}
	t.note(Approximate, "the delay is once for each request, not for each piece of data")
}

// throttle adds a fault that limits the rate.
func (t *toxic) throttle(bytesPerSecond int64) {
	if bytesPerSecond == 0 {
		t.attributes.cannot("a rate of 0 stops all data: write hang")
		return
	}
	rate := fmt.Sprintf("%dB/s", bytesPerSecond)
	if bytesPerSecond%1000 == 0 {
		rate = fmt.Sprintf("%dkB/s", bytesPerSecond/1000)
	}
	fault := said("throttle", rate)
	if t.up {
		fault.block = []line{said("request")}
	}
	t.rule.faults = append(t.rule.faults, fault)
}

func (t *toxic) slicer() {
	t.attributes.known("average_size", "size_variation", "delay")
	size, delay := t.attributes.get("average_size").num(), t.attributes.get("delay").scaled(time.Microsecond)
	if delay == 0 || size <= 0 {
		t.cannot("a slicer without a delay only changes the size of packets, below HTTP")
		return
	}
	t.note(Approximate, "the data comes at the average rate of the slicer, not in its pieces; for events of a stream, write stream each split")
	t.throttle(max(int64(size/delay.Seconds()), 1))
}

func (t *toxic) timeout() {
	t.attributes.known("timeout")
	t.late()
	if d := t.millis("timeout"); d > 0 {
		t.rule.fault("hang", span(d))
	} else {
		t.rule.fault("hang")
	}
}

func (t *toxic) limit() {
	t.attributes.known("bytes")
	fault := said("truncate", fmt.Sprintf("%dB", t.attributes.get("bytes").whole()), "close")
	if t.up {
		fault.block = []line{said("request")}
	}
	t.rule.faults = append(t.rule.faults, fault)
	t.note(Approximate, "the limit counts the body only; Toxiproxy also counts the head, and all requests of a connection together")
}

// share returns a percentage of requests, from 0 to 100.
func share(v value, percent float64) float64 {
	if percent < 0 {
		v.cannot("want a share of requests, got %s", v.shown())
	}
	return min(max(percent, 0), 100)
}
