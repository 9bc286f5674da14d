package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// The errors for unknown names of fields and modules. Each has the place in the JSON,
// and what to write instead.

// located puts the place before an error. A nil error remains nil.
func located(field string, err error) error {
	if field == "" || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", field, err)
}

// unknownField returns the error for an unknown name in an object with known fields.
// The object has the settings of owner, a place of package words.
func unknownField(name, owner string, known map[string]reflect.StructField) error {
	names := slices.Sorted(maps.Keys(known))
	advice := words.SuggestJSON(meantFields(name, owner, known))
	if advice == "" {
		advice = words.SuggestJSON(asJSON(words.Near(name, names)))
	}
	if advice == "" {
		advice = "the fields are " + strings.Join(names, ", ")
	}
	return fmt.Errorf("unknown field %q: %s", words.Cut(name, words.MaxWord), advice)
}

// meantFields returns what to write instead of a field that exists one level deeper, or
// of a word of another tool.
func meantFields(name, owner string, known map[string]reflect.StructField) []string {
	if fragment := deeper(name, known); fragment != "" {
		return []string{fragment}
	}
	var found []string
	lines := words.Synonym(words.Place(owner), name)
	for i, line := range lines {
		first := strings.Fields(line)[0]
		if fragment := deeper(first, known); fragment != "" {
			return []string{fragment}
		}
		fragments := words.InJSON(lines[i : i+1])
		_, isField := known[first]
		_, hasFaults := known["faults"]
		switch {
		case isField && len(fragments) > 0:
			found = append(found, fragments[0])
		case isField:
			found = append(found, asJSON([]string{first})...)
		case len(fragments) > 0 && hasFaults && fragments[0][0] == '{':
			found = append(found, `"faults": [`+fragments[0]+"]")
		case len(fragments) > 0 && first == owner:
			found = append(found, fragments[0])
		}
	}
	return slices.Compact(found)
}

// deeper looks for a name among the fields of the objects in a list, and returns how to
// write it there. It returns an empty string if there is no such field.
func deeper(name string, known map[string]reflect.StructField) string {
	for _, outer := range slices.Sorted(maps.Keys(known)) {
		t := known[outer].Type
		if t.Kind() != reflect.Slice {
			continue
		}
		for t = t.Elem(); t.Kind() == reflect.Pointer; {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		if _, found := fieldsOf(t)[name]; found && known[name].Name == "" {
			return fmt.Sprintf("%q: [{%q: ...}]", outer, name)
		}
	}
	return ""
}

// ownerOf returns the place, in package words, of an object without a name.
func ownerOf(t reflect.Type) string {
	switch t.Name() {
	case "App":
		return string(words.Global)
	case "Trigger":
		return string(words.Trigger)
	default:
		return string(words.Rule)
	}
}

// asJSON formats names as in JSON.
func asJSON(names []string) []string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = `"` + name + `"`
	}
	return quoted
}

// unnamedModule returns the error for the JSON of a module without the key that names
// the module.
func unnamedModule(key, namespace string, data []byte) error {
	members := membersOf(data)
	example := fmt.Sprintf(`{"%s": ...}`, key)
	if form, ok := words.FormOf("respond"); ok && key == "fault" {
		example = form.JSON
	}
	if members == nil {
		return fmt.Errorf("want an object, such as %s", example)
	}
	for _, other := range slices.Sorted(maps.Keys(members)) {
		var name string
		if json.Unmarshal(members[other], &name) == nil && slices.Contains(args.ModuleNames(namespace), name) {
			return fmt.Errorf("there is no %q: write %q: %q instead of %q", key, key, name, other)
		}
	}
	return fmt.Errorf("there is no %q: write one, such as %s", key, example)
}

// unknownModule returns the error for a name without a module in the namespace.
func unknownModule(key, namespace, name string) error {
	names := args.ModuleNames(namespace)
	var meant []string
	if key == "fault" {
		meant = slices.DeleteFunc(words.InJSON(words.Synonym(words.Rule, name)), func(fragment string) bool { return fragment[0] != '{' })
	}
	advice := words.SuggestJSON(meant)
	if advice == "" {
		for _, near := range words.Near(name, names) {
			meant = append(meant, fmt.Sprintf(`"%s": "%s"`, key, near))
		}
		advice = words.SuggestJSON(meant)
	}
	if advice == "" {
		advice = "want one of " + strings.Join(names, ", ")
	}
	return fmt.Errorf("unknown name '%s': %s", words.Cut(name, words.MaxWord), advice)
}

// checkDuration refuses a duration that Caddy cannot parse.
func checkDuration(data []byte) error {
	if json.Unmarshal(data, new(caddy.Duration)) == nil {
		return nil
	}
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = string(data)
	}
	return fmt.Errorf(`bad duration '%s': want one such as "250ms" or "2s"`, words.Cut(text, words.MaxWord))
}

// Explain looks for the mistake in JSON that Caddy could not decode into the value that
// the pointer points to. It returns err if it finds none.
func Explain(err error, data []byte, into any) error {
	if !json.Valid(data) {
		return err
	}
	if found := (checker{anyCase: true, failed: true}).value("", data, reflect.TypeOf(into), ""); found != nil {
		return found
	}
	return err
}

// typeError names the place of a value of the wrong type, and the type to write
// instead. It returns nil for any other error.
func typeError(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return nil
	case wrong.Field == "":
		return fmt.Errorf("want %s, not %s", typeInJSON(wrong.Type), strings.Replace(wrong.Value, "array", "list", 1))
	}
	advice, want := "", typeInJSON(wrong.Type)
	switch {
	case want == "a list":
		advice = ": write [ and ] around it"
	case wrong.Value == "string" && want != "an object":
		advice = ": write it without quotes"
	}
	place := strings.NewReplacer("Rule.", "", "Point.", "").Replace(wrong.Field)
	return fmt.Errorf("%s: want %s, not %s%s", place, want, strings.Replace(wrong.Value, "array", "list", 1), advice)
}

// typeInJSON returns the name of a Go type in JSON.
func typeInJSON(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}
