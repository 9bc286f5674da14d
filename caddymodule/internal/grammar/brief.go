package grammar

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Brief returns a line of the grammar in fewer characters, for a table: `match path
// /a; percent 20; respond 503` is `/a  20%  respond 503`. It names settings that are JSON.
func Brief(line string) string {
	var matches, parts []string
	for _, text := range statementsOf(line) {
		if rest, isMatch := strings.CutPrefix(text, "match "); isMatch {
			matches = append(matches, briefMatch(rest))
		} else {
			parts = append(parts, briefStatement(text))
		}
	}
	if len(matches) > 0 {
		parts = slices.Insert(parts, 0, strings.Join(matches, " or "))
	}
	return strings.Join(parts, "  ")
}

// statementsOf splits a line that the API has formatted. Unlike [Split], it
// accepts JSON and matchers in braces.
func statementsOf(line string) (statements []string) {
	start, depth, quote := 0, 0, rune(0)
	escaped := false
	for i, r := range line {
		switch {
		case escaped:
			escaped = false
		case quote == '"' && r == '\\':
			escaped = true
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '"' || r == '`':
			quote = r
		case r == '{':
			depth++
		case r == '}':
			depth--
		case r == ';' && depth == 0:
			statements = append(statements, strings.TrimSpace(line[start:i]))
			start = i + 1
		}
	}
	if rest := strings.TrimSpace(line[start:]); rest != "" {
		statements = append(statements, rest)
	}
	return statements
}

// briefMatch shortens the matchers that most rules have.
func briefMatch(text string) string {
	if paths, ok := strings.CutPrefix(text, "path "); ok {
		return paths
	}
	if methods, ok := strings.CutPrefix(text, "method "); ok {
		return strings.ReplaceAll(methods, " ", ",")
	}
	return text
}

// briefStatement shortens a percentage, and a fault whose settings are JSON.
func briefStatement(text string) string {
	if number, ok := strings.CutPrefix(text, "percent "); ok && !strings.Contains(number, " ") {
		return strings.TrimSuffix(number, "%") + "%"
	}
	kind, settings, _ := strings.Cut(text, " ")
	if !strings.HasPrefix(settings, "{") {
		return text
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(settings), &fields) != nil {
		return text
	}
	return kind + briefSettings(fields)
}

// briefSettings names the settings of a fault, and has the value of its status.
func briefSettings(fields map[string]json.RawMessage) string {
	var text strings.Builder
	if status, ok := fields["status_code"]; ok {
		text.WriteString(" " + strings.Trim(string(status), `"`))
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch name {
		case "fault", "status_code":
		case "headers":
			var headers struct {
				Set map[string]json.RawMessage `json:"set"`
			}
			_ = json.Unmarshal(fields[name], &headers) // none if it is something else
			for _, field := range slices.Sorted(maps.Keys(headers.Set)) {
				text.WriteString(" +" + field)
			}
			if len(headers.Set) == 0 {
				text.WriteString(" +headers")
			}
		default:
			text.WriteString(" +" + name)
		}
	}
	return text.String()
}
