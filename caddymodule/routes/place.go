package routes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Place is the place of a module among the routes of a configuration.
type Place struct {
	// Server is the key of the server in the http app.
	Server string

	// Listen is the server's listen addresses.
	Listen []string

	// Hosts are the host matchers of the innermost route that has host matchers.
	Hosts []string

	// Named is the named route that contains the module.
	Named string

	// Errors reports that the module is in an error route.
	Errors bool

	around []*caddyhttp.Route // the enclosing routes, the outermost first
}

// maxShown is the maximum number of names shown for a site.
const maxShown = 3

// Site returns the name of the site, such as `shop.example.com`. If the site has no
// host, Site returns the address on which the server listens, such as `:8080`.
func (p Place) Site() string {
	names := p.Hosts
	if len(names) == 0 {
		names = p.listening()
	}
	if len(names) == 0 {
		return p.Server
	}
	if more := len(names) - maxShown; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxShown], ", "), more)
	}
	return strings.Join(names, ", ")
}

// listening returns the listen addresses for people, such as `127.0.0.1:8080`. A
// network such as `tcp4/` is left out, except in front of a path or a file descriptor.
func (p Place) listening() []string {
	shown := slices.Clone(p.Listen)
	for i, addr := range shown {
		network, rest, ok := strings.Cut(addr, "/")
		if ok && !caddy.IsUnixNetwork(network) && !caddy.IsFdNetwork(network) {
			shown[i] = rest
		}
	}
	return shown
}

// within returns the place of the modules in a route.
func (p Place) within(route *caddyhttp.Route) Place {
	p.around = append(slices.Clip(p.around), route)
	var hosts []string
	for _, set := range route.MatcherSets {
		found := hostsOf(set)
		if len(found) == 0 {
			return p // the route also matches other hosts
		}
		hosts = append(hosts, found...)
	}
	if len(hosts) > 0 {
		p.Hosts = hosts
	}
	return p
}

// hostsOf returns the hosts that a set of matchers matches.
func hostsOf(set caddyhttp.MatcherSet) caddyhttp.MatchHost {
	for _, matcher := range set {
		switch host := matcher.(type) {
		case *caddyhttp.MatchHost:
			return *host
		case caddyhttp.MatchHost:
			return host
		}
	}
	return nil
}
