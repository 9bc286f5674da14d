package grammar

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Format returns a rule in one line of the grammar, from its JSON. It is for
// people to read, and [ParseLine] reads it, too, as long as everything in the rule
// can stand in a line. What cannot is shown as the JSON it is, and several
// matchers that must all hold in braces.
func Format(source json.RawMessage) string {
	if line, ok := formatted.Get(string(source)); ok {
		return line
	}
	line := NewLine(source)
	if len(source) <= maxFormatted {
		formatted.Add(string(source), line)
	}
	return line
}

// maxFormatted is the size of the JSON up to which its line is remembered.
const maxFormatted = 8 << 10

// formatted remembers lines: a console asks for all of them every second.
var formatted, _ = lru.New[string, string](1024) // fails for a negative size only

// NewLine is Format without its memory.
func NewLine(source json.RawMessage) string {
	var rule rules.Rule
	if err := json.Unmarshal(source, &rule); err != nil {
		return string(source)
	}
	var line []string
	for _, set := range rule.MatcherSetsRaw {
		line = append(line, formatMatcherSet(set))
	}
	for _, field := range fieldsOf(reflect.ValueOf(rule)) {
		switch field.name {
		case "name", "match", "faults":
		case "match_response":
			line = append(line, formatMatchResponse(rule.MatchResponse))
		case "percent":
			line = append(line, "percent "+strconv.FormatFloat(*rule.Percent, 'f', -1, 64))
		default:
			words, _ := field.words()
			line = append(line, strings.Join(append([]string{field.name}, words...), " "))
		}
	}
	for _, raw := range rule.FaultsRaw {
		line = append(line, formatFault(raw))
	}
	return strings.Join(line, "; ")
}

// formatMatcherSet is a match statement.
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

// formatMatcher tries the ways in which Caddy's matchers are written and takes
// the one that the parser understands as it is meant.
func formatMatcher(name string, raw json.RawMessage) string {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return name
	}
	for _, words := range matcherWords(value) {
		text := strings.Join(append([]string{name}, words...), " ")
		rule, err := ParseLine("match " + text + "; close")
		if err == nil && SameJSON(caddyconfig.JSON(rule.MatcherSetsRaw, nil), caddyconfig.JSON(caddyhttp.RawMatcherSets{{name: raw}}, nil)) {
			return text
		}
	}
	return name + " " + string(caddyconfig.JSON(value, nil))
}

// matcherWords are what the JSON of a matcher may be in a Caddyfile: a text,
// texts, or a name with texts, which query has as name=text.
func matcherWords(value any) [][]string {
	switch value := value.(type) {
	case string:
		return [][]string{{quote(value)}}
	case []any:
		return [][]string{quoteAll(value)}
	case map[string]any:
		for name, of := range value {
			list, ok := of.([]any)
			if !ok {
				list = []any{of}
			}
			forms := [][]string{append([]string{quote(name)}, quoteAll(list)...)}
			if len(list) == 1 {
				forms = append(forms, []string{quote(fmt.Sprintf("%s=%v", name, list[0]))}, []string{quote(fmt.Sprint(list[0]))})
			}
			return forms // more than one name needs a block; the check finds out
		}
	}
	return nil
}

func quoteAll(values []any) []string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = quote(fmt.Sprint(value))
	}
	return words
}

func formatMatchResponse(m *caddyhttp.ResponseMatcher) string {
	var conditions []string
	if len(m.StatusCode) > 0 {
		words := []string{"status"}
		for _, code := range m.StatusCode {
			if word := strconv.Itoa(code); code < 10 {
				words = append(words, word+"xx")
			} else {
				words = append(words, word)
			}
		}
		conditions = append(conditions, strings.Join(words, " "))
	}
	for name, values := range m.Headers {
		for _, value := range values {
			conditions = append(conditions, "header "+quote(name)+" "+quote(value))
		}
		if len(values) == 0 {
			conditions = append(conditions, "header "+quote(name))
		}
	}
	slices.Sort(conditions)
	if len(conditions) == 1 {
		return "match_response " + conditions[0]
	}
	return "match_response { " + strings.Join(conditions, "; ") + " }"
}

// formatFault writes the settings of a fault behind its kind, in the order of
// its struct and with the units that their names tell, and looks whether the
// parser of the kind agrees. Of the settings it knows three by name: family,
// percent and bytes, which are not written as they stand in JSON.
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
	settings := withoutKind(raw)
	if err := json.Unmarshal(settings, fault); err != nil {
		return string(raw)
	}
	want := caddyconfig.JSONModuleObject(fault, "fault", inline.Fault, nil)
	if text, ok := faultWords(inline.Fault, fault); ok {
		rule, err := ParseLine(text)
		if err == nil && len(rule.FaultsRaw) == 1 && SameJSON(rule.FaultsRaw[0], want) {
			return text
		}
	}
	settings = withoutKind(want)
	if string(settings) == "{}" && readsAlone(info, inline.Fault) {
		return inline.Fault
	}
	return inline.Fault + " " + string(settings)
}

// readsAlone reports whether the kind, without any setting, is written as its
// name alone, also where no line can have it, as one that is for a transport.
func readsAlone(info caddy.ModuleInfo, kind string) bool {
	fault, ok := info.New().(caddyfile.Unmarshaler)
	return ok && fault.UnmarshalCaddyfile(caddyfile.NewDispenser([]caddyfile.Token{{Text: kind}})) == nil
}

func faultWords(kind string, fault any) (text string, ok bool) {
	line := []string{kind}
	if formed, ok := fault.(faults.Formed); ok && formed.Form() != "" {
		line = append(line, formed.Form())
	}
	for _, field := range fieldsOf(reflect.ValueOf(fault).Elem()) {
		words, ok := field.words()
		switch {
		case !ok:
			return "", false
		case field.name == "family": // stands before its code
			line[len(line)-1] = field.value.String() + ":" + line[len(line)-1]
		default:
			line = append(line, words...)
		}
	}
	return strings.Join(line, " "), true
}

// withoutKind is a fault's JSON without the word that says which it is.
func withoutKind(raw json.RawMessage) json.RawMessage {
	var settings map[string]json.RawMessage
	if json.Unmarshal(raw, &settings) != nil {
		return raw
	}
	delete(settings, "fault")
	return caddyconfig.JSON(settings, nil)
}

// A jsonField is a field of a struct that would stand in its JSON.
type jsonField struct {
	name  string
	value reflect.Value
}

// fieldsOf are those fields, as written; pointers are followed.
func fieldsOf(v reflect.Value) []jsonField {
	var fields []jsonField
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		value := v.Field(i)
		if name == "" || name == "-" || value.IsZero() {
			continue
		}
		if value.Kind() == reflect.Pointer {
			value = value.Elem()
		}
		fields = append(fields, jsonField{name, value})
	}
	return fields
}

// words are the value as it is written in a line; false if this cannot say it.
// A switch that is on is said by its name alone.
func (f jsonField) words() (words []string, ok bool) {
	switch value := f.value.Interface().(type) {
	case caddy.Duration:
		return []string{formatDuration(time.Duration(value))}, true
	case fmt.Stringer:
		return []string{value.String()}, true
	case map[string]caddy.Duration:
		for name, d := range value {
			words = append(words, name+"="+formatDuration(time.Duration(d)))
		}
		slices.Sort(words)
		return words, true
	}
	switch f.value.Kind() {
	case reflect.Bool:
		return nil, true
	case reflect.String:
		return []string{quote(f.value.String())}, true
	case reflect.Int, reflect.Int64:
		return []string{withUnit(f.name, f.value.Int())}, true
	case reflect.Float64:
		number := strconv.FormatFloat(f.value.Float(), 'f', -1, 64)
		if f.name == "percent" {
			number += "%"
		}
		return []string{number}, true
	case reflect.Struct:
		for _, field := range fieldsOf(f.value) {
			more, ok := field.words()
			if !ok {
				return nil, false
			}
			words = append(words, more...)
		}
		return words, true
	default:
		return nil, false
	}
}

// withUnit writes a number with the unit in its field's name.
func withUnit(name string, n int64) string {
	if !strings.HasPrefix(name, "bytes") {
		return strconv.FormatInt(n, 10)
	}
	per := ""
	if strings.HasSuffix(name, "_per_second") {
		per = "/s"
	}
	for i, unit := range []string{"GiB", "MiB", "KiB"} {
		if size := int64(1) << (30 - 10*i); n >= size && n%size == 0 {
			return strconv.FormatInt(n/size, 10) + unit + per
		}
	}
	return strconv.FormatInt(n, 10) + "B" + per
}

// formatDuration leaves out the zeros at the end: 10m, not 10m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// quote writes a text as one word, in backticks or double quotes where it would
// not be one.
func quote(text string) string {
	plain := text != "" && !strings.ContainsAny(text, " \t;\"`\\#{}\r\n") && !strings.HasPrefix(text, "<<")
	placeholder := strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") && len(text) > 2 && !strings.ContainsAny(text, " \t;\"`\\")
	switch {
	case plain || placeholder:
		return text
	case !strings.Contains(text, "`"):
		return "`" + text + "`"
	default:
		return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
	}
}

// SameJSON compares two values, not how they are written.
func SameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
