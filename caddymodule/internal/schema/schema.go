// Package schema describes Go types as JSON schema, in the way that Caddy decodes them.
// An editor uses the schema to complete and to check what people write.
//
// The package reads struct tags. It knows Caddy's modules, and it has no notion of
// faults: a caller names the namespaces of the modules that a schema describes.
package schema

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Object is a JSON schema, or a part of one.
type Object = map[string]any

// Draft is the version of JSON schema, which all editors know.
const Draft = "http://json-schema.org/draft-07/schema#"

// Words are what people write of a struct: the descriptions of its fields by their JSON
// names, and which fields are required.
type Words struct {
	Fields   map[string]string
	Required []string
}

// Texts returns the words of a struct, which may be empty.
type Texts func(t reflect.Type) Words

// builder describes types. Each struct and each namespace has a definition, so that they
// may contain each other.
type builder struct {
	namespaces  []string // whose modules are described
	texts       Texts
	definitions Object
}

// Of returns the schema of a struct. The modules of the namespaces are described by what
// is registered. Modules of others are any objects.
func Of(t reflect.Type, title string, texts Texts, namespaces ...string) Object {
	b := &builder{namespaces: namespaces, texts: texts, definitions: make(Object)}
	root := b.fields(t, "")
	root["$schema"], root["title"], root["definitions"] = Draft, title, b.definitions
	return root
}

var (
	readsJSON = reflect.TypeFor[json.Unmarshaler]()
	readsText = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// value describes a value of a type, with the tag of its field.
func (b *builder) value(t reflect.Type, tag reflect.StructTag) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[json.RawMessage]():
		return b.module(tag)
	case reflect.TypeFor[caddyhttp.RawMatcherSets]():
		return Object{"type": "array", "items": b.modules("http.matchers")}
	case reflect.TypeFor[caddy.Duration]():
		return b.duration()
	}
	if p := reflect.PointerTo(t); p.Implements(readsJSON) || p.Implements(readsText) {
		return scalar(t)
	}
	switch t.Kind() {
	case reflect.Struct:
		return b.define(t.String(), func() Object { return b.fields(t, "") })
	case reflect.Slice:
		return Object{"type": "array", "items": b.value(t.Elem(), tag)}
	case reflect.Map:
		return Object{"type": "object", "additionalProperties": b.mapValue(t.Elem(), tag)}
	default:
		return withTag(Object{"type": typeName(t.Kind())}, tag)
	}
}

// mapValue describes a value of a map. The values of a header field may be null, which
// means that a matcher wants no such field.
func (b *builder) mapValue(t reflect.Type, tag reflect.StructTag) any {
	if t == reflect.TypeFor[[]string]() {
		return Object{"type": []string{"array", "null"}, "items": Object{"type": "string"}}
	}
	return b.value(t, tag)
}

// typeName returns the name of a kind in JSON schema.
func typeName(kind reflect.Kind) string {
	switch kind {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Float32, reflect.Float64:
		return "number"
	default:
		return "integer"
	}
}

// scalar describes a type that reads its own JSON. Such a type is a text, or a number
// that may also be a text.
func scalar(t reflect.Type) any {
	switch t.Kind() {
	case reflect.String:
		return Object{"type": []string{"string", "number", "boolean"}}
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	default:
		return Object{"type": []string{"string", typeName(t.Kind())}}
	}
}

// durationPattern matches the texts that Caddy takes for a duration.
const durationPattern = `^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d))+)$`

func (b *builder) duration() Object {
	return b.define("duration", func() Object {
		return Object{"anyOf": []any{
			Object{"type": "string", "pattern": durationPattern},
			Object{"type": "integer", "description": "Nanoseconds."},
		}}
	})
}

// define returns a reference to a definition, which it makes unless it exists.
func (b *builder) define(name string, schema func() Object) Object {
	name = strings.ReplaceAll(name, "*", "")
	if b.definitions[name] == nil {
		b.definitions[name] = Object{} // for a type that contains itself
		b.definitions[name] = schema()
	}
	return Object{"$ref": "#/definitions/" + name}
}

// fields describes the fields of a struct. The JSON of a module also has its name, in the
// member key.
func (b *builder) fields(t reflect.Type, key string) Object {
	properties, written := make(Object), b.texts(t)
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		properties[name] = described(b.value(f.Type, f.Tag), written.Fields[name])
	}
	if key != "" {
		properties[key] = true
	}
	schema := Object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(written.Required) > 0 {
		schema["required"] = written.Required
	}
	return schema
}

// described adds a description. In this draft, a reference has nothing next to it.
func described(schema any, text string) any {
	of, ok := schema.(Object)
	switch {
	case text == "" || !ok:
		return schema
	case of["$ref"] != nil:
		return Object{"description": text, "allOf": []any{of}}
	}
	of["description"] = text
	return of
}
