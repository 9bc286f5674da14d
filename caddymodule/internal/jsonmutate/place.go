package jsonmutate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caddyfault/caddyfault/caddymodule/internal/jsonpatch"
)

// The tokens of a pattern with a meaning.
const (
	anyToken   = "*"
	belowToken = "**"
)

// A Pattern is a JSON Pointer that may name many values. The token `*` is any member or
// element. The token `**` at the end is all that is within a value.
type Pattern struct {
	tokens jsonpatch.Pointer
	below  bool
}

// ParsePattern parses a pattern.
func ParsePattern(text string) (p Pattern, err error) {
	if p.tokens, err = jsonpatch.ParsePointer(text); err != nil {
		return p, err
	}
	if last := len(p.tokens) - 1; last >= 0 && p.tokens[last] == belowToken {
		p.tokens, p.below = p.tokens[:last], true
	}
	if slices.Contains(p.tokens, belowToken) {
		return p, fmt.Errorf("bad pointer '%s': ** can only be at its end; write * for each level", text)
	}
	return p, nil
}

// Covers reports whether no value that q names is outside of what p names.
func (p Pattern) Covers(q Pattern) bool {
	if len(q.tokens) < len(p.tokens) || p.below && len(q.tokens) == len(p.tokens) && !q.below {
		return false
	}
	for i, token := range p.tokens {
		if token != anyToken && token != q.tokens[i] {
			return false
		}
	}
	return true
}

// isRoot reports whether p names the whole document only.
func (p Pattern) isRoot() bool { return len(p.tokens) == 0 && !p.below }

// names reports whether the tokens of p name a value. Its depth must be their number.
func (p Pattern) names(d *Document, i int) bool {
	for _, want := range slices.Backward(p.tokens) {
		if want != anyToken && want != d.token(i) {
			return false
		}
		i = d.nodes[i].parent
	}
	return true
}

// token returns the last token of the pointer to a value.
func (d *Document) token(i int) string {
	if d.isMember(i) {
		return d.nodes[i].name
	}
	return strconv.Itoa(d.nodes[i].index)
}

// maxPointer limits the length of pointers that are told, in bytes.
const maxPointer = 256

var escapeToken = strings.NewReplacer("~", "~0", "/", "~1")

// pointer returns the pointer to a value. It cuts a long one.
func (d *Document) pointer(i int) string {
	var tokens []string
	for ; d.nodes[i].parent >= 0; i = d.nodes[i].parent {
		tokens = append(tokens, d.token(i))
	}
	var text strings.Builder
	for _, token := range slices.Backward(tokens) {
		text.WriteString("/" + escapeToken.Replace(strings.ToValidUTF8(token, "\ufffd")))
		if text.Len() > maxPointer {
			return cut(text.String(), maxPointer) + "…"
		}
	}
	return text.String()
}

// cut shortens a text without splitting a character.
func cut(text string, most int) string {
	for !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// marks says what the patterns name.
type marks uint8

const (
	selected   marks = 1 << iota // may change
	selectsAll                   // all within may change
	kept                         // must not change, with all that is in it
	keepsAll                     // all within must not change
	holdsKept                    // something within must not change
)

// mark looks for the values that the patterns name. Without a pattern in at, all may
// change.
func (d *Document) mark(at, notAt []Pattern) []marks {
	found := make([]marks, len(d.nodes))
	for i, n := range d.nodes {
		m := &found[i]
		if n.parent >= 0 {
			*m = inherited(found[n.parent])
		}
		if len(at) == 0 {
			*m |= selected
		}
		*m |= d.named(i, at, selected, selectsAll) | d.named(i, notAt, kept, keepsAll)
		for up := n.parent; *m&kept != 0 && up >= 0 && found[up]&holdsKept == 0; up = d.nodes[up].parent {
			found[up] |= holdsKept
		}
	}
	return found
}

// named returns one mark for a value that a pattern names, and below for one in which a
// pattern names all.
func (d *Document) named(i int, patterns []Pattern, one, below marks) (m marks) {
	for _, p := range patterns {
		switch {
		case d.nodes[i].depth != len(p.tokens) || !p.names(d, i):
		case p.below:
			m |= below
		default:
			m |= one
		}
	}
	return m
}

// inherited returns the marks of a value by those of its parent.
func inherited(parent marks) (m marks) {
	if parent&selectsAll != 0 {
		m |= selected | selectsAll
	}
	if parent&(kept|keepsAll) != 0 {
		m |= kept
	}
	return m
}
