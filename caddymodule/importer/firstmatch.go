package importer

import (
	"iter"
	"slices"
	"strings"
)

// firstMatch arranges rules of which the first that matches decides. A rule without a
// fault lets requests pass. The result has what is needed up to the last fault. If
// takesAll, some rules take the whole draw, so that no later rule gets their requests.
//
// What follows a rule that cannot be said is left out, if both may match a request.
func firstMatch(all []*rule) (arranged []*rule, takesAll bool) {
	all = reached(all)
	last := len(all) - 1
	for last >= 0 && len(all[last].faults) == 0 {
		last--
	}
	all = all[:last+1]
	index := newPathIndex(all)
	for i, r := range all {
		leaveOutAfter(r, index.later(i))
	}
	for i, r := range all {
		later := index.later(i)
		switch {
		case r.leftOut() && len(r.faults) == 0:
			// its problem is told by the rules after it, and by a note
		case r.leftOut():
			arranged = append(arranged, r)
		case len(r.faults) == 0:
			if anyRule(later, func(l *rule) bool { return !l.leftOut() && len(l.faults) > 0 && overlap(r.sets, l.sets) }) {
				takesAll = true
				r.faults = []line{{words: []string{"choose"}, block: []line{said("1", "pass")}}}
				arranged = append(arranged, r)
			}
		default:
			if r.share != 100 && anyRule(later, func(l *rule) bool { return overlap(r.sets, l.sets) }) {
				takesAll = true
				r.chooseShare()
			}
			arranged = append(arranged, r)
		}
	}
	return arranged, takesAll
}

// reached returns the rules up to the first that matches every request.
func reached(all []*rule) []*rule {
	i := slices.IndexFunc(all, func(r *rule) bool { return !r.leftOut() && len(r.unsaid) == 0 && r.matchesAll() })
	if i < 0 {
		return all
	}
	for _, r := range all[i+1:] {
		if len(r.faults) > 0 {
			r.at.note(Remark, "%s is never reached: %s matches every request", r.about, all[i].about)
		}
	}
	return all[:i+1]
}

// matchesAll reports whether a rule has no conditions.
func (r *rule) matchesAll() bool {
	return len(r.sets) == 0 || slices.ContainsFunc(r.sets, func(cs conds) bool { return len(cs) == 0 })
}

// leaveOutAfter leaves out the rules that would get requests of a rule that cannot be
// said.
func leaveOutAfter(r *rule, later iter.Seq[*rule]) {
	unsaid := r.unsaid
	if r.leftOut() {
		unsaid = r.sets
		if len(unsaid) == 0 {
			unsaid = []conds{nil}
		}
	}
	if len(unsaid) == 0 {
		return
	}
	for l := range later {
		if !l.leftOut() && len(l.faults) > 0 && overlap(unsaid, l.sets) {
			l.at.cannot("%s decides first and cannot be said", r.about)
			l.problems = l.at.src.take()
		}
	}
}

// chooseShare makes a rule take all of the draw, and decide about its share within.
func (r *rule) chooseShare() {
	block := []line{branch(decimal(r.share), r.faults), said(decimal(100-r.share), "pass")}
	r.faults = []line{{words: []string{"choose"}, block: block}}
	r.share = 100
}

// branch returns a branch of choose.
func branch(weight string, faults []line) line {
	if len(faults) == 1 {
		return line{words: append([]string{weight}, faults[0].words...), block: faults[0].block}
	}
	return line{words: []string{weight}, block: faults}
}

// step returns a step of sequence.
func step(faults []line) line {
	switch len(faults) {
	case 0:
		return said("pass")
	case 1:
		return faults[0]
	default:
		return line{words: []string{"step"}, block: faults}
	}
}

// overlap reports whether one request may match both of two lists of alternatives. If
// that is not known, it may.
func overlap(a, b []conds) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	for _, x := range a {
		for _, y := range b {
			if !disjoint(x, y) {
				return true
			}
		}
	}
	return false
}

// disjoint reports whether no request matches both. It knows methods and paths.
func disjoint(a, b conds) bool {
	for _, x := range a {
		for _, y := range b {
			if x.matcher == "method" && y.matcher == "method" && !slices.ContainsFunc(x.lines[0], func(m string) bool { return slices.Contains(y.lines[0], m) }) {
				return true
			}
			if x.path.excludes(y.path) {
				return true
			}
		}
	}
	return false
}

// excludes reports whether no path has both shapes. Caddy ignores the case of paths.
func (p pathShape) excludes(other pathShape) bool {
	switch {
	case p.exact != "" && other.exact != "":
		return !strings.EqualFold(p.exact, other.exact)
	case p.exact != "" && other.prefix != "":
		return !hasPrefixFold(p.exact, other.prefix)
	case p.prefix != "" && other.exact != "":
		return !hasPrefixFold(other.exact, p.prefix)
	case p.prefix != "" && other.prefix != "":
		return !hasPrefixFold(p.prefix, other.prefix) && !hasPrefixFold(other.prefix, p.prefix)
	default:
		return false
	}
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
