package inject

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// injector is what an injection point needs to let a hit happen and to tell
// everybody of it.
type injector struct {
	point    *rules.Point
	place    experiments.Place
	app      *control.App
	ctl      *control.Control
	logger   *zap.Logger
	fields   *trigger.Fields
	disclose string // name of the header field, "" for none
	active   prometheus.Gauge
	logged   bool // the server has an access log: Caddy's own making of a field for it is not cheap
}

// provisionPoint loads the rules of an injection point and gives them what they
// are known by.
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
	in.place, in.active = experiments.PlaceOf(point), metrics.ActiveRequests.WithLabelValues(point.Name)
	for i, rule := range point.Rules {
		l := newLabel(point.Name, rule, metrics.NewRule(point.Name, rule.Name, rule.KindNames()))
		if rule.Name == rules.DefaultName(i) { // of which there is one at each point
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

// halted reports whether nothing is to be injected.
func (in *injector) halted() bool { return in.app.Halted || in.ctl.Switch.Halted() }

// guests are the experiments at this point.
func (in *injector) guests() *rules.Guests { return in.ctl.Store.Snapshot().Guests(in.place) }

// labelOf is the label of a rule at this point.
func (in *injector) labelOf(rule *rules.Rule) *label {
	switch owner := rule.Owner.(type) {
	case *experiments.Live:
		return in.experimentLabel(owner)
	case *label:
		return owner
	default:
		panic("a rule without an owner") // provisionPoint, tagTriggered and the store give each one
	}
}

// passed counts a request that a rule let pass; without one, a request that the
// point itself let pass.
func (in *injector) passed(rule *rules.Rule, reason rules.Reason) {
	if rule == nil {
		metrics.PassPoint(in.place.Point, reason)
		return
	}
	in.labelOf(rule).counts.Passed(reason)
}

// over reports whether the rule has been stopped since it was asked, which in
// phase response may be long ago.
func (in *injector) over(rule *rules.Rule) bool {
	own := rule.Owner.Ended()
	return in.halted() || own != nil && own.Err() != nil
}

// allow reports whether the rule that fires may do so, and has something to do. A
// dry run is only told of; the hit is taken back when the rule is over, and above
// max_active of the app. If it reports true, the caller calls letGo in the end.
func (in *injector) allow(r *http.Request, d *rules.Decision) bool {
	if !in.lets(r, d) {
		in.ctl.Counts.Send() // a dry run has counted, and what was taken back no longer does
		return false
	}
	in.active.Inc()
	return true
}

// lets is allow without what is left to do after it.
func (in *injector) lets(r *http.Request, d *rules.Decision) bool {
	if in.over(d.Rule) {
		d.TakeBack()
		in.passed(d.Rule, rules.ReasonOff)
		return false
	}
	if d.Spares() {
		if !d.Rule.DryRun { // which has been counted
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

// letGo ends the hit of a request.
func (in *injector) letGo() {
	in.ctl.Active.Add(-1)
	in.active.Dec()
}

// ended is done when the faults of a hit must let go of the request. The caller
// calls cancel in the end.
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

// noReply is the reason of a request without a reply that a fault could change:
// the upstream has failed, or the client has left.
const noReply = "no_reply"

// finish completes the entry of the journal. A request on which no fault had an
// effect is not hit: it has none, and gives its turn to another request.
func (in *injector) finish(inj *injection, d *rules.Decision, size int) {
	if inj.Confirmed() {
		in.ctl.Journal.Finish(inj.record, inj.record.Age(), size)
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

// enter makes the entry of the journal for an injection.
func (in *injector) enter(r *http.Request, inj *injection, trace string) {
	entry := experiments.Entry{
		Time: time.Now(), ID: inj.id, Point: inj.point, Rule: inj.rule, Kind: inj.kind,
		Client: clientOf(r), Trace: trace, UpstreamStatus: inj.upstream,
	}
	entry.Take(r)
	inj.record = in.ctl.Journal.Add(&entry)
	in.ctl.Counts.Send()
}

// clientOf is the address of the client, also of one whose proxy is trusted.
func clientOf(r *http.Request) string {
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	client, _ := vars[caddyhttp.ClientIPVarKey].(string)
	return client
}
