package experiments

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// checkWeak refuses what only a configuration may have, wherever it stands in
// the JSON: files, and placeholders of anything but the request and the time.
// It reads the text itself, not a tree of it, and takes names in any case, as
// package encoding/json does when it fills a struct: of a name that is there
// twice both values may come to be used.
func checkWeak(field string, dec *json.Decoder) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case string:
		return checkText(field, token)
	case json.Delim:
		for i := 0; dec.More(); i++ {
			within := fmt.Sprintf("%s[%d]", field, i)
			if token == '{' {
				if within, err = checkName(field, dec); err != nil {
					return err
				}
			}
			if err := checkWeak(within, dec); err != nil {
				return err
			}
		}
		_, err = dec.Token() // closes it
	}
	return err
}

// matcherSet is where the matchers of an experiment stand.
var matcherSet = regexp.MustCompile(`(?i)(^|\.)(match|not)\[\d+\]$`)

// checkName reads the name of a member and tells where its value stands.
func checkName(field string, dec *json.Decoder) (within string, err error) {
	token, err := dec.Token()
	if err != nil {
		return "", err
	}
	name := token.(string)
	within = strings.TrimPrefix(field+"."+name, ".")
	if strings.EqualFold(name, "body_file") || name == "file" && matcherSet.MatchString(field) {
		return "", fmt.Errorf("%s: an experiment reads no files", within)
	}
	return within, checkText(within, name)
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
