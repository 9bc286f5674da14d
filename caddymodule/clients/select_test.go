package clients

import (
	"testing"
	"time"
)

// TestSelect holds what a filter selects.
func TestSelect(t *testing.T) {
	w := newWorld(Settings{})
	other := w.Recorder.Point("other")
	one, two := get("/"), get("/")
	one.Client, two.Client = "one", "two"
	w.busy(one, 503, -1)
	w.wait(time.Hour)
	w.busy(two, 503, -1)
	other.Hit(Visit{}, two, "slow", 1).End(replied(503, -1))
	for name, test := range map[string]struct {
		filter         Filter
		calls, periods int
	}{
		"all":       {Filter{}, 3, 3},
		"a client":  {Filter{Client: "two"}, 2, 0},
		"a rule":    {Filter{Rule: "slow"}, 1, 1},
		"a point":   {Filter{Point: "api"}, 2, 2},
		"since":     {Filter{Since: w.at}, 2, 2},
		"the other": {Filter{Point: "other", Since: w.at}, 1, 1},
		"nobody":    {Filter{Client: "three"}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			ev := w.Evidence()
			found := ev.Select(test.filter)
			check(t, "calls", len(found.Calls), test.calls)
			check(t, "periods", len(found.Periods), test.periods)
			check(t, "calls that are judged", len(w.Recorder.Judge(test.filter).Periods), test.periods)
		})
	}
	w.Recorder.End("slow")
	for _, p := range w.Evidence().Periods {
		check(t, "ended: "+p.Rule, !p.End.IsZero(), p.Rule == "slow" || p.Start.Before(w.at))
	}
}
