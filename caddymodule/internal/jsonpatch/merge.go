package jsonpatch

import "bytes"

// Merge applies a merge patch to a document with the algorithm of RFC 7396 section 2.
// Both must be valid JSON. Values that the patch does not name remain byte for byte as
// written. New members come last, in the order of the patch.
//
// Existing libraries do not offer this. github.com/evanphx/json-patch removes nulls
// within arrays, where they are values, and adds members in random order. It panics if a
// `test` of a JSON Patch finds null within an object. Others read the document into a
// map, which loses the order and the digits of numbers.
func Merge(document, patch []byte) []byte {
	changes, ok := parse(patch)
	if !ok || changes.array {
		return bytes.TrimSpace(patch)
	}
	target, ok := parse(document)
	if !ok || target.array {
		target = object{begin: []byte("{"), end: []byte("}")}
	}
	target.index()
	for _, change := range changes.members {
		target.change(change)
	}
	return target.text()
}

// change merges one member of a patch into the object. If the object has the name more
// than once, change updates all of them, because readers differ in which one they use.
func (o *object) change(c member) {
	places, removed := o.places[c.name], string(c.value) == "null"
	for _, i := range places {
		if m := &o.members[i]; removed {
			m.value = nil
		} else {
			m.value = Merge(m.value, c.value)
		}
	}
	switch {
	case removed:
		delete(o.places, c.name)
	case len(places) == 0:
		o.add(c.name, c.lead, Merge(nil, c.value)) // drops the nulls of the patch
	}
}
