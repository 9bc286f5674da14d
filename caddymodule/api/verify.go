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
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// VerifyView is the answer for an assertion that holds.
type VerifyView struct {
	Count int `json:"count"`
}

// verify checks how often a rule has hit.
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

// verification is an assertion. A bound of -1 means no bound.
type verification struct {
	*service
	point, rule, id string
	refused         bool // counts refusals, not hits
	atLeast, atMost int
	since           time.Time
	sinceThen       *experiments.Counter // counts the journal; nil: not used yet
	limit           time.Duration
}

// maxVerifyWait is the longest time that a verification may wait.
const maxVerifyWait = 10 * time.Minute

func (a *service) newVerification(params url.Values) (v verification, err error) {
	v = verification{service: a, atLeast: -1, atMost: -1}
	if v.point, v.rule, err = ruleParams(params); err != nil {
		return v, err
	}
	if v.refused, err = refusedParam(params); err != nil {
		return v, err
	}
	if v.id, err = idParam(params); err != nil {
		return v, err
	}
	switch {
	case v.id != "" && v.rule != "" && v.rule != trigger.RuleName:
		return v, Refuse(http.StatusBadRequest, "id: only the lines of triggers have one, not rule '%s'; write rule=%s", v.rule, trigger.RuleName)
	case v.refused && v.rule != "":
		return v, Refuse(http.StatusBadRequest, "rule: not allowed with refused=true, which counts the refusals of triggers; leave it out")
	case !v.refused && v.rule == "":
		return v, Refuse(http.StatusBadRequest, "rule: required, unless refused=true")
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
			return v, Refuse(http.StatusBadRequest, "%s: '%s' is not a count, such as 3", name, text)
		}
		for _, target := range targets {
			*target = n
		}
	}
	switch {
	case given == 0:
		return v, Refuse(http.StatusBadRequest, "exactly, at_least or at_most is required")
	case params.Has("exactly") && given > 1:
		return v, Refuse(http.StatusBadRequest, "exactly cannot be combined with at_least or at_most")
	case v.atMost >= 0 && v.atLeast > v.atMost:
		return v, Refuse(http.StatusBadRequest, "at_least: %d is more than at_most, %d", v.atLeast, v.atMost)
	}
	if v.since, err = since(params); err != nil {
		return v, err
	}
	if text := params.Get("wait"); text != "" {
		if v.limit, err = caddy.ParseDuration(text); err != nil || v.limit < 0 || v.limit > maxVerifyWait {
			return v, Refuse(http.StatusBadRequest, "wait: '%s' is not a duration of at most %s, such as 5s", text, maxVerifyWait)
		}
	}
	return v, nil
}

// checkPoint refuses a point if the hits are not counted per point. The counters of an
// experiment cover all its points. Only the journal has the point of a hit.
func (v *verification) checkPoint(points []string) error {
	if v.point == "" || !v.since.IsZero() || len(points) == 1 {
		return nil
	}
	return Refuse(http.StatusBadRequest, "point: the hits of experiment '%s' are counted for all its points together; leave point out, or add since", v.rule)
}

func withID(id string) string {
	if id == "" {
		return ""
	}
	return " with id '" + id + "'"
}

func atPoint(point string) string {
	if point == "" {
		return ""
	}
	return " at injection point '" + point + "'"
}

// wanted returns the bounds in words.
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

// wait counts until the assertion holds, the time is up, or there is nothing to count.
// If the server shuts down first, for example because of a reload, the result is
// unknown.
func (v *verification) wait(r *http.Request) (int, error) {
	deadline := time.Now().Add(v.limit)
	expired := time.NewTimer(v.limit)
	defer expired.Stop()
	ended := serverEnd(r)
	for {
		last := !time.Now().Before(deadline)
		changed := v.ctl.Counts.Next() // taken before it counts, so that it misses no change
		count, all, err := v.count()
		if err != nil {
			return 0, err
		}
		switch {
		case v.holds(count, all):
			return count, nil
		case last:
			return count, v.failure(count, all)
		}
		select {
		case <-changed:
			continue
		case <-expired.C:
			continue
		case <-r.Context().Done():
		case <-ended.Done():
		}
		return 0, Refuse(http.StatusServiceUnavailable, "the server is shutting down, for example because of a reload; try again")
	}
}

// holds reports whether the assertion holds for a count. Unless all is set, the count is
// only a part of the hits.
func (v *verification) holds(count int, all bool) bool {
	return count >= v.atLeast && (v.atMost < 0 || all && count <= v.atMost)
}

// failure returns the error for an assertion that does not hold. It may read the whole
// journal.
func (v *verification) failure(count int, all bool) error {
	if tooMany := v.atMost >= 0 && count > v.atMost; !all && !tooMany {
		return Refuse(http.StatusConflict, "the journal does not go back that far")
	}
	if v.refused {
		return v.refusalsError(count)
	}
	no := Refuse(http.StatusExpectationFailed, "rule '%s'%s has hit %s, want %s", v.rule, withID(v.id), counted(count, "time"), v.wanted())
	v.breakDown(no, count)
	no.Count = &count
	return no
}

// count returns how often the rule has hit, and whether these are all hits. It returns
// an error if no such rule exists or has ended within the last hour. It also returns an
// error if there are several such rules, or if hits are not counted by its points. If
// v.since is set, it counts the journal, which may have lost hits.
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
		known = true
		if v.id == "" {
			count += int(t.Hits())
		} else {
			count += int(t.HitsOf(v.id))
		}
	}
	if e := v.experiment(known); e != nil && (v.point == "" || slices.Contains(e.Points, v.point)) {
		count, known = count+int(e.Hits), true
		err = v.checkPoint(e.Points)
	}
	switch {
	case !known:
		return 0, false, v.notCounted(v.point, v.rule)
	case err != nil || v.since.IsZero():
		return count, true, err
	}
	if v.sinceThen == nil {
		v.sinceThen = v.ctl.Journal.Counter(experiments.Query{Rule: v.rule, Point: v.point, ID: v.id, Since: v.since})
	}
	count, all = v.sinceThen.Count()
	return count, all, nil
}

// experiment returns the hits of the running experiment with the name of the rule. If no
// such experiment runs, and nothing else has the name, it returns the last one that has
// ended, or nil.
func (v *verification) experiment(known bool) *experiments.Past {
	if live := v.ctl.Store.Get(v.rule); live != nil {
		return &experiments.Past{Hits: live.Stats().Hits, Points: v.appliesTo(live)}
	}
	if known {
		return nil
	}
	return v.ctl.Store.LastPast(v.rule)
}
