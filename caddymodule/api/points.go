package api

import "net/http"

// PointList is the list of injection points, for those who choose one.
type PointList struct {
	Points []listedPoint `json:"points"`
}

// listedPoint is an injection point with the names of its rules.
type listedPoint struct {
	Point string `json:"point"`
	whereView

	// Rules lists the names of the rules.
	Rules []string `json:"rules"`

	// Triggers reports whether requests can ask for faults.
	Triggers bool `json:"triggers,omitempty"`
}

// listPoints lists all injection points, however many rules they have.
func (a *service) listPoints(w http.ResponseWriter, _ *http.Request) error {
	list := PointList{Points: []listedPoint{}}
	app := a.ctl.Current()
	if app == nil {
		return answerCompact(w, list)
	}
	for _, p := range app.Points() {
		listed := listedPoint{Point: p.Name, whereView: whereView(app.Where(p)), Rules: []string{}, Triggers: len(app.Triggers(p)) > 0}
		for _, rule := range p.Rules {
			listed.Rules = append(listed.Rules, rule.Name)
		}
		list.Points = append(list.Points, listed)
	}
	return answerCompact(w, list)
}
