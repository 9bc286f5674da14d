package jsonmutate

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A Mutator changes documents with some of the operations, at some of the places.
type Mutator struct {
	ops       []*op
	at, notAt []Pattern
	count     int
	maxSize   int
}

// Change says what has changed, without the values.
type Change struct {
	Op  string // the operation
	At  string // a JSON Pointer; a long one is cut
	Was string // the type before
	Is  string // the type after
}

// New returns a Mutator. Each of names is an operation or a set; without one, the set is
// drift. maxSize limits the size of the result of `huge`. Each document gets up to count
// changes.
func New(names []string, at, notAt []Pattern, count int, maxSize int64) (*Mutator, error) {
	if len(names) == 0 {
		names = []string{setDrift}
	}
	m := &Mutator{at: at, notAt: notAt, count: count, maxSize: int(maxSize)}
	used := make(map[string]bool)
	for i := range ops {
		o := &ops[i]
		if slices.Contains(names, o.name) || slices.Contains(names, o.set) {
			m.ops = append(m.ops, o)
			used[o.name], used[o.set] = true, true
		}
	}
	for _, name := range names {
		if !used[name] {
			return nil, fmt.Errorf("unknown operation '%s'", name)
		}
	}
	return m, m.check()
}

// check refuses settings that can change nothing.
func (m *Mutator) check() error {
	at := m.at
	if len(at) == 0 {
		at = []Pattern{{below: true}, {}}
	}
	can := func(o *op, p Pattern) bool {
		covered := slices.ContainsFunc(m.notAt, func(not Pattern) bool { return not.Covers(p) })
		return !covered && (!o.whole || p.isRoot()) && (!o.forMember || !p.isRoot())
	}
	for _, o := range m.ops {
		if slices.ContainsFunc(at, func(p Pattern) bool { return can(o, p) }) {
			return nil
		}
	}
	var names []string
	for _, o := range m.ops {
		names = append(names, o.name)
	}
	return &NothingError{Ops: strings.Join(names, " "), Excluded: len(m.notAt) > 0}
}

// A NothingError is the error for settings that can change nothing.
type NothingError struct {
	Ops      string
	Excluded bool // there are places that must not change
}

func (e *NothingError) Error() string {
	if e.Excluded {
		return "not_at excludes every place at which " + e.Ops + " could change something; remove one of its pointers"
	}
	return e.Ops + " cannot change anything at the places of at; remove at, or add an operation"
}

// A candidate is an operation that can change a value.
type candidate struct {
	node     int32
	op       uint8 // of the mutator
	variants variants
}

// candidates returns what can change, in the order of the text.
func (m *Mutator) candidates(d *Document) (list []candidate) {
	room := m.room(d)
	for i, is := range d.mark(m.at, m.notAt) {
		if is&selected == 0 || is&kept != 0 {
			continue
		}
		s := d.subject(i, room)
		for k, o := range m.ops {
			if is&holdsKept != 0 && !o.spares || o.whole && i > 0 {
				continue
			}
			if v := o.variants(s); v != 0 {
				list = append(list, candidate{int32(i), uint8(k), v})
			}
		}
	}
	return list
}

// room returns how many bytes each change may add.
func (m *Mutator) room(d *Document) int { return max(0, m.maxSize-len(d.text)) / m.count }

// chosen is a change to make.
type chosen struct {
	node int
	op   *op
	edit edit
}

// Random makes up to count changes that rnd chooses. The places of two changes never
// contain each other. It returns no changes if none is possible.
func (m *Mutator) Random(d *Document, rnd *rand.Rand) (text []byte, changes []Change) {
	left := m.candidates(d)
	var picks []chosen
	for len(picks) < m.count && len(left) > 0 {
		k, last := rnd.IntN(len(left)), len(left)-1
		c := left[k]
		left[k], left = left[last], left[:last]
		if d.overlaps(int(c.node), picks) {
			continue
		}
		pick := m.pick(d, c, rnd.IntN(c.variants.len()))
		if !d.sameName(&pick, picks) {
			picks = append(picks, pick)
		}
	}
	return m.apply(d, picks)
}

// Nth makes the n-th of all possible changes, from 1. It returns no changes after the
// last one.
func (m *Mutator) Nth(d *Document, n uint64) (text []byte, changes []Change) {
	if n == 0 {
		return nil, nil
	}
	n--
	for _, c := range m.candidates(d) {
		size := uint64(c.variants.len())
		if n < size {
			return m.apply(d, []chosen{m.pick(d, c, int(n))})
		}
		n -= size
	}
	return nil, nil
}

// pick returns the change of the n-th variant of a candidate.
func (m *Mutator) pick(d *Document, c candidate, n int) chosen {
	i, o := int(c.node), m.ops[c.op]
	return chosen{i, o, o.edit(d.subject(i, m.room(d)), c.variants.nth(n))}
}

// overlaps reports whether a value contains the place of a change, or is in it.
func (d *Document) overlaps(i int, picks []chosen) bool {
	return slices.ContainsFunc(picks, func(p chosen) bool { return d.within(i, p.node) || d.within(p.node, i) })
}

// sameName reports whether a member would get a name that another one gets.
func (d *Document) sameName(pick *chosen, picks []chosen) bool {
	return pick.edit.name != "" && slices.ContainsFunc(picks, func(p chosen) bool {
		return p.edit.name == pick.edit.name && d.nodes[p.node].parent == d.nodes[pick.node].parent
	})
}

// apply makes the changes.
func (m *Mutator) apply(d *Document, picks []chosen) (text []byte, changes []Change) {
	slices.SortFunc(picks, func(a, b chosen) int { return cmp.Compare(a.node, b.node) })
	dropped := make(map[int]bool)
	for _, p := range picks {
		if p.edit.drops {
			dropped[p.node] = true
		}
	}
	at := 0
	for _, p := range picks {
		e := p.edit
		if e.drops {
			e.from, e.to = d.span(p.node, dropped)
		}
		text = append(append(text, d.text[at:e.from]...), e.text...)
		at = e.to
		was := e.was
		if was == "" {
			was = d.typ(p.node)
		}
		changes = append(changes, Change{Op: p.op.name, At: d.pointer(p.node), Was: was, Is: e.is})
	}
	if len(picks) == 0 {
		return nil, nil
	}
	return append(text, d.text[at:]...), changes
}

// span returns what is removed with a member: its text and one of the commas around it.
func (d *Document) span(i int, dropped map[int]bool) (from, to int) {
	n := &d.nodes[i]
	before := false // whether a member before it stays
	last := -1
	for child := n.parent + 1; child < i; child = d.nodes[child].after {
		before = before || !dropped[child]
		last = child
	}
	if before {
		return d.nodes[last].end, n.end
	}
	if next := n.after; next < d.nodes[n.parent].after {
		return n.lead, d.nodes[next].lead
	}
	return n.lead, n.end
}
