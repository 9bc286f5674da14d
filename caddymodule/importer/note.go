package importer

import (
	"fmt"
	"strings"
	"unicode"
)

// NoteKind says what a note is about.
type NoteKind string

// The kinds of notes. LeftOut makes the exit code 2, and Approximate does so with
// --strict.
const (
	Approximate NoteKind = "approximate" // said, but not the same
	LeftOut     NoteKind = "left out"    // not said
	Elsewhere   NoteKind = "elsewhere"   // where the lines belong
	Skipped     NoteKind = "skipped"     // not a fault
	Remark      NoteKind = "remark"      // good to know
)

// Note is a remark about a place in a file.
type Note struct {
	File string   `json:"file"`
	Line int      `json:"line"`
	Path string   `json:"path"`
	Kind NoteKind `json:"kind"`
	Text string   `json:"text"`
}

// String returns the note in one line.
func (n Note) String() string {
	path := n.Path
	if path == "" {
		path = "file"
	}
	return fmt.Sprintf("%s:%d: %s: %s: %s", n.File, n.Line, path, n.Kind, n.Text)
}

// clean returns a text from a file for a comment or a note, in one line.
func clean(s string) string {
	const most = 200
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strings.ReplaceAll(s, "{$", "{ $") // a comment must not read the environment
}

// quoted returns a text from a file for a comment or a note, in quotes if it is not
// plain.
func quoted(s string) string {
	c := clean(s)
	if c == "" || strings.ContainsAny(c, " '\"`") {
		return "'" + c + "'"
	}
	return c
}
