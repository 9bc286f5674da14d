package kinds

import (
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

func parseSequence(t testing.TB, text string) *Sequence {
	t.Helper()
	return reload(t, unmarshal(t, new(Sequence), text), new(Sequence))
}

func TestSequence(t *testing.T) {
	const steps = " {\n respond 500 a\n pass\n step {\n delay 1ns\n respond 500 b\n }\n}"
	tests := []struct {
		text, want string
	}{
		{"sequence" + steps, "a.b...."},
		{"sequence once" + steps, "a.b...."},
		{"sequence loop" + steps, "a.ba.ba"},
	}
	for _, tt := range tests {
		f := parseSequence(t, tt.text)
		var got []string
		for n := range 7 {
			got = append(got, outcome(t, f, faults.Hit{N: uint64(n + 1)}))
		}
		if strings.Join(got, "") != tt.want {
			t.Errorf("%s: got %v, want %s", tt.text, got, tt.want)
		}
	}
}

func TestSequenceRefused(t *testing.T) {
	for _, tt := range []struct{ config, want string }{
		{`{}`, "sequence has no steps"},
		{`{"steps": []}`, "sequence has no steps"},
		{`{"steps": [[{"fault": "explode"}]]}`, "loading steps of sequence"},
		{`{"steps": [[], [{"fault": "close"}, {"fault": "reset"}]]}`, "step 2 of sequence: fault 'reset' comes after 'close'"},
	} {
		if _, err := testContext(t).LoadModuleByID(faults.Namespace+".sequence", []byte(tt.config)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q", tt.config, err, tt.want)
		}
	}
}
