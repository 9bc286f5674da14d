package rules

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Group joins the points of one configuration: those of the same name are one
// point. Caddy provisions a site that listens on two ports twice, and a point
// may also be written at several places on purpose.
//
// The zero value is an empty group.
type Group struct {
	mu     sync.Mutex
	points map[string]*namesakes
	order  []*Point // without the repeated ones
}

// Points are the points by the order in which they were loaded. Of those that
// have the same name, rules and matchers there is one.
func (g *Group) Points() []*Point {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.order)
}

// namesakes are the settings that points of the same name agree on.
type namesakes struct {
	point  string
	halted bool
	rules  map[string]string
	shapes map[string]bool // the different points under the name
}

// settings are the point's and the rules' as JSON, before they are loaded.
type settings struct {
	point string
	shape string // the matchers and all rules
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
		rule.Source = raw
		s.rules = append(s.rules, string(raw))
	}
	shape, err := json.Marshal(Point{MatcherSetsRaw: p.MatcherSetsRaw, Rules: p.Rules})
	s.shape = string(shape)
	return s, err
}

// join gives p and its rules what they share with their namesakes, in this
// configuration and in the one before. It refuses points and rules of the same
// name with different settings.
func (g *Group) join(p *Point, s settings) error {
	if err := g.agree(p, s); err != nil {
		return err
	}
	p.draws = keep(p, keptKey{point: p.Name, settings: s.point}, new(atomic.Uint64))
	now := time.Now()
	for i, rule := range p.Rules {
		fresh := newCounters(now, rule.maxKeys())
		fresh.off.Store(p.Halted)
		if err := rule.remember(keep(p, keptKey{p.Name, rule.Name, s.rules[i], p.Halted}, fresh)); err != nil {
			return err
		}
	}
	return nil
}

// agree refuses what contradicts a namesake.
func (g *Group) agree(p *Point, s settings) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.points == nil {
		g.points = make(map[string]*namesakes)
	}
	known := g.points[p.Name]
	if known == nil {
		known = &namesakes{point: s.point, halted: p.Halted, rules: make(map[string]string), shapes: make(map[string]bool)}
		g.points[p.Name] = known
	}
	if known.point != s.point {
		return fmt.Errorf("point '%s' is configured twice, with different sticky or seed: %s and %s; %s", p.Name, known.point, s.point, p.toName("the points"))
	}
	if known.halted != p.Halted {
		return fmt.Errorf("point '%s' is configured twice, with halted and without; %s", p.Name, p.toName("the points"))
	}
	seen := make(map[string]bool)
	for i, rule := range p.Rules {
		if seen[rule.Name] {
			return fmt.Errorf("rule '%s' is there twice at point '%s'", rule.Name, p.Name)
		}
		seen[rule.Name] = true
		if other, is := known.rules[rule.Name]; is && other != s.rules[i] {
			return fmt.Errorf("rule '%s' of point '%s' is configured twice, with different settings; %s", rule.Name, p.Name, p.toName("the rules or the points"))
		}
		known.rules[rule.Name] = s.rules[i]
	}
	if !known.shapes[s.shape] {
		known.shapes[s.shape] = true
		g.order = append(g.order, p)
	}
	return nil
}

// defaultTransport is the default name of a transport, in a Caddyfile with its
// line.
var defaultTransport = regexp.MustCompile(`^` + DefaultTransport + `[0-9]*$`).MatchString

// toName says what to do about a namesake that differs.
func (p *Point) toName(those string) string {
	if p.Place == faults.InTransport && defaultTransport(p.Name) {
		return "give the transport a name of its own by point, in a snippet for example by point {args[0]}"
	}
	return "give " + those + " names of their own"
}
