package importer

import (
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
