package importer

import (
	"fmt"
	"strconv"
	"strings"
)

// namer gives each point another name.
type namer struct {
	taken map[string]bool
	next  map[string]int // the number to try next after a name
}

func newNamer() *namer { return &namer{make(map[string]bool), make(map[string]int)} }

// take returns a name that no other has. Names are shortened and get a number if they
// must.
func (n *namer) take(parts ...string) string {
	first := nameOf(strings.Join(compact(parts...), "-"))
	name := first
	for i := max(n.next[first], 2); n.taken[name]; i++ {
		suffix := "-" + strconv.Itoa(i)
		name = shorten(first, maxName-len(suffix)) + suffix
		n.next[first] = i + 1
	}
	n.taken[name] = true
	return name
}

const maxName = 64

// nameOf returns a text with the letters that a name can have.
func nameOf(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_':
			return r
		default:
			return '-'
		}
	}, s)
	s = strings.TrimLeft(s, "-._")
	if s == "" {
		return "fault"
	}
	return shorten(s, maxName)
}

func shorten(s string, most int) string { return s[:min(len(s), most)] }

// ruleName returns a name for a rule. Some names are reserved.
func ruleName(s string) string {
	name := nameOf(s)
	if name == "trigger" || name == "other" {
		return name + "-rule"
	}
	return name
}

// names finds members that are written twice.
type names struct{ first map[string]int32 }

// manyNames is from how many members on an index is faster than a search.
const manyNames = 16

// check returns an error if a member has the name of one before it.
func (s *names) check(c *child, before []child) error {
	if first, again := s.line(c.name, before); again {
		return &lineError{int(c.line), fmt.Errorf("'%s' is written twice, first in line %d: remove one of them", clean(c.name), first)}
	}
	return nil
}

// line returns the line of the member with a name.
func (s *names) line(name string, members []child) (int32, bool) {
	if len(members) < manyNames {
		for i := range members {
			if members[i].name == name {
				return members[i].line, true
			}
		}
		return 0, false
	}
	if s.first == nil {
		s.first = make(map[string]int32, 2*len(members))
	}
	for i := len(s.first); i < len(members); i++ { // names differ, so these are not in it
		s.first[members[i].name] = members[i].line
	}
	line, found := s.first[name]
	return line, found
}
