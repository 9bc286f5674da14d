package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/schema"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// schemas lists what has a JSON schema.
var schemas = []struct {
	name, title string
	of          reflect.Type
}{
	{"rule", "Rule of the Caddy fault injector", reflect.TypeFor[rules.Rule]()},
	{"experiment", "Experiment of the Caddy fault injector", reflect.TypeFor[experiments.Experiment]()},
	{"handler", "Caddy handler fault", reflect.TypeFor[inject.Handler]()},
}

// SchemaNames lists what [Schema] describes.
func SchemaNames() (names []string) {
	for _, s := range schemas {
		names = append(names, s.name)
	}
	return names
}

// Schema returns the JSON schema of a rule, an experiment or the handler, with the kinds
// of fault in this build of Caddy. The Go types say what the fields may be, and the
// description of the API says what they mean.
func Schema(name string) (schema.Object, error) {
	words, err := readWords()
	if err != nil {
		return nil, err
	}
	for _, s := range schemas {
		if s.name != name {
			continue
		}
		all := schema.Of(s.of, s.title, words, faults.Namespace)
		if s.name == "handler" {
			all["properties"].(schema.Object)["handler"] = schema.Object{"const": "fault"}
			all["required"] = []string{"handler"}
		}
		return all, nil
	}
	return nil, fmt.Errorf("no schema of '%s': want one of %s", name, strings.Join(SchemaNames(), ", "))
}

// wordsOf maps each Go type in a schema to its name in the description of the API.
var wordsOf = map[reflect.Type]string{
	reflect.TypeFor[experiments.Experiment]():    "Experiment",
	reflect.TypeFor[rules.Rule]():                "ConfiguredRule",
	reflect.TypeFor[rules.Over]():                "Over",
	reflect.TypeFor[rules.Cycle]():               "Cycle",
	reflect.TypeFor[rules.Follows]():             "Follows",
	reflect.TypeFor[caddyhttp.ResponseMatcher](): "ResponseMatcher",
}

// readWords reads the descriptions and the required fields from the description of the
// API.
func readWords() (schema.Texts, error) {
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Description string }
				Required   []string
			}
		}
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		return nil, fmt.Errorf("reading the description of the API: %w", err)
	}
	return func(t reflect.Type) schema.Words {
		of := doc.Components.Schemas[wordsOf[t]]
		words := schema.Words{Fields: make(map[string]string), Required: of.Required}
		for field, p := range of.Properties {
			words.Fields[field] = p.Description
		}
		return words
	}, nil
}

func (a *service) getSchema(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if !slices.Contains(SchemaNames(), name) {
		return Refuse(http.StatusNotFound, "no schema of '%s': want one of %s", name, strings.Join(SchemaNames(), ", "))
	}
	found, err := Schema(name)
	if err != nil {
		return err
	}
	return Answer(w, http.StatusOK, found)
}
