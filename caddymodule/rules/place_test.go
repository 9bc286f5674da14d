package rules

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// In phase response of a handler, the upstream already has the request. A transport is
// the same place in both phases.
func TestPlaceOfFaults(t *testing.T) {
	for _, tt := range []struct {
		place faults.Place
		phase string
		want  faults.Place
	}{
		{faults.InHandler, "", faults.InHandler},
		{faults.InHandler, PhaseRequest, faults.InHandler},
		{faults.InHandler, PhaseResponse, faults.AfterReply},
		{faults.InTransport, "", faults.InTransport},
		{faults.InTransport, PhaseRequest, faults.InTransport},
		{faults.InTransport, PhaseResponse, faults.InTransport},
	} {
		rule := Rule{Place: tt.place, Phase: tt.phase}
		if got := rule.PlaceOfFaults(); got != tt.want {
			t.Errorf("place %d, phase %q: got %d, want %d", tt.place, tt.phase, got, tt.want)
		}
	}
}
