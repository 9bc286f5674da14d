package api

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// refusedParam reads the parameter `refused`, which selects refused triggers instead of
// hits.
func refusedParam(params url.Values) (bool, error) {
	switch text := params.Get("refused"); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, Refuse(http.StatusBadRequest, "refused: '%s' is neither true nor false", text)
	}
}

// idParam reads the parameter id: that of a trigger's line.
func idParam(params url.Values) (string, error) {
	id := params.Get("id")
	if !params.Has("id") {
		return "", nil
	}
	if err := trigger.CheckID(id); err != nil {
		return "", Refuse(http.StatusBadRequest, "id: %v", err)
	}
	return id, nil
}

// refusals returns the query for what the verification counts.
func (v *verification) refusals() experiments.Query {
	return experiments.Query{Point: v.point, ID: v.id, Since: v.since}
}

// countRefusals is count for refused triggers. It returns an error if there is no
// trigger, because an assertion that nothing was refused would always hold.
func (v *verification) countRefusals() (count int, all bool, err error) {
	triggers := v.ctl.FindTriggers(v.point, "")
	if len(triggers) == 0 {
		return 0, false, Refuse(http.StatusNotFound, "no trigger%s; add one to a fault directive, such as 'trigger header'", atPoint(v.point))
	}
	if v.since.IsZero() {
		for _, t := range triggers {
			if v.id == "" {
				count += int(t.Refused())
			} else {
				count += int(t.RefusedOf(v.id))
			}
		}
		return count, true, nil
	}
	if v.sinceThen == nil {
		v.sinceThen = v.ctl.Refusals.Counter(v.refusals())
	}
	count, all = v.sinceThen.Count()
	return count, all, nil
}

// maxRefusals is how many refusals an answer shows.
const maxRefusals = 10

// refusalsError returns the error for an assertion that does not hold for count
// refusals, with the last of them.
func (v *verification) refusalsError(count int) *Error {
	no := Refuse(http.StatusExpectationFailed, "triggers%s%s were refused %s, want %s", withID(v.id), atPoint(v.point), counted(count, "time"), v.wanted())
	no.Count = &count
	if count > 0 {
		q := v.refusals()
		q.Limit = min(count, maxRefusals)
		no.Refusals = slices.Collect(v.ctl.Refusals.Entries(q))
	}
	return no
}
