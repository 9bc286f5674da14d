package inject

import (
	"reflect"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// What the adapter's Helper has and shows nobody. Without it only texts are worse:
// the default name of a point, and what an error suggests.

// routeName returns the name of the named route that contains the directive, or an
// empty text. The adapter has the name in an unexported field only.
func routeName(h httpcaddyfile.Helper) string {
	keys := reflect.ValueOf(h).FieldByName("parentBlock").FieldByName("Keys")
	if !keys.IsValid() || keys.Len() == 0 {
		return ""
	}
	text := keys.Index(0).FieldByName("Text")
	if !text.IsValid() {
		return ""
	}
	return text.String()
}

// namedMatchers are the names of the matchers that the directive may use, such as
// @flaky.
func namedMatchers(h httpcaddyfile.Helper) []string {
	defs := reflect.ValueOf(h).FieldByName("matcherDefs")
	if !defs.IsValid() || defs.Kind() != reflect.Map {
		return nil
	}
	var names []string
	for _, key := range defs.MapKeys() {
		names = append(names, key.String())
	}
	return names
}

// matcherTokenText is the word that the directive has as its matcher, empty for
// another one. h is at the directive.
func matcherTokenText(h httpcaddyfile.Helper) string {
	at := *h.Dispenser
	if !at.NextArg() || at.Val() == "" {
		return ""
	}
	if text := at.Val(); text == "*" || text[0] == '/' || text[0] == '@' {
		return text
	}
	return ""
}

// namedMatcherToken parses what may stand for a set of matchers.
func namedMatcherToken(h httpcaddyfile.Helper) (caddy.ModuleMap, bool, error) {
	set, isToken, err := h.MatcherToken()
	if err != nil {
		err = unknownMatcher(h, h.Val())
	}
	return set, isToken, err
}

// unknownMatcher is the error of a named matcher that is not defined.
func unknownMatcher(h httpcaddyfile.Helper, name string) error {
	advice := words.Suggest(words.Near(name, namedMatchers(h)))
	if advice == "" {
		advice = "define it in the site, such as " + name + " path /api/*"
	}
	return args.Advise(h.Dispenser, advice, "unknown matcher '%s'", name)
}
