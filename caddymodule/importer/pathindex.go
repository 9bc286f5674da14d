package importer

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// pathIndex finds the rules that may match the same requests as another, by their paths.
// Without it, a file with thousands of routes takes minutes.
type pathIndex struct {
	all           []*rule
	shapes        [][]pathShape    // of each rule; nil if one may match any path
	exact, prefix map[string][]int // the rules with a path, in order
	texts         []string         // the keys of both, sorted
	every, wild   []int            // all rules, and those that may match any path
}

func newPathIndex(all []*rule) *pathIndex {
	x := &pathIndex{all: all, exact: make(map[string][]int), prefix: make(map[string][]int)}
	for i, r := range all {
		shapes := pathShapes(r)
		x.shapes = append(x.shapes, shapes)
		x.every = append(x.every, i)
		if shapes == nil {
			x.wild = append(x.wild, i)
		}
		for _, s := range shapes {
			if s.exact != "" {
				x.exact[s.exact] = append(x.exact[s.exact], i)
			} else {
				x.prefix[s.prefix] = append(x.prefix[s.prefix], i)
			}
		}
	}
	x.texts = slices.AppendSeq(slices.Collect(maps.Keys(x.exact)), maps.Keys(x.prefix))
	slices.Sort(x.texts)
	x.texts = slices.Compact(x.texts)
	return x
}

// pathShapes returns one shape for each alternative of a rule, in lower case. It returns
// nil if one is not known. Letters beyond ASCII have other rules of case.
func pathShapes(r *rule) []pathShape {
	var shapes []pathShape
	for _, sets := range [][]conds{r.sets, r.unsaid} {
		for _, set := range sets {
			i := slices.IndexFunc(set, func(c cond) bool { return c.path != pathShape{} })
			if i < 0 {
				return nil
			}
			s := pathShape{strings.ToLower(set[i].path.exact), strings.ToLower(set[i].path.prefix)}
			if strings.ContainsFunc(s.exact+s.prefix, func(r rune) bool { return r >= utf8.RuneSelf }) {
				return nil
			}
			if !slices.Contains(shapes, s) {
				shapes = append(shapes, s)
			}
		}
	}
	return shapes
}

// later returns the rules after the i-th one that may match the same requests. It may
// return one several times.
func (x *pathIndex) later(i int) iter.Seq[*rule] {
	return func(yield func(*rule) bool) {
		for list := range x.lists(x.shapes[i]) {
			from, _ := slices.BinarySearch(list, i+1)
			for _, j := range list[from:] {
				if !yield(x.all[j]) {
					return
				}
			}
		}
	}
}

// lists returns lists of the rules that may match the same paths.
func (x *pathIndex) lists(shapes []pathShape) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		if shapes == nil {
			yield(x.every)
			return
		}
		ok := yield(x.wild)
		for _, s := range shapes {
			text := s.exact + s.prefix
			for n := 1; ok && n <= len(text); n++ {
				ok = yield(x.prefix[text[:n]])
			}
			ok = ok && yield(x.exact[text])
			if s.exact != "" {
				continue
			}
			from, _ := slices.BinarySearch(x.texts, text)
			for _, longer := range x.texts[from:] {
				if !ok || !strings.HasPrefix(longer, text) {
					break
				}
				ok = yield(x.exact[longer]) && yield(x.prefix[longer])
			}
		}
	}
}

// anyRule reports whether a check holds for one of several rules.
func anyRule(rules iter.Seq[*rule], check func(*rule) bool) bool {
	for r := range rules {
		if check(r) {
			return true
		}
	}
	return false
}
