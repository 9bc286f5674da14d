package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// ruleParams reads the parameters point and rule. A rule may be written as
// `<point>/<rule>`, the form in which replies disclose a rule without a name.
func ruleParams(params url.Values) (point, rule string, err error) {
	point, rule = params.Get("point"), params.Get("rule")
	before, after, both := strings.Cut(rule, "/")
	switch {
	case !both:
		return point, rule, nil
	case rules.ValidName(before) != nil || rules.ValidName(after) != nil:
		return "", "", Refuse(http.StatusBadRequest, "rule: '%s' is neither a rule nor a point and a rule; want a name such as rule1, or both such as fault1/rule1", rule)
	case point != "" && point != before:
		return "", "", Refuse(http.StatusBadRequest, "rule: '%s' is at the point '%s', not at '%s'; leave point out", rule, before, point)
	}
	return before, after, nil
}

// checkOne refuses a rule name that several points have, because their hits would be
// counted as those of one rule. The error has the hits at each point. The hits of an
// experiment count for all its points.
func (v *verification) checkOne() error {
	if v.point != "" {
		return nil
	}
	first := make(map[string]*rules.Rule) // by point; points of one name share the counters
	var points []string
	for _, p := range v.ctl.FindPoints("") {
		for _, rule := range p.Rules {
			if rule.Name == v.rule && first[p.Name] == nil {
				first[p.Name] = rule
				points = append(points, p.Name)
			}
		}
	}
	if len(points) < 2 {
		return nil
	}
	counts := make(map[string]int)
	var each []string
	for _, point := range points {
		counts[point] = v.hitsAt(point, first[point])
		each = append(each, fmt.Sprintf("%s/%s has hit %s", point, v.rule, counted(counts[point], "time")))
	}
	one, _, _ := strings.Cut(each[0], " ")
	if more := len(each) - maxEach; more > 0 {
		each = append(each[:maxEach], fmt.Sprintf("and %d more", more))
	}
	no := Refuse(http.StatusConflict, "rule '%s' exists at several points: %s; choose one, such as rule=%[3]s or --rule %[3]s", v.rule, strings.Join(each, ", "), one)
	no.Counts = counts
	return no
}

// maxEach is how many points an error names.
const maxEach = 10

// hitsAt returns how often the rule has hit at a point.
func (v *verification) hitsAt(point string, rule *rules.Rule) int {
	if v.since.IsZero() {
		return int(rule.Stats().Hits)
	}
	n, _ := v.ctl.Journal.Counter(experiments.Query{Rule: rule.Name, Point: point, Since: v.since}).Count()
	return n
}
