package caddymodule

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// label is what a hit of one rule is known by, everywhere: in the reply, the
// log, the metrics. It is made once at load.
type label struct {
	point, rule, kind string
	ruleValue         any // rule and kind as values of placeholders
	kindValue         any
	metrics           ruleMetrics
	passed            func(reason string)
}

func newLabel(point string, rule *rules.Rule) *label {
	l := &label{point: point, rule: rule.Name, kind: rule.KindNames(), metrics: newRuleMetrics(point, rule)}
	l.ruleValue, l.kindValue = l.rule, l.kind
	l.passed = func(reason string) { passedTotal.WithLabelValues(l.point, l.rule, reason).Inc() }
	return l
}

func (l *label) zapFields() []zap.Field {
	return []zap.Field{zap.String("point", l.point), zap.String("rule", l.rule), zap.String("kind", l.kind)}
}

// injection is one hit: everything that is kept of it, in one piece of memory.
type injection struct {
	faults.Hit
	*label
	id       injectionID
	disclose [1]string
	before   *injection // of an outer point, or of the same in another phase
}

// injectionID is written out only when somebody wants to read it.
type injectionID uint64

func (id *injectionID) String() string { return fmt.Sprintf("%016x", uint64(*id)) }

// label tells everybody of the hit and returns the request that takes it to the
// faults.
func (h *Handler) label(w http.ResponseWriter, r *http.Request, d rules.Decision) *http.Request {
	l := h.labels[d.Rule.Index()]
	inj := &injection{
		Hit:      faults.Hit{N: d.N, U: d.U, Start: startTime(r.Context()), Ended: exit.ch, Passed: l.passed},
		label:    l,
		id:       injectionID(rand.Uint64()), //nolint:gosec // to tell hits apart, not to keep a secret
		disclose: [1]string{l.rule},
	}
	l.metrics.injected.Inc()
	if h.disclose != "" {
		header := w.Header()
		if header[h.disclose] == nil {
			header[h.disclose] = inj.disclose[:]
		} else {
			header.Add(h.disclose, l.rule)
		}
	}
	inj.before, _ = caddyhttp.GetVar(r.Context(), injectionVar).(*injection)
	caddyhttp.SetVar(r.Context(), injectionVar, inj)
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.Stringer("fault_rule", (*loggedRules)(inj)))
		extra.Set(zap.Stringer("fault_kind", (*loggedKinds)(inj)))
		extra.Set(zap.Stringer("fault_id", (*loggedIDs)(inj)))
	}
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.fault.rule", l.ruleValue)
		repl.Set("http.fault.kind", l.kindValue)
		repl.Set("http.fault.id", &inj.id)
	}
	if c := h.logger.Check(zapcore.DebugLevel, "injected a fault"); c != nil {
		c.Write(append(l.zapFields(), append(requestFields(r), zap.Stringer("id", &inj.id))...)...)
	}
	return r.WithContext(faults.WithHit(r.Context(), &inj.Hit))
}

// injectionVar is where a request keeps its last hit, for the log to find those
// of all points.
const injectionVar = "fault_injection"

// The fields of the access log, written out when there is a line to write. Hits
// at several points stand in the order they came, with commas between.
type (
	loggedRules injection
	loggedKinds injection
	loggedIDs   injection
)

func (inj *loggedRules) String() string {
	return (*injection)(inj).join(func(i *injection) string { return i.rule })
}

func (inj *loggedKinds) String() string {
	return (*injection)(inj).join(func(i *injection) string { return i.kind })
}

func (inj *loggedIDs) String() string {
	return (*injection)(inj).join(func(i *injection) string { return i.id.String() })
}

func (inj *injection) join(field func(*injection) string) string {
	if inj.before == nil {
		return field(inj)
	}
	return inj.before.join(field) + "," + field(inj)
}

// startTime is when the request came.
func startTime(ctx context.Context) time.Time {
	if start, ok := caddyhttp.GetVar(ctx, "start_time").(time.Time); ok {
		return start
	}
	return time.Now()
}

// requestFields are a request in a debug line.
func requestFields(r *http.Request) []zap.Field {
	return []zap.Field{zap.String("method", r.Method), zap.String("host", r.Host), zap.String("uri", r.RequestURI)}
}
