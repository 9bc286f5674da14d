package importer

import (
	"cmp"
	"slices"
	"strings"
)

// lines returns the lines of a block of matchers.
func (cs conds) lines() []line {
	sorted := slices.Clone(cs)
	slices.SortStableFunc(sorted, func(a, b cond) int { return cmp.Or(cmp.Compare(a.matcher, b.matcher), cmp.Compare(a.key, b.key)) })
	var all []line
	var exprs []string
	taken := make(map[string]bool)
	for i, c := range sorted {
		if i > 0 && c.sameAs(sorted[i-1]) {
			continue
		}
		if c.matcher == "expression" {
			if !slices.Contains(exprs, c.expr) {
				exprs = append(exprs, c.expr)
			}
			continue
		}
		// two conditions with one key would be alternatives
		again := taken[c.matcher+" "+c.key] && c.matcher != "not"
		taken[c.matcher+" "+c.key] = true
		if again {
			all = append(all, doubled(c)...)
			continue
		}
		for _, words := range c.lines {
			all = append(all, line{words: append([]string{c.matcher}, words...)})
		}
	}
	if len(exprs) > 0 {
		all = append([]line{said("expression", joined(exprs))}, all...)
		slices.SortStableFunc(all, func(a, b line) int { return cmp.Compare(a.words[0], b.words[0]) })
	}
	return dedupe(all)
}

// sameAs reports whether two matchers are the same.
func (c cond) sameAs(other cond) bool {
	return c.matcher == other.matcher && c.key == other.key && c.expr == other.expr && slices.EqualFunc(c.lines, other.lines, slices.Equal)
}

// doubled returns a condition as the opposite of its opposite, which is independent of
// other conditions.
func doubled(c cond) []line {
	if len(c.lines) == 1 {
		return []line{{words: append([]string{"not", "not", c.matcher}, c.lines[0]...)}}
	}
	block := []line{}
	for _, words := range c.lines {
		block = append(block, line{words: append([]string{c.matcher}, words...)})
	}
	return []line{{words: []string{"not", "not"}, block: block}}
}

// dedupe removes lines that repeat the last one.
func dedupe(all []line) []line {
	return slices.CompactFunc(all, func(a, b line) bool { return a.block == nil && b.block == nil && slices.Equal(a.words, b.words) })
}

// joined returns expressions that must all hold, as one.
func joined(exprs []string) string {
	if len(exprs) == 1 {
		return exprs[0]
	}
	for i, expr := range exprs {
		if strings.Contains(expr, "||") {
			exprs[i] = "(" + expr + ")"
		}
	}
	return strings.Join(exprs, " && ")
}

// matchLines returns the match lines of a rule. Without a set, or with a set without
// conditions, it matches every request.
func matchLines(sets []conds) []line {
	var all []line
	for _, set := range sets {
		block := set.lines()
		switch {
		case len(block) == 0:
			return nil
		case len(block) == 1 && block[0].block == nil:
			all = append(all, line{words: append([]string{"match"}, block[0].words...)})
		default:
			all = append(all, line{words: []string{"match"}, block: block})
		}
	}
	return all
}
