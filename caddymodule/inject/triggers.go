package inject

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/hint"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// provisionTriggers prepares the triggers of the point. It warns of a trigger that
// every client may use on every request.
func (h *Handler) provisionTriggers(ctx caddy.Context) error {
	for i, t := range h.Triggers {
		if t == nil {
			return fmt.Errorf("trigger %d is null", i+1)
		}
		if slices.ContainsFunc(h.Triggers[:i], t.SamePlace) {
			return fmt.Errorf("trigger %s already specified", t.Source)
		}
		if err := t.Provision(ctx, &h.Point, h.tagTriggered, h.app.OwnPresets()); err != nil {
			return err
		}
		if t.Key == "" && !h.Limited() {
			hint.Warn(hint.At(ctx, h.Source), "a trigger without key at a point without matcher: every client can inject faults into its requests; add a key or a matcher",
				zap.String("point", h.Point.Name), zap.String("trigger", t.Source))
		}
	}
	h.fields.Join(h.Triggers)
	h.app.SetTriggers(&h.Point, h.Triggers)
	return nil
}

// obey evaluates the trigger t of the request. It reports whether the decision is
// final. If the trigger is refused or its draw misses, the request goes on to the
// rules.
func (h *Handler) obey(t *trigger.Trigger, w http.ResponseWriter, r *http.Request) (d rules.Decision, done bool) {
	asked, refusal := t.Ask(r, h.fields)
	switch {
	case refusal != nil:
		h.refuse(t, refusal, w.Header(), r)
		return d, false
	case asked == nil:
		return d, false
	case asked.Pass:
		return d, true
	}
	d = h.DecideTriggered(r, asked.Rule)
	return d, d.Rule != nil || d.Later != nil
}

// refuse records a refused trigger in metrics, log and journal. The client learns about
// it from the header of the reply.
func (h *Handler) refuse(t *trigger.Trigger, refusal *trigger.Refusal, reply http.Header, r *http.Request) {
	if h.disclose != "" {
		reply.Add(control.RefusedField, refusal.Disclosed())
	}
	metrics.PassOther(h.Point.Name, trigger.RuleName, "trigger_refused")
	entry := experiments.Entry{
		Time: time.Now(), Point: h.Point.Name, Rule: trigger.RuleName, Refused: refusal.Reason(), TriggerID: refusal.ID(),
		Client: h.recordedClient(clientOf(r)), Trace: traceID(trace.SpanFromContext(r.Context())),
	}
	entry.Take(r)
	h.ctl.Refusals.Add(&entry)
	t.CountRefusal(refusal)
	h.ctl.Counts.Send()
	if c := h.logger.Check(zapcore.DebugLevel, "refused a trigger"); c != nil {
		c.Write(append(requestFields(r), zap.String("point", h.Point.Name), zap.String("trigger", t.Source), zap.Stringer("error", refusal))...)
	}
}

// tagTriggered returns the label of a rule that a trigger of the point creates.
func (h *Handler) tagTriggered(rule *rules.Rule, endAfter time.Duration) rules.Owner {
	l := newLabel(h.Point.Name, rule, metrics.NewRule(h.Point.Name, trigger.RuleName, triggerKind(rule)))
	l.endAfter, l.triggerID = endAfter, rule.TriggerID()
	return l
}

// triggerKind returns the kind of a triggered rule for metrics. Chains share one kind,
// so that clients cannot create series at will.
func triggerKind(rule *rules.Rule) string {
	if len(rule.Faults) == 1 {
		return rule.KindNames()
	}
	return "several"
}

// parseTrigger parses a trigger of the point.
func (h *Handler) parseTrigger(d *caddyfile.Dispenser) error {
	start := *d
	t, err := trigger.Parse(d)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(h.Triggers, t.SamePlace) {
		return start.Errf("trigger %s already specified", t.Source)
	}
	h.Triggers = append(h.Triggers, t)
	return nil
}
