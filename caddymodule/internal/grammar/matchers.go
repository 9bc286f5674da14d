package grammar

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// Errors of matchers. They add advice to Caddy's own errors.

const matcherNamespace = "http.matchers"

// matcherForm returns the name of a matcher's form in package words.
func matcherForm(name string) string { return string(words.Match) + " " + name }

// badMatcher returns the error for a matcher that Caddy has refused. d is at the word
// match.
func badMatcher(d caddyfile.Dispenser, err error) error {
	tokens := d.NextSegment()[1:]
	for i, token := range tokens {
		if !token.Quoted() && strings.HasSuffix(withoutPlace(err), matcherNamespace+"."+token.Text) {
			return unknownMatcher(tokens[i:])
		}
	}
	for _, token := range tokens {
		if usage := words.Usage(matcherForm(token.Text)); usage != "" && strings.Contains(err.Error(), token.Text) {
			return fmt.Errorf("bad matcher '%s': %w: %s", token.Text, err, usage)
		}
	}
	return fmt.Errorf("bad matcher: %w: see https://caddyserver.com/docs/caddyfile/matchers", err)
}

// withoutPlace returns an error of Caddy's parser without its place.
func withoutPlace(err error) string {
	text, _, _ := strings.Cut(err.Error(), ", at ")
	return text
}

// unknownMatcher returns the error for an unknown matcher at the beginning of tokens.
func unknownMatcher(tokens []caddyfile.Token) error {
	d := caddyfile.NewDispenser(tokens)
	d.Next()
	lines := words.Synonym(words.Match, d.Val())
	if lines == nil {
		for _, line := range args.Corrected(d, string(words.Match), words.Near(d.Val(), args.ModuleNames(matcherNamespace))) {
			lines = append(lines, "match "+strings.TrimPrefix(line, "match "))
		}
	}
	advice := words.Suggest(lines)
	if advice == "" {
		advice = "the matchers are " + strings.Join(args.ModuleNames(matcherNamespace), ", ")
	}
	return args.Advise(d, advice, "unknown matcher '%s'", d.Val())
}

var isCode = regexp.MustCompile(`^[1-9]([0-9]{2}|xx)$`).MatchString

// checkMatchResponse refuses unknown words in match_response. d is at its name.
func checkMatchResponse(d caddyfile.Dispenser) error {
	for nesting := d.Nesting(); d.NextArg() || d.NextBlock(nesting); {
		word := d.Val()
		if err := checkConditionName(&d); err != nil {
			return err
		}
		rest := d.RemainingArgs()
		if len(rest) == 0 {
			return args.Missing(&d, string(words.MatchResponse)+" "+word)
		}
		if i := slices.IndexFunc(rest, func(code string) bool { return word == "status" && !isCode(code) }); i >= 0 && !isNumber(rest[i]) {
			return args.Advise(&d, words.Usage("match_response status"), "bad match_response status '%s': want a code such as 503 or a class such as 5xx", rest[i])
		}
	}
	return nil
}

// isNumber matches numbers that the checks of a rule examine later.
var isNumber = regexp.MustCompile(`^[+-]?[0-9]+(xx)?$`).MatchString

// checkConditionName refuses words other than status and header.
func checkConditionName(d *caddyfile.Dispenser) error {
	word := d.Val()
	if word == "status" || word == "header" {
		return nil
	}
	place := string(words.MatchResponse)
	lines := words.Synonym(words.MatchResponse, word)
	switch {
	case isCode(strings.ToLower(word)):
		at := *d
		lines = []string{strings.TrimSpace(place + " status " + strings.ToLower(word) + " " + args.Words(at.RemainingArgs()))}
	case lines == nil:
		for _, line := range args.Corrected(d, place, words.Near(word, []string{"status", "header"})) {
			lines = append(lines, place+" "+strings.TrimPrefix(line, place+" "))
		}
	}
	advice := words.Suggest(lines)
	if advice == "" {
		advice = words.Usage(place)
	}
	return args.Advise(d, advice, "unknown word '%s' in match_response", word)
}
