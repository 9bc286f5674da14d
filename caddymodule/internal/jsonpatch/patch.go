package jsonpatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrNoMember means that a pointer names nothing in a document, or that the operation
// `test` has found another value.
var ErrNoMember = errors.New("the document does not have the value that the patch names")

// A Patch is a JSON Patch (RFC 6902) with one more operation. The operation `set`
// replaces a value or adds a member. In an array it replaces an element, where `add`
// inserts one.
type Patch []Operation

// An Operation is one step of a Patch.
type Operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	From  *string         `json:"from,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`

	path, from Pointer
}

// ParsePatch parses a JSON array of operations.
func ParsePatch(text []byte) (Patch, error) {
	var p Patch
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return nil, err
	}
	for i := range p {
		if err := p[i].parse(); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i+1, err)
		}
	}
	return p, nil
}

// operations lists the members that each operation needs besides its path.
var operations = map[string]struct{ value, from bool }{
	"add":     {value: true},
	"remove":  {},
	"replace": {value: true},
	"set":     {value: true},
	"move":    {from: true},
	"copy":    {from: true},
	"test":    {value: true},
}

func (o *Operation) parse() (err error) {
	needs, known := operations[o.Op]
	switch {
	case !known:
		return fmt.Errorf("unknown op '%s': want add, remove, replace, move, copy, test or set", o.Op)
	case needs.value != (o.Value != nil):
		return fmt.Errorf("%s %s", o.Op, needsOrNot(needs.value, "value"))
	case needs.from != (o.From != nil):
		return fmt.Errorf("%s %s", o.Op, needsOrNot(needs.from, "from"))
	}
	if o.path, err = ParsePointer(o.Path); err != nil {
		return err
	}
	if o.From != nil {
		if o.from, err = ParsePointer(*o.From); err != nil {
			return err
		}
	}
	switch {
	case len(o.path) == 0 && o.Op == "remove":
		return errors.New("remove '' would remove the whole document; for an empty body, use body")
	case o.Op == "move" && len(o.from) < len(o.path) && slices.Equal(o.from, o.path[:len(o.from)]):
		return fmt.Errorf("move cannot move '%s' into itself", *o.From)
	}
	return nil
}

func needsOrNot(needs bool, name string) string {
	if needs {
		return "needs the member '" + name + "'"
	}
	return "does not take the member '" + name + "'"
}

// Apply applies all operations in order to a valid JSON document. It returns
// [ErrNoMember] if one of them fails. Values that the patch does not name remain byte for
// byte as written.
func (p Patch) Apply(document []byte) ([]byte, error) {
	for i := range p {
		var err error
		if document, err = p[i].apply(document); err != nil {
			return nil, err
		}
	}
	return document, nil
}

func (o *Operation) apply(document []byte) ([]byte, error) {
	value := []byte(o.Value)
	if o.From != nil {
		var err error
		if value, err = o.from.get(document); err != nil {
			return nil, err
		}
		value = bytes.TrimSpace(value)
	}
	switch o.Op {
	case "test":
		found, err := o.path.get(document)
		if err != nil || !equal(found, value) {
			return nil, ErrNoMember
		}
		return document, nil
	case "remove":
		return o.path.edit(document, remove)
	case "move":
		if len(o.from) == len(o.path) && slices.Equal(o.from, o.path) {
			return document, nil
		}
		var err error
		if document, err = o.from.edit(document, remove); err != nil {
			return nil, err
		}
	}
	if len(o.path) == 0 {
		return value, nil
	}
	put := putter{value: value, inserts: o.Op != "set" && o.Op != "replace", adds: o.Op != "replace"}
	return o.path.edit(document, put.put)
}

func remove(o *object, token string) error {
	places := o.find(token)
	if len(places) == 0 {
		return ErrNoMember
	}
	for _, i := range places {
		o.members[i].value = nil
	}
	return nil
}

// A putter puts a value into an object or array.
type putter struct {
	value   []byte
	inserts bool // into an array, before the element
	adds    bool // what does not exist
}

func (p putter) put(o *object, token string) error {
	places := o.find(token)
	switch i, isIndex := index(token); {
	case o.array && p.inserts && len(places) == 1:
		lead := o.members[i].indent()
		o.members = slices.Insert(o.members, i, member{lead: lead, value: p.value})
		return nil
	case len(places) > 0:
		for _, at := range places {
			o.members[at].value = p.value
		}
		return nil
	case !p.adds:
		return ErrNoMember
	case !o.array:
		o.add(token, o.newLead(token), p.value)
		return nil
	case token == "-", p.inserts && isIndex && i == len(o.members):
		o.add("", nil, p.value)
		return nil
	}
	return ErrNoMember
}

// equal reports whether two texts have the same JSON value, as RFC 6902 defines it.
func equal(a, b []byte) bool {
	x, errX := Decode(a)
	y, errY := Decode(b)
	return errX == nil && errY == nil && Equal(x, y)
}

// Decode decodes a JSON text for [Pointer.In] and [Equal]. Numbers keep their digits.
func Decode(text []byte) (value any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return value, nil
}

// Equal reports whether two decoded values are the same. Numbers are compared by value
// and not by their digits: 1 is 1.0.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for name, value := range x {
			if other, ok := y[name]; !ok || !Equal(value, other) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, Equal)
	case json.Number:
		y, ok := b.(json.Number)
		return ok && equalNumbers(x, y)
	default:
		return a == b
	}
}

// equalNumbers compares whole numbers by their digits, because a float64 has too few.
func equalNumbers(x, y json.Number) bool {
	if isWhole(x) && isWhole(y) {
		return x == y || isZero(x) && isZero(y)
	}
	f, errX := x.Float64()
	g, errY := y.Float64()
	return x == y || errX == nil && errY == nil && f == g
}

func isWhole(n json.Number) bool { return !strings.ContainsAny(string(n), ".eE") }

func isZero(n json.Number) bool { return n == "0" || n == "-0" }
