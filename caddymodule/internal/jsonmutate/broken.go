package jsonmutate

import (
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The variants of encoding.
const (
	toUTF16 = iota
	toLatin1
	withMark
)

// encodings returns the encodings that a document can have instead. In Latin-1, a text
// in ASCII is the same.
func encodings(s *subject) variants {
	if s.parent >= 0 {
		return 0
	}
	v := variants(1<<toUTF16 | 1<<withMark)
	if strings.ContainsFunc(s.text, func(c rune) bool { return c >= utf8.RuneSelf }) {
		v |= 1 << toLatin1
	}
	return v
}

func encode(s *subject, variant int) edit {
	e := edit{to: len(s.text), was: "UTF-8"}
	switch variant {
	case toUTF16:
		out := append(make([]byte, 0, 2*len(s.text)+2), 0xff, 0xfe)
		for _, unit := range utf16.Encode([]rune(s.text)) {
			out = append(out, byte(unit), byte(unit>>8))
		}
		e.text, e.is = string(out), "UTF-16"
	case toLatin1:
		out := make([]byte, 0, len(s.text))
		for _, c := range s.text {
			if c > 0xff {
				c = '?'
			}
			out = append(out, byte(c))
		}
		e.text, e.is = string(out), "Latin-1"
	default:
		e.text, e.is = "\ufeff"+s.text, "UTF-8 with BOM"
	}
	return e
}

// duplicate adds a member with the same name and another value.
func duplicate(s *subject, _ int) edit {
	other := "null"
	if s.typ == other {
		other = "false"
	}
	return edit{from: s.end, to: s.end, text: ", " + s.text[s.key:s.keyEnd] + ": " + other, is: typeOf(other)}
}

// members returns the texts of the members of an object, with the white space around
// them.
func (s *subject) members() (texts []string) {
	children := s.children(s.i)
	for k, child := range children {
		end := s.end
		if k+1 < len(children) {
			end = s.nodes[children[k+1]].lead
		}
		texts = append(texts, s.text[s.nodes[child].lead:end-1])
	}
	return texts
}

// ifReversible requires an object that differs if its members are reversed.
func ifReversible(s *subject) variants {
	if s.typ != "object" {
		return 0
	}
	texts := s.members()
	for k := range len(texts) / 2 {
		if texts[k] != texts[len(texts)-1-k] {
			return one
		}
	}
	return 0
}

func reverse(s *subject, _ int) edit {
	texts := s.members()
	slices.Reverse(texts)
	return s.to("{" + strings.Join(texts, ",") + "}")
}
