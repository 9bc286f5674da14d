package caddymodule

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

var (
	topEntry = regexp.MustCompile(`(?m)^## (\S+)`)
	semantic = regexp.MustCompile(`^\d+\.\d+\.\d+(-dev)?$`)
)

// TestVersion checks the version against the top entry of the changelog, and that the
// API shows it.
func TestVersion(t *testing.T) {
	changelog, err := os.ReadFile("docs/changelog.md")
	if err != nil {
		t.Fatal(err)
	}
	top := topEntry.FindStringSubmatch(string(changelog))
	if top == nil {
		t.Fatal("the changelog has no entry")
	}
	released := top[1] != "Unreleased"
	if !semantic.MatchString(Version) || released && top[1] != Version || !released && !strings.HasSuffix(Version, "-dev") {
		t.Errorf("the version is %s, and the top entry of the changelog is %s", Version, top[1])
	}
	var state struct{ Server struct{ Faults string } }
	answer := testnode.Start(t, testnode.Shop, "").Do("GET", "/", "")
	if err := json.Unmarshal(answer.Body.Bytes(), &state); err != nil || state.Server.Faults != Version {
		t.Errorf("the API shows %q, %v, want %s", state.Server.Faults, err, Version)
	}
}
