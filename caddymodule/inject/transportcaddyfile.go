package inject

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// UnmarshalCaddyfile sets up the transport from Caddyfile tokens. Syntax:
//
//	fault {
//	    <a line of the directive fault, except trigger>
//	    ...
//	    transport <name> {
//	        ...
//	    }
//	}
//
// The default of the inner transport is `http`. Write the inner transport in this block:
// if reverse_proxy has two transport lines, Caddy silently uses the last one.
//
// The default name of the point is `transport<n>`, where n is the number of the line. If a
// snippet is imported twice, its transports are one point. To separate them, write for
// example `point {args[0]}`.
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := grammar.CheckTokens(d); err != nil {
		return err
	}
	d.Next() // consume transport name
	t.Point.Name = fmt.Sprint(rules.DefaultTransport, d.Line())
	t.Place = faults.InTransport
	start := *d
	if short := grammar.TakeShort(d, "transport fault", ""); len(short.Words) > 0 {
		short.BlockOnly = true
		return short.Refuse(d, nil)
	}
	p := grammar.PointParser{Dispenser: d, Point: &t.Point, MatcherToken: func() (caddy.ModuleMap, bool, error) { return grammar.MatcherToken(d) }}
	p.Own = map[string]func() error{
		"transport": func() error { return t.unmarshalInner(d) },
		"trigger": func() error {
			return args.Advise(d, "write it in a fault directive in front of the proxy:\n\tfault {\n\t\ttrigger header X-Fault\n\t}", "trigger is only allowed in a fault directive, not in a transport")
		},
	}
	p.Presets = grammar.StandIns(d)
	if len(p.Presets) > 0 {
		t.Lines = grammar.LinesOfRules(d, "transport")
	}
	if err := p.ParseBlock(start); err != nil {
		return err
	}
	if t.Lines != "" {
		t.Rules = nil // read from the lines, when the presets are known
	}
	if t.inner == nil {
		t.inner = new(reverseproxy.HTTPTransport)
	}
	return nil
}

// unmarshalInner parses the inner transport.
func (t *Transport) unmarshalInner(d *caddyfile.Dispenser) error {
	if t.inner != nil {
		return d.Err("transport already specified")
	}
	if !d.NextArg() {
		return args.Missing(d, "transport")
	}
	id := transportNamespace + "." + d.Val()
	if _, err := caddy.GetModule(id); err != nil {
		return unknownTransport(d)
	}
	name := d.Val()
	unm, err := caddyfile.UnmarshalModule(d, id)
	if err != nil {
		return fmt.Errorf("in the block of transport %s: %w", name, err)
	}
	inner, ok := unm.(http.RoundTripper)
	if !ok {
		return d.Errf("module %s (%T) is not a RoundTripper", id, unm)
	}
	t.inner = inner
	t.encodeInner()
	return nil
}

// unknownTransport returns the error for a transport that is not in this Caddy.
func unknownTransport(d *caddyfile.Dispenser) error {
	names := slices.DeleteFunc(args.ModuleNames(transportNamespace), func(name string) bool { return name == "fault" })
	advice := "the transports are " + strings.Join(names, ", ")
	if near := words.Near(d.Val(), names); len(near) > 0 {
		advice = words.Suggest([]string{"transport " + near[0]})
	}
	return args.Advise(d, advice, "unknown transport '%s'", d.Val())
}

// encodeInner encodes the inner transport as JSON. The scheme of the upstreams may
// change the transport after parsing, so this can happen twice.
func (t *Transport) encodeInner() {
	if !reflect.DeepEqual(t.inner, new(reverseproxy.HTTPTransport)) {
		name := t.inner.(caddy.Module).CaddyModule().ID.Name()
		t.TransportRaw = caddyconfig.JSONModuleObject(t.inner, "protocol", name, nil)
	}
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Transport)(nil)
