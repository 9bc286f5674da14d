package control

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/hint"
	"github.com/caddyfault/caddyfault/caddymodule/routes"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Misplaced is a module that knows where it should not stand.
type Misplaced interface {
	// Misplaced says what is wrong with the place of the module, to which these ways
	// lead; "" if nothing is. The source is where it is written.
	Misplaced(ways []routes.Approach) (source, text string)
}

// warnOfPlaces tells of points and other modules that can have no effect where they
// stand. That can be seen only when the routes are complete.
func (a *App) warnOfPlaces() {
	http := a.HTTP()
	if http == nil {
		return
	}
	told := make(map[string]bool)
	tell := func(source, text string, fields ...zap.Field) {
		if key := source + " " + text; text != "" && !told[key] { // a site at two addresses is there twice
			told[key] = true
			hint.Write(a.logger, source, text, fields...)
		}
	}
	for _, found := range routes.Approaches(http) {
		if module, ok := found.Module.(Misplaced); ok {
			source, text := module.Misplaced(found.Ways)
			tell(source, text)
		} else if point := rules.PointOf(found.Module); point != nil {
			for _, text := range misplaced(point, found.Ways) {
				tell(point.Source, text, zap.String("point", point.Name))
			}
		}
	}
}

// validated reports whether the configuration has been given up because it was only
// to be validated.
func (a *App) validated() bool {
	cause := context.Cause(a.ctx)
	return cause != nil && cause.Error() == "validation complete"
}

// misplaced tells what can have no effect where a point stands.
func misplaced(point *rules.Point, ways []routes.Approach) (texts []string) {
	if all(ways, func(way routes.Approach) bool { return way.Ended != "" }) {
		return []string{fmt.Sprintf("no request comes to point '%s': %s ends them all before; write the point before it", point.Name, ways[0].Ended)}
	}
	if why := excluded(point.Match, ways); why != "" {
		return []string{fmt.Sprintf("point '%s' %s", point.Name, why)}
	}
	for _, rule := range point.Rules {
		var configured struct{ Match caddyhttp.RawMatcherSets }
		if err := json.Unmarshal(rule.Source, &configured); err != nil {
			continue // it has been read before
		}
		why := excluded(configured.Match, ways)
		if pair := experiments.Exclude(point.Match, configured.Match); pair != "" {
			why = "can never fire: the matcher of the point excludes its own, " + pair
		}
		if why != "" {
			texts = append(texts, fmt.Sprintf("rule '%s' of point '%s' %s", rule.Name, point.Name, why))
		}
	}
	return texts
}

// excluded says why no request comes by any of the ways and satisfies the matchers.
func excluded(match caddyhttp.RawMatcherSets, ways []routes.Approach) (why string) {
	stripped, path := "", ""
	switch {
	case all(ways, func(way routes.Approach) bool { why = excludedBy(way, match); return why != "" }):
		return "can never fire: the routes around it exclude its matcher, " + why
	case all(ways, func(way routes.Approach) bool {
		stripped, path = way.Stripped, strippedPath(match, way.Stripped)
		return path != ""
	}):
		return fmt.Sprintf("hardly ever fires: '%s' has been taken off the path before; write path %s", stripped, path)
	}
	return ""
}

// excludedBy says which matchers of a route around exclude others.
func excludedBy(way routes.Approach, match caddyhttp.RawMatcherSets) string {
	for _, sets := range way.Within {
		if why := experiments.Exclude(rawSets(sets), match); why != "" {
			return why
		}
	}
	return ""
}

// rawSets is matchers as they were configured, of those that look at what only a
// rewrite changes.
func rawSets(sets caddyhttp.MatcherSets) caddyhttp.RawMatcherSets {
	raw := make(caddyhttp.RawMatcherSets, len(sets))
	for i, set := range sets {
		raw[i] = make(caddy.ModuleMap)
		for _, matcher := range set {
			module, ok := matcher.(caddy.Module)
			if !ok || !slices.Contains([]string{"path", "host", "method"}, module.CaddyModule().ID.Name()) {
				continue
			}
			if value, err := json.Marshal(matcher); err == nil {
				raw[i][module.CaddyModule().ID.Name()] = value
			}
		}
	}
	return raw
}

// strippedPath is the first path of the matchers without a prefix that all of them
// have, and that no request has any more; empty if that is not so.
func strippedPath(match caddyhttp.RawMatcherSets, prefix string) (path string) {
	if strings.Trim(prefix, "/") == "" || strings.Contains(prefix, "{") {
		return ""
	}
	for _, set := range match {
		var paths []string
		if err := json.Unmarshal(set["path"], &paths); err != nil || len(paths) == 0 {
			return "" // the set is for all paths
		}
		for _, with := range paths {
			rest, has := strings.CutPrefix(strings.ToLower(with), strings.ToLower(prefix))
			if !has || rest != "" && !strings.ContainsRune("/*", rune(rest[0])) {
				return ""
			}
			if path == "" {
				path = "/" + strings.TrimPrefix(rest, "/")
			}
		}
	}
	return path
}

func all[T any](list []T, is func(T) bool) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(one T) bool { return !is(one) })
}
