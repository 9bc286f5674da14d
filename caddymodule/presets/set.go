package presets

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// A Set has the presets of a configuration by name. With every set, also an empty one,
// the presets of the binary are known.
type Set map[string]*Preset

// All returns the presets of the binary and of the set, in the order of their names.
func (s Set) All() []*Preset {
	all := slices.Concat(embedded(), slices.Collect(maps.Values(s)))
	slices.SortFunc(all, byName)
	return all
}

// Find returns the preset of that name, or nil.
func (s Set) Find(name string) *Preset {
	if own := s[name]; own != nil {
		return own
	}
	all := embedded()
	at, ok := slices.BinarySearchFunc(all, name, func(p *Preset, name string) int { return strings.Compare(p.Name, name) })
	if !ok {
		return nil
	}
	return all[at]
}

// Add adds a preset of the configuration. It returns an error if the name is taken.
func (s Set) Add(p *Preset) error {
	known := s.Find(p.Name)
	switch {
	case known == nil:
		s[p.Name] = p
		return nil
	case known.Own:
		return fmt.Errorf("preset '%s' already specified", p.Name)
	default:
		return fmt.Errorf("preset '%s' is one of the binary; choose another name, such as my-%[1]s", p.Name)
	}
}

// maxNear limits the suggestions for an unknown name.
const maxNear = 3

// Near returns the names that an unknown name may mean, at most three.
func (s Set) Near(name string) []string {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	known := s.All()
	all, within := make([]string, 0, len(known)), make([]string, 0, len(known))
	for _, p := range known {
		all = append(all, p.Name)
		if len(name) > 2 && (strings.Contains(p.Name, name) || hasWords(p.Name, name)) {
			within = append(within, p.Name)
		}
	}
	near := words.Near(name, all)
	if len(near) == 0 {
		near = within
	}
	if len(near) == 0 {
		service, _, _ := strings.Cut(name, "-")
		near = slices.DeleteFunc(all, func(other string) bool { return !strings.HasPrefix(other, service+"-") })
	}
	return near[:min(len(near), maxNear)]
}

// hasWords reports whether a name has all words of another, in any order.
func hasWords(name, other string) bool {
	parts := strings.Split(name, "-")
	for part := range strings.SplitSeq(other, "-") {
		if !slices.Contains(parts, part) {
			return false
		}
	}
	return true
}

// Unknown returns the error for a name that is in neither.
func (s Set) Unknown(name string) *Error {
	no := &Error{What: fmt.Sprintf("unknown preset '%s'", words.Cut(name, words.MaxWord))}
	found := s.Near(name)
	lines := make([]string, 0, len(found))
	for _, near := range found {
		lines = append(lines, s.Find(near).Line())
	}
	if no.Advice = words.Suggest(lines); no.Advice == "" {
		no.Advice = "list all with caddy fault presets"
	}
	return no
}

// An Error says what is wrong with the use of a preset, and what to write instead.
type Error struct{ What, Advice string }

// Error returns both.
func (e *Error) Error() string { return e.What + ": " + e.Advice }
