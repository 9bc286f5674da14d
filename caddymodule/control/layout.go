package control

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/routes"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Where is the place of a point, for people. A text is empty if it is unknown. A point
// at several places has all of them.
type Where struct {
	// Site is the site, such as `shop.example.com`.
	Site string

	// Source is the line of the configuration, such as `Caddyfile:12`.
	Source string
}

// layout holds the points of a configuration in its order, and their places. Points
// with the same identity are listed once.
type layout struct {
	points []*rules.Point
	where  map[*rules.Point]Where
	sites  map[string]string // by the name of a point
}

// Points returns the injection points in the order of the configuration: servers by
// name, and routes as written. Points outside of the routes, such as those in a handler
// of another module, come last.
func (a *App) Points() []*rules.Point { return slices.Clone(a.layout().points) }

// Where returns the place of a point of the configuration.
func (a *App) Where(point *rules.Point) Where { return a.layout().where[point] }

// SiteOf returns the site of the points with a name. It is empty if it is unknown, and
// for a nil app.
func (a *App) SiteOf(name string) string {
	if a == nil {
		return ""
	}
	return a.layout().sites[name]
}

// layout reads the routes on first use, because they are complete only after all apps
// have been provisioned.
func (a *App) layout() *layout {
	if known := a.known.Load(); known != nil {
		return known
	}
	all := a.points.Points()
	http := a.HTTP()
	if http == nil {
		return newLayout(all, func(func(any, routes.Place) bool) {})
	}
	slices.SortStableFunc(all, func(p, q *rules.Point) int {
		return cmp.Or(cmp.Compare(p.Name, q.Name), cmp.Compare(p.Source, q.Source), cmp.Compare(p.Identity(), q.Identity()))
	})
	known := newLayout(all, routes.Walk(http))
	a.known.Store(known)
	return known
}

// newLayout adds the points in the order of the walk, then the others.
func newLayout(all []*rules.Point, walk iter.Seq2[any, routes.Place]) *layout {
	l := &layout{where: make(map[*rules.Point]Where), sites: make(map[string]string)}
	first := make(map[string]*rules.Point)
	sites, sources := make(map[*rules.Point][]string), make(map[*rules.Point][]string)
	add := func(p *rules.Point, site string) {
		one := first[p.Identity()]
		if one == nil {
			one = p
			first[p.Identity()] = p
			l.points = append(l.points, p)
		}
		sites[one] = addText(sites[one], site)
		sources[one] = addText(sources[one], p.Source)
	}
	for module, at := range walk {
		if p := rules.PointOf(module); p != nil {
			add(p, at.Site())
		}
	}
	for _, p := range all {
		add(p, "")
	}
	for _, p := range all {
		one := first[p.Identity()]
		l.where[p] = Where{Site: several(sites[one]), Source: several(sources[one])}
	}
	named := make(map[string][]string)
	for _, p := range l.points {
		for _, site := range sites[p] {
			named[p.Name] = addText(named[p.Name], site)
		}
	}
	for name, texts := range named {
		l.sites[name] = several(texts)
	}
	return l
}

// addText adds a text, unless it is empty or already there.
func addText(texts []string, text string) []string {
	if text == "" || slices.Contains(texts, text) {
		return texts
	}
	return append(texts, text)
}

// maxSeveral is the maximum number of texts to show.
const maxSeveral = 3

// several joins texts, and cuts a long list.
func several(texts []string) string {
	if more := len(texts) - maxSeveral; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(texts[:maxSeveral], ", "), more)
	}
	return strings.Join(texts, ", ")
}
