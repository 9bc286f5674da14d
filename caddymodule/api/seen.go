package api

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

// SeenView is what the points have seen in their last seconds.
type SeenView struct {
	// Over is the number of seconds up to now.
	Over float64 `json:"over"`

	// All is what all points together have seen. A request that reaches two of them counts
	// twice.
	All seen.Brief `json:"all"`

	// Points are the figures of each point, unless `by=all` leaves them out.
	Points []seen.Brief `json:"points,omitempty"`
}

// Durations that GET /seen accepts.
const (
	overDefault = 10 * time.Second
	overLeast   = time.Second
	windowLeast = time.Minute
	seenMost    = time.Hour
)

// Values of the parameter by.
const (
	byRule = "rule" // a series for each rule
	byAll  = "all"  // figures of all points together only
)

// getSeen shows what points have seen: with a window as a series, with a point its
// figures, and otherwise a few figures of all points and of each.
func (a *service) getSeen(w http.ResponseWriter, r *http.Request) error {
	params := r.URL.Query()
	point, window, by := params.Get("point"), params.Get("window"), params.Get("by")
	if err := a.checkSeen(params); err != nil {
		return err
	}
	switch {
	case window != "":
		length, err := seenDuration("window", window, windowLeast, "15m")
		if err != nil {
			return err
		}
		return answerCompact(w, a.ctl.Seen.Series(point, length, by != ""))
	case by == byRule:
		return Refuse(http.StatusBadRequest, "by: rule is only for a series; add a window, such as window=15m")
	}
	over, err := seenDuration("over", cmp.Or(params.Get("over"), overDefault.String()), overLeast, "30s")
	if err != nil {
		return err
	}
	if point != "" {
		return Answer(w, http.StatusOK, a.ctl.Seen.Point(point).Summarize(over))
	}
	return Answer(w, http.StatusOK, a.newSeenView(over, by != byAll))
}

// newSeenView returns the figures of all points together, and of each if wanted.
func (a *service) newSeenView(over time.Duration, each bool) SeenView {
	view := SeenView{Over: over.Seconds()}
	for _, name := range a.ctl.Current().PointNames() {
		brief := a.ctl.Seen.Point(name).Brief(over)
		view.All.Add(brief)
		if each {
			view.Points = append(view.Points, brief)
		}
	}
	return view
}

// checkSeen checks the parameters that are not durations.
func (a *service) checkSeen(params url.Values) error {
	point, by := params.Get("point"), params.Get("by")
	switch {
	case point != "" && len(a.ctl.FindPoints(point)) == 0:
		return Refuse(http.StatusNotFound, "no injection point '%s'; the injection points are: %s", point, a.ctl.Current().PointsText())
	case by != "" && by != byRule && by != byAll:
		return Refuse(http.StatusBadRequest, "by: '%s' is not known; the values are rule and all", by)
	case by == byAll && (point != "" || params.Get("window") != ""):
		return Refuse(http.StatusBadRequest, "by: all is not possible with point or window; leave one of them out")
	case params.Get("window") != "" && params.Get("over") != "":
		return Refuse(http.StatusBadRequest, "over: not possible with window; leave one of them out")
	}
	return nil
}

// seenDuration reads a duration of the query.
func seenDuration(name, text string, least time.Duration, example string) (time.Duration, error) {
	d, err := caddy.ParseDuration(text)
	if err != nil || d < least || d > seenMost {
		return 0, Refuse(http.StatusBadRequest, "%s: '%s' is not a duration from %s to %s, such as %s", name, text, least, seenMost, example)
	}
	return d, nil
}

// answerCompact writes value as JSON without indentation, which would be most of a long
// series of numbers.
func answerCompact(w http.ResponseWriter, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) // the client may have left
	return nil
}
