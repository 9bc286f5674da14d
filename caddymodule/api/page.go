package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Limits of the number of rules in an answer. Ten thousand rules are 5 MB of JSON.
const (
	defaultLimit = 1000
	maxLimit     = 10_000
)

// page is a part of the rules, in the order of the configuration. It begins after a
// rule, not at a number, so that a reload which adds or removes earlier rules neither
// repeats nor skips a rule.
type page struct {
	limit int
	given bool // reports whether the request sets the limit
	after place
}

// place is the position of a rule, or of a point without rules.
type place struct {
	point, rule string
	turn        int // among the points with this name, from 1
}

// newPage reads the parameters limit and after.
func newPage(params url.Values) (pg page, err error) {
	pg.limit = defaultLimit
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
	return query
}

// views returns the points of the page, each with its rules on the page, and the query
// of the next page. The query is empty on the last page.
func (pg *page) views(app *control.App) (views []pointView, next string, err error) {
	var last place
	turns := make(map[string]int)
	found, left := pg.after == place{}, pg.limit
	for _, p := range app.Points() {
		turns[p.Name]++
		listed := p.Rules
		if !found {
			if p.Name != pg.after.point || turns[p.Name] != pg.after.turn {
				continue
			}
			if listed, found = pg.rest(p); !found {
				break
			}
			if len(listed) == 0 {
				continue
			}
		}
		if left == 0 {
			return views, pg.query(last), nil
		}
		cut := len(listed) > left
		if cut {
			listed = listed[:left]
		}
		views = append(views, newPointView(app, p, listed))
		last = place{p.Name, "", turns[p.Name]}
		if len(listed) > 0 {
			last.rule = listed[len(listed)-1].Name
		}
		if cut {
			return views, pg.query(last), nil
		}
		left -= max(1, len(listed))
	}
	if !found {
		return nil, "", Refuse(http.StatusNotFound, "after: the running configuration has no '%s'; start again without after", pg.after)
	}
	return views, "", nil
}

// rest returns the rules of the point after the page's place.
func (pg *page) rest(p *rules.Point) (rest []*rules.Rule, found bool) {
	if pg.after.rule == "" {
		return nil, true
	}
	i := slices.IndexFunc(p.Rules, func(rule *rules.Rule) bool { return rule.Name == pg.after.rule })
	return p.Rules[i+1:], i >= 0
}
