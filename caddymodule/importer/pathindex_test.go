package importer

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

func pathRule(shapes ...pathShape) *rule {
	r := &rule{}
	for _, s := range shapes {
		r.sets = append(r.sets, conds{{matcher: "path", path: s}})
	}
	return r
}

// The index finds every rule that overlaps a rule before it.
func TestPathIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		texts := []string{"/", "/a", "/A", "/a/", "/a/b", "/ab", "/B", "/b/k", "/b/\u212a", "/b/K", "/a/s", "/a/\u017f"}
		return texts[random.IntN(len(texts))]
	}
	for range 2000 {
		var rules []*rule
		for range 6 {
			r := pathRule()
			for range random.IntN(3) {
				s := []pathShape{{}, {exact: text()}, {prefix: text()}}[min(random.IntN(5), 2)]
				r.sets = append(r.sets, conds{{matcher: "method", lines: [][]string{{"GET"}}}, {matcher: "path", path: s}})
			}
			if len(r.sets) > 0 && random.IntN(4) == 0 {
				r.unsaid, r.sets = r.sets[:1], r.sets[1:]
			}
			rules = append(rules, r)
		}
		index := newPathIndex(rules)
		for i, r := range rules {
			found := slices.Collect(index.later(i))
			for j, l := range rules {
				if later := slices.Contains(found, l); later && j <= i || !later && j > i && overlapAny(r, l) {
					t.Fatalf("rule %d of %d: found is %v\n%+v\n%+v", j, i, later, r, l)
				}
			}
		}
	}
}

func overlapAny(r, l *rule) bool {
	return overlap(slices.Concat(r.sets, r.unsaid), slices.Concat(l.sets, l.unsaid))
}

// Of many routes, few are compared with one another.
func TestPathIndexIsNarrow(t *testing.T) {
	const many = 1000
	for name, shape := range map[string]func(text string) pathShape{
		"paths":    func(text string) pathShape { return pathShape{exact: text} },
		"prefixes": func(text string) pathShape { return pathShape{prefix: text} },
	} {
		var rules []*rule
		for i := range many {
			rules = append(rules, pathRule(shape("/a/"+strconv.Itoa(i)+"/")))
		}
		index, compared := newPathIndex(rules), 0
		for i := range rules {
			compared += len(slices.Collect(index.later(i)))
		}
		if compared > 0 {
			t.Errorf("%s: %d are compared", name, compared)
		}
	}
	equal := slices.Repeat([]*rule{pathRule(pathShape{exact: "/a"})}, many)
	index, compared := newPathIndex(equal), 0
	for i := range equal {
		anyRule(index.later(i), func(*rule) bool { compared++; return true })
	}
	if compared >= many {
		t.Errorf("%d are compared, although the first one decides", compared)
	}
}
