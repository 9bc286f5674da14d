package control

import "github.com/caddyfault/caddyfault/caddymodule/experiments"

// isActive reports whether a rule or an experiment may hit a request at a point.
func (c *Control) isActive(point string) bool {
	if c.Switch.Halted() {
		return false
	}
	live := c.Store.Snapshot()
	for _, p := range c.FindPoints(point) {
		if live.Guests(experiments.PlaceOf(p)) != nil {
			return true
		}
		for _, rule := range p.Rules {
			if !rule.Stats().Off {
				return true
			}
		}
	}
	return false
}

// settleSeen lets the points of the configuration count what they see, and forgets old
// ones.
func (c *Control) settleSeen() {
	points := c.FindPoints("")
	names := make([]string, len(points))
	for i, p := range points {
		names[i] = p.Name
	}
	c.Seen.Keep(names)
	c.Seen.Wake()
}
