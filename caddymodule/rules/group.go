package rules

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
)

// Group joins the points of one configuration: those of the same name are one
// point. Caddy provisions a site that listens on two ports twice, and a point
// may also be written at several places on purpose.
//
// The zero value is an empty group.
type Group struct {
	mu     sync.Mutex
	points map[string]*sharedPoint
}

// sharedPoint is what points of the same name have in common.
type sharedPoint struct {
	draws    atomic.Uint64 // numbers taken from the seed
	settings string
	rules    map[string]*counters
}

// counters are those of one rule, wherever it is written.
type counters struct {
	hits     atomic.Uint64
	settings string
}

// settings are the point's and the rules' as JSON, before they are loaded.
type settings struct {
	point string
	rules []string
}

func (p *Point) settings() (settings, error) {
	var s settings
	draw, err := json.Marshal(Point{Sticky: p.Sticky, Seed: p.Seed})
	if err != nil {
		return s, err
	}
	s.point = string(draw)
	for _, rule := range p.Rules {
		raw, err := json.Marshal(rule)
		if err != nil {
			return s, fmt.Errorf("rule '%s': %w", rule.Name, err)
		}
		s.rules = append(s.rules, string(raw))
	}
	return s, nil
}

// join gives p and its rules what they share with their namesakes. It refuses
// rules of the same name with different settings.
func (g *Group) join(p *Point, s settings) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.points == nil {
		g.points = make(map[string]*sharedPoint)
	}
	shared := g.points[p.Name]
	if shared == nil {
		shared = &sharedPoint{settings: s.point, rules: make(map[string]*counters)}
		g.points[p.Name] = shared
	}
	if shared.settings != s.point {
		return fmt.Errorf("point '%s' is configured twice, with different sticky or seed: %s and %s", p.Name, shared.settings, s.point)
	}
	p.shared = shared
	seen := make(map[string]bool)
	for i, rule := range p.Rules {
		if seen[rule.Name] {
			return fmt.Errorf("rule '%s' is there twice at point '%s'", rule.Name, p.Name)
		}
		seen[rule.Name] = true
		known := shared.rules[rule.Name]
		if known == nil {
			known = &counters{settings: s.rules[i]}
			shared.rules[rule.Name] = known
		}
		if known.settings != s.rules[i] {
			return fmt.Errorf("rule '%s' of point '%s' is configured twice, with different settings; give the rules or the points names of their own", rule.Name, p.Name)
		}
		rule.counters = known
	}
	return nil
}
