package rules

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A Preview reports which requests a guest would match, without deciding them.
type Preview struct {
	// Ignored are the settings and the matchers that also decide whether a request is hit,
	// and that the preview leaves out.
	Ignored []string

	rule     *Rule
	matchers caddyhttp.MatcherSets
}

// NewPreview returns the preview of a loaded guest. The function judge returns the name
// of a matcher that cannot judge the requests of the preview, or "" for others.
func NewPreview(rule *Rule, judge func(matcher any) string) *Preview {
	p := &Preview{rule: rule, Ignored: rule.limits()}
	ignored := make(map[string]bool)
	for _, set := range rule.matchers {
		var known caddyhttp.MatcherSet
		for _, matcher := range set {
			name := judge(matcher)
			if name == "" {
				known = append(known, matcher)
				continue
			}
			if !ignored[name] {
				ignored[name] = true
				p.Ignored = append(p.Ignored, name)
			}
		}
		p.matchers = append(p.matchers, known)
	}
	return p
}

// Matches reports whether the guest would match r. A preflight is matched only by a guest
// for preflights.
func (p *Preview) Matches(r *http.Request, preflight bool) bool {
	if preflight && !p.rule.preflights {
		return false
	}
	ok, _ := anyMatches(p.matchers, r)
	return ok
}

// Percent returns the percentage of the matching requests that the guest would hit.
func (p *Preview) Percent() float64 { return p.rule.percent }

// limits returns the settings besides the percentage that keep a matching request from
// being hit, or make it a hit.
func (rl *Rule) limits() []string {
	var names []string
	for _, setting := range []struct {
		name string
		set  bool
	}{
		{"skip", rl.Skip != nil && *rl.Skip > 0},
		{"every", rl.Every != nil && *rl.Every > 1},
		{"over", rl.Over != nil},
		{"times", rl.Times != nil},
		{"lasts", rl.Lasts != nil},
		{"start", rl.Start != ""},
		{"end", rl.End != ""},
		{"cycle", rl.Cycle != nil},
		{"ramp", rl.Ramp != nil},
		{"max_active", rl.MaxActive != nil},
		{"match_response", rl.MatchResponse != nil},
		{"dry_run", rl.DryRun},
	} {
		if setting.set {
			names = append(names, setting.name)
		}
	}
	return names
}
