package faults

import "slices"

// Hinter is implemented by a kind that has settings which work and may surprise.
type Hinter interface {
	// Hints tells what whoever loads the fault should know, and what to write
	// instead. It is called after Provision.
	Hints() []string
}

// Hints are those of the faults of the chain, each once.
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
