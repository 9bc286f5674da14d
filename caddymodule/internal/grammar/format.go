package grammar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Format returns the rule of a JSON object in one line of the grammar, for people to
// read. [ParseLine] can read the line if everything in the rule can be written in one
// line. Format writes the rest as JSON. It writes several matchers that must all match
// in braces.
func Format(source json.RawMessage) string {
	var rule rules.Rule
	if err := json.Unmarshal(source, &rule); err != nil {
		return string(source)
	}
	var line []string
	for _, set := range rule.MatcherSetsRaw {
		line = append(line, formatMatcherSet(set))
	}
	line = append(line, formatSettings(&rule)...)
	for _, raw := range rule.FaultsRaw {
		line = append(line, formatFault(raw))
	}
	return strings.Join(line, "; ")
}

// formatMatcherSet returns a match statement.
func formatMatcherSet(set caddy.ModuleMap) string {
	matchers := make([]string, 0, len(set))
	for name, raw := range set {
		matchers = append(matchers, formatMatcher(name, raw))
	}
	slices.Sort(matchers)
	switch len(matchers) {
	case 0:
		return "match *"
	case 1:
		return "match " + matchers[0]
	default:
		return "match { " + strings.Join(matchers, "; ") + " }"
	}
}

// formatMatcher tries the syntaxes of Caddy's matchers and returns the first that the
// parser reads as the same matcher.
func formatMatcher(name string, raw json.RawMessage) string {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return name
	}
	for _, words := range matcherWords(value) {
		text := strings.Join(append([]string{name}, words...), " ")
		if readsAs(text, name, raw) {
			return text
		}
	}
	return name + " " + string(caddyconfig.JSON(value, nil))
}

// readsAs reports whether the parser reads the text as this matcher.
func readsAs(text, name string, raw json.RawMessage) bool {
	statements, err := Split("match " + text)
	p := NewRuleParser(new(rules.Rule))
	if err != nil || len(statements) != 1 || parseShort(p, statements[0]) != nil {
		return false
	}
	set := p.MatcherSetsRaw[0]
	return len(set) == 1 && SameJSON(set[name], raw)
}

// matcherWords returns the possible arguments of a matcher in a Caddyfile for its JSON.
// The JSON can be a string, a list of strings, or a name with strings, which the query
// matcher writes as name=text.
func matcherWords(value any) [][]string {
	switch value := value.(type) {
	case string:
		return [][]string{{quoted(value)}}
	case []any:
		return [][]string{quoteAll(value)}
	case map[string]any:
		for name, of := range value {
			list, ok := of.([]any)
			if !ok {
				list = []any{of}
			}
			forms := [][]string{append([]string{quoted(name)}, quoteAll(list)...)}
			if len(list) == 1 {
				forms = append(forms, []string{quoted(fmt.Sprintf("%s=%v", name, list[0]))}, []string{quoted(fmt.Sprint(list[0]))})
			}
			return forms // more than one name needs a block; readsAs rejects the forms
		}
	}
	return nil
}

func quoteAll(values []any) []string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = quoted(fmt.Sprint(value))
	}
	return words
}

func formatMatchResponse(m *caddyhttp.ResponseMatcher) string {
	var conditions []string
	if len(m.StatusCode) > 0 {
		words := append(make([]string, 0, 1+len(m.StatusCode)), "status")
		for _, code := range m.StatusCode {
			words = append(words, args.FormatStatus(code))
		}
		conditions = append(conditions, strings.Join(words, " "))
	}
	for name, values := range m.Headers {
		for _, value := range values {
			conditions = append(conditions, "header "+quoted(name)+" "+quoted(value))
		}
		if len(values) == 0 {
			conditions = append(conditions, "header "+quoted(name))
		}
	}
	slices.Sort(conditions)
	if len(conditions) == 1 {
		return "match_response " + conditions[0]
	}
	return "match_response { " + strings.Join(conditions, "; ") + " }"
}

// formatFault returns a fault as its kind writes it. If the kind or the line cannot
// write it, formatFault returns its settings as JSON.
func formatFault(raw json.RawMessage) string {
	var inline struct {
		Fault string `json:"fault"`
	}
	if err := json.Unmarshal(raw, &inline); err != nil {
		return string(raw)
	}
	info, err := caddy.GetModule(faults.Namespace + "." + inline.Fault)
	if err != nil {
		return string(raw)
	}
	fault := info.New()
	if err := json.Unmarshal(raw, fault); err != nil {
		return string(raw)
	}
	if liner, ok := fault.(faults.Liner); ok {
		if line, ok := liner.Line(); ok && !hasShorthand(line) {
			return strings.TrimSpace(inline.Fault + " " + line)
		}
	}
	return inline.Fault + " " + string(sorted(caddyconfig.JSON(fault, nil)))
}

// hasShorthand reports whether a parser would expand a part of the text. The rule has
// the text unexpanded.
func hasShorthand(text string) bool {
	if !strings.Contains(text, "{") {
		return false
	}
	segment := caddyfile.Segment{{Text: text}}
	shorthands.ApplyToSegment(&segment)
	return segment[0].Text != text
}

// quoted returns a text as one word, even if no line can contain it.
func quoted(text string) string {
	word, _ := args.Quote(text)
	return word
}

// sorted returns a JSON value with sorted members, or nil if raw is not JSON.
func sorted(raw json.RawMessage) json.RawMessage {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return nil
	}
	return caddyconfig.JSON(value, nil)
}

// SameJSON reports whether two JSON texts have the same value.
func SameJSON(a, b json.RawMessage) bool {
	a, b = sorted(a), sorted(b)
	return a != nil && bytes.Equal(a, b)
}
