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
	return Walk("", json.NewDecoder(bytes.NewReader(data)), Visitor{})
}

// mayBeNull is where a null means something: a header field that must not be
// there, and whatever a patch does to the JSON of a reply. The transport inside
// one of ours is Caddy's own.
var mayBeNull = regexp.MustCompile(`(?i)(^|\.)(match|not)\[\d+\]\.header\.[^[]+$` +
	`|(^|\.)match_response\.headers\.[^[]+$` +
	`|\]\.json($|[.[])` +
	`|^transport($|[.[])`)

// checkNulls refuses a null that stands for a value. Package encoding/json takes
// it for a zero, or for a field that is not there.
func checkNulls(data []byte) error {
	return Walk("", json.NewDecoder(bytes.NewReader(data)), Visitor{null: func(field string) error {
		if mayBeNull.MatchString(field) {
			return nil
		}
		return fmt.Errorf("%s: null is no value: leave it out, or write one", cmp.Or(field, "the JSON"))
	}})
}

// A Visitor is told of what stands in JSON; it need not look at everything.
type Visitor struct {
	Name func(field, name string) error // of a member, with the place of its object
	Text func(field, text string) error // that is a value, with its place
	null func(field string) error       // with its place
}

// Walk reads a value.
func Walk(field string, dec *json.Decoder, v Visitor) error {
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

// walkWithin reads what is in an object or a list.
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
	_, err = dec.Token() // closes it
	return err
}

// readName reads the name of a member and tells where its value stands.
func readName(field string, dec *json.Decoder, seen map[string]bool, v Visitor) (within string, err error) {
	token, err := dec.Token()
	if err != nil {
		return "", err
	}
	name := token.(string)
	within = Member(field, name)
	if seen[name] {
		return "", fmt.Errorf("%s: it is there twice", within)
	}
	seen[name] = true
	if v.Name != nil {
		err = v.Name(field, name)
	}
	return within, err
}

// Member is where a member of an object stands.
func Member(field, name string) string { return strings.TrimPrefix(field+"."+name, ".") }

var readsItself = reflect.TypeFor[json.Unmarshaler]()

// A checker looks at JSON that has been read as a type. It looks into the faults
// as well; matchers are Caddy's own, and the names in maps, such as those of
// header fields, are free.
type checker struct {
	anyCase bool   // names of fields may be written in any case
	failed  bool   // something is wrong; else what only Caddy refuses is for Caddy to tell
	owner   string // the module that the JSON is of; "": a rule, or what has rules
	key     string // the field with its name
}

// value refuses the name of a field that is not written as the field is, and a
// zero that package encoding/json cannot tell from a field that is not there. It
// takes names in any case, too, but not who compares or patches the JSON.
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
		_ = json.Unmarshal(data, &items) // it has been read as that type before
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

// module looks into a module that has its name in it.
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

// knownFields has the fields of the structs that have been looked at, by type. To
// ask package reflect for them takes longer than all the rest.
var knownFields sync.Map // of map[string]reflect.StructField

// fieldsOf are the fields of a struct by their names in JSON.
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

// fields looks at the fields of a struct.
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

// mayHoldFields reports whether there are fields to look at in a type. There are
// none in matchers, which are most of a large configuration.
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

// find finds a field by its name in JSON, in any case if need be.
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

// checkZero refuses the zero of a field that has the tag `zero:"default"`: its
// default is something else, and would be taken instead.
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

// membersOf are the members of an object, none if it is something else.
func membersOf(data []byte) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(data, &members)
	return members
}
