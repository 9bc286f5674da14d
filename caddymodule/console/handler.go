package console

import (
	"context"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/routes"
)

func init() {
	caddy.RegisterModule(Console{})
	httpcaddyfile.RegisterHandlerDirective("fault_console", parseConsole)
	// after everything that may authenticate
	httpcaddyfile.RegisterDirectiveOrder("fault_console", httpcaddyfile.After, "forward_auth")
}

// Console serves a web page together with the API that the page calls. The page shows
// the injected faults and the rules that inject them, and has a button that halts all
// faults.
//
// The page is at every path that ends in a slash. Its files are beside it, and the API
// is below `fault/` beside it. With the matcher `/console*` the page is at `/console/`.
// Inside `handle_path /console/*`, or without a matcher, it is at `/`. No part of the
// console's own path may therefore be called `fault`.
//
// The console answers 403 unless the request is authenticated or comes from this
// machine. A request is authenticated if a directive before the console sets
// `{http.auth.user.id}`, such as `basic_auth`, or `forward_auth` with `copy_headers`. A
// request with a verified client certificate is authenticated as well. A request comes
// from this machine if it arrives over a loopback address and has no header field of a
// proxy. Its host must be `localhost` or a loopback address.
type Console struct {
	// Serve every client that can reach the address. Every such client can break the
	// traffic of all injection points. If the site has no host name, so can a page in
	// the client's browser whose own name resolves to the address. Default: false.
	Insecure bool `json:"insecure,omitempty"`

	// The line of the console in the Caddyfile, such as `Caddyfile:12`, for warnings.
	// The Caddyfile adapter sets it.
	Source string `json:"source,omitempty"`

	api   http.Handler
	srv   *caddyhttp.Server
	ended context.Context // done when the server shuts down, which ends the feeds
	end   context.CancelFunc
}

// CaddyModule returns the Caddy module information.
func (Console) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.fault_console",
		New: func() caddy.Module { return new(Console) },
	}
}

// Provision prepares the API. It loads the app, whose storage keeps the switch, even if
// the configuration has no injection point.
func (c *Console) Provision(ctx caddy.Context) error {
	if _, err := ctx.App("fault"); err != nil {
		return err
	}
	c.api = api.New(control.Of(ctx), ctx.Storage())
	c.ended, c.end = context.WithCancel(context.Background())
	if srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		c.srv = srv
		srv.RegisterOnShutdown(c.end)
	}
	return nil
}

// Cleanup ends the feeds.
func (c *Console) Cleanup() error {
	if c.end != nil {
		c.end()
	}
	return nil
}

// ServeHTTP serves the page and the API.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	Protect(w.Header())
	if no := c.check(r); no != nil {
		w.Header().Set("Cache-Control", "no-store")
		return api.Answer(w, no.Status, no)
	}
	if _, rest, isAPI := strings.Cut(r.URL.Path, api.Prefix+"/"); isAPI {
		c.api.ServeHTTP(w, apiRequest(r.WithContext(api.WithServerEnd(r.Context(), c.ended)), rest))
		return nil
	}
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		return caddyhttp.Error(http.StatusMethodNotAllowed, nil)
	case Has(name):
		Serve(w, r, name)
		return nil
	case !strings.Contains(name, "."):
		w.Header().Set("Location", "./"+url.PathEscape(name)+"/") // relative: a prefix may have been stripped
		w.WriteHeader(http.StatusPermanentRedirect)
		return nil
	default:
		return caddyhttp.Error(http.StatusNotFound, nil)
	}
}

// AlwaysReplies marks the console for explain as a handler that never calls the next
// one.
func (*Console) AlwaysReplies() {}

// feedRate is how many events per second a console gets from the journal, unless it
// requests fewer. A person cannot read more.
const feedRate = 100

// apiRequest returns the request with the path of the API and a bounded rate.
func apiRequest(r *http.Request, rest string) *http.Request {
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = api.Prefix+"/"+rest, ""
	if query := r.URL.Query(); rest == "journal" {
		if rate, err := strconv.Atoi(query.Get("rate")); err != nil || rate > feedRate {
			query.Set("rate", strconv.Itoa(feedRate))
			r.URL.RawQuery = query.Encode()
		}
	}
	return r
}

// judged lists the header fields on which the decision depends. A request may repeat a
// field, but with the same value.
var judged = []string{"Sec-Fetch-Site", "Sec-Fetch-Mode", "Origin", "Content-Type"}

// check returns an error if the request is refused.
func (c *Console) check(r *http.Request) *api.Error {
	if !c.Insecure && !authenticated(r) && !local(r) {
		return api.Refuse(http.StatusForbidden, "access to the console requires authentication, or a request from this machine over a loopback address and not through a proxy; write basic_auth or another authentication before fault_console")
	}
	for _, field := range judged {
		if lines := r.Header[field]; slices.ContainsFunc(lines, func(line string) bool { return line != lines[0] }) {
			return api.Refuse(http.StatusForbidden, "the lines of %s contradict each other; send one", field)
		}
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		if site == "" || site == "same-origin" || site == "none" || r.Header.Get("Sec-Fetch-Mode") == "navigate" {
			return nil
		}
		return api.Refuse(http.StatusForbidden, "Sec-Fetch-Site: the request comes from another site")
	case !sameOrigin(r):
		return api.Refuse(http.StatusForbidden, "only the console's own page may change anything; neither Sec-Fetch-Site nor Origin names it")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return api.Refuse(http.StatusUnsupportedMediaType, "Content-Type: '%s' is not application/json", r.Header.Get("Content-Type"))
	}
	return nil
}

// authenticated reports whether a handler before this one, or TLS, has authenticated
// the client.
func authenticated(r *http.Request) bool {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	user, _ := repl.GetString("http.auth.user.id")
	return user != "" || r.TLS != nil && len(r.TLS.VerifiedChains) > 0
}

// local reports whether the request was made on this machine for this machine. With DNS
// rebinding, a page elsewhere has a name that resolves to a loopback address; its
// requests then have the host of that page. A proxy on this machine adds a header
// field.
func local(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || !loopback(addr.String()) || !loopback(r.RemoteAddr) {
		return false
	}
	for field := range r.Header {
		if ofProxy(field) {
			return false
		}
	}
	host := (&url.URL{Host: r.Host}).Hostname()
	return host == "localhost" || loopback(net.JoinHostPort(host, "0"))
}

// proxyFields are header fields that only proxies write. The standard ones come first
// (RFC 7239, RFC 9110 section 7.6.3, RFC 8586), then those of proxies, content networks
// and tunnels that may run beside Caddy. All fields that begin with [forwardedPrefix]
// count as well.
var proxyFields = []string{
	"Forwarded", "Via", "Cdn-Loop",
	"X-Real-Ip", "X-Client-Ip", "Client-Ip", "X-Cluster-Client-Ip", "X-Proxyuser-Ip",
	"X-Original-For", "X-Original-Host", "X-Original-Forwarded-For", "X-Remote-Ip", "X-Remote-Addr",
	"X-Envoy-External-Address", "X-Haproxy-Client-Ip",
	"True-Client-Ip", "Cf-Connecting-Ip", "Cf-Connecting-Ipv6", "Cf-Pseudo-Ipv4", "Cf-Ray", "Fastly-Client-Ip", "Fly-Client-Ip",
	"X-Azure-Clientip", "X-Azure-Socketip", "X-Appengine-User-Ip",
}

// forwardedPrefix is the prefix of further such fields.
const forwardedPrefix = "X-Forwarded"

// ofProxy reports whether a header field shows that the request has passed a proxy. The
// value is ignored, because a client may send an empty line before the line of the
// proxy.
func ofProxy(field string) bool {
	return strings.HasPrefix(field, forwardedPrefix) || slices.Contains(proxyFields, field)
}

func loopback(hostPort string) bool {
	addr, err := netip.ParseAddrPort(hostPort)
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

// sameOrigin reports whether, according to the browser, the page itself sent the
// request.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host != "" && strings.EqualFold(origin.Host, r.Host)
}

// parseConsole sets up the handler from Caddyfile tokens. Syntax:
//
//	fault_console [<matcher>] {
//	    insecure
//	}
func parseConsole(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	c := new(Console)
	return c, c.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	fault_console {
//	    insecure
//	}
func (c *Console) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive
	c.Source = fmt.Sprintf("%s:%d", filepath.Base(d.File()), d.Line())
	if err := args.None(d, "fault_console"); err != nil {
		return err
	}
	for d.NextBlock(0) {
		if d.Val() != "insecure" {
			return args.UnknownOption(d, "fault_console")
		}
		if c.Insecure {
			return d.Err("insecure already specified")
		}
		c.Insecure = true
		if err := args.None(d, "fault_console"); err != nil {
			return err
		}
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Console)(nil)
	_ caddy.CleanerUpper          = (*Console)(nil)
	_ caddyhttp.MiddlewareHandler = (*Console)(nil)
	_ routes.Replier              = (*Console)(nil)
	_ caddyfile.Unmarshaler       = (*Console)(nil)
	_ control.Misplaced           = (*Console)(nil)
)
