package rules

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Preflight reports whether r is a CORS preflight: the question of a browser whether a
// page may send a request to another origin.
func Preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Access-Control-Request-Method"]) > 0 && len(r.Header["Origin"]) > 0
}

// VerdictOnPreflight returns the verdict of a rule or trigger that lets a preflight pass.
func VerdictOnPreflight() Verdict {
	return Verdict{Gate: "preflight", Why: "a CORS preflight passes; only a rule or a point with the matcher 'method OPTIONS' applies to it"}
}

// letPreflightPass corrects the verdict of a rule on a preflight, and the share that the
// rule takes.
func (v *Verdict) letPreflightPass(taken *float64) {
	if v.By.preflights || v.Gate == "match" {
		return
	}
	passes := VerdictOnPreflight()
	passes.Rule, passes.By = v.Rule, v.By
	*v, *taken = passes, 0
}

// namesOptions reports whether one of the sets matches on the method OPTIONS itself, by
// the matcher `method` or in an expression. Rules with such a matcher are for preflights
// too.
func namesOptions(sets caddyhttp.MatcherSets) bool {
	return slices.ContainsFunc(sets, func(set caddyhttp.MatcherSet) bool {
		return slices.ContainsFunc(set, func(matcher any) bool {
			switch m := matcher.(type) {
			case *caddyhttp.MatchMethod:
				return slices.Contains(*m, http.MethodOptions)
			case *caddyhttp.MatchExpression:
				return strings.Contains(m.Expr, http.MethodOptions)
			default:
				return false
			}
		})
	})
}

// LetsPass reports whether r is a preflight that the matchers of the point are not for.
// Its triggers then do nothing, and only a rule that is for preflights hits r.
func (p *Point) LetsPass(r *http.Request) bool { return !p.preflights && Preflight(r) }
