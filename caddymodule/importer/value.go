package importer

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// value is a value in a file, with its place. An absent one has no node, and the place of
// the value in which it is absent.
//
// A value of a wrong type becomes a problem of the source. Whoever builds a rule takes
// the problems, and leaves the rule out if there are any.
type value struct {
	*node
	name string // of a member, as written
	path string
	at   int32 // line of the member, or of the value
	src  *source
}

// source is a file that is being imported.
type source struct {
	file     string
	snake    bool // names may be in snake_case or in camelCase
	notes    []Note
	problems []Note
	open     func(name string) ([]byte, error)
}

// is reports whether there is a value other than null.
func (v value) is() bool { return v.node != nil && v.kind != null }

// get returns a member of an object.
func (v value) get(name string) value {
	absent := v
	absent.node, absent.name = nil, ""
	if !v.is() {
		return absent
	}
	if v.kind != object {
		v.cannot("want an object, got %s", kindNames[v.kind])
		return absent
	}
	found := v.find(name)
	if found == nil && v.src.snake {
		found = v.find(camel(name))
	}
	if found == nil {
		return absent
	}
	return v.member(found)
}

func (v value) member(c *child) value {
	name := c.name
	if strings.ContainsAny(name, ". []:") || name == "" {
		name = "'" + clean(name) + "'"
	}
	path := clean(name)
	if v.path != "" {
		path = v.path + "." + path
	}
	return value{node: &c.node, name: c.name, path: path, at: c.line, src: v.src}
}

// camel returns a name of snake_case in camelCase.
func camel(name string) string {
	parts := strings.Split(name, "_")
	for i, part := range parts[1:] {
		if part != "" {
			parts[i+1] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}

// walk follows several names.
func (v value) walk(names ...string) value {
	for _, name := range names {
		v = v.get(name)
	}
	return v
}

// each returns the elements of a list.
func (v value) each() []value {
	if !v.is() {
		return nil
	}
	if v.kind != list {
		v.cannot("want a list, got %s", kindNames[v.kind])
		return nil
	}
	all := make([]value, len(v.children))
	for i := range v.children {
		c := &v.children[i]
		all[i] = value{node: &c.node, path: v.path + "[" + strconv.Itoa(i) + "]", at: c.node.line, src: v.src}
	}
	return all
}

// members returns the members of an object, in order.
func (v value) members() []value {
	if !v.is() {
		return nil
	}
	if v.kind != object {
		v.cannot("want an object, got %s", kindNames[v.kind])
		return nil
	}
	all := make([]value, len(v.children))
	for i := range v.children {
		all[i] = v.member(&v.children[i])
	}
	return all
}

// str returns the text of a scalar.
func (v value) str() string {
	if !v.is() {
		return ""
	}
	if v.kind >= list {
		v.cannot("want a text, got %s", kindNames[v.kind])
		return ""
	}
	return v.text
}

// texts returns the texts of a list, or the text of a scalar.
func (v value) texts() []string {
	if !v.is() {
		return nil
	}
	if v.kind < list {
		return []string{v.text}
	}
	var all []string
	for _, each := range v.each() {
		all = append(all, each.str())
	}
	return all
}

// num returns a number, which may be written as a text.
func (v value) num() float64 {
	if !v.is() {
		return 0
	}
	n, err := strconv.ParseFloat(v.node.text, 64)
	if v.kind != number && v.kind != text || err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		v.cannot("want a number, got %s", v.shown())
		return 0
	}
	return n
}

// whole returns a number from 0 to the greatest that a count can have.
func (v value) whole() int {
	n := v.num()
	if n != math.Trunc(n) || n < 0 || n > maxCount {
		v.cannot("want a whole number from 0 to %d, got %s", maxCount, v.shown())
		return 0
	}
	return int(n)
}

const maxCount = 1_000_000_000

// truth returns a boolean, or the default if it is absent.
func (v value) truth(otherwise bool) bool {
	if !v.is() {
		return otherwise
	}
	b, err := strconv.ParseBool(v.node.text)
	if v.kind >= list || err != nil {
		v.cannot("want true or false, got %s", v.shown())
	}
	return b
}

// duration returns a text such as 1.5s as a duration.
func (v value) duration() time.Duration {
	if !v.is() {
		return 0
	}
	d, err := time.ParseDuration(v.node.text)
	if v.kind >= list || err != nil || d < 0 {
		v.cannot("want a duration such as 1.5s, got %s", v.shown())
		return 0
	}
	return d
}

// scaled returns a number of units as a duration.
func (v value) scaled(unit time.Duration) time.Duration {
	n := v.num() * float64(unit)
	if n < 0 || n > float64(maxDuration) {
		v.cannot("want a time from 0 to a year, got %s", v.shown())
		return 0
	}
	return time.Duration(math.Round(n))
}

const maxDuration = 365 * 24 * time.Hour

// shown returns a value for a message.
func (v value) shown() string {
	if v.kind >= list || v.kind == null {
		return kindNames[v.kind]
	}
	return quoted(v.node.text)
}

// known reports the members of an object that are not in a list of names.
func (v value) known(all ...string) {
	if !v.is() || v.kind != object {
		return
	}
	for i := range v.children {
		name := v.children[i].name
		if slices.Contains(all, name) || v.src.snake && slices.ContainsFunc(all, func(a string) bool { return camel(a) == name }) {
			continue
		}
		hint := ""
		if near := words.Near(name, all); len(near) > 0 {
			hint = "; did you mean " + strings.Join(near, " or ") + "?"
		}
		v.member(&v.children[i]).note(LeftOut, "the field %s is not known%s", quoted(name), hint)
	}
}

// note adds a note at the place of the value.
func (v value) note(kind NoteKind, format string, args ...any) {
	v.src.notes = append(v.src.notes, Note{v.src.file, int(v.at), v.path, kind, fmt.Sprintf(format, args...)})
}

// cannot adds a problem: the rule that is being built cannot be said.
func (v value) cannot(format string, args ...any) {
	problem := Note{v.src.file, int(v.at), v.path, LeftOut, fmt.Sprintf(format, args...)}
	if !slices.Contains(v.src.problems, problem) {
		v.src.problems = append(v.src.problems, problem)
	}
}

// take returns the problems since the last call, and adds them to the notes.
func (s *source) take() []Note {
	problems := s.problems
	s.problems = nil
	s.notes = append(s.notes, problems...)
	return problems
}
