package command

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/api"
)

// With --junit an assertion is a test that passes or fails. The exit code is the same.
func TestCommandVerifyJUnit(t *testing.T) {
	h, address := adminEndpoint(t, twoRules)
	hit(t, h)
	for _, tt := range []struct{ args, name, message, err string }{
		{"gone --exactly 1", "hits of rule 'gone': exactly 1", "", ""},
		{"gone --at-least 1 --at-most 2", "hits of rule 'gone': at least 1 at most 2", "", ""},
		{"gone --at-least 2", "hits of rule 'gone': at least 2", "rule 'gone' has hit 1 time, want at least 2", "exiting with status 2"},
	} {
		got := caddyFault(t, append(strings.Fields("verify --junit --address "+address), strings.Fields(tt.args)...)...)
		if got.err == nil && tt.err != "" || got.err != nil && got.err.Error() != tt.err {
			t.Errorf("%s: got error %v, want %q", tt.args, got.err, tt.err)
		}
		var all junitSuites
		if err := xml.Unmarshal([]byte(got.stdout), &all); err != nil {
			t.Fatalf("%s: %v in %s", tt.args, err, got.stdout)
		}
		failures := 0
		if tt.message != "" {
			failures = 1
		}
		if all.Tests != 1 || all.Failures != failures {
			t.Errorf("%s: got %d tests and %d failures, want 1 and %d", tt.args, all.Tests, all.Failures, failures)
		}
		test := all.Suites[0].Cases[0]
		if test.Name != tt.name || test.Failure != nil && test.Failure.Message != tt.message {
			t.Errorf("%s: got %+v, %+v", tt.args, test, test.Failure)
		}
	}
	if got := caddyFault(t, "verify", "gone", "--exactly", "1", "--junit", "--json", "--address", address); got.err == nil || got.stdout != "" {
		t.Errorf("--junit with --json: got %+v, want an error", got)
	}
	if got := caddyFault(t, "verify", "none", "--exactly", "1", "--junit", "--address", address); got.err == nil || got.stdout != "" {
		t.Errorf("an unknown rule: got %+v, want an error and no report", got)
	}
}

// A failed assertion has a line for each point.
func TestDetails(t *testing.T) {
	no := api.Refuse(417, "no")
	if got := details(no); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
	no.Counts = map[string]int{"shop": 2, "api": 0}
	if got, want := details(no), "\n  at api: 0\n  at shop: 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
