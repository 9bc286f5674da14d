package schema

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// module describes a module whose name is in its JSON, by the tag of its field.
func (b *builder) module(tag reflect.StructTag) any {
	opts, err := caddy.ParseStructTag(tag.Get("caddy"))
	namespace, key := opts["namespace"], opts["inline_key"]
	switch {
	case err != nil || key == "":
		return true
	case !slices.Contains(b.namespaces, namespace):
		return Object{"type": "object", "properties": Object{key: Object{"type": "string"}}, "required": []string{key}}
	}
	return b.define(namespace, func() Object { return b.oneOfModules(namespace, key) })
}

// oneOfModules describes any module of a namespace. A member has the name of the module,
// which says what the other members may be.
func (b *builder) oneOfModules(namespace, key string) Object {
	var names []string
	var all []any
	for _, info := range caddy.GetModules(namespace) {
		name := strings.TrimPrefix(string(info.ID), namespace+".")
		names = append(names, name)
		t := reflect.TypeOf(info.New())
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(readsJSON) {
			continue // only the module knows its JSON
		}
		all = append(all, Object{
			"if":   Object{"properties": Object{key: Object{"const": name}}, "required": []string{key}},
			"then": b.define(string(info.ID), func() Object { return b.fields(t, key) }),
		})
	}
	return Object{
		"type": "object", "required": []string{key}, "allOf": all,
		"properties": Object{key: Object{"enum": names}},
	}
}

// modules describes an object with modules of a namespace by their names.
func (b *builder) modules(namespace string) Object {
	return b.define(namespace, func() Object {
		properties := make(Object)
		for _, info := range caddy.GetModules(namespace) {
			properties[info.ID.Name()] = true
		}
		return Object{"type": "object", "properties": properties, "additionalProperties": false}
	})
}

// withTag adds what the tag `schema` says of the values: `enum=a|b`, `min=0` or `max=100`.
func withTag(schema Object, tag reflect.StructTag) Object {
	words := map[string]string{"min": "minimum", "max": "maximum"}
	for part := range strings.SplitSeq(tag.Get("schema"), ",") {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case name == "enum":
			schema["enum"] = strings.Split(value, "|")
		case words[name] != "":
			schema[words[name]] = json.Number(value)
		}
	}
	return schema
}
