package inject

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler is an injection point: it stands in front of other handlers and makes
// some of the requests that come by fail in the ways its rules say.
//
// For a request that is hit it sets the header field `X-Fault-Injected` (or as
// the `fault` app says), and for one whose trigger is refused `X-Fault-Refused`.
// A hit also has the access log fields `fault_rule`, `fault_kind` and
// `fault_id`, and these placeholders:
//
// Placeholder | Description
// ------------|-------------
// `{http.fault.rule}` | The name of the rule
// `{http.fault.kind}` | Its kinds of fault, joined by `+`
// `{http.fault.id}` | A random ID of this one hit
//
// A fault that decides by the head of the reply is no hit before. A request on which
// no fault has an effect is none at all.
type Handler struct {
	rules.Point

	// What a request itself may ask for. A trigger is stronger than experiments
	// and rules, and limited to the requests that the point is for.
	Triggers []*trigger.Trigger `json:"triggers,omitempty"`

	injector
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.fault",
		New: func() caddy.Module { return new(Handler) },
	}
}

// UnmarshalJSON reads the point and names what is null or a meaningless zero.
func (h *Handler) UnmarshalJSON(data []byte) error {
	type plain Handler
	return strictjson.DecodeConfig(data, (*plain)(h))
}

// Provision loads the rules.
func (h *Handler) Provision(ctx caddy.Context) error {
	if err := h.provisionPoint(ctx, &h.Point); err != nil {
		return err
	}
	return h.provisionTriggers(ctx)
}

// ServeHTTP injects the fault of the rule that fires, or hands the request on
// as it is, but without the fields of triggers. Only where a rule of phase
// response may fire does it look at the reply.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !h.fields.Enter(r) {
		return h.serve(w, r, next, h.decide(w, r, false))
	}
	defer h.fields.Leave()
	d := h.decide(w, r, true)
	h.fields.TakeOutAll(r)
	return h.serve(w, r, next, d)
}

// serve does with the request what has been decided.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d rules.Decision) (err error) {
	switch {
	case d.Rule != nil:
		err = h.inject(w, r, next, d)
	case d.Later != nil:
		err = h.watchReply(w, r, next, d.Later)
	default:
		err = next.ServeHTTP(w, r)
	}
	h.seeReply(r, err)
	return err
}

// decide finds what hits the request: what it asks for itself, or else an
// experiment, or else a rule. The rules do not see the fields of the point's own
// triggers. Without any field of a trigger, only cookies and baggage can ask. The
// header of the reply tells of a trigger that is refused.
func (h *Handler) decide(w http.ResponseWriter, r *http.Request, fields bool) rules.Decision {
	if h.halted() {
		return rules.Decision{}
	}
	for _, t := range h.Triggers {
		if !t.MayAsk(r, fields) {
			continue
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

// inject runs the faults of the rule that fires.
func (h *Handler) inject(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d rules.Decision) error {
	defer d.Release() // also when the upstream panics, as reverse_proxy does to cut a reply
	if !h.allow(r, &d) {
		return next.ServeHTTP(w, r)
	}
	defer h.letGo()
	ended, cancel := h.ended(d.Rule)
	defer cancel()
	inj := h.newInjection(r, &d, ended.Done())
	inj.header = w.Header()
	defer func() { h.finish(inj, &d, recordedSize(w)) }()
	if d.Status == 0 { // in phase response next is the reply, and its request is a copy already
		inj.original.next = next
		next = &inj.original
	}
	return d.Rule.Faults.Inject(&inj.Hit, w, r, next)
}

// recordedSize is the size of the reply's body where Caddy records it, for the
// access log or for metrics.
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
