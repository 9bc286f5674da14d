package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	caddyroutes "github.com/caddyfault/caddyfault/caddymodule/routes"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

type explainPoint struct {
	Point string `json:"point"`
	whereView

	// Match reports whether the point applies to the request, or may apply.
	Match bool `json:"match"`

	// Reason is why the point does not apply, or the condition on which it does.
	Reason string `json:"reason,omitempty"`

	// Rules is in the order of decision: the triggers of the request; experiments, then
	// rules of phase request; experiments, then rules of phase response.
	Rules []rules.Verdict `json:"rules"`

	// Error is the error of a matcher of the point. The point then does not apply.
	Error string `json:"error,omitempty"`

	place   caddyroutes.Place
	reached bool
}

// explainer explains the points that a request reaches.
type explainer struct {
	*service

	app    *control.App
	halted bool
	points []*explainPoint
	known  map[string]*explainPoint
	doubts []string // why a fault may hit, apart from the outcomes
}

// answer explains what would happen to a request in the running configuration.
func (a *service) answer(ask *caddyroutes.Ask) *ExplainView {
	view := &ExplainView{Halted: a.ctl.Switch.Halted(), Outcomes: []outcome{}, Points: []explainPoint{}}
	app := a.ctl.Current()
	if app == nil {
		view.Answer = "the running configuration has no injection point"
		return view
	}
	e := &explainer{service: a, app: app, halted: view.Halted || app.Halted, known: make(map[string]*explainPoint)}
	found := &caddyroutes.Answer{NoServer: "there is no server"}
	if servers := app.HTTP(); servers != nil {
		e.list(servers)
		found = caddyroutes.Follow(servers, *ask, e.guide)
	}
	view.Notes, view.Outcomes = found.Notes, outcomes(found.Ways)
	if found.Cut {
		e.doubt("not all ways through the routes were followed, and a fault may hit on one of the others")
	}
	reached := false
	for _, p := range e.points {
		if p.reached {
			reached = true
		} else {
			p.Reason = found.WhyNot(p.place)
		}
	}
	for i := range view.Outcomes {
		view.MayHit = view.MayHit || len(view.Outcomes[i].Hits) > 0
	}
	e.unplaced(ask)
	view.MayHit = view.MayHit || len(e.doubts) > 0
	view.Answer = strings.Join(append([]string{view.answerText(shownURL(ask), found, reached)}, e.doubts...), "; ")
	for _, p := range e.points {
		view.Points = append(view.Points, *p)
	}
	return view
}

// shownURL returns the URL of a request for display, without its query and user, which
// may be secret.
func shownURL(ask *caddyroutes.Ask) string {
	shown := *ask.URL
	shown.RawQuery, shown.User = "", nil
	return shown.String()
}

// list lists all points with their places.
func (e *explainer) list(servers *caddyhttp.App) {
	for module, at := range caddyroutes.Walk(servers) {
		if p := rules.PointOf(module); p != nil {
			e.entry(p, at.Site(), at)
		}
	}
}

// entry returns the entry of a point at a site. Caddy provisions a site on two ports
// twice, but the site has one entry.
func (e *explainer) entry(p *rules.Point, site string, at caddyroutes.Place) *explainPoint {
	key := site + "\x00" + p.Identity()
	if known := e.known[key]; known != nil {
		return known
	}
	entry := &explainPoint{Point: p.Name, whereView: whereView{Site: site, Source: p.Source}, Rules: []rules.Verdict{}, place: at}
	e.known[key] = entry
	e.points = append(e.points, entry)
	return entry
}

// doubt adds a reason to the answer why a fault may hit.
func (e *explainer) doubt(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !e.halted && !slices.Contains(e.doubts, text) {
		e.doubts = append(e.doubts, text)
	}
}

// guide returns what a point may do to a request that reaches it.
func (e *explainer) guide(v *caddyroutes.Visit) *caddyroutes.Turns {
	p := rules.PointOf(v.Module)
	if p == nil {
		return nil
	}
	answer := 0
	if h, ok := v.Module.(*inject.Handler); ok && h.AnswersPreflight(v.Request) {
		answer = http.StatusNoContent
	}
	at, key := explainPoint{}, ""
	see := func() { at, key = e.seeAt(p, v) }
	if p.Place == faults.InTransport {
		see()
	} else {
		srv, _ := v.Request.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
		e.app.FieldsOf(srv).Foresee(v.Request, see)
	}
	if key != "" {
		at.doubt(key, func(v rules.Verdict) bool { return v.Fires || v.Gate == "match" })
		if !at.Match {
			e.doubt("the point %s may hit, because its matcher reads {%s}, which only a real request has", p.Name, key)
		}
	}
	if v.Request.Host == "" {
		at.doubt("http.request.host", dependsOnHost)
	}
	e.entry(p, v.At.Site(), v.At).come(&at, v.If())
	turns := &caddyroutes.Turns{Passes: true}
	if !e.halted {
		turns = turnsOf(p.Name, at.Rules)
	}
	turns.Answer = answer
	return turns
}

// seeAt explains a request at a point. If a matcher has read a placeholder which only a
// real request has, it returns the placeholder.
func (e *explainer) seeAt(p *rules.Point, v *caddyroutes.Visit) (at explainPoint, key string) {
	exempt := false
	unsure := v.Unknown(func() { exempt = e.app.Exempts(v.Request) })
	key = v.Unknown(func() { at = e.explainAt(p, v.Request, exempt, v.Knows) })
	switch {
	case unsure != "":
		at.doubt(unsure, func(v rules.Verdict) bool { return v.Fires || v.Gate == rules.GateExempt })
	case exempt: // whatever the rules read
		key = ""
	}
	return at, key
}

// doubt marks the verdicts that may depend on a placeholder which only a real request
// has.
func (at *explainPoint) doubt(placeholder string, depends func(rules.Verdict) bool) {
	for i := range at.Rules {
		v := &at.Rules[i]
		if !depends(*v) || v.By == nil || v.By.DryRun {
			continue
		}
		if !v.Fires {
			v.Fires, v.Share = true, 100
			if v.By.Percent != nil {
				v.Share = *v.By.Percent
			}
		}
		v.Settles, v.Gate, v.Why = false, "match", fmt.Sprintf("it matches, which depends on {%s} of the real request", placeholder)
	}
}

// dependsOnHost reports whether a rule does not match the request because of its host.
func dependsOnHost(v rules.Verdict) bool {
	return v.Gate == "match" && strings.Contains(v.Why, "'host'")
}

// come records what happens to a request that reaches the point on one of its ways. The
// first way counts. A later way without conditions removes the conditions of the first.
func (at *explainPoint) come(found *explainPoint, conditions []string) {
	switch {
	case !at.reached:
		at.reached, at.Match, at.Rules, at.Error = true, found.Match, found.Rules, found.Error
		if !at.Match && at.Error == "" {
			at.Reason = notForIt
		} else if len(conditions) > 0 {
			at.Reason = "only if " + strings.Join(conditions, " and ")
		}
	case at.Match && len(conditions) == 0:
		at.Reason = ""
	}
}

const notForIt = "the matcher of the point does not match"

// turnsOf returns what the verdicts mean for the request.
func turnsOf(point string, verdicts []rules.Verdict) *caddyroutes.Turns {
	turns := &caddyroutes.Turns{Passes: true}
	sum := 0.0
	for i := range verdicts {
		v := &verdicts[i]
		if !v.Fires {
			continue
		}
		chain := v.By.Faults
		ending := chain.EndsWith(v.By.Place)
		turn := caddyroutes.Turn{
			Hit: newHit(point, v), Ends: chain.MayEnd(), Continues: !chain.Ends(), Status: ending.Status, Error: ending.Error, Aborts: ending.Aborts,
			OnReply: v.By.OnResponse(), Match: v.By.MatchResponse,
		}
		if drawn := slices.Contains([]string{"", "percent", "match_response", rules.GateEffect}, v.Gate); drawn {
			turn.Certain = v.Share == 100
			if own := v.Trigger == "" && !v.Experiment; own { // rules of the configuration share one draw
				sum += v.Share
				turn.Certain = sum >= 100
			}
		}
		if turn.Certain && !turn.OnReply {
			turns.Passes = false
		}
		turns.Turns = append(turns.Turns, turn)
	}
	return turns
}

// unknown knows nothing of a request.
func unknown(func()) bool { return false }

// unplaced explains, separately, each point outside the known routes, such as one in a
// handler of another module.
func (e *explainer) unplaced(ask *caddyroutes.Ask) {
	placed := make(map[string]bool)
	for _, p := range e.points {
		placed[p.Point] = true
	}
	for _, p := range e.app.Points() {
		if placed[p.Name] {
			continue
		}
		r := prepared(ask)
		at := e.explainAt(p, r, e.app.Exempts(r), unknown)
		if at.Reason = "its place among the routes is unknown"; !at.Match {
			at.Reason = notForIt
		}
		e.points = append(e.points, &at)
		if slices.ContainsFunc(at.Rules, func(v rules.Verdict) bool { return v.Fires }) {
			e.doubt("the point %s may hit, but its place among the routes is unknown", p.Name)
		}
	}
}

// prepared returns the request in the form that matchers read.
func prepared(ask *caddyroutes.Ask) *http.Request {
	return inject.ToMatch(ask.New(), caddy.NewReplacer(), &discarded{header: make(http.Header)})
}

// explainAt explains what would happen to r, which may be exempt, at a point.
func (e *explainer) explainAt(p *rules.Point, r *http.Request, exempt bool, knows rules.Knows) explainPoint {
	at := explainPoint{Point: p.Name, whereView: whereView{Source: p.Source}, Rules: []rules.Verdict{}}
	at.Rules = append(at.Rules, trigger.Explain(e.app.Triggers(p), r, p)...)
	guests := e.ctl.Store.Snapshot().Guests(experiments.PlaceOf(p))
	match, verdicts, err := p.Explain(r, guests, knows)
	if r.Host == "" && slices.ContainsFunc(verdicts, dependsOnHost) { // so does what they leave of the draw
		match, verdicts, err = p.Explain(r, guests, unknown)
	}
	at.Match = match || len(at.Rules) > 0
	at.Rules = append(at.Rules, verdicts...)
	for i := range at.Rules {
		if exempt {
			at.Rules[i].Exempt()
		}
	}
	rules.Settle(at.Rules)
	if err != nil {
		at.Error = err.Error()
	}
	for i := range at.Rules {
		if e.app.DryRun {
			at.Rules[i].OnlyTell()
		}
	}
	return at
}

// discarded is a reply that is thrown away.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarded) WriteHeader(int)             {}
