package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// VerifyView is the answer to an assertion that holds.
type VerifyView struct {
	Count int `json:"count"`
}

// verify asserts how often a rule has hit.
func (a *service) verify(w http.ResponseWriter, r *http.Request) error {
	v, err := a.newVerification(r.URL.Query())
	if err != nil {
		return err
	}
	count, err := v.wait(r)
	if err != nil {
		return err
	}
	return Answer(w, http.StatusOK, VerifyView{count})
}

// verification is an assertion; a bound of -1 is none.
type verification struct {
	*service
	point, rule     string
	refused         bool // refusals are counted, not hits
	atLeast, atMost int
	since           time.Time
	sinceThen       *experiments.Counter // of the journal
	limit           time.Duration
}

// maxVerifyWait is how long a verification waits at most.
const maxVerifyWait = 10 * time.Minute

func (a *service) newVerification(params url.Values) (v verification, err error) {
	v = verification{service: a, atLeast: -1, atMost: -1}
	if v.point, v.rule, err = ruleParams(params); err != nil {
		return v, err
	}
	if v.refused, err = refusedParam(params); err != nil {
		return v, err
	}
	switch {
	case v.refused && v.rule != "":
		return v, Refuse(http.StatusBadRequest, "rule: leave it out with refused=true, which counts the refusals of triggers")
	case !v.refused && v.rule == "":
		return v, Refuse(http.StatusBadRequest, "rule: say which, or refused=true")
	}
	given := 0
	for name, targets := range map[string][]*int{"exactly": {&v.atLeast, &v.atMost}, "at_least": {&v.atLeast}, "at_most": {&v.atMost}} {
		text := params.Get(name)
		if text == "" {
			continue
		}
		given++
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return v, Refuse(http.StatusBadRequest, "%s: '%s' is no count", name, text)
		}
		for _, target := range targets {
			*target = n
		}
	}
	switch {
	case given == 0:
		return v, Refuse(http.StatusBadRequest, "say exactly, at_least or at_most")
	case params.Has("exactly") && given > 1:
		return v, Refuse(http.StatusBadRequest, "exactly cannot go together with at_least or at_most")
	case v.atMost >= 0 && v.atLeast > v.atMost:
		return v, Refuse(http.StatusBadRequest, "at_least: %d is more than at_most, %d", v.atLeast, v.atMost)
	}
	if v.since, err = since(params); err != nil {
		return v, err
	}
	if text := params.Get("wait"); text != "" {
		if v.limit, err = caddy.ParseDuration(text); err != nil || v.limit < 0 || v.limit > maxVerifyWait {
			return v, Refuse(http.StatusBadRequest, "wait: '%s' is no duration up to %s", text, maxVerifyWait)
		}
	}
	return v, nil
}

// checkPoint refuses the point where nobody counts by it: the counters of an
// experiment are those of all its points. The journal knows the point.
func (v *verification) checkPoint(points []string) error {
	if v.point == "" || !v.since.IsZero() || len(points) == 1 {
		return nil
	}
	return Refuse(http.StatusBadRequest, "point: the hits of experiment '%s' are counted for all its points together: leave the point out, or say since", v.rule)
}

func atPoint(point string) string {
	if point == "" {
		return ""
	}
	return " at an injection point '" + point + "'"
}

// wanted says the bounds in words.
func (v *verification) wanted() string {
	switch {
	case v.atLeast == v.atMost:
		return fmt.Sprintf("exactly %d", v.atLeast)
	case v.atMost < 0:
		return fmt.Sprintf("at least %d", v.atLeast)
	case v.atLeast < 0:
		return fmt.Sprintf("at most %d", v.atMost)
	default:
		return fmt.Sprintf("%d to %d", v.atLeast, v.atMost)
	}
}

// wait counts until the assertion holds, or the time is over, or there is nothing
// to count. A server that ends, as one does for a reload, can tell neither.
func (v *verification) wait(r *http.Request) (int, error) {
	deadline := time.Now().Add(v.limit)
	over := time.NewTimer(v.limit)
	defer over.Stop()
	ended := serverEnd(r)
	for {
		last := !time.Now().Before(deadline)
		changed := v.ctl.Counts.Next() // before it counts, so as to miss none
		count, all, err := v.count()
		if err != nil {
			return 0, err
		}
		if err = v.check(count, all); err == nil || last {
			return count, err
		}
		select {
		case <-changed:
			continue
		case <-over.C:
			continue
		case <-r.Context().Done():
		case <-ended.Done():
		}
		return 0, Refuse(http.StatusServiceUnavailable, "this server ends, as it does for a reload: ask again")
	}
}

// check reports that the assertion does not hold for a count, which may be all
// that there have been or a part of them; nil: it holds.
func (v *verification) check(count int, all bool) error {
	few, many := count < v.atLeast, v.atMost >= 0 && count > v.atMost
	switch {
	case !all && !many && (few || v.atMost >= 0):
		return Refuse(http.StatusConflict, "the journal does not reach back that far")
	case !few && !many:
		return nil
	}
	no := Refuse(http.StatusExpectationFailed, "rule '%s' has hit %d times, want %s", v.rule, count, v.wanted())
	if v.refused {
		no = v.tellRefusals(count)
	}
	no.Count = &count
	return no
}

// count is how often the rule has hit. The error is that there is no such rule,
// nor has been for an hour, that there are several, or that it is not counted by its
// points. With an instant the journal is counted, which need not have all of the hits.
func (v *verification) count() (count int, all bool, err error) {
	if v.refused {
		return v.countRefusals()
	}
	if err := v.checkOne(); err != nil {
		return 0, false, err
	}
	known := false
	for _, rule := range v.ctl.FindRules(v.point, v.rule) {
		count, known = count+int(rule.Stats().Hits), true
	}
	for _, t := range v.ctl.FindTriggers(v.point, v.rule) {
		count, known = count+int(t.Hits()), true
	}
	if e := v.experiment(known); e != nil && (v.point == "" || slices.Contains(e.Points, v.point)) {
		count, known = count+int(e.Hits), true
		err = v.checkPoint(e.Points)
	}
	switch {
	case !known:
		return 0, false, Refuse(http.StatusNotFound, "no rule '%s'%s", v.rule, atPoint(v.point))
	case err != nil || v.since.IsZero():
		return count, true, err
	}
	if v.sinceThen == nil {
		v.sinceThen = v.ctl.Journal.Counter(experiments.Query{Rule: v.rule, Point: v.point, Since: v.since})
	}
	count, all = v.sinceThen.Count()
	return count, all, nil
}

// experiment returns what the one of that name has done that is on, or else, if
// nothing else is known by the name, the last one that has ended; nil if there is
// none.
func (v *verification) experiment(known bool) *experiments.Past {
	if live := v.ctl.Store.Get(v.rule); live != nil {
		return &experiments.Past{Hits: live.Stats().Hits, Points: v.appliesTo(live)}
	}
	if known {
		return nil
	}
	return v.ctl.Store.LastPast(v.rule)
}
