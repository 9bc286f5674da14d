package inject

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// label identifies the hits of one rule in the reply, the log and the metrics. It is
// made once, at load.
type label struct {
	point, rule, kind string
	shown             string // name of the rule in replies
	ruleValue         any    // rule and kind as values of placeholders
	kindValue         any
	counts            metrics.Rule
	triggerID         string        // of the line that asked for the rule
	endAfter          time.Duration // time until the faults must end; 0: no limit
}

// newLabel returns the label of a rule at a point.
func newLabel(point string, rule *rules.Rule, counts metrics.Rule) *label {
	l := &label{point: point, rule: rule.Name, shown: rule.Name, kind: rule.KindNames(), counts: counts}
	l.ruleValue, l.kindValue = l.rule, l.kind
	return l
}

// PassedCounts returns how many requests a configured rule let pass, by reason.
func PassedCounts(rule *rules.Rule) map[string]uint64 {
	return rule.Owner.(*label).counts.PassedCounts()
}

// ExperimentPassedCounts returns how many requests an experiment let pass at all its
// points, by reason.
func ExperimentPassedCounts(live *experiments.Live) map[string]uint64 {
	sums := make(map[string]uint64)
	live.Labels.Range(func(_, l any) bool {
		for reason, n := range l.(*label).counts.PassedCounts() {
			sums[reason] += n
		}
		return true
	})
	return sums
}

// PointPassedCounts returns how many requests the point itself and its triggers let
// pass, by reason.
func PointPassedCounts(p *rules.Point) map[string]uint64 {
	counts := metrics.PassedCounts(p.Name, "")
	for reason, n := range metrics.PassedCounts(p.Name, trigger.RuleName) {
		counts[reason] += n
	}
	return counts
}

// experimentLabel returns the label of an experiment at this point.
func (in *injector) experimentLabel(live *experiments.Live) *label {
	point := in.place.Point
	if known, ok := live.Labels.Load(point); ok {
		return known.(*label)
	}
	fresh := newLabel(point, &live.Rule, in.ctl.Series.Rule(point, live))
	known, _ := live.Labels.LoadOrStore(point, fresh)
	return known.(*label)
}

// Ended returns nil, because a configured or triggered rule does not end at run time.
func (*label) Ended() context.Context { return nil }

func (l *label) zapFields() []zap.Field {
	return []zap.Field{zap.String("point", l.point), zap.String("rule", l.rule), zap.String("kind", l.kind)}
}

// injection is a request for which a rule fires. All its state is in one allocation. It
// becomes a hit when a fault confirms it.
type injection struct {
	faults.Hit
	*label
	in       *injector
	hits     *rules.Rule
	header   http.Header    // of the reply; nil in a transport
	original original       // the request, and the next handler of the faults in phase request
	body     *wire.LentBody // of the request; nil: it has none, or it is not lent
	id       experiments.ID
	disclose [1]string
	before   *injection // at an earlier point, for the same request
	first    hitLog     // used by the first hit: the fields of all hits in the access log
	log      *hitLog

	changes  []faults.Change
	memory   rules.Memory
	upstream int // status of the reply on which the rule fired
	record   *experiments.Record

	sight *sight // of the request; nil: the point does not count it
	track *track // of the request; nil: nobody records what clients do
	owns  bool   // the request has its track for the hit alone
	own   track  // used if so
}

// String returns the ID of the hit. It is formatted only on use.
func (inj *injection) String() string { return inj.id.String() }

// newInjection returns the injection for a decision. Its faults must end when ended is
// closed.
func (in *injector) newInjection(r *http.Request, d *rules.Decision, ended <-chan struct{}) *injection {
	l := in.labelOf(d.Rule)
	inj := &injection{
		Hit:      faults.Hit{N: d.N, U: d.U, Ended: ended, Removed: d.Rule.Removed()},
		label:    l,
		in:       in,
		hits:     d.Rule,
		original: original{request: r},
		id:       experiments.ID(rand.Uint64()), //nolint:gosec // IDs only need to be different, not secret
		disclose: [1]string{l.shown},
		memory:   d.Memory(),
		upstream: d.Status,
	}
	inj.Listener, inj.Memory = inj, &inj.memory
	return inj
}

// Passed counts a fault without an effect.
func (inj *injection) Passed(reason string) { inj.counts.PassedBy(reason) }

// Delayed counts a delay.
func (inj *injection) Delayed(wait time.Duration) { inj.counts.Delayed(wait) }

// Began returns when the request arrived.
func (inj *injection) Began() time.Time {
	vars, _ := inj.original.request.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if start, ok := vars["start_time"].(time.Time); ok {
		return start
	}
	return time.Now()
}

// Injected records a hit in metrics, header, log, trace and journal.
func (inj *injection) Injected() {
	in, l, r := inj.in, inj.label, inj.original.request
	inj.hits.CountHit()
	l.counts.Injected.Inc()
	in.seen.Hit(l.rule)
	if inj.sight != nil {
		inj.sight.hit = true
	}
	if inj.header != nil {
		inj.discloseIn(inj.header)
	}
	repl := text.Replacer(r)
	if in.logged {
		inj.before = lastInjection(repl)
		inj.addToLog(r.Context())
	}
	repl.Set("http.fault.rule", l.ruleValue)
	repl.Set("http.fault.kind", l.kindValue)
	repl.Set(injectionKey, inj)
	span, client := trace.SpanFromContext(r.Context()), clientOf(r)
	inj.addToTrace(span)
	entry := experiments.Entry{
		Time: time.Now(), ID: inj.id, Point: inj.point, Rule: inj.rule, Kind: inj.kind, TriggerID: inj.triggerID,
		Client: in.recordedClient(client), Trace: traceID(span), UpstreamStatus: inj.upstream, Change: inj.changes,
	}
	entry.Take(r)
	inj.recordHit(&entry, client, repl)
	inj.record = in.ctl.Journal.Add(&entry)
	in.ctl.Counts.Send()
	if in.logger.Core().Enabled(zapcore.DebugLevel) {
		in.debug("injected a fault", r, l, inj)
	}
}

// discloseIn adds the header field for the client, unless it is switched off.
func (inj *injection) discloseIn(header http.Header) {
	switch name := inj.in.disclose; {
	case name == "":
	case header[name] == nil:
		header[name] = inj.disclose[:]
	default:
		header.Add(name, inj.shown)
	}
}

// injectionKey is the placeholder of the ID. The next point that hits the request finds
// the earlier hit through it.
const injectionKey = "http.fault.id"

func lastInjection(repl *caddy.Replacer) *injection {
	value, _ := repl.Get(injectionKey)
	last, _ := value.(*injection)
	return last
}

// hitLog holds the fields of the access log, formatted only if a line is written.
// Several hits are listed in their order, separated by commas.
type hitLog struct{ last *injection }

// addToLog adds the hit to the line of the request in the access log.
func (inj *injection) addToLog(ctx context.Context) {
	if inj.before != nil {
		inj.log = inj.before.log
		inj.log.last = inj
		return
	}
	inj.log = &inj.first
	inj.log.last = inj
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(zap.Inline(inj.log))
	}
}

// MarshalLogObject adds the fields to a line.
func (l *hitLog) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("fault_rule", l.last.join(func(i *injection) string { return i.rule }))
	enc.AddString("fault_kind", l.last.join(func(i *injection) string { return i.kind }))
	enc.AddString("fault_id", l.last.join((*injection).String))
	return nil
}

// join returns a field of all hits up to this one, separated by commas.
func (inj *injection) join(field func(*injection) string) string {
	if inj.before == nil {
		return field(inj)
	}
	return inj.before.join(field) + "," + field(inj)
}

// debug logs a hit, or a hit that a dry run would have injected. It is a separate
// function because the stack of a waiting request is nearly full.
func (in *injector) debug(message string, r *http.Request, l *label, inj *injection) {
	if c := in.logger.Check(zapcore.DebugLevel, message); c != nil {
		fields := append(l.zapFields(), requestFields(r)...)
		if site := in.app.Where(in.point).Site; site != "" {
			fields = append(fields, zap.String("site", site))
		}
		if inj != nil {
			fields = append(fields, zap.Stringer("id", inj))
		}
		c.Write(fields...)
	}
}

// requestFields returns the fields of a request for a debug line.
func requestFields(r *http.Request) []zap.Field {
	return []zap.Field{zap.String("method", r.Method), zap.String("host", r.Host), zap.String("uri", r.RequestURI)}
}

// addToTrace adds the hit to the span of the request, which the directive `tracing`
// starts.
func (inj *injection) addToTrace(span trace.Span) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		attribute.String("fault.point", inj.point),
		attribute.String("fault.rule", inj.rule),
		attribute.String("fault.kind", inj.kind),
		attribute.String("fault.id", inj.String()),
	)
}

// traceID returns the ID of the request's trace, or an empty text.
func traceID(span trace.Span) string {
	if id := span.SpanContext().TraceID(); id.IsValid() {
		return id.String()
	}
	return ""
}

// Interface guards
var (
	_ zapcore.ObjectMarshaler = (*hitLog)(nil)
	_ faults.Listener         = (*injection)(nil)
	_ rules.Owner             = (*label)(nil)
	_ rules.Owner             = (*experiments.Live)(nil)
)
