package api

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// experimentPlace is an injection point of an experiment. Points of one name that
// are for different requests are places of their own.
type experimentPlace struct {
	Point string `json:"point"`
	whereView

	// Line is which requests come to the point, as it is written in a line. Empty:
	// all of its site.
	Line string `json:"line,omitempty"`

	// Excluded tells why no request can match the experiment there: the matchers of
	// the two that exclude each other, such as `path /a/* and /b/*`. Empty: none is
	// known to.
	Excluded string `json:"excluded,omitempty"`
}

// placesOf are the points of an experiment in the running configuration.
func (a *service) placesOf(live *experiments.Live) []experimentPlace {
	app := a.ctl.Current()
	if app == nil {
		return nil
	}
	var given struct {
		Match caddyhttp.RawMatcherSets `json:"match"`
	}
	_ = json.Unmarshal(live.JSON, &given) // it has been read before
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

// matchLine is which requests come to a point, as it is written in a line.
func matchLine(p *rules.Point) string {
	if len(p.Match) == 0 {
		return ""
	}
	return grammar.Format(caddyconfig.JSON(map[string]any{"match": p.Match}, nil))
}
