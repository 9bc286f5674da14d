package importer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// part is what becomes of one object of a file: points of a site, or whole sites.
type part struct {
	head   []string // comments
	points []*point
	sites  []*site
	after  []string // comments after the points
}

// point is an injection point.
type point struct {
	about    []string // comments above it
	name     string
	matcher  conds  // of the directive
	label    string // name of the matcher
	options  []line
	rules    []*rule
	inBlocks bool // each rule has a rule block
}

// rule is a rule of a point.
type rule struct {
	name     string
	sets     []conds // alternatives; a request matches all conditions of one of them
	unsaid   []conds // what is known of the alternatives that cannot be said
	settings []line
	faults   []line
	problems []Note // why it is left out; nil if it is said
	share    float64
	about    string // how comments name it
	at       value  // where it is in the source
}

// newRule returns a rule that hits all matching requests. It keeps the place in the
// source and not the source, which may be large.
func newRule(at value) *rule {
	at.node = nil
	return &rule{share: 100, at: at}
}

// fault adds a fault.
func (r *rule) fault(words ...string) { r.faults = append(r.faults, line{words: words}) }

// set adds a setting.
func (r *rule) set(words ...string) { r.settings = append(r.settings, line{words: words}) }

// leftOut reports whether the rule cannot be said.
func (r *rule) leftOut() bool { return len(r.problems) > 0 }

// lines returns the lines of a rule.
func (r *rule) lines() []line {
	all := matchLines(r.sets)
	if r.share != 100 {
		all = append(all, said("percent", percentage(r.share)))
	}
	all = append(all, r.settings...)
	return append(all, r.faults...)
}

// reason returns why a rule is left out.
func (r *rule) reason() string {
	texts := make([]string, 0, len(r.problems))
	for _, problem := range r.problems {
		texts = append(texts, problem.Text)
	}
	about := r.about
	if about != "" {
		about += ": "
	}
	return "Left out: " + about + strings.Join(texts, "; ") + "."
}

// count returns how many rules of a point are not left out.
func (pt *point) count() int {
	n := len(pt.options)
	for _, r := range pt.rules {
		if !r.leftOut() {
			n++
		}
	}
	return n
}

// lines returns the directive of a point.
func (pt *point) lines() []line {
	var all []line
	for _, text := range pt.about {
		all = append(all, comment(text))
	}
	if pt.count() == 0 {
		return append(all, pt.leftOut()...)
	}
	head := []string{"fault"}
	if len(pt.matcher) > 0 {
		head = append(head, "@"+pt.label)
	}
	block := make([]line, 0, 1+len(pt.options)+len(pt.rules))
	block = append(append(block, said("point", pt.name)), pt.options...)
	for i, r := range pt.rules {
		switch {
		case r.leftOut():
			block = append(block, line{}, comment(r.reason()))
			block = append(block, off(pt.ruleLines(r))...)
			if i+1 < len(pt.rules) && !pt.rules[i+1].leftOut() {
				block = append(block, line{})
			}
		default:
			block = append(block, line{later: func() []line { return pt.ruleLines(r) }})
		}
	}
	return append(all, line{words: head, block: block})
}

// ruleLines returns a rule in its block, or its lines.
func (pt *point) ruleLines(r *rule) []line {
	if len(r.faults) == 0 {
		return nil
	}
	if pt.inBlocks {
		return []line{{words: compact("rule", r.name), block: r.lines()}}
	}
	return r.lines()
}

// leftOut returns a point without a rule that can be said.
func (pt *point) leftOut() []line {
	var all []line
	for _, r := range pt.rules {
		all = append(all, comment(r.reason()))
		if rule := pt.ruleLines(r); rule != nil {
			all = append(all, off([]line{{words: []string{"fault"}, block: append([]line{said("point", pt.name)}, rule...)}})...)
		}
	}
	return all
}

// compact returns the words that are not empty.
func compact(words ...string) []string {
	return slices.DeleteFunc(words, func(s string) bool { return s == "" })
}

// site is a site with its points.
type site struct {
	address  string
	about    []string // comments within it
	points   []*point
	upstream string
}

// lines returns a site.
func (s *site) lines() []line {
	block := []line{}
	for _, text := range s.about {
		block = append(block, comment(text))
	}
	for _, pt := range s.points {
		block = append(block, pt.lines()...)
	}
	if s.upstream != "" {
		block = append(block, said("reverse_proxy", s.upstream))
	}
	return []line{{words: []string{s.address}, block: block}}
}

// percentage returns a percentage as a word. Below 1 it has a sign, because many people
// write 0.1 for a tenth.
func percentage(share float64) string {
	s := decimal(share)
	if share > 0 && share < 1 {
		s += "%"
	}
	return s
}

// decimal returns a number with up to six decimals, rounded down.
func decimal(n float64) string {
	s := strconv.FormatFloat(n, 'f', 8, 64)
	s = s[:len(s)-2]
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// span returns a duration as a word.
func span(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "us"}} {
		if d%unit.length == 0 {
			return fmt.Sprint(int64(d/unit.length)) + unit.name
		}
	}
	return fmt.Sprint(int64(d)) + "ns"
}
