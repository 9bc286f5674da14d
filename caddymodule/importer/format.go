package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// format is a format of sources.
type format struct {
	name string

	// has reports whether a document is of this format.
	has func(n *node) bool

	// read returns what becomes of the documents of a file. It is nil if the format
	// cannot be imported yet.
	read func(in *input) []*part

	// together reports whether all files are read at once, because the rules of one
	// decide about those of another.
	together bool
}

// input is the documents of one format in one file, or in all files.
type input struct {
	*source   // the first file
	sources   []*source
	format    *format
	documents []value
	names     *namer
}

// formats returns the formats, in the order in which they are recognized.
func formats() []format {
	return []format{
		{name: "istio", has: isKind("VirtualService"), read: readIstio},
		{name: "envoy-gateway", has: isKind("BackendTrafficPolicy", "TrafficPolicy"), read: readEnvoyGateway},
		{name: "kuma", has: func(n *node) bool { return isKind("MeshFaultInjection")(n) || n.textOf("type") == "FaultInjection" }, read: nil},
		{name: "chaos-mesh", has: isChaosMesh, read: readChaosMesh},
		{name: "envoy", has: isEnvoy, read: readEnvoy},
		{name: "kong", has: func(n *node) bool { return n.has("_format_version") || hasPlugin(n, "request-termination") }, read: nil},
		{name: "apisix", has: isAPISIX, read: readAPISIX},
		{name: "dev-proxy", has: isDevProxy, read: readDevProxy},
		{name: "mountebank", has: func(n *node) bool { return n.has("imposters") || n.has("stubs") && hasIn(n, "stubs", "responses") }, read: nil},
		{name: "wiremock", has: isWireMock, read: readWireMock, together: true},
		{name: "mockserver", has: func(n *node) bool { return n.has("httpRequest") || firstOf(n).has("httpRequest") }, read: nil},
		{name: "toxiproxy", has: isToxiproxy, read: readToxiproxy},
		{name: "hoverfly", has: func(n *node) bool { return n.find("data").hasMember("pairs") || n.has("globalActions") }, read: nil},
	}
}

// notFormats are tools that people ask for, and why they have no rules to import.
var notFormats = map[string]string{
	"linkerd":         "Linkerd injects faults through a route to a service that fails; its reply is in another workload",
	"traefik":         "Traefik has no faults that a configuration could describe",
	"nginx":           "NGINX has directives such as return and limit_rate, and no format of faults",
	"xk6-disruptor":   "xk6-disruptor describes faults in the code of a test",
	"gremlin":         "Gremlin keeps its experiments in a service",
	"pumba":           "Pumba describes faults of the network in its command line",
	"litmus":          "Litmus describes faults of pods and nodes, below HTTP",
	"toxiproxy-cli":   "ask the running Toxiproxy for GET /proxies, and import the answer",
	"caddy":           "the rules are a Caddyfile already",
	"service-profile": "a service profile of Linkerd describes retries and timeouts, and no faults",
}

// FormatNames returns the names of the formats that can be imported.
func FormatNames() []string {
	known := formats()
	all := make([]string, 0, len(known))
	for _, f := range known {
		if f.read != nil {
			all = append(all, f.name)
		}
	}
	return all
}

// formatNamed returns the format with a name.
func formatNamed(name string) (format, error) {
	all := formats()
	i := slices.IndexFunc(all, func(f format) bool { return f.name == name })
	if i >= 0 {
		return all[i], all[i].usable()
	}
	if why, ok := notFormats[strings.ToLower(name)]; ok {
		return format{}, fmt.Errorf("there is nothing to import from %s: %s", clean(name), why)
	}
	hint := "want one of " + strings.Join(FormatNames(), ", ")
	if near := words.Near(name, FormatNames()); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return format{}, fmt.Errorf("unknown format %s: %s", quoted(name), hint)
}

// usable returns an error for a format that cannot be imported yet.
func (f format) usable() error {
	if f.read != nil {
		return nil
	}
	return fmt.Errorf("the format %s cannot be imported yet: write the rules by hand, or convert them to a format that can: %s", f.name, strings.Join(FormatNames(), ", "))
}

// recognize returns the format of a document, or nil.
func recognize(n *node) *format {
	for _, f := range formats() {
		if f.has(n) {
			return &f
		}
	}
	return nil
}

// isKind returns a check for the kind of an object of Kubernetes.
func isKind(kinds ...string) func(*node) bool {
	return func(n *node) bool {
		return n.kind == object && slices.Contains(kinds, n.textOf("kind"))
	}
}

// isKubernetes reports whether a document is an object of Kubernetes.
func isKubernetes(n *node) bool { return n.has("apiVersion") && n.has("kind") }

// firstOf returns the first element of a list, or nil.
func firstOf(n *node) *node {
	if n == nil || n.kind != list || len(n.children) == 0 {
		return nil
	}
	return &n.children[0].node
}

// hasMember reports whether an object has a member.
func (c *child) hasMember(name string) bool { return c != nil && c.has(name) }

// hasIn reports whether an element of a list has a member.
func hasIn(n *node, listName, name string) bool {
	found := n.find(listName)
	return found != nil && found.kind == list && found.anyChild(func(c *child) bool { return c.has(name) })
}

// hasPlugin reports whether a list of plugins has one with a name.
func hasPlugin(n *node, name string) bool {
	found := n.find("plugins")
	return found != nil && found.kind == list && found.anyChild(func(c *child) bool { return c.textOf("name") == name })
}
