package inject

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler is an injection point. It makes some of the requests that reach it fail in the
// ways that its rules define. Put it in front of the handlers that answer the requests.
// In a Caddyfile, the directive `fault` does so:
//
//	fault [<matcher>] [<status>|<fault>] {
//	    point  <name>
//	    sticky <key>
//	    seed   <number>
//	    halted
//	    cors   [<origin>...]
//	    trigger <source> [<name>] {
//	        ...
//	    }
//
//	    # one rule: its settings and faults directly ...
//	    <setting>
//	    <fault>
//
//	    # ... or several rules
//	    rule [<name>] {
//	        <setting>
//	        <fault>
//	    }
//	}
//
// `fault /api/* 503` fails every request below `/api/`. A status is short for the
// fault `respond <status>`; any other fault that needs no block can be there, such as
// `fault /api/* delay 2s`. Without a fault and rules, the point injects nothing until an
// experiment uses it.
//
// For a hit, the reply has the header field `X-Fault-Injected`. The option `disclose` of
// the `fault` app renames the field or switches it off. For a refused trigger, the reply
// has the field `X-Fault-Refused`. A hit adds the fields `fault_rule`, `fault_kind` and
// `fault_id` to the access log, and sets these placeholders:
//
// Placeholder | Description
// ------------|-------------
// `{http.fault.rule}` | The name of the rule
// `{http.fault.kind}` | The kinds of its faults, joined by `+`
// `{http.fault.id}` | A random ID of this hit
//
// If the effect of a fault depends on the upstream's reply, the request counts as a hit
// when the fault takes effect. A request on which no fault has an effect is not a hit.
type Handler struct {
	rules.Point

	// What a client may request for its own requests. Triggers are evaluated before
	// experiments and rules, for the requests that reach the point. Default: no
	// triggers.
	Triggers []*trigger.Trigger `json:"triggers,omitempty"`

	injector
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.fault",
		New: func() caddy.Module { return new(Handler) },
	}
}

// UnmarshalJSON decodes the point. An error names a field that is null or a meaningless
// zero.
func (h *Handler) UnmarshalJSON(data []byte) error {
	type plain Handler
	return strictjson.DecodeConfig(data, (*plain)(h))
}

// Provision loads the rules and the triggers.
func (h *Handler) Provision(ctx caddy.Context) error {
	err := h.provisionPoint(ctx, &h.Point)
	if err == nil {
		err = h.provisionTriggers(ctx)
	}
	return h.Located(err)
}

// ServeHTTP injects the fault of the rule that fires. Otherwise it passes the request
// on without the fields of triggers. It watches the reply only if a rule of phase
// response may fire.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.CORS != nil {
		w, next = h.answersFor(w, r, next)
	}
	if !h.fields.Enter(r) {
		return h.serve(w, r, next, h.decide(w, r, false))
	}
	defer h.fields.Leave()
	d := h.decide(w, r, true)
	h.fields.TakeOutAll(r)
	return h.serve(w, r, next, d)
}

// serve carries out a decision. It counts the request if somebody may look at the point,
// and keeps it if somebody previews an experiment.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d rules.Decision) (err error) {
	if h.ctl.Recent.On() {
		h.keep(r, &d)
	}
	if h.counts(r, &d) {
		err = h.serveSeen(w, r, next, &d)
	} else {
		err = h.carryOut(w, r, next, &d)
	}
	h.seeReply(r, err)
	return err
}

// carryOut carries out a decision.
func (h *Handler) carryOut(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d *rules.Decision) error {
	if d.Rule != nil {
		return h.inject(w, r, next, *d, nil)
	}
	return h.look(w, r, next, d.Later)
}

// pass hands a request on that no rule fires on, unless one does on the reply.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, later *rules.Later) error {
	if later != nil {
		return h.watchReply(w, r, next, later)
	}
	return next.ServeHTTP(w, r)
}

// decide evaluates the triggers of the request, then experiments, then rules, unless the
// request is exempt. The rules do not see the fields of the point's triggers. If fields
// is false, the request has no header field or parameter of a trigger, so that only
// cookies and baggage can hold one. If a trigger is refused, decide adds a field to the
// header of the reply.
func (h *Handler) decide(w http.ResponseWriter, r *http.Request, fields bool) rules.Decision {
	if h.halted() || h.exempts(r) {
		return rules.Decision{}
	}
	for _, t := range h.Triggers {
		if !t.MayAsk(r, fields) {
			continue
		}
		if h.LetsPass(r) {
			break
		}
		if !h.Matches(r) {
			return rules.Decision{}
		}
		if d, done := h.obey(t, w, r); done {
			return d
		}
	}
	return h.Decide(r, h.guests())
}

// inject runs the faults of the rule that fires. In phase response, body is the body that
// has been lent to the upstream.
func (h *Handler) inject(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d rules.Decision, body *wire.LentBody) (err error) {
	defer d.Release() // also if the upstream panics, as reverse_proxy does to cut a reply
	if !h.allow(r, &d) {
		if d.Status != 0 { // the request has been looked at before its reply
			return next.ServeHTTP(w, r)
		}
		return h.look(w, r, next, nil)
	}
	defer h.release()
	ended, cancel := h.ended(d.Rule)
	defer cancel()
	inj := h.newInjection(r, &d, ended.Done())
	inj.header, inj.body, inj.sight = w.Header(), body, writerOf(w, func(s *sight) bool { return s.at == h.seen })
	w, next, pages := h.readableFor(inj.tracked(w), r, next)
	returned := false
	defer func() {
		inj.body.End()
		now := time.Now()
		result := inj.endTrack(now, r, err, returned)
		h.finish(inj, &d, inj.endOf(now, &result, recordedSize(w)))
	}()
	if d.Status == 0 { // in phase response, next writes the reply and the request is already a copy
		inj.original.next = next
		next = &inj.original
		w = inj.lend(w, r)
	}
	err = d.Rule.Faults.Inject(&inj.Hit, w, r, next)
	pages.failed(err)
	returned = true
	return err
}

// recordedSize returns the size of the reply's body if Caddy records it for the access
// log or for metrics, else 0.
func recordedSize(w http.ResponseWriter) (size int) {
	for ; w != nil; w = wire.Unwrap(w) {
		if recorder, ok := w.(caddyhttp.ResponseRecorder); ok {
			size = recorder.Size()
		}
	}
	return size
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
