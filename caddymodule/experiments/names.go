package experiments

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// maxDepth is how deep objects and lists may stand in each other. What looks at
// JSON here takes time and memory by the depth.
const maxDepth = 100

// checkDepth refuses JSON that is deeper.
func checkDepth(data []byte) error {
	depth, inText, escaped := 0, false, false
	for _, ch := range data {
		switch {
		case escaped:
			escaped = false
		case inText:
			escaped, inText = ch == '\\', ch != '"'
		case ch == '"':
			inText = true
		case ch == '{' || ch == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("more than %d objects and lists in each other", maxDepth)
			}
		case ch == '}' || ch == ']':
			depth--
		}
	}
	return nil
}

// Unique refuses JSON in which a name stands twice in an object: of its values
// one would be used, and another one seen. It refuses what is too deep, as well.
func Unique(data []byte) error {
	if err := checkDepth(data); err != nil {
		return err
	}
	return unique(data)
}

func unique(data []byte) error {
	pass := func(string, string) error { return nil }
	return walk("", json.NewDecoder(bytes.NewReader(data)), pass, pass)
}

// walk reads a value. It calls name for each name of a member, with the place of
// its object, and text for each text that is a value, with its own.
func walk(field string, dec *json.Decoder, name, text func(field, what string) error) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case string:
		return text(field, token)
	case json.Delim:
		seen := make(map[string]bool)
		for i := 0; dec.More(); i++ {
			within := fmt.Sprintf("%s[%d]", field, i)
			if token == '{' {
				if within, err = readName(field, dec, seen, name); err != nil {
					return err
				}
			}
			if err := walk(within, dec, name, text); err != nil {
				return err
			}
		}
		_, err = dec.Token() // closes it
	}
	return err
}

// readName reads the name of a member and tells where its value stands.
func readName(field string, dec *json.Decoder, seen map[string]bool, check func(field, name string) error) (within string, err error) {
	token, err := dec.Token()
	if err != nil {
		return "", err
	}
	name := token.(string)
	within = member(field, name)
	if seen[name] {
		return "", fmt.Errorf("%s: it is there twice", within)
	}
	seen[name] = true
	return within, check(field, name)
}

// member is where a member of an object stands.
func member(field, name string) string { return strings.TrimPrefix(field+"."+name, ".") }

var readsItself = reflect.TypeFor[json.Unmarshaler]()

// checkCase refuses the name of a field that is not written as the field is.
// Package encoding/json takes it in any case, but not who compares or patches
// the JSON. It looks into the faults as well; matchers are Caddy's own, and the
// names in maps, such as those of header fields, are free.
func checkCase(field string, data []byte, t reflect.Type, tag reflect.StructTag) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[json.RawMessage]():
		return checkModule(field, data, tag)
	case reflect.PointerTo(t).Implements(readsItself):
		return nil
	case t.Kind() == reflect.Struct:
		return checkFields(field, data, t)
	case t.Kind() == reflect.Slice:
		var items []json.RawMessage
		_ = json.Unmarshal(data, &items) // it has been read as that type before
		for i, item := range items {
			if err := checkCase(fmt.Sprintf("%s[%d]", field, i), item, t.Elem(), tag); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Map:
		items := membersOf(data)
		for _, name := range slices.Sorted(maps.Keys(items)) {
			if err := checkCase(member(field, name), items[name], t.Elem(), tag); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkModule looks into a module that has its name in it. One that is not there
// is not for here to tell.
func checkModule(field string, data []byte, tag reflect.StructTag) error {
	opts, err := caddy.ParseStructTag(tag.Get("caddy"))
	if err != nil || opts["inline_key"] == "" {
		return nil
	}
	var name string
	_ = json.Unmarshal(membersOf(data)[opts["inline_key"]], &name)
	info, err := caddy.GetModule(opts["namespace"] + "." + name)
	if err != nil {
		return nil
	}
	return checkCase(field, data, reflect.TypeOf(info.New()), "")
}

// checkFields looks at the fields of a struct.
func checkFields(field string, data []byte, t reflect.Type) error {
	known := make(map[string]reflect.StructField)
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			known[name] = f
		}
	}
	members := membersOf(data)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if f, ok := known[name]; ok {
			if err := checkCase(member(field, name), members[name], f.Type, f.Tag); err != nil {
				return err
			}
			continue
		}
		for other := range known {
			if strings.EqualFold(name, other) {
				return fmt.Errorf("%s: the field is written '%s'", member(field, name), other)
			}
		}
	}
	return nil
}

// membersOf are the members of an object, none if it is something else.
func membersOf(data []byte) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(data, &members)
	return members
}
