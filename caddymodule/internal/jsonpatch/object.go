// Package jsonpatch changes JSON texts in place. It has merge patches (RFC 7396), JSON
// Patch (RFC 6902) and JSON Pointer (RFC 6901). Values that a patch does not name remain
// byte for byte as written. The package has no notion of faults.
package jsonpatch

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// An object is a JSON object or array, split into pieces of its text.
type object struct {
	array   bool
	begin   []byte // including the opening brace or bracket
	members []member
	end     []byte           // including the closing brace or bracket
	places  map[string][]int // of the members, by name; for merge patches
}

// A member is a name and its value, with the white space around them. An element of an
// array has no name.
type member struct {
	name  string
	lead  []byte // the text before the value: name and colon
	value []byte // nil if removed
	after []byte // the text between the value and the comma
}

// parse splits a text. It returns false if the text is not a JSON object or array.
func parse(text []byte) (object, bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	open, err := dec.Token()
	if err != nil || open != json.Delim('{') && open != json.Delim('[') {
		return object{}, false
	}
	at := dec.InputOffset()
	o := object{array: open == json.Delim('['), begin: text[:at]}
	for dec.More() {
		if n := len(o.members); n > 0 {
			comma := at + int64(bytes.IndexByte(text[at:], ','))
			o.members[n-1].after = text[at:comma]
			at = comma + 1
		}
		m, ok := o.decode(dec)
		if !ok {
			return object{}, false
		}
		end := dec.InputOffset()
		m.lead = text[at : end-int64(len(m.value))]
		o.members = append(o.members, m)
		at = end
	}
	o.end = text[at:]
	return o, true
}

// decode reads the name and the value of a member.
func (o *object) decode(dec *json.Decoder) (m member, ok bool) {
	if !o.array {
		name, err := dec.Token()
		if err != nil {
			return m, false
		}
		m.name, _ = name.(string)
	}
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return m, false
	}
	m.value = value
	return m, true
}

// index prepares the object for a merge patch.
func (o *object) index() {
	o.places = make(map[string][]int, len(o.members))
	for i, m := range o.members {
		o.places[m.name] = append(o.places[m.name], i)
	}
}

// find returns the places of a name, or the place of an index.
func (o *object) find(token string) (places []int) {
	if o.array {
		if i, ok := index(token); ok && i < len(o.members) {
			places = []int{i}
		}
		return places
	}
	for i, m := range o.members {
		if m.name == token {
			places = append(places, i)
		}
	}
	return places
}

// index parses an index as RFC 6901 writes it: without a sign or leading zeros.
func index(token string) (int, bool) {
	i, err := strconv.Atoi(token)
	return i, err == nil && strconv.Itoa(i) == token && i >= 0
}

// add appends a new member, indented like the last one. The lead of an element has no
// name.
func (o *object) add(name string, lead, value []byte) {
	var indent []byte
	if n := len(o.members); n > 0 {
		indent = o.members[n-1].indent()
	}
	if o.places != nil {
		o.places[name] = []int{len(o.members)}
	}
	o.members = append(o.members, member{
		name:  name,
		lead:  slices.Concat(indent, bytes.TrimLeft(lead, " \t\r\n")),
		value: value,
	})
}

// indent returns the white space before the member.
func (m *member) indent() []byte {
	return m.lead[:len(m.lead)-len(bytes.TrimLeft(m.lead, " \t\r\n"))]
}

// newLead returns the name and the colon of a new member, spaced like the last one.
func (o *object) newLead(name string) []byte {
	lead, _ := json.Marshal(name) // a string always marshals
	if n := len(o.members); n > 0 {
		last := o.members[n-1].lead
		return append(lead, last[bytes.LastIndexByte(last, '"')+1:]...)
	}
	return append(lead, ':')
}

// text returns the object as JSON.
func (o *object) text() []byte {
	text := slices.Clone(o.begin)
	left := slices.DeleteFunc(o.members, func(m member) bool { return m.value == nil })
	for i, m := range left {
		text = append(append(text, m.lead...), m.value...)
		if i < len(left)-1 {
			text = append(append(text, m.after...), ',')
		}
	}
	return append(text, o.end...)
}
