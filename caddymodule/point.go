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

// provisionPoint loads the rules of an injection point and gives them what they
// are known by. It returns the app that the point belongs to.
func provisionPoint(ctx caddy.Context, point *rules.Point) (*App, error) {
	mod, err := ctx.App("fault")
	if err != nil {
		return nil, fmt.Errorf("getting fault app: %w", err)
	}
	app := mod.(*App)
	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	point.Passed = countPassed
	if err := point.Provision(ctx, &app.points); err != nil {
		return nil, err
	}
	for _, rule := range point.Rules {
		rule.Tag = newLabel(point.Name, rule, rule.KindNames())
	}
	if srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		srv.RegisterOnShutdown(releaseOnExit)
	}
	return app, nil
}

// countPassed counts a request that a rule let pass.
func countPassed(rule *rules.Rule, reason rules.Reason) {
	labelOf(rule).metrics.passed[reason].Inc()
}

// logDryRun tells of a request that the rule would have hit.
func logDryRun(logger *zap.Logger, r *http.Request, rule *rules.Rule) {
	if c := logger.Check(zapcore.DebugLevel, "would have injected a fault"); c != nil {
		c.Write(append(labelOf(rule).zapFields(), requestFields(r)...)...)
	}
}
