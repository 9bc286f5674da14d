package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Limits of the number of rules in an answer. Ten thousand rules are 5 MB of JSON.
const (
	defaultLimit = 1000
	maxLimit     = 10_000
)

// page is a part of the rules that a search selects, in the order of the configuration.
// It begins after a rule, not at a number, so that a reload which adds or removes earlier
// rules neither repeats nor skips a rule.
type page struct {
	limit  int
	given  bool // reports whether the request sets the limit
	after  place
	wanted string // the text that is searched for, in lower case; empty: all
}

// place is the position of a rule, or of a point without rules.
type place struct {
	point, rule string
	turn        int // among the points with this name, from 1
}

// newPage reads the parameters limit, after and q.
func newPage(params url.Values) (pg page, err error) {
	pg.limit, pg.wanted = defaultLimit, strings.ToLower(params.Get("q"))
	if text := params.Get("limit"); text != "" {
		pg.given = true
		if pg.limit, err = strconv.Atoi(text); err != nil || pg.limit < 1 || pg.limit > maxLimit {
			return pg, Refuse(http.StatusBadRequest, "limit: '%s' is not a number from 1 to %d; write limit=%d", text, maxLimit, defaultLimit)
		}
	}
	if text := params.Get("after"); text != "" {
		pg.after, err = parsePlace(text)
	}
	return pg, err
}

func parsePlace(text string) (at place, err error) {
	parts := strings.Split(text, "/")
	at = place{point: parts[0], turn: 1}
	ok := rules.ValidName(at.point) == nil && len(parts) <= 3
	if len(parts) > 1 {
		at.rule = parts[1]
		ok = ok && (at.rule == "" || rules.ValidName(at.rule) == nil)
	}
	if len(parts) > 2 {
		at.turn, err = strconv.Atoi(parts[2])
		ok = ok && err == nil && at.turn > 1
	}
	if !ok {
		return at, Refuse(http.StatusBadRequest, "after: '%s' is not a position among the rules; write a point and a rule, such as after=fault1/rule1, or copy it from next", text)
	}
	return at, nil
}

func (at place) String() string {
	text := at.point
	if at.rule != "" || at.turn > 1 {
		text += "/" + at.rule
	}
	if at.turn > 1 {
		text += "/" + strconv.Itoa(at.turn)
	}
	return text
}

// query returns the query of the page that begins after this place.
func (pg *page) query(after place) string {
	query := "?after=" + after.String() // names need no escapes
	if pg.given {
		query += "&limit=" + strconv.Itoa(pg.limit)
	}
	if pg.wanted != "" {
		query += "&q=" + url.QueryEscape(pg.wanted)
	}
	return query
}

// A listing is the content of a page.
type listing struct {
	points []pointView // each with its rules on the page
	next   string      // the query of the next page; empty on the last one
	total  int         // rules of all pages
}

// list returns the content of the page.
func (pg *page) list(app *control.App) (found listing, err error) {
	var last place
	turns := make(map[string]int)
	begun, left := pg.after == place{}, pg.limit
	for _, p := range app.Points() {
		turns[p.Name]++
		rows := pg.search(app, p)
		found.total += rowsOf(rows)
		if !begun && p.Name == pg.after.point && turns[p.Name] == pg.after.turn {
			if rows, begun = pg.rest(p, rows); !begun {
				break
			}
			if len(rows) == 0 {
				continue
			}
		}
		switch {
		case !begun || rows == nil || found.next != "":
			continue
		case left == 0:
			found.next = pg.query(last)
			continue
		}
		cut := len(rows) > left
		rows = rows[:min(len(rows), left)]
		found.points = append(found.points, newPointView(app, p, rows))
		last = place{p.Name, "", turns[p.Name]}
		if len(rows) > 0 {
			last.rule = rows[len(rows)-1].Name
		}
		if cut {
			found.next = pg.query(last)
		}
		left -= rowsOf(rows)
	}
	if !begun {
		return listing{}, Refuse(http.StatusNotFound, "after: the running configuration has no '%s'; start again without after", pg.after)
	}
	return found, nil
}

// rowsOf returns how many rows rules take. A point without rules takes one, unless the
// search has not found it.
func rowsOf(rows []*rules.Rule) int {
	if rows == nil {
		return 0
	}
	return max(1, len(rows))
}

// search returns the rules of a point that the search finds, or nil if it finds neither
// the point nor any of its rules. A point is found with all of its rules.
func (pg *page) search(app *control.App, p *rules.Point) []*rules.Rule {
	has := func(text string) bool { return strings.Contains(strings.ToLower(text), pg.wanted) }
	if pg.wanted == "" || has(p.Name) || has(app.Where(p).Site) || has(matchLine(p)) {
		return append([]*rules.Rule{}, p.Rules...)
	}
	var rows []*rules.Rule
	for _, rule := range p.Rules {
		if has(rule.Name) || has(grammar.Format(rule.Source)) {
			rows = append(rows, rule)
		}
	}
	return rows
}

// rest returns those rows of the point that come after the page's place, and reports
// whether the point has that place.
func (pg *page) rest(p *rules.Point, rows []*rules.Rule) (rest []*rules.Rule, found bool) {
	if pg.after.rule == "" {
		return nil, true
	}
	at := slices.IndexFunc(p.Rules, func(rule *rules.Rule) bool { return rule.Name == pg.after.rule })
	if len(rows) == len(p.Rules) {
		return rows[at+1:], at >= 0
	}
	for _, rule := range p.Rules[at+1:] {
		if slices.Contains(rows, rule) {
			rest = append(rest, rule)
		}
	}
	return rest, at >= 0
}
