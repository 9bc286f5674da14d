package caddymodule

import (
	"flag"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

var update = flag.Bool("update", false, "update the golden files")

// TestGolden checks what Caddyfiles adapt to, or why they are refused.
func TestGolden(t *testing.T) {
	testGoldens(t, "testdata/adapt")
	t.Chdir("kinds") // a sample names a file
	testGoldens(t, "testdata")
}

func testGoldens(t *testing.T, folder string) {
	all := testkit.Goldens(t, folder, "*")
	if len(all) == 0 {
		t.Fatalf("no golden files in %s", folder)
	}
	for _, g := range all {
		t.Run(g.Name, func(t *testing.T) {
			got, err := testkit.Adapt(t, g.Caddyfile)
			if err != nil {
				// a new kind must not change the files of the others
				got = strings.ReplaceAll(err.Error(), strings.Join(faults.Kinds(), ", "), "<kinds>")
			}
			if *update {
				g.Write(t, got)
				return
			}
			switch {
			case err != nil && !g.Refused():
				t.Fatalf("got error %q, want\n%s", got, g.Want)
			case err == nil && g.Refused():
				t.Fatalf("got\n%s\nwant error %q", got, g.Want)
			case got != g.Want:
				t.Fatalf("got\n%s\nwant\n%s", got, g.Want)
			case err == nil:
				testkit.Validate(t, got)
			}
		})
	}
}
