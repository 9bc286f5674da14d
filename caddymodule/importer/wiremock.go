package importer

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// isWireMock reports whether a document is a stub of WireMock, or a list of stubs.
func isWireMock(n *node) bool {
	if n.has("mappings") {
		return true
	}
	for _, each := range []*node{n, firstOf(n)} {
		if each != nil && each.has("response") && (each.has("request") || each.has("scenarioName")) {
			return true
		}
	}
	return false
}

// stub is a stub of WireMock.
type stub struct {
	value
	number   int    // from 1, in the order of the files
	file     string // the name of its file, if it is alone there and there are several
	priority float64
	rule     *rule
	faulty   bool
}

// readWireMock returns one point for the stubs of a file.
func readWireMock(in *input) []*part {
	var stubs []*stub
	for _, document := range in.documents {
		for _, v := range stubValues(document) {
			s := &stub{value: v, number: len(stubs) + 1, priority: 5}
			if len(in.sources) > 1 && v.node == document.node {
				s.file = base(v.src.file)
			}
			if p := v.get("priority"); p.is() {
				s.priority = p.num()
			}
			stubs = append(stubs, s)
		}
	}
	total := len(stubs)
	for _, s := range stubs {
		readStub(s)
	}
	rules, mocks := arrangeStubs(stubs)
	arranged, _ := firstMatch(rules)
	if len(arranged) == 0 {
		return nil
	}
	name, from := in.folder()
	pt := &point{name: in.names.take(name), rules: arranged, inBlocks: true}
	uniqueRuleNames(arranged)
	p := &part{points: []*point{pt}}
	out := 0
	for _, r := range arranged {
		if r.leftOut() {
			out++
		}
	}
	about := fmt.Sprintf("Imported from %s, %s: %s", from, count(total, "stub", "stubs"), count(pt.count(), "rule", "rules"))
	if out > 0 {
		about += fmt.Sprintf(", %d left out", out)
	}
	if mocks > 0 {
		about += fmt.Sprintf(", %d that only mocks", mocks)
	}
	p.head = append(p.head, about+".", "The last one that matches decides in WireMock, so the rules are in reverse order.")
	if readsBody(arranged) {
		p.head = append(p.head, aboutBodies)
	}
	return []*part{p}
}

// folder returns a name for the point of all files, and how comments name the files.
func (in *input) folder() (name, about string) {
	if len(in.sources) == 1 {
		return base(in.file), in.file
	}
	about = count(len(in.sources), "file", "files")
	folder := filepath.Dir(in.file)
	if folder == "." {
		return in.format.name, about
	}
	return filepath.Base(folder), filepath.ToSlash(folder) + ", " + about
}

// aboutBodies is the comment on rules that match on bodies.
const aboutBodies = "A rule that matches on the body keeps the whole body in memory. Use request_body to limit its size."

// readsBody reports whether a rule matches on the body of a request.
func readsBody(rules []*rule) bool {
	return slices.ContainsFunc(rules, func(r *rule) bool {
		return !r.leftOut() && slices.ContainsFunc(r.sets, func(cs conds) bool {
			return slices.ContainsFunc(cs, func(c cond) bool { return strings.Contains(c.expr, "{http.request.body}") })
		})
	})
}

// stubValues returns the stubs of a document.
func stubValues(document value) []value {
	switch {
	case document.kind == list:
		return document.each()
	case document.has("mappings"):
		document.known("mappings", "meta", "importOptions")
		return document.get("mappings").each()
	default:
		return []value{document}
	}
}

var stubFields = []string{
	"name", "request", "response", "priority", "scenarioName", "requiredScenarioState", "newScenarioState",
	"id", "uuid", "metadata", "persistent", "postServeActions", "serveEventListeners", "insertionIndex",
}

// readStub converts a stub. Without a fault its rule lets requests pass.
func readStub(s *stub) {
	s.known(stubFields...)
	s.rule = newRule(s.value)
	name := cmp.Or(s.get("name").str(), s.file)
	s.rule.name = ruleName(cmp.Or(name, fmt.Sprintf("stub%d", s.number)))
	s.rule.about = fmt.Sprintf("stub %d", s.number)
	if name != "" {
		s.rule.about = "stub " + quoted(name)
	}
	s.rule.sets = []conds{stubConditions(s.get("request"))}
	if len(s.rule.sets[0]) == 0 {
		s.rule.sets = nil
	}
	problems := s.src.problems
	s.src.problems = nil
	s.rule.faults = stubFaults(s.get("response"))
	s.faulty = len(s.rule.faults) > 0
	s.rule.problems = append(problems, s.src.problems...)
	s.src.problems = nil
	if s.faulty { // a stub without a fault is not imported, and needs no notes
		s.src.notes = append(s.src.notes, s.rule.problems...)
	} else {
		s.rule.problems = problems
	}
}

// arrangeStubs returns the rules of stubs in the order in which WireMock tries them, and
// how many stubs only mock.
func arrangeStubs(stubs []*stub) (rules []*rule, mocks int) {
	slices.SortStableFunc(stubs, func(a, b *stub) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), b.number-a.number)
	})
	scenarios := make(map[string][]*stub)
	for _, s := range stubs {
		name := s.get("scenarioName").str()
		scenarios[name] = append(scenarios[name], s)
	}
	for _, s := range stubs {
		scenario := s.get("scenarioName").str()
		switch {
		case scenario == "":
			rules = append(rules, s.rule)
			if !s.faulty {
				mocks++
				s.note(Skipped, "a stub without a fault: %s", s.rule.about)
			}
		case scenarios[scenario][0] == s:
			rules = append(rules, scenarioRules(scenario, scenarios[scenario])...)
		}
	}
	return rules, mocks
}

// uniqueRuleNames gives each rule of a point another name.
func uniqueRuleNames(rules []*rule) {
	n := newNamer()
	for _, r := range rules {
		r.name = n.take(r.name)
	}
}
