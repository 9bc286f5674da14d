// Package words has an answer to words that the grammar does not have: words of other
// tools, and misspelled words. Each answer is a line to copy. The package also has the
// syntax of every setting, option and kind of fault, for the errors of all parsers.
//
// The package does not depend on the modules. Tests in other packages check that the
// parsers accept the lines in the tables.
package words

import (
	"slices"
	"strings"
)

// A Place is where a word can be written. Each place has a separate list of words.
type Place string

// The places. An owner of options, such as respond, is also a place.
const (
	Rule          Place = "rule"           // a line of a rule
	Point         Place = "point"          // the block of an injection point
	Transport     Place = "transport"      // the block of the transport
	Global        Place = "global"         // the global option fault
	Trigger       Place = "trigger"        // the block of a trigger
	Match         Place = "match"          // the name of a matcher
	MatchResponse Place = "match_response" // the block of match_response
)

// Synonym returns one or two lines to write instead of a word of another tool. It
// returns nil for a word that is not in the table.
func Synonym(place Place, word string) []string {
	word = strings.ReplaceAll(strings.ToLower(word), "-", "_")
	bare := strings.ReplaceAll(word, "_", "")
	for _, entry := range synonyms[place] {
		for other := range strings.FieldsSeq(entry.words) {
			if other == word || strings.ReplaceAll(other, "_", "") == bare {
				return slices.Clone(entry.lines)
			}
		}
	}
	return nil
}

// Words returns the words of other tools that are known at a place.
func Words(place Place) []string {
	all := make([]string, 0, len(synonyms[place]))
	for _, entry := range synonyms[place] {
		all = append(all, strings.Fields(entry.words)...)
	}
	return all
}

// Suggest returns the question that follows an unknown word, with the lines to write
// instead: "did you mean 'delay 250ms'?". Without lines, it returns an empty string.
func Suggest(lines []string) string {
	switch {
	case len(lines) == 0:
		return ""
	case strings.Contains(lines[0], "\n"):
		return "did you mean:\n\t" + strings.ReplaceAll(lines[0], "\n", "\n\t")
	default:
		return "did you mean '" + strings.Join(lines, "' or '") + "'?"
	}
}

// SuggestJSON is like Suggest, for fragments of JSON.
func SuggestJSON(fragments []string) string {
	if len(fragments) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(fragments, " or ") + "?"
}

// Form describes how to write a setting, an option or a kind of fault.
type Form struct {
	// Syntax lists all forms, separated by " | ".
	Syntax string

	// Example is a line to copy.
	Example string

	// JSON is the example in JSON, for settings of a rule and for kinds.
	JSON string
}

// FormOf returns the form of a setting or kind. The name of an option follows the name
// of its owner, as in "delay at_most".
func FormOf(name string) (Form, bool) {
	form, ok := forms[name]
	return form, ok
}

// Usage describes how to write a setting, an option or a kind, such as "write percent
// <0 to 100>, such as percent 10". It returns an empty string for an unknown name.
func Usage(name string) string {
	form, ok := forms[name]
	switch {
	case !ok:
		return ""
	case form.Syntax == form.Example:
		return "write " + form.Syntax
	case strings.Contains(form.Example, "\n"):
		return "write " + form.Syntax + ", such as\n\t" + strings.ReplaceAll(form.Example, "\n", "\n\t")
	default:
		ways := strings.Split(form.Syntax, " | ")
		text := ways[0]
		if last := len(ways) - 1; last > 0 {
			text = strings.Join(ways[:last], ", ") + " or " + ways[last]
		}
		return "write " + text + ", such as " + form.Example
	}
}

// Options returns the names of the options in the block of an owner, in order.
func Options(owner string) []string {
	var names []string
	for name := range forms {
		if option, ok := strings.CutPrefix(name, owner+" "); ok {
			names = append(names, option)
		}
	}
	slices.Sort(names)
	return names
}

// OwnersOf returns the kinds that have an option.
func OwnersOf(option string) []string {
	var owners []string
	for name := range forms {
		owner, own, isOption := strings.Cut(name, " ")
		if isOption && own == option && strings.HasPrefix(forms[owner].JSON, "{") {
			owners = append(owners, owner)
		}
	}
	slices.Sort(owners)
	return owners
}

// InJSON returns the JSON of lines, if it is known.
func InJSON(lines []string) []string {
	var fragments []string
	for _, line := range lines {
		name := strings.Fields(line)[0]
		if form := forms[name]; form.JSON != "" && !slices.Contains(fragments, form.JSON) {
			fragments = append(fragments, form.JSON)
		}
	}
	return fragments
}

// The limits of a word and of an advice in an error, in bytes.
const (
	MaxWord   = 100
	MaxAdvice = 1000
)

// Cut returns the text, or its beginning if it is longer than limit bytes.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "..."
}
