package faults

import "slices"

// Hinter is implemented by a kind with settings that work but can surprise.
type Hinter interface {
	// Hints returns warnings for the person who loads the fault. Each says what to
	// write instead. Hints is called after Provision.
	Hints() []string
}

// Hints returns the hints of the chain's faults, without duplicates.
func (c Chain) Hints() (hints []string) {
	for _, f := range c {
		hinter, ok := f.(Hinter)
		if !ok {
			continue
		}
		for _, hint := range hinter.Hints() {
			if !slices.Contains(hints, hint) {
				hints = append(hints, hint)
			}
		}
	}
	return hints
}
