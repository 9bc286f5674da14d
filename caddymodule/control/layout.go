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

// Where is where a point stands, for people to find it. A text is empty where
// nobody knows. A point that stands at several places has them all.
type Where struct {
	// Site is the site, such as `shop.example.com`.
	Site string

	// Source is the line of the configuration, such as `Caddyfile:12`.
	Source string
}

// layout is the points of a configuration, in the order of the configuration, and
// where they stand. Of points that are one there is the first.
type layout struct {
	points []*rules.Point
	where  map[*rules.Point]Where
}

// Points are the injection points of the configuration, in its order: servers by
// name, and routes as they are written. Points that are not among the routes, such
// as those in a handler of another module, come last.
func (a *App) Points() []*rules.Point { return slices.Clone(a.layout().points) }

// Where tells where a point of the configuration stands.
func (a *App) Where(point *rules.Point) Where { return a.layout().where[point] }

// layout looks at the routes once somebody asks, since they are complete only when
// all apps have been provisioned.
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

// newLayout takes the points in the order of the walk, then the others.
func newLayout(all []*rules.Point, walk iter.Seq2[any, routes.Place]) *layout {
	l := &layout{where: make(map[*rules.Point]Where)}
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
	return l
}

// addText adds a text that is new and not empty.
func addText(texts []string, text string) []string {
	if text == "" || slices.Contains(texts, text) {
		return texts
	}
	return append(texts, text)
}

// maxSeveral is how many of several texts are shown.
const maxSeveral = 3

// several is one text of them all, or of the first and how many more.
func several(texts []string) string {
	if more := len(texts) - maxSeveral; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(texts[:maxSeveral], ", "), more)
	}
	return strings.Join(texts, ", ")
}
