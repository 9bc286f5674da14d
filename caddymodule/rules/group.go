package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Group joins the points of one configuration. Points with the same name are one point.
// Caddy provisions a site that listens on two ports twice, and a point may also be
// configured at several places on purpose.
//
// The zero value is an empty group.
type Group struct {
	settled atomic.Bool

	mu     sync.Mutex
	points map[string]*namesakes
	all    []*Point
	joined []joined // points that wait until all points are known

	logged map[string]bool // warnings that have been logged
}

// isNew reports whether a warning about a source has not been logged yet. It records
// the warning.
func (g *Group) isNew(source, text string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.logged == nil {
		g.logged = make(map[string]bool)
	}
	key := source + " " + text
	defer func() { g.logged[key] = true }()
	return !g.logged[key]
}

// joined is a point that does not have its counters yet.
type joined struct {
	*Point
	settings settings
	at       time.Time
}

// Points returns the points in the order in which they were loaded.
func (g *Group) Points() []*Point {
	g.Settle()
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.all)
}

// InjectionPoint returns the point. Modules embed Point, so [PointOf] finds it in all
// of them.
func (p *Point) InjectionPoint() *Point { return p }

// PointOf returns the injection point of a module, or nil if the module does not have
// one.
func PointOf(module any) *Point {
	if holder, ok := module.(interface{ InjectionPoint() *Point }); ok {
		return holder.InjectionPoint()
	}
	return nil
}

// Identity is equal for points with the same name, matchers and rules, wherever they
// are configured.
func (p *Point) Identity() string { return p.identity }

// namesakes holds the settings that all points with one name share.
type namesakes struct {
	point   string
	halted  bool
	rules   map[string]string
	matches map[string]bool // the different matchers of the points
	came    string          // all matches as one text, set when the group has settled
}

// requests identifies the requests that reach the points with this name.
func (n *namesakes) requests() string {
	if n.came == "" {
		n.came = strings.Join(slices.Sorted(maps.Keys(n.matches)), " ")
	}
	return n.came
}

// settings hold the point's settings as JSON, from before it is loaded, and digests of
// its matchers and rules, which are only compared.
type settings struct {
	point string
	match string
	rules []string
}

func (p *Point) settings() (s settings, err error) {
	if s.point, err = canonical(Point{Sticky: p.Sticky, Seed: p.Seed}); err != nil {
		return s, err
	}
	if s.match, err = canonical(p.MatcherSetsRaw); err != nil {
		return s, fmt.Errorf("match: %w", err)
	}
	s.match = digest(s.match)
	s.rules = make([]string, 0, len(p.Rules))
	for _, rule := range p.Rules {
		if rule.Source, err = json.Marshal(rule); err != nil {
			return s, fmt.Errorf("rule '%s': %w", rule.Name, err)
		}
		same, err := canonical(rule.Source)
		if err != nil {
			return s, fmt.Errorf("rule '%s': %w", rule.Name, err)
		}
		s.rules = append(s.rules, digest(same))
	}
	return s, nil
}

// canonical returns the JSON of a value with sorted keys. Parts of the value may be
// JSON already.
func canonical(value any) (string, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	var plain any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&plain); err != nil {
		return "", err
	}
	data, err = json.Marshal(plain)
	return string(data), err
}

// digest returns a hash of a text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return string(sum[:])
}

// join adds p to the points with its name. It returns an error if points or rules with
// the same name have different settings.
func (g *Group) join(p *Point, s settings) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.agree(p, s); err != nil {
		return err
	}
	now := time.Now()
	for _, rule := range p.Rules {
		if _, err := newSchedule(rule, now); err != nil {
			return err
		}
	}
	p.kept = new([]keptKey)
	p.draws = keep(p, keptKey{point: p.Name, settings: s.point}, new(atomic.Uint64))
	p.group = g
	g.joined = append(g.joined, joined{p, s, now})
	if g.settled.Load() {
		g.settleLocked()
	}
	return nil
}

// Settle gives the points and their rules the counters that they share with points of
// the same name, in this configuration and the one before. Settle runs on first use,
// because the counters depend on the matchers of all points with the name.
func (g *Group) Settle() {
	if g.settled.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settleLocked()
	g.settled.Store(true)
}

func (g *Group) settleLocked() {
	for _, j := range g.joined {
		*j.kept = slices.Grow(*j.kept, len(j.Rules))
		came := g.points[j.Name].requests()
		for i, rule := range j.Rules {
			fresh := newCounters(j.at, rule.maxKeys())
			fresh.off.Store(j.Halted)
			_ = rule.remember(keep(j.Point, keptKey{j.Name, rule.Name, came, j.settings.rules[i], j.Halted}, fresh)) // join has checked the schedule
		}
		j.clock = newClock(j.Rules)
	}
	g.joined = nil
}

// agree returns an error if p contradicts a point with the same name. The caller holds
// the lock.
func (g *Group) agree(p *Point, s settings) error {
	if g.points == nil {
		g.points = make(map[string]*namesakes)
	}
	known := g.points[p.Name]
	if known == nil {
		known = &namesakes{point: s.point, halted: p.Halted, rules: make(map[string]string), matches: make(map[string]bool)}
		g.points[p.Name] = known
	}
	if known.point != s.point {
		return fmt.Errorf("point '%s' is configured twice, with different sticky or seed: %s and %s; %s", p.Name, known.point, s.point, p.toName("the points"))
	}
	if known.halted != p.Halted {
		return fmt.Errorf("point '%s' is configured twice, once with halted and once without; %s", p.Name, p.toName("the points"))
	}
	seen := make(map[string]bool)
	for i, rule := range p.Rules {
		if seen[rule.Name] {
			return fmt.Errorf("duplicate rule name '%s' at point '%s'; rename one of the rules", rule.Name, p.Name)
		}
		seen[rule.Name] = true
		if other, is := known.rules[rule.Name]; is && other != s.rules[i] {
			return fmt.Errorf("rule '%s' of point '%s' is configured twice, with different settings; %s", rule.Name, p.Name, p.toName("the rules or the points"))
		}
		known.rules[rule.Name] = s.rules[i]
	}
	known.matches[s.match] = true
	p.identity = digest(fmt.Sprintf("%s %d %s %s", p.Name, p.Place, s.match, strings.Join(s.rules, "")))
	g.all = append(g.all, p)
	return nil
}

// defaultTransport matches the default name of a transport. In a Caddyfile, the name
// ends in the line number.
var defaultTransport = regexp.MustCompile(`^` + DefaultTransport + `[0-9]*$`).MatchString

// toName says how to resolve a conflict of names.
func (p *Point) toName(those string) string {
	if p.Place == faults.InTransport && defaultTransport(p.Name) {
		return "give the transport another name with point, in a snippet for example point {args[0]}"
	}
	return "give " + those + " different names"
}
