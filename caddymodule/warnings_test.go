package caddymodule

import (
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// TestWarnings checks the warnings at load, about parts of a Caddyfile that are
// probably not intended.
func TestWarnings(t *testing.T) {
	all := testkit.Goldens(t, "testdata/warnings", "*")
	if len(all) == 0 {
		t.Fatal("no cases")
	}
	for _, g := range all {
		t.Run(g.Name, func(t *testing.T) {
			got := strings.Join(testkit.Warnings(t, g.Caddyfile), "\n")
			switch {
			case *update:
				g.Write(t, got)
			case got != g.Want:
				t.Errorf("got\n%s\nwant\n%s", got, g.Want)
			}
		})
	}
}
