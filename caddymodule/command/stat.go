package command

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// watchRates prints the hits of each second, until the context ends or Caddy stays
// away.
func (s *session) watchRates() error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	scr := newScreen(s.OutOrStdout())
	before, err := s.hits()
	for at := time.Now(); err == nil; {
		select {
		case <-s.Context().Done():
			return s.Context().Err()
		case <-tick.C:
		}
		var now *hitCounts
		if err = persist(s.Context(), func() (err error) {
			now, err = s.hits()
			return err
		}); err != nil {
			return err
		}
		took := time.Since(at)
		at = at.Add(took)
		if _, err = fmt.Fprintln(scr, now.rates(before, took, scr, at)); err != nil {
			return err
		}
		before = now
	}
	return err
}

// hitCounts are the counters of a moment.
type hitCounts struct {
	state api.StateView
	hits  map[string]uint64 // by point and rule, or by experiment
}

// hits reads the counters that the flags select.
func (s *session) hits() (*hitCounts, error) {
	data, err := s.ask(http.MethodGet, "/?limit=10000", nil)
	if err != nil {
		return nil, err
	}
	c := &hitCounts{hits: make(map[string]uint64)}
	if err := readAnswer(data, &c.state); err != nil {
		return nil, err
	}
	c.count(flagText(s.Command, "point"), flagText(s.Command, "rule"))
	return c, nil
}

// count adds up the hits of a rule at a point. An empty text selects all.
func (c *hitCounts) count(point, rule string) {
	if before, after, both := strings.Cut(rule, "/"); both {
		point, rule = before, after
	}
	add := func(at, name string, hits uint64) {
		if (point == "" || at == point) && (rule == "" || name == rule) {
			c.hits[at+"/"+name] += hits
		}
	}
	for _, p := range c.state.Points {
		for _, asks := range p.Triggers {
			add(p.Point, trigger.RuleName, asks.Hits)
		}
		for _, r := range p.Rules {
			add(p.Point, r.Name, r.Hits)
		}
	}
	for _, e := range c.state.Experiments {
		if (point == "" || slices.Contains(e.AppliesTo, point)) && (rule == "" || e.Name == rule) {
			c.hits[e.Name] = e.Hits
		}
	}
}

// rates returns one line with the hits per second since an earlier moment.
func (c *hitCounts) rates(before *hitCounts, took time.Duration, scr *screen, at time.Time) string {
	var parts []string
	total := 0.0
	for _, name := range slices.Sorted(maps.Keys(c.hits)) {
		n := c.hits[name]
		if was := before.hits[name]; was <= n { // else the counter has been reset
			n -= was
		}
		if rate := float64(n) / took.Seconds(); n > 0 {
			total += rate
			parts = append(parts, name+" "+rateText(rate))
		}
	}
	state := ""
	switch {
	case c.state.Halted:
		state = scr.paint(red, "  halted")
	case c.state.Active > 0:
		state = scr.paint(amber, fmt.Sprintf("  %d held", c.state.Active))
	}
	line := fmt.Sprintf("%s  %s hits/s%s", at.Local().Format("15:04:05"), rateText(total), state)
	return strings.Join(append([]string{line}, parts...), "  ")
}

// rateText returns a rate as text. A second of the client is never exactly a second.
func rateText(rate float64) string {
	if rate > 0 && rate < 0.95 {
		return fmt.Sprintf("%.1f", rate)
	}
	return fmt.Sprintf("%.0f", math.Round(rate))
}
