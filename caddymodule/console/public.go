package console

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddyfault/caddyfault/caddymodule/routes"
)

// Misplaced warns about an insecure console that every client of its server can use, as
// far as the configuration shows this.
func (c *Console) Misplaced(ways []routes.Approach) (source, text string) {
	i := slices.IndexFunc(ways, c.public)
	if !c.Insecure || i < 0 {
		return "", ""
	}
	return c.Source, fmt.Sprintf("fault_console with insecure, and no authentication before it: every client that reaches %s can break the traffic of all points; "+
		"write basic_auth before it, or a matcher such as @near remote_ip private_ranges", strings.Join(ways[i].Listen, ", "))
}

// public reports whether every client can take this way to the console.
func (c *Console) public(way routes.Approach) bool {
	switch {
	case way.Ended != "", !slices.ContainsFunc(way.Listen, beyondMachine):
		return false
	case c.srv != nil && c.srv.TLSConnPolicies != nil && c.asksForCertificates():
		return false
	}
	return !slices.ContainsFunc(way.Before, mayRefuse) &&
		!slices.ContainsFunc(way.All, maySelect) && !slices.ContainsFunc(way.Sorted, maySelect)
}

func (c *Console) asksForCertificates() bool {
	for _, policy := range c.srv.TLSConnPolicies {
		if policy.ClientAuthentication != nil {
			return true
		}
	}
	return false
}

// beyondMachine reports whether other machines may reach the address.
func beyondMachine(listen string) bool {
	addr, err := caddy.ParseNetworkAddress(listen)
	if err != nil || addr.IsUnixNetwork() || addr.Host == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(addr.Host)
	return err != nil || !loopback(net.JoinHostPort(ip.String(), "0"))
}

// mayRefuse reports whether a handler may refuse clients. These are an authentication,
// a proxy that continues depending on the reply, such as forward_auth, and any handler
// of another module.
func mayRefuse(h caddyhttp.MiddlewareHandler) bool {
	switch h.(type) {
	case *caddyauth.Authentication, *reverseproxy.Handler:
		return true
	}
	return !routes.Known(h)
}

// forEverybody are the matchers that every client can satisfy.
var forEverybody = []string{"host", "path", "path_regexp", "method", "protocol"}

// maySelect reports whether matchers may exclude clients.
func maySelect(sets caddyhttp.MatcherSets) bool {
	for _, set := range sets {
		for _, matcher := range set {
			module, ok := matcher.(caddy.Module)
			if !ok || !slices.Contains(forEverybody, module.CaddyModule().ID.Name()) {
				return true
			}
		}
	}
	return false
}
