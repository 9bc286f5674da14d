package inject

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// A page that sends the header field of a trigger to another origin needs a preflight
// that allows the field. Upstreams do not know the field, so a point with cors removes
// it from the preflight and allows it on the reply.
//
// If the field is all that the preflight asks for, the browser would send the request
// without a preflight otherwise. The upstream may then not answer preflights at all, so
// the point answers.

// answersFor returns the handler to use in place of next for r, and the writer for its
// reply. They are w and next, unless r is a preflight of an allowed origin that asks for
// fields of triggers.
func (h *Handler) answersFor(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) (http.ResponseWriter, caddyhttp.Handler) {
	origin, ok := h.originOf(r)
	if !ok || !rules.Preflight(r) {
		return w, next
	}
	fields, alone := h.takeAsked(r)
	switch {
	case len(fields) == 0:
		return w, next
	case alone:
		return w, answer{origin, fields}
	}
	amended := &amendedPreflight{fields: strings.Join(fields, ", ")}
	amended.HeadWriter = wire.NewHeadWriter(w, amended)
	return amended, next
}

// AnswersPreflight reports whether the point answers r in place of the next handler. It
// removes from r what the point removes.
func (h *Handler) AnswersPreflight(r *http.Request) bool {
	_, next := h.answersFor(nil, r, nil)
	_, answers := next.(answer)
	return answers
}

// takeAsked removes the fields of triggers from what a preflight asks for, and returns
// them. It reports whether nothing else needs the preflight.
func (h *Handler) takeAsked(r *http.Request) (fields []string, alone bool) {
	var others []string
	for name := range strings.SplitSeq(strings.Join(r.Header[requestHeaders], ","), ",") {
		switch name = strings.TrimSpace(name); {
		case name == "":
		case h.fields.Has(name):
			fields = append(fields, name)
		default:
			others = append(others, name)
		}
	}
	switch {
	case len(fields) == 0:
	case len(others) == 0:
		r.Header.Del(requestHeaders)
	default:
		r.Header.Set(requestHeaders, strings.Join(others, ","))
	}
	return fields, len(others) == 0 && needsNoPreflight(r.Header.Get(requestMethod))
}

// needsNoPreflight reports whether pages may send a method to other origins without
// asking.
func needsNoPreflight(method string) bool {
	return slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost}, method)
}

// answer is the answer to a preflight that only fields of triggers need.
type answer struct {
	origin string
	fields []string
}

// ServeHTTP allows the method and the fields.
func (a answer) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	allow(h, a.origin)
	h.Set(allowMethods, r.Header.Get(requestMethod))
	h.Set(allowHeaders, strings.Join(a.fields, ", "))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// amendedPreflight is the reply of the upstream to a preflight, with the fields of
// triggers. A reply that allows no origin remains as it is.
type amendedPreflight struct {
	wire.HeadWriter
	fields string
}

// TakeHead adds the fields.
func (a *amendedPreflight) TakeHead(code int) {
	if h := a.HeadWriter.ResponseWriter.Header(); len(h[allowOrigin]) > 0 {
		h.Add(allowHeaders, a.fields)
	}
	a.HeadWriter.ResponseWriter.WriteHeader(code)
}

// Interface guards
var (
	_ caddyhttp.Handler = answer{}
	_ wire.HeadTaker    = (*amendedPreflight)(nil)
)
