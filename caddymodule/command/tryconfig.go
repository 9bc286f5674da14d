package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// object is a JSON object.
type object = map[string]any

// config returns the configuration of Caddy. Nothing in it touches the directories of
// the user. Without a separate storage, the command would share the switch with the
// user's Caddy. Without disable_storage_clean, the tls app would write files.
func (t *trial) config() object {
	point := object{"handler": "fault", "point": "site"}
	if t.rule != nil {
		point["rules"] = []any{t.rule}
	}
	protocols := []string{"h1"}
	if t.upstream.scheme == "h2c" {
		protocols = append(protocols, "h2c")
	}
	drop := object{"filter": "delete"}
	server := func(ln net.Listener, protocols []string, handlers ...any) object {
		return object{
			"listen":            []string{address(ln)},
			"listener_wrappers": []any{object{"wrapper": "fault"}},
			"protocols":         protocols,
			"automatic_https":   object{"disable": true},
			"routes":            []any{object{"handle": handlers}},
		}
	}
	return object{
		"admin":   object{"listen": address(t.admin), "config": object{"persist": false}},
		"storage": object{"module": "file_system", "root": t.storage},
		"logging": object{"logs": object{"default": object{
			"encoder": object{
				"format": "filter",
				"wrap":   object{"format": "console", "level_format": "upper"}, // without colors, for files
				"fields": object{"request>headers": drop, "err_id": drop, "err_trace": drop, "duration": drop},
			},
			"level":   "WARN",
			"exclude": []string{"admin.api"}, // refusals, which the commands print, and Caddy's goodbye
		}}},
		"apps": object{
			"http": object{
				"servers": object{
					"site":    server(t.site, protocols, point, t.upstream.proxy(t.insecure)),
					"console": server(t.console, []string{"h1"}, object{"handler": "fault_console"}),
				},
			},
			"tls": object{"disable_storage_clean": true},
		},
	}
}

// proxy returns the handler that forwards requests to the upstream.
func (u *upstream) proxy(insecure bool) object {
	transport := object{"protocol": "http"}
	switch u.scheme {
	case "https":
		transport["tls"] = object{"insecure_skip_verify": insecure}
	case "h2c":
		transport["versions"] = []string{"h2c", "2"}
	}
	proxy := object{"handler": "reverse_proxy", "transport": transport, "upstreams": []any{object{"dial": u.address()}}}
	if u.scheme == "https" || !u.isLocal() {
		_, host, _ := strings.Cut(u.String(), "://") // without a default port
		proxy["headers"] = object{"request": object{"set": object{"Host": []string{host}}}}
	}
	return proxy
}

// upstream is the server that requests are forwarded to.
type upstream struct{ scheme, host, port string }

// upstreamPorts maps the schemes of an upstream to their default ports.
var upstreamPorts = map[string]string{"http": "80", "https": "443", "h2c": "80"}

// parseUpstream reads an upstream such as 3000, localhost:3000 or
// https://api.example.com.
func parseUpstream(text string) (*upstream, error) {
	text, hasScheme := grammar.Printable(text), strings.Contains(text, "://") // an error repeats it
	full := text
	if !hasScheme {
		if _, err := strconv.ParseUint(text, 10, 64); err == nil {
			full = ":" + text
		}
		if strings.HasPrefix(full, ":") {
			full = "localhost" + full
		}
		full = "http://" + full
	}
	at, err := url.Parse(full)
	if err == nil && at.User != nil {
		return nil, errors.New("the upstream has a user or a password: write it without, and send the header field Authorization with your requests")
	}
	if err != nil || at.Hostname() == "" || at.Opaque != "" || !hasScheme && at.Path != "" {
		return nil, fmt.Errorf("bad upstream '%s': want a host and a port, or a URL: caddy fault try localhost:3000", text)
	}
	u := &upstream{at.Scheme, at.Hostname(), at.Port()}
	return u, u.check(text, at, hasScheme)
}

// check adds the default port, and returns an error if the upstream cannot be used.
func (u *upstream) check(text string, at *url.URL, hasScheme bool) error {
	port, known := upstreamPorts[u.scheme]
	number, err := strconv.ParseUint(u.port, 10, 16)
	switch {
	case !known:
		return fmt.Errorf("bad upstream '%s': the scheme is http, https or h2c: caddy fault try http://%s", text, at.Host)
	case u.port == "" && !hasScheme && u.isLocal():
		return fmt.Errorf("the upstream '%s' has no port: caddy fault try %s:3000", text, u.host)
	case u.port == "" && !hasScheme:
		return fmt.Errorf("the upstream '%s' has neither a scheme nor a port: caddy fault try https://%s", text, at.Host)
	case u.port == "":
		u.port = port
	case err != nil || number == 0:
		return fmt.Errorf("bad upstream '%s': a port is a number from 1 to 65535: caddy fault try localhost:3000", text)
	}
	if strings.Trim(at.Path, "/") != "" || at.RawQuery != "" || at.Fragment != "" {
		return fmt.Errorf("the upstream '%s' has a path, but must be a whole server: caddy fault try %s", text, u)
	}
	return nil
}

// String returns the URL of the upstream.
func (u *upstream) String() string {
	host := u.address()
	if upstreamPorts[u.scheme] == u.port {
		host = strings.TrimSuffix(host, ":"+u.port)
	}
	return u.scheme + "://" + host
}

// address returns the host and the port of the upstream.
func (u *upstream) address() string { return net.JoinHostPort(u.host, u.port) }

// isLocal reports whether the name of the upstream is a name of this machine.
func (u *upstream) isLocal() bool {
	return strings.EqualFold(u.host, "localhost") || net.ParseIP(u.host).IsLoopback()
}

// isServedBy reports whether a connection to the upstream reaches a listener of this
// process. A name that is not known yet does not.
func (u *upstream) isServedBy(ln net.Listener) bool {
	if u.port != portOf(ln) {
		return false
	}
	ips, _ := net.LookupIP(u.host) //nolint:noctx // both ports are the same, which is rare
	at := ln.Addr().(*net.TCPAddr).IP
	return slices.ContainsFunc(ips, func(ip net.IP) bool {
		return ip.Equal(at) || at.IsUnspecified() && isOfThisMachine(ip)
	})
}

// isOfThisMachine reports whether an address can be listened on.
func isOfThisMachine(ip net.IP) bool {
	ln, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "0")) //nolint:noctx // an address of this machine
	if err == nil {
		_ = ln.Close()
	}
	return err == nil
}

// heldNetwork is the name of a network, in Caddy's sense, whose listeners are bound
// before Caddy starts. The command then knows the ports, and no other process can take
// them. On Unix two Caddys would share a port without an error.
const heldNetwork = "fault_try"

func init() { caddy.RegisterNetwork(heldNetwork, takeHeld) }

var (
	held   []net.Listener
	heldMu sync.Mutex
)

// hold binds an address for Caddy to listen on.
func hold(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr) //nolint:noctx // an address of this machine
	if err != nil {
		return nil, err
	}
	heldMu.Lock()
	defer heldMu.Unlock()
	held = append(held, ln)
	return ln, nil
}

// address returns the name of a held listener in a configuration.
func address(ln net.Listener) string { return heldNetwork + "/" + ln.Addr().String() }

// portOf returns the port of a listener.
func portOf(ln net.Listener) string {
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// takeHeld gives a held listener to Caddy, once: each configuration closes its
// listeners.
func takeHeld(_ context.Context, _, host, port string, _ uint, _ net.ListenConfig) (any, error) {
	heldMu.Lock()
	defer heldMu.Unlock()
	i := slices.IndexFunc(held, func(ln net.Listener) bool { return ln.Addr().String() == net.JoinHostPort(host, port) })
	if i < 0 {
		return nil, errors.New("the configuration of caddy fault try cannot be changed: stop the command, and start it again")
	}
	ln := held[i]
	held = slices.Delete(held, i, i+1)
	return ln, nil
}

// closeHeld closes the listeners that Caddy has not taken.
func closeHeld() {
	heldMu.Lock()
	defer heldMu.Unlock()
	for _, ln := range held {
		_ = ln.Close() // no connection uses it
	}
	held = nil
}
