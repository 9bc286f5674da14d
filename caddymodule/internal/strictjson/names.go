package strictjson

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// maxDepth is the maximum nesting of objects and lists. The functions here take time
// and memory in proportion to the depth.
const maxDepth = 100

// checkDepth refuses JSON with deeper nesting.
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
				return fmt.Errorf("nested more than %d levels deep", maxDepth)
			}
		case ch == '}' || ch == ']':
			depth--
		}
	}
	return nil
}

// Unique refuses JSON in which an object has a duplicate name: a reader could see one
// of the values while another is used. It also refuses JSON that is nested too deeply.
func Unique(data []byte) error {
	if err := checkDepth(data); err != nil {
		return err
	}
	return unique(data)
}

func unique(data []byte) error {
	return Walk("", json.NewDecoder(bytes.NewReader(data)), Visitor{})
}

// mayBeNull matches the places where null has a meaning: a header field that must be
// absent, and the values of a patch for the JSON of a reply. A transport inside a fault
// transport belongs to Caddy, so its nulls are not checked.
var mayBeNull = regexp.MustCompile(`(?i)(^|\.)(match|not)\[\d+\]\.header\.[^[]+$` +
	`|(^|\.)match_response\.headers\.[^[]+$` +
	`|\]\.json($|[.[])` +
	`|^transport($|[.[])`)

// checkNulls refuses a null for a value. Package encoding/json takes it for a zero or
// for an absent field.
func checkNulls(data []byte) error {
	return Walk("", json.NewDecoder(bytes.NewReader(data)), Visitor{null: func(field string) error {
		if mayBeNull.MatchString(field) {
			return nil
		}
		return fmt.Errorf("%s: null is not a value; write a value or leave the field out", cmp.Or(field, "the JSON"))
	}})
}

// A Visitor has functions that Walk calls for the parts of a JSON value. Each may be
// nil.
type Visitor struct {
	Name func(field, name string) error // for the name of a member, with the path of its object
	Text func(field, text string) error // for a text value, with its path
	null func(field string) error       // for a null, with its path
}

// Walk reads a value and calls the functions of v. A number may be of any size.
func Walk(field string, dec *json.Decoder, v Visitor) error {
	dec.UseNumber()
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case nil:
		if v.null != nil {
			return v.null(field)
		}
	case string:
		if v.Text != nil {
			return v.Text(field, token)
		}
	case json.Delim:
		return walkWithin(field, dec, v, token == '{')
	}
	return nil
}

// walkWithin reads the content of an object or a list.
func walkWithin(field string, dec *json.Decoder, v Visitor, object bool) (err error) {
	var seen map[string]bool
	if object {
		seen = make(map[string]bool)
	}
	for i := 0; dec.More(); i++ {
		var within string
		if object {
			within, err = readName(field, dec, seen, v)
		} else {
			within = field + "[" + strconv.Itoa(i) + "]"
		}
		if err == nil {
			err = Walk(within, dec, v)
		}
		if err != nil {
			return err
		}
	}
	_, err = dec.Token() // closes the object or list
	return err
}

// readName reads the name of a member and returns the path of its value.
func readName(field string, dec *json.Decoder, seen map[string]bool, v Visitor) (within string, err error) {
	token, err := dec.Token()
	if err != nil {
		return "", err
	}
	name := token.(string)
	within = Member(field, name)
	if seen[name] {
		return "", fmt.Errorf("%s: duplicate key", within)
	}
	seen[name] = true
	if v.Name != nil {
		err = v.Name(field, name)
	}
	return within, err
}

// Member returns the path of a member of an object. It cuts a long name, because each
// value within has a path with the name.
func Member(field, name string) string {
	return strings.TrimPrefix(field+"."+words.Cut(name, words.MaxWord), ".")
}

var readsItself = reflect.TypeFor[json.Unmarshaler]()

// A checker checks JSON that has been decoded as a type. It also checks the faults in
// it. It skips matchers, which belong to Caddy, and allows any names in maps, such as
// those of header fields.
type checker struct {
	anyCase bool   // accept names of fields in any case
	failed  bool   // Caddy could not load the JSON; otherwise, errors that Caddy reports are left to Caddy
	owner   string // the module of the JSON; empty for a rule, or for an object with rules
	key     string // the field that holds the name of the module
}

// value refuses a field name in the wrong case, and a zero that package encoding/json
// cannot distinguish from an absent field. That package accepts names in any case, but
// programs that compare or patch the JSON do not.
func (c checker) value(field string, data []byte, t reflect.Type, tag reflect.StructTag) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[json.RawMessage]():
		return c.module(field, data, tag)
	case c.failed && t == reflect.TypeFor[caddy.Duration]():
		return located(field, checkDuration(data))
	case reflect.PointerTo(t).Implements(readsItself):
		return nil
	case t.Kind() == reflect.Struct:
		return c.fields(field, data, t)
	case t.Kind() == reflect.Slice:
		var items []json.RawMessage
		_ = json.Unmarshal(data, &items) // it has been decoded as this type before
		for i, item := range items {
			if err := c.value(fmt.Sprintf("%s[%d]", field, i), item, t.Elem(), tag); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Map:
		items := membersOf(data)
		for _, name := range slices.Sorted(maps.Keys(items)) {
			if err := c.value(Member(field, name), items[name], t.Elem(), tag); err != nil {
				return err
			}
		}
	}
	return nil
}

// module checks a module whose name is in its JSON.
func (c checker) module(field string, data []byte, tag reflect.StructTag) error {
	opts, err := caddy.ParseStructTag(tag.Get("caddy"))
	if err != nil || opts["inline_key"] == "" {
		return nil
	}
	var name string
	_ = json.Unmarshal(membersOf(data)[opts["inline_key"]], &name)
	key, namespace := opts["inline_key"], opts["namespace"]
	if name == "" && c.failed {
		return located(field, unnamedModule(key, namespace, data))
	}
	info, err := caddy.GetModule(namespace + "." + name)
	switch {
	case err != nil && !c.failed:
		return nil
	case err != nil:
		return located(Member(field, key), unknownModule(key, namespace, name))
	}
	c.owner, c.key = name, key
	return c.value(field, data, reflect.TypeOf(info.New()), "")
}

// knownFields caches the fields of structs by type. Package reflect takes longer to
// list them than all other checks together.
var knownFields sync.Map // of map[string]reflect.StructField

// fieldsOf returns the fields of a struct by their JSON names.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	if known, ok := knownFields.Load(t); ok {
		return known.(map[string]reflect.StructField)
	}
	fields := make(map[string]reflect.StructField)
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" && options == "" && f.IsExported() && !f.Anonymous {
			name = f.Name
		}
		if name != "" && name != "-" {
			fields[name] = f
		}
	}
	knownFields.Store(t, fields)
	return fields
}

// fields checks the fields of a struct.
func (c checker) fields(field string, data []byte, t reflect.Type) error {
	known := fieldsOf(t)
	members := membersOf(data)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		written, f := find(known, name)
		within := Member(field, name)
		switch {
		case written == "" && (name == c.key || !c.failed):
			continue
		case written == "":
			return located(field, unknownField(name, cmp.Or(c.owner, ownerOf(t)), known))
		case written != name && !c.anyCase:
			return fmt.Errorf("%s: the field is written '%s'", within, written)
		}
		if err := checkZero(within, members[name], f); err != nil {
			return err
		}
		if c.anyCase && !c.failed && !mayHoldFields(f.Type, f.Tag) {
			continue
		}
		if err := c.value(within, members[name], f.Type, f.Tag); err != nil {
			return err
		}
	}
	return nil
}

// mayHoldFields reports whether values of a type can have fields to check. Matchers
// have no such fields, and they are most of a large configuration.
func mayHoldFields(t reflect.Type, tag reflect.StructTag) bool {
	if t == reflect.TypeFor[json.RawMessage]() {
		return strings.Contains(tag.Get("caddy"), "inline_key=")
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return mayHoldFields(t.Elem(), tag)
	default:
		return t.Kind() == reflect.Struct
	}
}

// find returns the field with a JSON name, in any case if the exact name does not
// exist.
func find(known map[string]reflect.StructField, name string) (written string, f reflect.StructField) {
	if f, ok := known[name]; ok {
		return name, f
	}
	for written, f := range known {
		if strings.EqualFold(name, written) {
			return written, f
		}
	}
	return "", f
}

// checkZero refuses a zero for a field that has the tag `zero:"default"`. The default
// of such a field is not zero, and would be used instead.
func checkZero(field string, data []byte, f reflect.StructField) error {
	if f.Tag.Get("zero") != "default" {
		return nil
	}
	value := reflect.New(f.Type)
	if json.Unmarshal(data, value.Interface()) != nil || !value.Elem().IsZero() {
		return nil
	}
	return fmt.Errorf("bad %s %s: want more than 0; leave it out for the default", field, data)
}

// membersOf returns the members of an object, or nil for any other value.
func membersOf(data []byte) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(data, &members)
	return members
}
