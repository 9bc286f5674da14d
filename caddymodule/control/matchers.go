package control

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// The settings of the app that are matchers. A request matches such a setting if it
// matches one of its sets.

// addMatcherSet parses a line or a block of matchers, which a request must all match.
func addMatcherSet(d *caddyfile.Dispenser, name string, sets *caddyhttp.RawMatcherSets) error {
	before := *d
	if err := checkFirstMatcher(before); err != nil {
		return err
	}
	set, err := caddyhttp.ParseCaddyfileNestedMatcherSet(d)
	if err != nil {
		if _, matcher, ok := strings.Cut(err.Error(), "module not registered: http.matchers."); ok {
			matcher, _, _ = strings.Cut(matcher, ",")
			return before.WrapErr(rules.UnknownMatcher(matcher))
		}
		return err
	}
	for matcher, raw := range set {
		if string(raw) == "null" {
			return args.Advise(&before, words.Usage(name), "matcher '%s' without arguments", matcher)
		}
	}
	if len(set) == 0 {
		return args.Missing(&before, name)
	}
	*sets = append(*sets, set)
	return nil
}

// checkFirstMatcher refuses words that are matchers only in a site. d is at the name of
// the setting.
func checkFirstMatcher(d caddyfile.Dispenser) error {
	setting := d.Val()
	if !d.NextArg() || d.Token().Quoted() {
		return nil
	}
	switch word := d.Val(); {
	case strings.HasPrefix(word, "/"):
		at := d
		return args.Advise(&d, "write "+setting+" path "+args.Words(append([]string{word}, at.RemainingArgs()...)), "unexpected path '%s'", word)
	case strings.HasPrefix(word, "@"):
		return args.Advise(&d, "named matchers belong to a site; write the matcher here, such as "+setting+" path /healthz", "unexpected matcher '%s'", word)
	case word == "*":
		return args.Advise(&d, "name a matcher, such as "+setting+" path /healthz", "unexpected matcher '*'")
	default:
		return nil
	}
}

// loadMatchers loads the raw matchers of a field of owner. Errors call them by name.
func loadMatchers(ctx caddy.Context, owner any, raw caddyhttp.RawMatcherSets, field, name string, sets *caddyhttp.MatcherSets) error {
	if err := rules.CheckExpressions(name, raw); err != nil {
		return fmt.Errorf("loading matchers: %w", err)
	}
	mods, err := ctx.LoadModule(owner, field)
	if err == nil && mods != nil {
		err = sets.FromInterface(mods)
	}
	if err != nil {
		return fmt.Errorf("loading matchers of %s: %w", name, err)
	}
	return nil
}

// matchesAny reports whether r matches one of the sets. A matcher that fails does not
// match.
func matchesAny(sets caddyhttp.MatcherSets, r *http.Request) bool {
	for _, set := range sets {
		if ok, err := set.MatchWithError(r); ok && err == nil {
			return true
		}
	}
	return false
}
