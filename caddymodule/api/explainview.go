package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	caddyroutes "github.com/caddyfault/caddyfault/caddymodule/routes"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// ExplainView is what would happen to a request: as a whole, and point by point.
type ExplainView struct {
	// Answer summarizes the outcomes in one line.
	Answer string `json:"answer"`

	// MayHit reports whether a fault may hit the request.
	MayHit bool `json:"may_hit"`

	// Outcomes are all possible outcomes of the request, in the order of decision.
	Outcomes []outcome `json:"outcomes"`

	// Notes are the assumptions of the answer.
	Notes []string `json:"notes,omitempty"`

	Halted bool           `json:"halted"`
	Points []explainPoint `json:"points"`
}

// outcome is one possible outcome of a request.
type outcome struct {
	// If lists the conditions of the outcome.
	If []string `json:"if,omitempty"`

	// Hits are the faults that hit the request, or may hit it.
	Hits []explainHit `json:"hits,omitempty"`

	// EndedBy is what replies: `fault` for the last of the hits, or for a point with
	// cors that answers a preflight, otherwise the name of a handler. Empty: no handler
	// replies.
	EndedBy string `json:"ended_by,omitempty"`

	// Unknown means that only the handler knows whether it replies.
	Unknown bool `json:"unknown,omitempty"`

	// Status is the status code of the reply, if it is known.
	Status int `json:"status,omitempty"`

	// Aborts means that there is no reply at all.
	Aborts bool `json:"aborts,omitempty"`

	// Upstreams are the upstreams of the proxy. One of them replies.
	Upstreams []string `json:"upstreams,omitempty"`

	text string
}

// explainHit is a fault that hits a request, or may hit it.
type explainHit struct {
	Point string `json:"point"`
	Rule  string `json:"rule"`

	// Does is what the fault does, such as `respond 503`.
	Does string `json:"does"`

	// Percent is the percentage of such requests that are hit, 100 if no draw decides.
	Percent float64 `json:"percent"`

	// If is the condition of the hit.
	If string `json:"if,omitempty"`
}

func (h explainHit) String() string {
	text := fmt.Sprintf("%s by %s/%s", strings.TrimPrefix(h.Does, "respond "), h.Point, h.Rule)
	if h.Percent < 100 {
		text += ", " + strconv.FormatFloat(h.Percent, 'g', 4, 64) + " %"
	}
	if h.If != "" {
		text += " if " + h.If
	}
	return text
}

// newHit returns the hit of a verdict.
func newHit(point string, v *rules.Verdict) explainHit {
	hit := explainHit{Point: point, Rule: v.Rule, Does: whatItDoes(v.By), Percent: v.Share}
	switch {
	case v.By.MatchResponse != nil:
		hit.If = "it " + caddyroutes.Replies(v.By.MatchResponse)
	case v.Gate != "" && v.Gate != "percent" && v.Gate != rules.GateEffect:
		hit.If = v.Why
	case v.Conditional:
		hit.If = "it has an effect on the reply"
	}
	return hit
}

// maxDoes is the length in bytes up to which the settings of faults are shown.
const maxDoes = 60

// whatItDoes returns the faults of a rule: with their settings, or with the names of
// settings, if that is short, otherwise the kinds only.
func whatItDoes(rule *rules.Rule) string {
	source := rule.Source
	if live, ok := rule.Owner.(*experiments.Live); ok {
		source = live.JSON
	}
	var only struct {
		Faults []any `json:"faults"`
	}
	if err := json.Unmarshal(source, &only); err != nil || len(only.Faults) == 0 {
		return rule.KindNames()
	}
	line := grammar.Format(caddyconfig.JSON(only, nil))
	if len(line) > maxDoes || strings.ContainsAny(line, "{}") { // settings that only JSON can express
		line = strings.ReplaceAll(grammar.Brief(line), "  ", "; ")
	}
	if len(line) > maxDoes || strings.ContainsAny(line, "{}") {
		return rule.KindNames()
	}
	return line
}

// newOutcome describes a way, in words and as data.
func newOutcome(way *caddyroutes.Way) outcome {
	end := way.End
	o := outcome{If: way.If, EndedBy: end.Module, Unknown: end.Unknown, Status: end.Status, Aborts: end.Aborts, Upstreams: end.Upstreams}
	words := make([]string, 0, len(way.Hits)+1)
	for _, hit := range way.Hits {
		o.Hits = append(o.Hits, hit.(explainHit))
		words = append(words, hit.(explainHit).String())
	}
	if hit, ok := end.Hit.(explainHit); ok {
		o.Hits, o.EndedBy = append(o.Hits, hit), "fault"
	}
	o.text = strings.Join(append(words, endText(&end)), ", then ")
	return o
}

// endText describes what ends a request.
func endText(end *caddyroutes.End) string {
	switch {
	case end.Hit != nil:
		return fmt.Sprint(end.Hit)
	case end.Unknown:
		return "may be ended by " + end.Module
	case end.Aborts:
		return "no reply: " + end.Module + " aborts"
	case end.Module == "":
		return fmt.Sprintf("an empty %d: no handler replies", end.Status)
	case end.Module == "reverse_proxy":
		return proxyText(end)
	case end.Module == "fault":
		return fmt.Sprintf("%d by fault: a point with cors answers the preflight", end.Status)
	case end.Status != 0:
		return fmt.Sprintf("%d by %s", end.Status, end.Module)
	default:
		return end.Module
	}
}

func proxyText(end *caddyroutes.End) (text string) {
	switch len(end.Upstreams) {
	case 0:
		text = "an upstream of reverse_proxy"
	case 1:
		text = "the upstream " + end.Upstreams[0]
	default:
		text = "one of the upstreams " + strings.Join(end.Upstreams, ", ")
	}
	if end.Status != 0 {
		text = fmt.Sprintf("%d by reverse_proxy in front of %s", end.Status, text)
	}
	return text
}

// outcomes returns the ways that differ. It leaves out a way that requires a failing
// upstream, unless a fault hits on it that hits on no other way.
func outcomes(ways []caddyroutes.Way) []outcome {
	told := []outcome{}
	var hits []explainHit
	for _, unlikely := range [...]bool{false, true} {
		for i := range ways {
			if ways[i].Unlikely != unlikely {
				continue
			}
			o := newOutcome(&ways[i])
			fresh := slices.ContainsFunc(o.Hits, func(h explainHit) bool { return !slices.Contains(hits, h) })
			if unlikely && !fresh {
				continue
			}
			hits = append(hits, o.Hits...)
			same := slices.IndexFunc(told, func(other outcome) bool { return other.text == o.text })
			if same < 0 {
				told = append(told, o)
			} else if len(o.If) < len(told[same].If) {
				told[same].If = o.If
			}
		}
	}
	return told
}

// answerText returns the summary in one line.
func (v *ExplainView) answerText(url string, found *caddyroutes.Answer, reached bool) string {
	switch {
	case found.NoServer != "":
		return fmt.Sprintf("no site serves %s: %s", url, found.NoServer)
	case found.NoSite && !v.MayHit && v.Outcomes[0].EndedBy == "":
		return "no site serves " + url
	}
	var words []string
	for _, o := range v.Outcomes {
		text := o.text
		if len(o.If) > 0 {
			text = "if " + strings.Join(o.If, " and ") + ": " + text
		}
		words = append(words, text)
	}
	text := strings.Join(words, "; else ")
	switch {
	case v.Halted:
		text += "; faults are halted"
	case !reached:
		text += "; no point is reached"
	case !v.MayHit:
		text += "; no fault can hit"
	}
	return text
}
