// Package jsonmutate changes JSON texts as a careless release of a server would. A member
// is gone, null, renamed or of another type. The package lists the changes that are
// possible in a text, in the order of the text, and makes some of them. All other bytes
// remain as written. The package has no notion of faults.
package jsonmutate

import (
	"encoding/json"
	"errors"
	"strings"
)

// Errors of [Parse].
var (
	ErrNotJSON = errors.New("the text is not JSON")
	ErrTooMany = errors.New("the text has too many values")
)

// MaxValues limits the number of values in a text. The nodes of that many take 9 MB.
const MaxValues = 100_000

// A Document is a parsed text.
type Document struct {
	text  string
	nodes []node // in the order of the text
	names map[nameKey]bool
}

// A node is a value in a text.
type node struct {
	lead        int    // where the text of the member or element begins
	key, keyEnd int    // the name of a member, with its quotes
	start, end  int    // the value
	name        string // of a member, decoded
	parent      int    // -1: none
	index       int    // among the values of the parent
	after       int    // the next node that is not within this one
	depth       int
}

// nameKey is a name in an object.
type nameKey struct {
	parent int
	name   string
}

// Parse parses a text. It returns [ErrNotJSON] or [ErrTooMany] if it cannot.
func Parse(text []byte) (*Document, error) {
	if !json.Valid(text) { // also limits the depth
		return nil, ErrNotJSON
	}
	p := parser{text: string(text)}
	if !p.value(node{parent: -1}) {
		return nil, ErrTooMany
	}
	return &Document{text: p.text, nodes: p.nodes}, nil
}

// A parser reads a text that is known to be JSON.
type parser struct {
	text  string
	at    int
	nodes []node
}

// value reads a value. It returns false if there are too many.
func (p *parser) value(n node) bool {
	if len(p.nodes) == MaxValues {
		return false
	}
	p.space()
	i, ok := len(p.nodes), true
	n.start = p.at
	p.nodes = append(p.nodes, n)
	switch p.text[p.at] {
	case '{', '[':
		ok = p.children(i)
	case '"':
		p.quoted()
	default:
		rest := strings.IndexAny(p.text[p.at:], ",]} \t\r\n")
		if rest < 0 {
			rest = len(p.text) - p.at
		}
		p.at += rest
	}
	p.nodes[i].end, p.nodes[i].after = p.at, len(p.nodes)
	return ok
}

// children reads an object or an array.
func (p *parser) children(parent int) bool {
	isObject, depth := p.text[p.at] == '{', p.nodes[parent].depth+1
	p.at++
	for index := 0; ; index++ {
		child := node{lead: p.at, parent: parent, index: index, depth: depth}
		p.space()
		if c := p.text[p.at]; c == '}' || c == ']' {
			p.at++
			return true
		}
		if isObject {
			child.key = p.at
			p.quoted()
			child.keyEnd = p.at
			child.name = unquote(p.text[child.key:child.keyEnd])
			p.space()
			p.at++ // the colon
		}
		if !p.value(child) {
			return false
		}
		p.space()
		p.at++ // a comma, or the end
		if p.text[p.at-1] != ',' {
			return true
		}
	}
}

// quoted reads a string.
func (p *parser) quoted() {
	for p.at++; p.text[p.at] != '"'; p.at++ {
		if p.text[p.at] == '\\' {
			p.at++
		}
	}
	p.at++
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// unquote returns the value of a string.
func unquote(quoted string) (text string) {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	_ = json.Unmarshal([]byte(quoted), &text) // is known to be JSON
	return text
}

// raw returns the text of a value.
func (d *Document) raw(i int) string { return d.text[d.nodes[i].start:d.nodes[i].end] }

// typeOf returns the type of a value, by its text.
func typeOf(raw string) string {
	switch raw[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

func (d *Document) typ(i int) string { return typeOf(d.raw(i)) }

// isMember reports whether a value has a name.
func (d *Document) isMember(i int) bool { return d.nodes[i].keyEnd > 0 }

// hasValues reports whether an object or an array is not empty.
func (d *Document) hasValues(i int) bool { return d.nodes[i].after > i+1 }

// children returns the values of an object or an array.
func (d *Document) children(i int) (list []int) {
	for child := i + 1; child < d.nodes[i].after; child = d.nodes[child].after {
		list = append(list, child)
	}
	return list
}

// hasName reports whether an object has a member with this name.
func (d *Document) hasName(object int, name string) bool {
	if d.names == nil {
		d.names = make(map[nameKey]bool)
		for _, n := range d.nodes {
			if n.keyEnd > 0 {
				d.names[nameKey{n.parent, n.name}] = true
			}
		}
	}
	return d.names[nameKey{object, name}]
}

// within reports whether a is b, or is in it.
func (d *Document) within(a, b int) bool { return a >= b && a < d.nodes[b].after }
