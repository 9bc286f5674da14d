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

// Misplaced tells of a console that serves whoever reaches its server, as far as
// that can be seen.
func (c *Console) Misplaced(ways []routes.Approach) (source, text string) {
	i := slices.IndexFunc(ways, c.public)
	if !c.Insecure || i < 0 {
		return "", ""
	}
	return c.Source, fmt.Sprintf("fault_console with insecure, and nothing before it that authenticates: whoever reaches %s can break the traffic of all points; "+
		"write basic_auth before it, or a matcher such as @near remote_ip private_ranges", strings.Join(ways[i].Listen, ", "))
}

// public reports whether there is a way for everybody.
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

// beyondMachine reports whether others than this machine may reach an address.
func beyondMachine(listen string) bool {
	addr, err := caddy.ParseNetworkAddress(listen)
	if err != nil || addr.IsUnixNetwork() || addr.Host == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(addr.Host)
	return err != nil || !loopback(net.JoinHostPort(ip.String(), "0"))
}

// mayRefuse reports whether a handler may keep people out: that of an
// authentication, a proxy that goes on by the reply, as forward_auth, or one of
// another module.
func mayRefuse(h caddyhttp.MiddlewareHandler) bool {
	switch h.(type) {
	case *caddyauth.Authentication, *reverseproxy.Handler:
		return true
	}
	return !routes.Known(h)
}

// forEverybody are the matchers that anybody can satisfy.
var forEverybody = []string{"host", "path", "path_regexp", "method", "protocol"}

// maySelect reports whether matchers may keep people out.
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
