package jsonmutate

import (
	"math/bits"
	"slices"
)

// An op is a way to change a value, with its variants.
type op struct {
	name, set string

	// variants returns which variants change the value.
	variants func(s *subject) variants

	// edit returns the change of a variant.
	edit func(s *subject, variant int) edit

	spares    bool // does not change what is in the value
	whole     bool // changes the document only
	forMember bool // changes members only
}

// The sets of operations. Drift and edge leave the text valid JSON.
const (
	setDrift      = "drift"
	setEdge       = "edge"
	setBroken     = "broken"
	setConforming = "conforming"
)

// ops lists the operations in the order in which they are tried on a value.
var ops = []op{
	{name: "drop", set: setDrift, variants: ifMember, edit: drop, forMember: true},
	{name: "null", set: setDrift, variants: ifNotNull, edit: always("null")},
	{name: "retype", set: setDrift, variants: retypes, edit: retype},
	{name: "rename", set: setDrift, variants: ifRenamable, edit: rename, forMember: true},
	{name: "add", set: setDrift, variants: ifAddable, edit: add, spares: true},
	{name: "enum", set: setDrift, variants: ifOtherString(unknownWord), edit: always(unknownWord)},
	{name: "nest", set: setDrift, variants: ifRoot, edit: nest, whole: true},
	{name: "empty", set: setEdge, variants: ifNotEmpty, edit: empty},
	{name: "huge", set: setEdge, variants: hugeVariants, edit: huge},
	{name: "date", set: setEdge, variants: dateVariants, edit: date},
	{name: "unicode", set: setEdge, variants: unicodeVariants, edit: addUnicode},
	{name: "encoding", set: setBroken, variants: encodings, edit: encode, whole: true},
	{name: "duplicate", set: setBroken, variants: ifMember, edit: duplicate, forMember: true},
	{name: "order", set: setConforming, variants: ifReversible, edit: reverse, spares: true},
}

// Names returns the names of the operations and then those of their sets.
func Names() (names []string) {
	for _, o := range ops {
		names = append(names, o.name)
	}
	for _, o := range ops {
		if !slices.Contains(names, o.set) {
			names = append(names, o.set)
		}
	}
	return names
}

// A subject is a value that may change.
type subject struct {
	*Document
	node
	i    int
	raw  string
	typ  string
	room int // how many bytes may be added to the text
}

func (d *Document) subject(i, room int) *subject {
	raw := d.raw(i)
	return &subject{d, d.nodes[i], i, raw, typeOf(raw), room}
}

// variants is a set of numbers of variants.
type variants uint16

// one has a single variant.
const one variants = 1

// oneIf returns one if a condition holds.
func oneIf(holds bool) variants {
	if holds {
		return one
	}
	return 0
}

func (v variants) len() int { return bits.OnesCount16(uint16(v)) }

// nth returns the number of the n-th variant of the set, from 0.
func (v variants) nth(n int) int {
	for ; n > 0; n-- {
		v &= v - 1
	}
	return bits.TrailingZeros16(uint16(v))
}

// An edit replaces a part of the text.
type edit struct {
	from, to int
	text     string
	is       string // the type of the new value
	was      string // "": the type of the old value
	name     string // of a renamed member
	drops    bool   // removes the member; from and to are not known yet
}

// to returns the edit that writes another value.
func (s *subject) to(raw string) edit {
	return edit{from: s.start, to: s.end, text: raw, is: typeOf(raw)}
}

// always returns the edit of an operation that always writes the same value.
func always(raw string) func(*subject, int) edit {
	return func(s *subject, _ int) edit { return s.to(raw) }
}

func ifMember(s *subject) variants { return oneIf(s.isMember(s.i)) }

func ifNotNull(s *subject) variants { return oneIf(s.typ != "null") }

func ifRoot(s *subject) variants { return oneIf(s.parent < 0) }
