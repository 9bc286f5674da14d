package inject

import (
	"context"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/seen"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// injector is the part of an injection point that injects hits and reports them.
type injector struct {
	point    *rules.Point
	place    experiments.Place
	app      *control.App
	ctl      *control.Control
	logger   *zap.Logger
	fields   *trigger.Fields
	disclose string // name of the header field; "": no field
	active   prometheus.Gauge
	watch    *clients.Point // nil: nobody records what clients do
	seen     *seen.Point
	sights   sights
	logged   bool // the server has an access log; otherwise its fields are not built, which is expensive
}

// provisionPoint loads the rules of an injection point and gives them their labels.
func (in *injector) provisionPoint(ctx caddy.Context, point *rules.Point) error {
	mod, err := ctx.App("fault")
	if err != nil {
		return fmt.Errorf("getting fault app: %w", err)
	}
	in.app, in.logger = mod.(*control.App), point.LoggerOf(ctx)
	in.ctl, in.point = in.app.Control(), point
	in.disclose = in.app.DiscloseField()
	point.Passed = in.passed
	if err := in.app.ProvisionPoint(ctx, point); err != nil {
		return err
	}
	if in.app.RecordsClients() {
		in.watch = in.ctl.Clients.Point(point.Name)
	}
	in.seen = in.ctl.Seen.Point(point.Name)
	in.place, in.active = experiments.PlaceOf(point), metrics.ActiveRequests.WithLabelValues(point.Name)
	for i, rule := range point.Rules {
		l := newLabel(point.Name, rule, metrics.NewRule(point.Name, rule.Name, rule.KindNames()))
		if rule.Name == rules.DefaultName(i) { // each point has a rule with this name
			l.shown = point.Name + "/" + rule.Name
		}
		rule.Owner = l
	}
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	in.fields = in.app.FieldsOf(srv)
	if ok {
		srv.RegisterOnShutdown(in.ctl.ReleaseOnExit)
		in.logged = srv.Logs != nil
	}
	return nil
}

// halted reports whether faults are halted.
func (in *injector) halted() bool { return in.app.Halted || in.ctl.Switch.Halted() }

// exempts reports whether nothing ever hits r. It counts r if the point is for r.
func (in *injector) exempts(r *http.Request) bool {
	if !in.app.Exempts(r) {
		return false
	}
	if in.point.Matches(r) {
		in.passed(nil, rules.ReasonExempt)
	}
	return true
}

// guests returns the experiments at this point.
func (in *injector) guests() *rules.Guests { return in.ctl.Store.Snapshot().Guests(in.place) }

// labelOf returns the label of a rule at this point.
func (in *injector) labelOf(rule *rules.Rule) *label {
	switch owner := rule.Owner.(type) {
	case *experiments.Live:
		return in.experimentLabel(owner)
	case *label:
		return owner
	default:
		panic("a rule without an owner") // provisionPoint, tagTriggered and the store set the owner
	}
}

// passed counts a request that a rule let pass. If rule is nil, the point let it pass.
func (in *injector) passed(rule *rules.Rule, reason rules.Reason) {
	if rule == nil {
		metrics.PassPoint(in.place.Point, reason)
		return
	}
	l := in.labelOf(rule)
	l.counts.Passed(reason)
	if in.watch != nil && (reason == rules.ReasonTime || reason == rules.ReasonOff) && !in.watch.Idle() {
		in.watch.End(l.rule) // its schedule says so, or it was switched off
	}
}

// stopped reports whether the rule has been stopped since it was evaluated. In phase
// response, that may be long ago.
func (in *injector) stopped(rule *rules.Rule) bool {
	own := rule.Owner.Ended()
	return in.halted() || own != nil && own.Err() != nil
}

// allow reports whether to inject the faults of the rule that fires. It logs a dry run.
// It undoes the hit if the rule has been stopped, or above max_active of the app. If it
// returns true, the caller must call release at the end.
func (in *injector) allow(r *http.Request, d *rules.Decision) bool {
	if !in.permits(r, d) {
		in.ctl.Counts.Send() // a dry run was counted, or a hit was undone
		return false
	}
	in.active.Inc()
	return true
}

// permits is allow without its bookkeeping.
func (in *injector) permits(r *http.Request, d *rules.Decision) bool {
	if in.stopped(d.Rule) {
		d.TakeBack()
		in.passed(d.Rule, rules.ReasonOff)
		return false
	}
	if d.Spares() {
		if !d.Rule.DryRun { // a dry run was counted already
			in.passed(d.Rule, rules.ReasonPass)
		}
		return false
	}
	if d.Rule.DryRun || in.app.DryRun {
		if !d.Rule.DryRun {
			in.passed(d.Rule, rules.ReasonDryRun)
		}
		in.debug("would have injected a fault", r, in.labelOf(d.Rule), nil)
		return false
	}
	active := in.ctl.Active.Add(1)
	if in.app.MaxActive > 0 && active > in.app.MaxActive {
		in.ctl.Active.Add(-1)
		d.TakeBack()
		in.passed(d.Rule, rules.ReasonOverflow)
		return false
	}
	return true
}

// release ends the hit of a request.
func (in *injector) release() {
	in.ctl.Active.Add(-1)
	in.active.Dec()
}

// ended returns a context that is done when the faults of a hit must release the
// request. The caller calls cancel at the end.
func (in *injector) ended(rule *rules.Rule) (ctx context.Context, cancel context.CancelFunc) {
	ctx = in.ctl.Switch.Ended()
	if own := rule.Owner.Ended(); own != nil {
		ctx = own
	}
	if after := in.labelOf(rule).endAfter; after > 0 {
		return context.WithTimeout(ctx, after)
	}
	return ctx, func() {}
}

// noReply is the reason of a request without a reply that a fault could change. Either
// the upstream failed or the client left.
const noReply = "no_reply"

// finish completes the entry in the journal. A request on which no fault had an effect
// is not a hit. It has no entry, and another request gets its turn.
func (in *injector) finish(inj *injection, d *rules.Decision, end experiments.End) {
	if inj.Confirmed() {
		in.ctl.Journal.Finish(inj.record, end)
		return
	}
	switch {
	case inj.Explained():
	case inj.HasEnded():
		in.passed(d.Rule, rules.ReasonOff)
	default:
		inj.Passed(noReply)
	}
	d.TakeBack()
	in.ctl.Counts.Send()
}

// clientOf returns the address of the client, even if the request came through a
// trusted proxy.
func clientOf(r *http.Request) string {
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	client, _ := vars[caddyhttp.ClientIPVarKey].(string)
	return client
}

// recordedClient returns a client for the journal, unless the configuration wants no
// addresses in it.
func (in *injector) recordedClient(client string) string {
	if !in.app.RecordsAddresses() {
		return ""
	}
	return client
}
