package inject

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
	"github.com/caddyfault/caddyfault/caddymodule/routes"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

func init() {
	caddy.RegisterModule(new(Transport))
}

// Transport is an injection point between reverse_proxy and its upstreams. It makes some
// of the attempts fail. If reverse_proxy tries again, the point decides separately about
// each attempt, so that you can test retries, health checks and error routes. In a
// Caddyfile:
//
//	reverse_proxy <upstreams...> {
//	    transport fault {
//	        point  <name>
//	        sticky <key>
//	        seed   <number>
//	        halted
//	        cors   [<origin>...]
//
//	        # one rule: its settings and faults directly ...
//	        <setting>
//	        <fault>
//
//	        # ... or several rules
//	        rule [<name>] {
//	            <setting>
//	            <fault>
//	        }
//
//	        transport <name> {
//	            ...
//	        }
//	    }
//	}
//
// Matchers see the request as it is sent to the upstream. Placeholders belong to the
// client's request. `{http.reverse_proxy.upstream.hostport}` is the address of the
// upstream. A hit sets the same access log fields and placeholders as at a `fault`
// directive. The header field `X-Fault-Injected` is added to the reply. An attempt that
// fails has no reply and no header field.
//
// In phase `response` a rule fires on the reply of the upstream. If a fault replaces the
// reply, the original is dropped. If the upstream fails, there is no reply, and no rule
// of this phase fires.
type Transport struct {
	rules.Point

	// The rules as lines of a Caddyfile, in place of `rules`. The lines can use presets of
	// the configuration. Default: none.
	Lines string `json:"lines,omitempty"`

	// The transport that makes the attempts. Default: `http`.
	TransportRaw json.RawMessage `json:"transport,omitempty" caddy:"namespace=http.reverse_proxy.transport inline_key=protocol"`

	injector
	inner    http.RoundTripper
	within   bool                 // inside another fault transport, which counts the errors of the upstream
	executed func() executedTypes // computed at the first hit, because routes are provisioned after their handlers
}

const (
	transportNamespace = "http.reverse_proxy.transport"
	defaultTransport   = "http"
)

// CaddyModule returns the Caddy module information.
func (*Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  transportNamespace + ".fault",
		New: func() caddy.Module { return new(Transport) },
	}
}

// UnmarshalJSON decodes the point. An error names a field that is null or a meaningless
// zero.
func (t *Transport) UnmarshalJSON(data []byte) error {
	type plain Transport
	return strictjson.DecodeConfig(data, (*plain)(t))
}

// Provision loads the rules and the inner transport.
func (t *Transport) Provision(ctx caddy.Context) error { return t.Located(t.provision(ctx)) }

func (t *Transport) provision(ctx caddy.Context) error {
	if t.Point.Name == "" {
		t.Point.Name = rules.DefaultTransport
	}
	t.Place = faults.InTransport
	srv, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	t.executed = sync.OnceValue(func() executedTypes { return findExecutedTypes(srv) })
	if err := t.readLines(ctx); err != nil {
		return err
	}
	if err := t.provisionPoint(ctx, &t.Point); err != nil {
		return err
	}
	mod, err := t.loadInner(ctx)
	if err != nil {
		type plain Transport
		return fmt.Errorf("loading transport: %w", strictjson.Explain(err, caddyconfig.JSON(map[string]any{"transport": t.TransportRaw}, nil), (*plain)(t)))
	}
	t.inner = mod.(http.RoundTripper)
	if further, ok := t.inner.(*Transport); ok {
		further.within = true
	}
	return nil
}

func (t *Transport) loadInner(ctx caddy.Context) (any, error) {
	if t.TransportRaw == nil {
		return ctx.LoadModuleByID(transportNamespace+"."+defaultTransport, nil)
	}
	return ctx.LoadModule(t, "TransportRaw")
}

// RoundTrip injects the fault of the rule that fires. Otherwise it makes the attempt
// without the fields of triggers.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	client := fromClient(r)
	d := t.decide(r, client)
	if client {
		r = t.fields.Without(r)
	}
	if client && t.ctl.Recent.On() {
		t.keep(r, &d)
	}
	if client && t.counts(r, &d) {
		return t.tripSeen(r, d)
	}
	return t.trip(r, d, watchers{client: client})
}

// trip carries out a decision.
func (t *Transport) trip(r *http.Request, d rules.Decision, known watchers) (resp *http.Response, err error) {
	if d.Rule != nil {
		resp, err = t.inject(r, d, known, t.inner.RoundTrip, func() { closeBody(r) })
	} else {
		resp, err = t.look(r, d.Later, known)
	}
	if !t.within {
		t.seeAttempt(r, resp, err)
	}
	return resp, err
}

// watchers are those who want to know of an attempt.
type watchers struct {
	client bool   // the attempt is for a client's request; only then the others are not nil
	track  *track // nil: nobody records what clients do
	sight  *sight // nil: the point does not count the attempt
}

// look makes an attempt, unless a rule fires on its reply. The attempt may be one of a
// call that a fault has hit.
func (t *Transport) look(r *http.Request, later *rules.Later, known watchers) (resp *http.Response, err error) {
	known.track = t.trackAttempt(r, known.client)
	if later != nil {
		resp, err = t.decideOnReply(r, later, known)
	} else {
		resp, err = t.inner.RoundTrip(r)
	}
	if known.track != nil {
		known.track.visit.End(attemptResult(r, resp, err))
	}
	return resp, err
}

// fromClient reports whether an attempt is for a client's request. An active health
// check has no variables.
func fromClient(r *http.Request) bool {
	_, ok := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	return ok
}

// decide returns the rule that hits the attempt of a client or a health check.
func (t *Transport) decide(r *http.Request, client bool) rules.Decision {
	if t.halted() {
		return rules.Decision{}
	}
	if !client {
		check := r
		r = healthCheckToMatch(check)
		defer func() { check.Body = r.Body }() // a matcher may have read it
	}
	switch {
	case t.exempts(r):
		return rules.Decision{}
	case client:
		return t.Decide(r, t.guests())
	default:
		return t.DecideHealthCheck(r)
	}
}

// healthCheckToMatch adds to an active health check what matchers and keys read from a
// client's request: variables, placeholders and the upstream.
func healthCheckToMatch(r *http.Request) *http.Request {
	repl := caddy.NewReplacer()
	if upstream, ok := reverseproxy.GetDialInfo(r.Context()); ok {
		repl.Set("http.reverse_proxy.upstream.address", upstream.String())
		repl.Set("http.reverse_proxy.upstream.hostport", upstream.Address)
		repl.Set("http.reverse_proxy.upstream.host", upstream.Host)
		repl.Set("http.reverse_proxy.upstream.port", upstream.Port)
	}
	return ToMatch(r, repl, nil)
}

// ToMatch prepares a request that did not come through a server, so that matchers can
// read it.
func ToMatch(r *http.Request, repl *caddy.Replacer, w http.ResponseWriter) *http.Request {
	// Caddy's placeholder for the local address panics without one.
	ctx := context.WithValue(r.Context(), http.LocalAddrContextKey, new(net.UnixAddr))
	return caddyhttp.PrepareRequest(r.WithContext(ctx), repl, w, new(caddyhttp.Server)) // placeholders read from the server whether it shuts down
}

// decideOnReply makes the attempt and lets a rule of phase response fire on the header
// of the reply.
func (t *Transport) decideOnReply(r *http.Request, later *rules.Later, known watchers) (*http.Response, error) {
	resp, err := t.inner.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	d := later.Decide(resp.StatusCode, resp.Header)
	d.Status = resp.StatusCode
	if d.Rule == nil {
		return resp, nil
	}
	r = r.WithContext(r.Context())
	r.Body = nil // the body belongs to the upstream, so the faults get none
	reply := func(*http.Request) (*http.Response, error) { return resp, nil }
	return t.inject(r, d, known, reply, func() { _ = resp.Body.Close() })
}

// inject runs the faults of the rule that fires. If they do not call next, drop
// releases what next would have used.
func (t *Transport) inject(r *http.Request, d rules.Decision, known watchers, next roundTripFunc, drop func()) (*http.Response, error) {
	defer d.Release()
	if !t.allow(r, &d) {
		if d.Status != 0 { // the attempt has been looked at before its reply
			return next(r)
		}
		return t.look(r, nil, known)
	}
	defer t.release()
	ended, cancel := t.ended(d.Rule)
	defer cancel()
	inj := t.newInjection(r, &d, ended.Done())
	inj.Listener = &attemptListener{inj, time.Now()}
	var result clients.Result
	defer func() { t.finish(inj, &d, inj.endOf(time.Now(), &result, 0)) }()
	inj.sight = known.sight
	if inj.track = known.track; known.track == nil && t.watch != nil && known.client {
		inj.track, inj.owns = &inj.own, true
	}
	replaced := false
	resp, err := attempt(d.Rule.Faults, &inj.Hit, r, next, func() { replaced = true; drop() })
	if err == nil {
		if replaced && known.client { // an active health check may come before the routes are provisioned
			t.executed().keepFrom(r, resp)
		}
		if inj.Confirmed() {
			inj.discloseIn(resp.Header)
		}
		if origin, ok := t.originOf(r); ok && replaced {
			addReadable(resp.Header, nil, origin)
		}
	}
	if result = attemptResult(r, resp, err); inj.owns {
		inj.lookAfter(r)
		inj.own.visit.End(result)
	}
	return resp, err
}

// attemptListener is the injection of an attempt, which may begin long after the
// request arrived.
type attemptListener struct {
	*injection
	began time.Time
}

// Began returns when the attempt began.
func (a *attemptListener) Began() time.Time { return a.began }

// attempt runs a chain of faults that ends in next. If the chain does not call next,
// attempt calls drop.
func attempt(chain faults.Chain, hit *faults.Hit, r *http.Request, next roundTripFunc, drop func()) (*http.Response, error) {
	asked := false
	resp, err := chain.RoundTrip(hit, r, roundTripFunc(func(r *http.Request) (*http.Response, error) {
		asked = true
		return next(r)
	}))
	if !asked {
		drop()
	}
	return resp, err
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// closeBody closes the body of a request, which each transport must do, even if it
// makes no attempt.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// Interface guards
var (
	_ caddy.Provisioner  = (*Transport)(nil)
	_ caddy.CleanerUpper = (*Transport)(nil)
	_ http.RoundTripper  = (*Transport)(nil)
	_ routes.Wrapper     = (*Transport)(nil)
)
