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

// SeenView is what each point has seen in its last seconds.
type SeenView struct {
	// Over is the number of seconds up to now.
	Over float64 `json:"over"`

	Points []seen.Brief `json:"points"`
}

// Durations that GET /seen accepts.
const (
	overDefault = 10 * time.Second
	overLeast   = time.Second
	windowLeast = time.Minute
	seenMost    = time.Hour
)

// getSeen shows what points have seen: with a window as a series, with a point its
// figures, and otherwise a few figures of each point.
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
	case by != "":
		return Refuse(http.StatusBadRequest, "by: only for a series; add a window, such as window=15m")
	}
	over, err := seenDuration("over", cmp.Or(params.Get("over"), overDefault.String()), overLeast, "30s")
	if err != nil {
		return err
	}
	if point != "" {
		return Answer(w, http.StatusOK, a.ctl.Seen.Point(point).Summarize(over))
	}
	view := SeenView{Over: over.Seconds(), Points: []seen.Brief{}}
	for _, name := range a.ctl.Current().PointNames() {
		view.Points = append(view.Points, a.ctl.Seen.Point(name).Brief(over))
	}
	return Answer(w, http.StatusOK, view)
}

// checkSeen checks the parameters that are not durations.
func (a *service) checkSeen(params url.Values) error {
	point, by := params.Get("point"), params.Get("by")
	switch {
	case point != "" && len(a.ctl.FindPoints(point)) == 0:
		return Refuse(http.StatusNotFound, "no injection point '%s'; the injection points are: %s", point, a.ctl.Current().PointsText())
	case by != "" && by != "rule":
		return Refuse(http.StatusBadRequest, "by: '%s' is not known; the only value is rule", by)
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
