// Package mergepatch applies JSON merge patches (RFC 7396). Values that a patch does
// not name remain byte for byte as written. The package has no notion of faults.
package mergepatch

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Apply applies a merge patch to a document with the algorithm of RFC 7396 section 2.
// Both must be valid JSON. Values that the patch does not name remain byte for byte as
// written. New members come last, in the order of the patch.
//
// Existing libraries do not offer this. github.com/evanphx/json-patch removes nulls
// from arrays, where they are values, and adds members in random order. Others read the
// document into a map, which loses the order and the digits of numbers.
func Apply(document, patch []byte) []byte {
	changes, ok := parseObject(patch)
	if !ok {
		return bytes.TrimSpace(patch)
	}
	target, ok := parseObject(document)
	if !ok {
		target = object{begin: []byte("{"), end: []byte("}")}
	}
	target.index()
	for _, change := range changes.members {
		target.change(change)
	}
	return target.text()
}

// An object is a JSON object, split into pieces of its text.
type object struct {
	begin   []byte // including the opening brace
	members []member
	end     []byte           // including the closing brace
	places  map[string][]int // of the members, by name; for changes
}

// A member is a name and its value, with the white space around them.
type member struct {
	name  string
	lead  []byte // the text before the value: name and colon
	value []byte // nil if removed
	after []byte // the text between the value and the comma
}

// parseObject splits a text. It returns false if the text is not a JSON object.
func parseObject(text []byte) (object, bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if brace, err := dec.Token(); err != nil || brace != json.Delim('{') {
		return object{}, false
	}
	at := dec.InputOffset()
	o := object{begin: text[:at]}
	for dec.More() {
		if n := len(o.members); n > 0 {
			comma := at + int64(bytes.IndexByte(text[at:], ','))
			o.members[n-1].after = text[at:comma]
			at = comma + 1
		}
		name, err := dec.Token()
		if err != nil {
			return object{}, false
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return object{}, false
		}
		end := dec.InputOffset()
		o.members = append(o.members, member{name: name.(string), lead: text[at : end-int64(len(value))], value: value})
		at = end
	}
	o.end = text[at:]
	return o, true
}

// index prepares the object for changes.
func (o *object) index() {
	o.places = make(map[string][]int, len(o.members))
	for i, m := range o.members {
		o.places[m.name] = append(o.places[m.name], i)
	}
}

// change merges one member of a patch into the object. If the object has the name more
// than once, change updates all of them, because readers differ in which one they use.
func (o *object) change(c member) {
	places, removed := o.places[c.name], string(c.value) == "null"
	for _, i := range places {
		if m := &o.members[i]; removed {
			m.value = nil
		} else {
			m.value = Apply(m.value, c.value)
		}
	}
	switch {
	case removed:
		delete(o.places, c.name)
	case len(places) == 0:
		o.add(c)
	}
}

// add appends a new member, indented like the last one.
func (o *object) add(c member) {
	var indent []byte
	if n := len(o.members); n > 0 {
		lead := o.members[n-1].lead
		indent = lead[:bytes.IndexByte(lead, '"')]
	}
	o.places[c.name] = []int{len(o.members)}
	o.members = append(o.members, member{
		name:  c.name,
		lead:  slices.Concat(indent, bytes.TrimLeft(c.lead, " \t\r\n")),
		value: Apply(nil, c.value), // drops the nulls of the patch
	})
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
