package jsonpatch

import (
	"fmt"
	"strings"
)

// A Pointer is a parsed JSON Pointer (RFC 6901): the names and indexes on the way to a
// value. An empty Pointer is the whole document.
type Pointer []string

var (
	unescape = strings.NewReplacer("~1", "/", "~0", "~")
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
)

// ParsePointer parses a pointer, such as /errors/0/code. An empty text is the whole
// document.
func ParsePointer(text string) (Pointer, error) {
	if text == "" {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return nil, fmt.Errorf("bad pointer '%s': must begin with a slash; write /%s", text, strings.ReplaceAll(text, ".", "/"))
	}
	p := strings.Split(rest, "/")
	for i, token := range p {
		bare := unescape.Replace(token)
		if escape.Replace(bare) != token {
			return nil, fmt.Errorf("bad pointer '%s': after ~ want 0 for a tilde or 1 for a slash", text)
		}
		p[i] = bare
	}
	return p, nil
}

// In returns the value that p points to in a document that package json has decoded
// into an any.
func (p Pointer) In(document any) (value any, ok bool) {
	value = document
	for _, token := range p {
		switch v := value.(type) {
		case map[string]any:
			if value, ok = v[token]; !ok {
				return nil, false
			}
		case []any:
			i, ok := index(token)
			if !ok || i >= len(v) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// get returns the text of the value that p points to. Of several members with one name,
// the last counts, as in package json.
func (p Pointer) get(document []byte) ([]byte, error) {
	for _, token := range p {
		o, _ := parse(document)
		places := o.find(token)
		if len(places) == 0 {
			return nil, ErrNoMember
		}
		document = o.members[places[len(places)-1]].value
	}
	return document, nil
}

// edit changes the object or array that has the last token of p, and returns the new
// document. Of several members with one name it changes all, because readers differ in
// which one they use.
func (p Pointer) edit(document []byte, change func(o *object, token string) error) ([]byte, error) {
	o, ok := parse(document)
	if !ok {
		return nil, ErrNoMember
	}
	if len(p) == 1 {
		err := change(&o, p[0])
		return o.text(), err
	}
	places := o.find(p[0])
	if len(places) == 0 {
		return nil, ErrNoMember
	}
	for _, i := range places {
		var err error
		if o.members[i].value, err = p[1:].edit(o.members[i].value, change); err != nil {
			return nil, err
		}
	}
	return o.text(), nil
}
