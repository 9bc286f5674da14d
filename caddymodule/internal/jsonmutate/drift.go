package jsonmutate

import (
	"encoding/json"
	"strings"
)

// absent is the type of a value that does not exist.
const absent = "absent"

func drop(*subject, int) edit { return edit{drops: true, is: absent} }

// The variants of retype.
const (
	toString = iota
	toNumber
	toBoolean
	toArray
	toFirst
)

// retypes returns the types that a value can have instead.
func retypes(s *subject) (v variants) {
	switch s.typ {
	case "array":
		if s.hasValues(s.i) {
			v = 1 << toFirst
		}
		return v
	case "number", "boolean":
		v = 1 << toString
	case "string":
		switch inside := s.raw[1 : len(s.raw)-1]; {
		case inside == "true" || inside == "false":
			v = 1 << toBoolean
		case isNumber(inside):
			v = 1 << toNumber
		}
	}
	return v | 1<<toArray
}

func isNumber(text string) bool {
	return text != "" && strings.IndexByte("-0123456789", text[0]) >= 0 && strings.IndexByte(" \t\r\n", text[len(text)-1]) < 0 && json.Valid([]byte(text))
}

func retype(s *subject, variant int) edit {
	switch {
	case variant == toString:
		return s.to(`"` + s.raw + `"`)
	case variant == toNumber || variant == toBoolean:
		return s.to(s.raw[1 : len(s.raw)-1])
	case variant == toFirst:
		return s.to(s.Document.raw(s.i + 1))
	case s.typ != "object":
		return s.to("[" + s.raw + "]")
	}
	var values []string
	for _, child := range s.children(s.i) {
		values = append(values, s.Document.raw(child))
	}
	return s.to("[" + strings.Join(values, ", ") + "]")
}

// ifRenamable requires a new name that no other member has.
func ifRenamable(s *subject) variants {
	return oneIf(s.isMember(s.i) && !s.hasName(s.parent, renamed(s.name)))
}

func rename(s *subject, _ int) edit {
	name := renamed(s.name)
	return edit{from: s.key, to: s.keyEnd, text: quote(name), is: s.typ, name: name}
}

// addedName is the name of the new member of add.
const addedName = "x_added"

func ifAddable(s *subject) variants { return oneIf(s.typ == "object" && !s.hasName(s.i, addedName)) }

func add(s *subject, _ int) edit {
	text := `"` + addedName + `": true`
	if s.hasValues(s.i) {
		text += ", "
	}
	return edit{from: s.start + 1, to: s.start + 1, text: text, is: s.typ}
}

// unknownWord is the string that enum writes.
const unknownWord = `"UNKNOWN_VALUE"`

func ifOtherString(raw string) func(*subject) variants {
	return func(s *subject) variants { return oneIf(s.typ == "string" && s.raw != raw) }
}

// wrapName is the name of the only member of an object around a document.
const wrapName = "data"

// nest takes a wrap off the document, or puts one around it.
func nest(s *subject, _ int) edit {
	if s.typ == "object" && s.hasValues(0) && s.nodes[1].name == wrapName && s.nodes[1].after == len(s.nodes) {
		return s.to(s.Document.raw(1))
	}
	return s.to(`{"` + wrapName + `": ` + s.raw + "}")
}
