package schema

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// sample has a field for each case of the builder.
type sample struct {
	Inner

	Text    string            `json:"text,omitempty"`
	Number  *float64          `json:"number,omitempty" schema:"min=0,max=100"`
	Word    string            `json:"word,omitempty" schema:"enum=a|b"`
	Weak    code              `json:"weak,omitempty"`
	Own     own               `json:"own,omitzero"`
	Wait    caddy.Duration    `json:"wait,omitempty"`
	Names   map[string]string `json:"names,omitempty"`
	Self    *sample           `json:"self,omitempty"`
	Any     json.RawMessage   `json:"any,omitempty"`
	Module  json.RawMessage   `json:"module,omitempty" caddy:"namespace=events.handlers inline_key=handler"`
	Hidden  string            `json:"-"`
	Without string

	Match   caddyhttp.RawMatcherSets `json:"match,omitempty"`
	Headers map[string][]string      `json:"headers,omitempty"`
	List    []Inner                  `json:"list,omitempty"`

	private string //nolint:unused // has no place in a schema
}

// Inner is embedded and in a list.
type Inner struct {
	On bool `json:"on,omitempty"`
}

// code reads a number or a text.
type code int

func (*code) UnmarshalJSON([]byte) error { return nil }

// own reads anything.
type own struct{}

func (*own) UnmarshalJSON([]byte) error { return nil }

// TestOf checks what a schema says of each kind of field.
func TestOf(t *testing.T) {
	all := Of(reflect.TypeFor[sample](), "Sample", func(of reflect.Type) Words {
		if of == reflect.TypeFor[sample]() {
			return Words{Fields: map[string]string{"text": "A text.", "wait": "A time."}, Required: []string{"text"}}
		}
		return Words{}
	})
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Schema, Title        string `json:"-"`
		Required             []string
		AdditionalProperties bool
		Properties           map[string]json.RawMessage
		Definitions          map[string]json.RawMessage
	}
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), `"$schema":"`+Draft+`"`) || len(read.Required) != 1 || read.AdditionalProperties {
		t.Errorf("got %s", data)
	}
	want := map[string]string{
		"text":    `{"description":"A text.","type":"string"}`,
		"number":  `{"maximum":100,"minimum":0,"type":"number"}`,
		"word":    `{"enum":["a","b"],"type":"string"}`,
		"weak":    `{"type":["string","integer"]}`,
		"own":     `true`,
		"wait":    `{"allOf":[{"$ref":"#/definitions/duration"}],"description":"A time."}`,
		"names":   `{"additionalProperties":{"type":"string"},"type":"object"}`,
		"self":    `{"$ref":"#/definitions/schema.sample"}`,
		"any":     `true`,
		"module":  `{"properties":{"handler":{"type":"string"}},"required":["handler"],"type":"object"}`,
		"match":   `{"items":{"$ref":"#/definitions/http.matchers"},"type":"array"}`,
		"headers": `{"additionalProperties":{"items":{"type":"string"},"type":["array","null"]},"type":"object"}`,
		"list":    `{"items":{"$ref":"#/definitions/schema.Inner"},"type":"array"}`,
		"on":      `{"type":"boolean"}`,
	}
	for name, schema := range read.Properties {
		if string(schema) != want[name] {
			t.Errorf("%s: got %s, want %s", name, schema, want[name])
		}
	}
	if len(read.Properties) != len(want) {
		t.Errorf("got %d properties, want %d", len(read.Properties), len(want))
	}
	for _, name := range []string{"duration", "schema.sample", "schema.Inner", "http.matchers"} {
		if read.Definitions[name] == nil {
			t.Errorf("no definition of %s", name)
		}
	}
}

// TestOneOfModules checks the schema of a module whose name is in its JSON.
func TestOneOfModules(t *testing.T) {
	type holder struct {
		Matcher json.RawMessage `json:"matcher,omitempty" caddy:"namespace=http.matchers inline_key=kind"`
	}
	all := Of(reflect.TypeFor[holder](), "Holder", func(reflect.Type) Words { return Words{} }, "http.matchers")
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"matcher":{"$ref":"#/definitions/http.matchers"}`,
		`"required":["kind"]`,
		`{"if":{"properties":{"kind":{"const":"client_ip"}},"required":["kind"]},"then":{"$ref":"#/definitions/http.matchers.client_ip"}}`,
	} {
		if !strings.Contains(string(data), part) {
			t.Errorf("%s is not in %s", part, data)
		}
	}
}
