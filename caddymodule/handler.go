package caddymodule

import (
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

	logger   *zap.Logger
	disclose string // name of the header field, "" for none
	labels   []*label
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
		h.labels = append(h.labels, newLabel(h.Point.Name, rule))
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
	d, err := h.Decide(r)
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

// inject runs the faults of the rule that fires.
func (h *Handler) inject(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d rules.Decision) error {
	defer d.Release() // also when the upstream panics, as reverse_proxy does to cut a reply
	if d.Rule.DryRun {
		if c := h.logger.Check(zapcore.DebugLevel, "would have injected a fault"); c != nil {
			c.Write(append(h.labels[d.Rule.Index()].zapFields(), requestFields(r)...)...)
		}
		return next.ServeHTTP(w, r)
	}
	return d.Rule.Faults.ServeHTTP(w, h.label(w, r, d), next)
}

// countPassed counts a request that a rule let pass.
func (h *Handler) countPassed(rule *rules.Rule, reason rules.Reason) {
	h.labels[rule.Index()].metrics.passed[reason].Inc()
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
