package routes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Place is where a module stands among the routes of a configuration.
type Place struct {
	// Server is its key in the http app.
	Server string

	// Listen is the server's listen addresses.
	Listen []string

	// Hosts are the host matchers of the innermost route that has any.
	Hosts []string

	// Named is the named route that it stands in.
	Named string

	// Errors says that it stands among routes for errors.
	Errors bool

	around []*caddyhttp.Route // the routes it stands in, the outermost first
}

// maxShown is how many names of a site are shown.
const maxShown = 3

// Site names the site, such as `shop.example.com`. Without a host it is the address
// that the server listens on, such as `:8080`.
func (p Place) Site() string {
	names := p.Hosts
	if len(names) == 0 {
		names = p.Listen
	}
	if len(names) == 0 {
		return p.Server
	}
	if more := len(names) - maxShown; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxShown], ", "), more)
	}
	return strings.Join(names, ", ")
}

// within is the place of what stands in a route.
func (p Place) within(route *caddyhttp.Route) Place {
	p.around = append(slices.Clip(p.around), route)
	var hosts []string
	for _, set := range route.MatcherSets {
		found := hostsOf(set)
		if len(found) == 0 {
			return p // the route is for other hosts, too
		}
		hosts = append(hosts, found...)
	}
	if len(hosts) > 0 {
		p.Hosts = hosts
	}
	return p
}

// hostsOf are the hosts that a set of matchers is for.
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
