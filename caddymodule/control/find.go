package control

import (
	"slices"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// FindPoints returns the configured points with a name. An empty name matches all.
func (c *Control) FindPoints(name string) []*rules.Point { return c.Current().find(name) }

// find returns the points with a name. An empty name matches all. A nil app has none.
func (a *App) find(name string) []*rules.Point {
	if a == nil {
		return nil
	}
	return slices.DeleteFunc(a.Points(), func(p *rules.Point) bool { return name != "" && p.Name != name })
}

// FindRules returns the configured rules with a name at a point. Empty names match all.
func (c *Control) FindRules(point, name string) []*rules.Rule {
	type place struct{ point, rule string }
	var found []*rules.Rule
	seen := make(map[place]bool) // rules with the same name share their counters
	for _, p := range c.FindPoints(point) {
		for _, rule := range p.Rules {
			at := place{p.Name, rule.Name}
			if !seen[at] && (name == "" || rule.Name == name) {
				seen[at] = true
				found = append(found, rule)
			}
		}
	}
	return found
}

// FindTriggers returns the triggers of a point that are counted under a name. Empty
// names match all. Of triggers that share their counters, it returns one.
func (c *Control) FindTriggers(point, name string) []*trigger.Trigger {
	if name != "" && name != trigger.RuleName {
		return nil
	}
	app := c.Current()
	type place struct{ point, trigger string }
	var found []*trigger.Trigger
	seen := make(map[place]bool)
	for _, p := range app.find(point) {
		for _, t := range app.Triggers(p) {
			if at := (place{p.Name, t.Place()}); !seen[at] {
				seen[at] = true
				found = append(found, t)
			}
		}
	}
	return found
}

// Places returns the injection points of the running configuration.
func (c *Control) Places() []experiments.Place {
	var all []experiments.Place
	for _, p := range c.FindPoints("") {
		if place := experiments.PlaceOf(p); !slices.Contains(all, place) {
			all = append(all, place)
		}
	}
	return all
}
