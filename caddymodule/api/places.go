package api

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// experimentPlace is an injection point of an experiment. Points that have the same
// name but apply to different requests are separate places.
type experimentPlace struct {
	Point string `json:"point"`
	whereView

	// Line is the matcher of the point in the one-line grammar. Empty: the point
	// applies to all requests of its site.
	Line string `json:"line,omitempty"`

	// Excluded is why the experiment cannot match any request there: two matchers that
	// exclude each other, such as `path /a/* and /b/*`. Empty: no such matchers are
	// known.
	Excluded string `json:"excluded,omitempty"`
}

// placesOf returns the points of an experiment in the running configuration.
func (a *service) placesOf(live *experiments.Live) []experimentPlace {
	app := a.ctl.Current()
	if app == nil {
		return nil
	}
	var given struct {
		Match caddyhttp.RawMatcherSets `json:"match"`
	}
	_ = json.Unmarshal(live.JSON, &given) // it has been parsed before
	var places []experimentPlace
	for _, p := range app.Points() {
		if live.At(experiments.PlaceOf(p)) {
			places = append(places, experimentPlace{
				Point: p.Name, whereView: whereView(app.Where(p)),
				Line: matchLine(p), Excluded: experiments.Exclude(p.Match, given.Match),
			})
		}
	}
	return places
}

// matchLine returns the matcher of a point in the one-line grammar.
func matchLine(p *rules.Point) string {
	if len(p.Match) == 0 {
		return ""
	}
	return grammar.Format(caddyconfig.JSON(map[string]any{"match": p.Match}, nil))
}
