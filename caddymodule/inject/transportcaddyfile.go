package inject

import (
	"fmt"
	"net/http"
	"reflect"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// UnmarshalCaddyfile sets up the transport from Caddyfile tokens. Syntax:
//
//	fault {
//	    <a line of an injection point, see pointParser>
//	    ...
//	    transport <name> {
//	        ...
//	    }
//	}
//
// The transport inside is `http` unless a line says another. It has to stand in
// this block: of two transports in one reverse_proxy Caddy takes the last and
// says nothing.
//
// The default name of the point is `transport<n>`, n being the line. A snippet
// that is imported twice makes one point of both, unless it names them, for
// example by `point {args[0]}`.
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := grammar.CheckTokens(d); err != nil {
		return err
	}
	d.Next() // consume transport name
	t.Point.Name = fmt.Sprint(rules.DefaultTransport, d.Line())
	t.Place = faults.InTransport
	start := *d
	if d.NextArg() {
		return d.Errf("unexpected argument '%s': rules and faults are lines of the block", d.Val())
	}
	p := grammar.PointParser{Dispenser: d, Point: &t.Point, MatcherToken: func() (caddy.ModuleMap, bool, error) { return grammar.MatcherToken(d) }}
	p.Own = map[string]func() error{
		"transport": func() error { return t.unmarshalInner(d) },
		"trigger": func() error {
			return d.Err("a trigger belongs into a fault directive, which stands in front of the proxy")
		},
	}
	if err := p.ParseBlock(start); err != nil {
		return err
	}
	if t.inner == nil {
		t.inner = new(reverseproxy.HTTPTransport)
	}
	return nil
}

// unmarshalInner parses the transport inside.
func (t *Transport) unmarshalInner(d *caddyfile.Dispenser) error {
	if t.inner != nil {
		return d.Err("transport already specified")
	}
	if !d.NextArg() {
		return d.ArgErr()
	}
	id := transportNamespace + "." + d.Val()
	unm, err := caddyfile.UnmarshalModule(d, id)
	if err != nil {
		return err
	}
	inner, ok := unm.(http.RoundTripper)
	if !ok {
		return d.Errf("module %s (%T) is not a RoundTripper", id, unm)
	}
	t.inner = inner
	t.encodeInner()
	return nil
}

// encodeInner makes JSON of the transport inside, which the scheme of the
// upstreams may still change after it has been parsed.
func (t *Transport) encodeInner() {
	if !reflect.DeepEqual(t.inner, new(reverseproxy.HTTPTransport)) {
		name := t.inner.(caddy.Module).CaddyModule().ID.Name()
		t.TransportRaw = caddyconfig.JSONModuleObject(t.inner, "protocol", name, nil)
	}
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Transport)(nil)
