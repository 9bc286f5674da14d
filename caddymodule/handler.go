package caddymodule

import (
	"context"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler is an injection point: it stands in front of other handlers and makes
// some of the requests that come by fail in the ways its rules say.
//
// For a request that is hit it sets the header field `X-Fault-Injected` (or as
// the `fault` app says), the access log fields `fault_rule`, `fault_kind` and
// `fault_id`, and these placeholders:
//
// Placeholder | Description
// ------------|-------------
// `{http.fault.rule}` | The name of the rule
// `{http.fault.kind}` | Its kinds of fault, joined by `+`
// `{http.fault.id}` | A random ID of this one hit
type Handler struct {
	rules.Point

	// What a request itself may ask for. A trigger is stronger than experiments
	// and rules, and limited to the requests that the point is for.
	Triggers []*Trigger `json:"triggers,omitempty"`

	logger   *zap.Logger
	disclose string // name of the header field, "" for none
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.fault",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision loads the rules.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	mod, err := ctx.App("fault")
	if err != nil {
		return fmt.Errorf("getting fault app: %w", err)
	}
	app := mod.(*App)
	if app.Disclose != discloseOff {
		h.disclose = http.CanonicalHeaderKey(app.Disclose)
	}
	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	h.Passed = h.countPassed
	if err := h.Point.Provision(ctx, &app.points); err != nil {
		return err
	}
	for _, rule := range h.Rules {
		rule.Tag = newLabel(h.Point.Name, rule, rule.KindNames())
	}
	if err := h.provisionTriggers(ctx); err != nil {
		return err
	}
	if srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		srv.RegisterOnShutdown(releaseOnExit)
	}
	return nil
}

// ServeHTTP injects the fault of the rule that fires, or hands the request on
// as it is. Only where a rule of phase response may fire does it look at the
// reply.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	d, err := h.decide(r)
	switch {
	case err != nil:
		return err
	case d.Rule != nil:
		return h.inject(w, r, next, d)
	case d.Later != nil:
		return h.hold(w, r, next, d.Later)
	default:
		return next.ServeHTTP(w, r)
	}
}

// decide finds what hits the request: what it asks for itself, or else a rule.
func (h *Handler) decide(r *http.Request) (rules.Decision, error) {
	for _, t := range h.Triggers {
		if !t.source.present(r) {
			continue
		}
		if ok, err := h.Matches(r); !ok || err != nil {
			return rules.Decision{}, err
		}
		d, done := h.obey(t, r)
		if done {
			return d, nil
		}
	}
	return h.Decide(r, nil)
}

// inject runs the faults of the rule that fires.
func (h *Handler) inject(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d rules.Decision) error {
	defer d.Release() // also when the upstream panics, as reverse_proxy does to cut a reply
	if d.Rule.DryRun {
		if c := h.logger.Check(zapcore.DebugLevel, "would have injected a fault"); c != nil {
			c.Write(append(labelOf(d.Rule).zapFields(), requestFields(r)...)...)
		}
		return next.ServeHTTP(w, r)
	}
	ended := exit
	if after := labelOf(d.Rule).endAfter; after > 0 {
		var cancel context.CancelFunc
		ended, cancel = context.WithTimeout(exit, after)
		defer cancel()
	}
	return d.Rule.Faults.ServeHTTP(w, h.label(w, r, d, ended.Done()), next)
}

// countPassed counts a request that a rule let pass.
func (h *Handler) countPassed(rule *rules.Rule, reason rules.Reason) {
	labelOf(rule).metrics.passed[reason].Inc()
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
