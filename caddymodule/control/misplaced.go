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

// Misplaced is implemented by modules that can detect a wrong place in the routes.
type Misplaced interface {
	// Misplaced returns a warning about the place of the module, or an empty text. The
	// ways lead to the module. The source is its place in the configuration.
	Misplaced(ways []routes.Approach) (source, text string)
}

// warnOfPlaces warns of points and other modules that cannot have an effect at their
// place. It needs the complete routes.
func (a *App) warnOfPlaces() {
	http := a.HTTP()
	if http == nil {
		return
	}
	warned := make(map[string]bool)
	warn := func(source, text string, fields ...zap.Field) {
		if key := source + " " + text; text != "" && !warned[key] { // a site with two addresses is loaded twice
			warned[key] = true
			hint.Write(a.logger, source, text, fields...)
		}
	}
	for _, found := range routes.Approaches(http) {
		if module, ok := found.Module.(Misplaced); ok {
			source, text := module.Misplaced(found.Ways)
			warn(source, text)
		} else if point := rules.PointOf(found.Module); point != nil {
			for _, text := range misplaced(point, found.Ways) {
				warn(point.Source, text, zap.String("point", point.Name))
			}
		}
	}
}

// validated reports whether the configuration was only validated.
func (a *App) validated() bool {
	cause := context.Cause(a.ctx)
	return cause != nil && cause.Error() == "validation complete"
}

// misplaced returns warnings about a point and its rules that cannot have an effect at
// their place.
func misplaced(point *rules.Point, ways []routes.Approach) (texts []string) {
	if all(ways, func(way routes.Approach) bool { return way.Ended != "" }) {
		return []string{fmt.Sprintf("no request reaches point '%s': %s before it ends all requests; write the point first", point.Name, ways[0].Ended)}
	}
	if why := excluded(point.Match, ways); why != "" {
		return []string{fmt.Sprintf("point '%s' %s", point.Name, why)}
	}
	for _, rule := range point.Rules {
		var configured struct{ Match caddyhttp.RawMatcherSets }
		if err := json.Unmarshal(rule.Source, &configured); err != nil {
			continue // an error would have been reported at load
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

// excluded explains why no request on any of the ways can satisfy the matchers.
func excluded(match caddyhttp.RawMatcherSets, ways []routes.Approach) (why string) {
	stripped, path := "", ""
	switch {
	case all(ways, func(way routes.Approach) bool { why = excludedBy(way, match); return why != "" }):
		return "can never fire: the routes around it exclude its matcher, " + why
	case all(ways, func(way routes.Approach) bool {
		stripped, path = way.Stripped, strippedPath(match, way.Stripped)
		return path != ""
	}):
		return fmt.Sprintf("rarely fires: '%s' has already been stripped from the path; write path %s", stripped, path)
	}
	return ""
}

// excludedBy explains which matchers of an enclosing route exclude others.
func excludedBy(way routes.Approach, match caddyhttp.RawMatcherSets) string {
	for _, sets := range way.Within {
		if why := experiments.Exclude(rawSets(sets), match); why != "" {
			return why
		}
	}
	return ""
}

// rawSets returns the JSON of the matchers path, host and method. Only a rewrite
// changes what they read.
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

// strippedPath returns the first path of the matchers without the prefix. It returns an
// empty text unless all paths have the prefix, which has been stripped from all
// requests.
func strippedPath(match caddyhttp.RawMatcherSets, prefix string) (path string) {
	if strings.Trim(prefix, "/") == "" || strings.Contains(prefix, "{") {
		return ""
	}
	for _, set := range match {
		var paths []string
		if err := json.Unmarshal(set["path"], &paths); err != nil || len(paths) == 0 {
			return "" // the set matches all paths
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
