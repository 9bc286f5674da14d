package api

import (
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/recent"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// DraftPreview is what a draft would have done to the last requests.
type DraftPreview struct {
	// Requests is the number of the last requests at the points of the draft, up to 300.
	// Of a transport, it counts attempts.
	Requests int `json:"requests"`

	// Since is when the oldest of them has come. With fewer than 300, all later requests
	// are among them.
	Since time.Time `json:"since"`

	// Matched is how many of the requests the draft matches. Expected is how many of those
	// its percentage hits on average.
	Matched  int     `json:"matched"`
	Expected float64 `json:"expected"`

	// Ignored are settings and matchers of the draft that the preview leaves out, because
	// they depend on more than a request that has passed.
	Ignored []string `json:"ignored,omitempty"`
}

// preview returns what a loaded experiment would have done to the last requests.
func (a *service) preview(e *experiments.Experiment) DraftPreview {
	p := rules.NewPreview(&e.Rule, unjudged)
	look := a.ctl.Recent.Look(func(point string, transport bool) bool {
		return transport == e.InTransport() && e.At(experiments.Place{Point: point, Transport: transport})
	})
	view := DraftPreview{Requests: len(look.Requests), Since: look.Since.UTC(), Ignored: p.Ignored}
	for _, visits := range look.Requests {
		if slices.ContainsFunc(visits, func(v recent.Visit) bool { return p.Matches(requestOf(v), v.Preflight) }) {
			view.Matched++
		}
	}
	view.Expected = math.Round(float64(view.Matched)*p.Percent()/10) / 10
	return view
}

// requestOf returns the request of a visit, prepared for matchers.
func requestOf(v recent.Visit) *http.Request {
	r := inject.ToMatch(v.Request, caddy.NewReplacer(), nil)
	if v.Client != "" {
		caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, v.Client)
	}
	return r
}

// judging are the matchers that read only what is kept of a request.
var judging = []string{"client_ip", "expression", "header", "header_regexp", "host", "method", "not", "path", "path_regexp", "protocol", "query", "remote_ip", "tls", "url_pattern"}

// unjudged returns the name of a matcher that reads more than what is kept of a request,
// or "".
func unjudged(matcher any) string {
	mod, ok := matcher.(caddy.Module)
	if !ok {
		return "unknown matcher"
	}
	name := mod.CaddyModule().ID.Name()
	if !slices.Contains(judging, name) {
		return name
	}
	switch m := matcher.(type) {
	case *caddyhttp.MatchHeader:
		return unjudgedHeader(*m)
	case *caddyhttp.MatchHeaderRE:
		return unjudgedField(name, slices.Collect(maps.Keys(*m)))
	case *caddyhttp.MatchExpression:
		return unjudgedExpression(m.Expr)
	case *caddyhttp.MatchNot:
		return unjudgedNot(m)
	}
	return ""
}

// unjudgedHeader is unjudged for values of header fields. Whether a field is present is
// known.
func unjudgedHeader(m caddyhttp.MatchHeader) string {
	var fields []string
	for field, values := range m {
		if slices.ContainsFunc(values, func(value string) bool { return value != "*" }) {
			fields = append(fields, field)
		}
	}
	return unjudgedField("header", fields)
}

func unjudgedField(matcher string, fields []string) string {
	slices.Sort(fields)
	for _, field := range fields {
		if name := http.CanonicalHeaderKey(field); recent.IsCredential(name) {
			return matcher + " " + name
		}
	}
	return ""
}

// unjudgedNot is unjudged for the matchers inside not.
func unjudgedNot(m *caddyhttp.MatchNot) string {
	for _, set := range m.MatcherSets {
		for _, matcher := range set {
			if name := unjudged(matcher); name != "" {
				return "not " + name
			}
		}
	}
	return ""
}

// beyond are texts of expressions that read more than what is kept of a request.
var beyond = []string{"json_body", "vars", "http.auth", "http.request.body", "http.request.cookie", "{cookie.", "authorization", "baggage", "'cookie'", `"cookie"`, ".cookie}"}

func unjudgedExpression(expr string) string {
	expr = strings.ToLower(expr)
	if slices.ContainsFunc(beyond, func(text string) bool { return strings.Contains(expr, text) }) {
		return "expression"
	}
	return ""
}
