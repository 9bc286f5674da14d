package routes

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// maxWays is the maximum number of ways to follow.
const maxWays = 256

// Follow returns the ways that a request may take through a running configuration, as
// Caddy would route it. It sends nothing, counts nothing and draws nothing.
func Follow(app *caddyhttp.App, ask Ask, guide Guide) *Answer {
	a := &Answer{
		servers: make(map[string]bool),
		entered: make(map[*caddyhttp.Route]bool),
		refused: make(map[*caddyhttp.Route]string),
		asked:   ask.New(),
	}
	names, why := serversFor(app, ask.URL)
	a.NoServer = why
	s := new(search)
	for len(names) > 0 {
		if len(a.Ways) == maxWays {
			a.Cut = true
			break
		}
		name := names[s.choose(len(names))]
		a.servers[name] = true
		w := &run{
			search: s, ask: &ask, guide: guide, answer: a, server: app.Servers[name],
			reply: &reply{header: make(http.Header)}, groups: make(map[string]bool),
		}
		if len(names) > 1 {
			w.suppose("the request reaches %s", strings.Join(w.server.Listen, ", "))
		}
		w.serve(name)
		a.Ways = append(a.Ways, w.way)
		if !s.next() {
			break
		}
	}
	a.NoSite = len(a.Ways) > 0 && !a.anySite()
	return a
}

// anySite reports whether a route of a server has been taken.
func (a *Answer) anySite() bool { return len(a.entered) > 0 }

// serversFor returns the servers that may get the request. If no server does, why is the
// reason.
func serversFor(app *caddyhttp.App, target *url.URL) (names []string, why string) {
	all := serversOf(app)
	if target.Host == "" {
		if len(all) == 0 {
			why = "no server is configured"
		}
		return all, why
	}
	host, port := target.Hostname(), target.Port()
	if port == "" {
		port = map[bool]string{true: "443", false: "80"}[target.Scheme == "https"]
	}
	var listening, wrong []string
	for _, name := range all {
		srv := app.Servers[name]
		for _, addr := range addressesOf(srv) {
			listening = append(listening, addr)
			if !listensAt(addr, host, port) {
				continue
			}
			if useTLS := len(srv.TLSConnPolicies) > 0 && port != httpPort(app); useTLS != (target.Scheme == "https") {
				wrong = append(wrong, addr)
				continue
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	switch {
	case len(names) > 0:
		return names, ""
	case len(wrong) > 0 && target.Scheme == "https":
		return nil, fmt.Sprintf("%s does not use TLS", wrong[0])
	case len(wrong) > 0:
		return nil, fmt.Sprintf("%s uses TLS", wrong[0])
	case len(listening) == 0:
		return nil, "no server is configured"
	default:
		return nil, "servers listen on " + strings.Join(listening, ", ")
	}
}

// addressesOf returns the addresses on which a server listens. For a running server
// these have the ports that the kernel has chosen.
func addressesOf(srv *caddyhttp.Server) []string {
	addresses := slices.Clone(srv.Listen)
	i := slices.IndexFunc(addresses, func(addr string) bool { return strings.HasSuffix(addr, ":0") })
	if i < 0 {
		return addresses
	}
	addresses = nil
	for _, ln := range srv.Listeners() {
		addresses = append(addresses, ln.Addr().String())
	}
	return addresses
}

// listensAt reports whether a listen address covers a host and a port. A name may
// resolve to any address.
func listensAt(listen, host, port string) bool {
	addr, err := caddy.ParseNetworkAddress(listen)
	if err != nil || addr.IsUnixNetwork() || addr.IsFdNetwork() {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || uint(number) < addr.StartPort || uint(number) > addr.EndPort {
		return false
	}
	asked, err := netip.ParseAddr(host)
	if err != nil && host != "localhost" || addr.Host == "" {
		return true
	}
	own, err := netip.ParseAddr(addr.Host)
	if err != nil || own.IsUnspecified() {
		return true
	}
	if host == "localhost" {
		return own.IsLoopback()
	}
	return own == asked
}

func httpPort(app *caddyhttp.App) string {
	if app.HTTPPort != 0 {
		return strconv.Itoa(app.HTTPPort)
	}
	return strconv.Itoa(caddyhttp.DefaultHTTPPort)
}

// WhyNot explains why a request does not reach a module at a place.
func (a *Answer) WhyNot(at Place) string {
	if a.NoServer != "" || !a.servers[at.Server] {
		return "the point is at another server, which listens on " + strings.Join(at.listening(), ", ")
	}
	if a.otherSite(at) {
		return "the point is at another site"
	}
	for _, route := range at.around {
		if a.entered[route] {
			continue
		}
		if why := a.refused[route]; why != "" {
			return "its route does not match the request: " + why
		}
		break
	}
	if at.Errors && !a.failed {
		return "the point is in an error route, and there is no error"
	}
	for i := range a.Ways {
		if end := &a.Ways[i].End; end.At.Site() == at.Site() && end.String() != "" {
			return fmt.Sprintf("the request does not get here: %s ends it, at %s", end, end.At.Site())
		}
	}
	return "the request does not get here"
}

// otherSite reports whether a place is for hosts other than the host of the request.
func (a *Answer) otherSite(at Place) bool {
	if len(at.Hosts) == 0 || a.asked.Host == "" || strings.Contains(strings.Join(at.Hosts, ""), "{") {
		return false
	}
	r := a.asked.WithContext(context.WithValue(a.asked.Context(), caddy.ReplacerCtxKey, caddy.NewEmptyReplacer()))
	is, _ := caddyhttp.MatchHost(at.Hosts).MatchWithError(r)
	return !is
}

// String names what ends a request, or returns "" if there is no reply.
func (e *End) String() string {
	if e.Hit != nil {
		return fmt.Sprint(e.Hit)
	}
	return e.Module
}
