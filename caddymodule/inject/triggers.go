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

// provisionTriggers prepares the triggers of the point. One that everybody may
// use on every request is worth a warning.
func (h *Handler) provisionTriggers(ctx caddy.Context) error {
	for i, t := range h.Triggers {
		if t == nil {
			return fmt.Errorf("trigger %d is null", i+1)
		}
		if slices.ContainsFunc(h.Triggers[:i], t.SamePlace) {
			return fmt.Errorf("trigger %s already specified", t.Source)
		}
		if err := t.Provision(ctx, &h.Point, h.tagTriggered); err != nil {
			return err
		}
		if t.Key == "" && !h.Limited() {
			hint.Warn(hint.At(ctx, h.Source), "a trigger without key at a point without matcher: every client can inject faults into its requests",
				zap.String("point", h.Point.Name), zap.String("trigger", t.Source))
		}
	}
	h.fields.Join(h.Triggers)
	h.app.SetTriggers(&h.Point, h.Triggers)
	return nil
}

// obey decides on what the request asks for by t. It reports whether that is
// the whole decision: a trigger that is refused or whose draw misses leaves the
// request to the rules.
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

// refuse tells everybody that r has asked in vain: the client, too, in the header
// of the reply.
func (h *Handler) refuse(t *trigger.Trigger, refusal *trigger.Refusal, reply http.Header, r *http.Request) {
	if h.disclose != "" {
		reply.Add(control.RefusedField, refusal.Disclosed())
	}
	metrics.PassOther(h.Point.Name, trigger.RuleName, "trigger_refused")
	entry := experiments.Entry{
		Time: time.Now(), Point: h.Point.Name, Rule: trigger.RuleName, Refused: refusal.Reason(),
		Client: clientOf(r), Trace: traceID(trace.SpanFromContext(r.Context())),
	}
	entry.Take(r)
	h.ctl.Refusals.Add(&entry)
	t.CountRefusal()
	h.ctl.Counts.Send()
	if c := h.logger.Check(zapcore.DebugLevel, "refused a trigger"); c != nil {
		c.Write(append(requestFields(r), zap.String("point", h.Point.Name), zap.String("trigger", t.Source), zap.Stringer("error", refusal))...)
	}
}

// tagTriggered returns the label of a rule that a trigger of the point makes.
func (h *Handler) tagTriggered(rule *rules.Rule, endAfter time.Duration) rules.Owner {
	l := newLabel(h.Point.Name, rule, metrics.NewRule(h.Point.Name, trigger.RuleName, triggerKind(rule)))
	l.endAfter = endAfter
	return l
}

// triggerKind is the kind of a triggered rule in metrics, where a client must
// not make new series at will.
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
