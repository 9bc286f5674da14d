package experiments

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// checkWeak refuses what only a configuration may have, wherever it stands in
// the JSON: files, and placeholders of anything but the request and the time.
// It reads the text itself, not a tree of it, and takes names in any case, as
// package encoding/json does when it fills a struct.
func checkWeak(data []byte) error {
	return walk("", json.NewDecoder(bytes.NewReader(data)), visitor{name: checkName, text: checkText})
}

// matcherSet is where the matchers of an experiment stand.
var matcherSet = regexp.MustCompile(`(?i)(^|\.)(match|not)\[\d+\]$`)

// checkName looks at the name of a member of the object at that place.
func checkName(field, name string) error {
	within := member(field, name)
	if strings.EqualFold(name, "body_file") || name == "file" && matcherSet.MatchString(field) {
		return fmt.Errorf("%s: an experiment reads no files", within)
	}
	return checkText(within, name)
}

var (
	inBraces   = regexp.MustCompile(`\{([^{}]*)\}`)
	namespaced = regexp.MustCompile(`^[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*(\.|$)`) // not the {2} of a regular expression
	allowed    = regexp.MustCompile(`^(http|time)\.`)

	// The functions of Caddy's CEL matcher that look further than the request.
	// White space and comments may stand before the parenthesis.
	celReads = regexp.MustCompile(`\b(ph|file)(\s|//[^\n]*)*\(`)

	// Comments, and texts in quotes: raw ones first, which have no escapes.
	celTexts = regexp.MustCompile(`(?s)//[^\n]*` +
		`|[bB]?[rR](""".*?"""|'''.*?'''|"[^"]*"|'[^']*')` +
		`|"""(\\.|[^\\])*?"""|'''(\\.|[^\\])*?'''|"(\\.|[^"\\])*"|'(\\.|[^'\\])*'`)
	celEscape = regexp.MustCompile(`\\[xXuU0-7]`) // of a character by its number
)

func checkText(field, text string) error {
	for _, found := range inBraces.FindAllStringSubmatch(text, -1) {
		if namespaced.MatchString(found[1]) && !allowed.MatchString(found[1]) {
			return fmt.Errorf("%s: placeholder '%s' is not for experiments: they may use {http.*} and {time.*}", field, found[0])
		}
	}
	if strings.Contains(field, "expression") {
		return checkCEL(field, text)
	}
	return nil
}

// checkCEL refuses an expression that reads more than the request. Caddy fills
// placeholders in its texts once they have been joined and their escapes read,
// so a brace has to be one that can be seen, with its other half.
func checkCEL(field, text string) error {
	if celReads.MatchString(text) {
		return fmt.Errorf("%s: file() and ph() are not for experiments", field)
	}
	for _, quoted := range celTexts.FindAllString(text, -1) {
		if strings.HasPrefix(quoted, "//") {
			continue
		}
		raw := strings.ContainsAny(quoted[:strings.IndexAny(quoted, `"'`)], "rR")
		half := strings.ContainsAny(inBraces.ReplaceAllString(quoted, ""), "{}")
		if half || !raw && celEscape.MatchString(strings.ReplaceAll(quoted, `\\`, "")) {
			return fmt.Errorf("%s: %s has half a placeholder, or a character by its number: an experiment writes them out", field, quoted)
		}
	}
	return nil
}
