package inject

import (
	"reflect"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// Unexported fields of the adapter's Helper, read by reflection. If they cannot be
// read, only texts are worse: the default name of a point, and the advice of an error.

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

// namedMatchers returns the names of the matchers that the directive can use, such as
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

// matcherTokenText returns the matcher token of the directive, or "" if it has another
// argument or none. h is at the directive.
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

// namedMatcherToken parses a token that means a set of matchers.
func namedMatcherToken(h httpcaddyfile.Helper) (caddy.ModuleMap, bool, error) {
	set, isToken, err := h.MatcherToken()
	if err != nil {
		err = unknownMatcher(h, h.Val())
	}
	return set, isToken, err
}

// unknownMatcher returns the error for a named matcher that is not defined.
func unknownMatcher(h httpcaddyfile.Helper, name string) error {
	advice := words.Suggest(words.Near(name, namedMatchers(h)))
	if advice == "" {
		advice = "define it in the site, such as " + name + " path /api/*"
	}
	return args.Advise(h.Dispenser, advice, "unknown matcher '%s'", name)
}
