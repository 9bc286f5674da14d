package command

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

const namedRules = `{"point": "api", "match": [{"path": ["/api/*"]}], "triggers": [{"source": "header"}], "rules": [
	{"name": "slow", "percent": 5, "faults": [{"fault": "delay", "duration": "1s"}]},
	{"name": "gone", "faults": [{"fault": "close"}]}]}`

// complete returns what a shell offers for the last argument, and the number of the
// directive.
func complete(t *testing.T, args ...string) (offered []string, directive string) {
	t.Helper()
	root := faultCommand()
	var out, stderr strings.Builder
	root.SetOut(&out)
	root.SetErr(&stderr)
	root.SetArgs(append([]string{cobra.ShellCompRequestCmd, "fault"}, args...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := len(lines) - 1
	return lines[:last], lines[last]
}

const (
	noFiles = ":4"
	files   = ":0"
)

// A shell offers the names of the running Caddy, and files only where a file is meant.
func TestCompletion(t *testing.T) {
	n, address := adminEndpoint(t, namedRules)
	n.Beside(`{"point": "other", "source": "b:1", "match": [{"path": ["/other"]}], "rules": [{"name": "gone", "faults": [{"fault": "close"}]}]}`)
	n.Put("late", `{"points": ["api"], "match": [{"path": ["/api/x"]}], "faults": [{"fault": "close"}]}`)
	for _, tt := range []struct{ args, want, directive string }{
		{"rm ", "late", noFiles},
		{"rm late ", "", noFiles},
		{"off ", "api/gone api/slow other/gone", noFiles},
		{"off api ", "gone slow", noFiles},
		{"on none ", "", noFiles},
		{"verify --exactly 1 ", "api/gone late other/gone slow trigger", noFiles},
		{"verify --exactly 1 --rule x slow ", "", noFiles},
		{"watch ", "api/gone late other/gone slow trigger", noFiles},
		{"watch --rule ", "api/gone late other/gone slow trigger", noFiles},
		{"reset --point ", "api other", noFiles},
		{"run --point ", "* api other", noFiles},
		{"run --match ", "", noFiles},
		{"explain ", "", noFiles},
		{"status ", "", noFiles},
		{"codes ", "", noFiles},
		{"clients --point ", "api other", noFiles},
		{"clients --output ", "", files},
		{"run 503 -- ", "", files},
		{"status --config ", "", files},
		{"status --adapter ", "", noFiles},
	} {
		words := strings.Split(tt.args, " ")
		args := append([]string{words[0], "--address", address}, words[1:]...)
		got, directive := complete(t, args...)
		var names []string
		for _, offered := range got {
			if !strings.HasPrefix(offered, "--") { // cobra offers the flags that verify needs
				names = append(names, nameOf(offered))
			}
		}
		if strings.Join(names, " ") != tt.want || directive != tt.directive {
			t.Errorf("%s: got %q and %s, want %s and %s", tt.args, names, directive, tt.want, tt.directive)
		}
	}
	got, _ := complete(t, "rm", "--address", address, "")
	if want := "late\t/api/x  close"; !slices.Equal(got, []string{want}) {
		t.Errorf("got %q, want the rule as the description", got)
	}
}

// The last statement of a line is completed with a kind of fault.
func TestCompletionOfKinds(t *testing.T) {
	for _, args := range [][]string{{"run", "percent 10; de"}, {"try", "localhost:3000", "percent 10; de"}} {
		got, directive := complete(t, args...)
		if !slices.Contains(got, "percent 10; delay") || directive != ":6" {
			t.Errorf("%q: got %q and %s", args, got, directive)
		}
	}
	if got, directive := complete(t, "try", ""); len(got) != 0 || directive != noFiles {
		t.Errorf("an upstream: got %q and %s", got, directive)
	}
}

// Completion never prints an error, and never waits for long.
func TestCompletionWithoutCaddy(t *testing.T) {
	page := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	for _, address := range []string{unheardAddress(t, page), page, "nope:x"} {
		if got, directive := complete(t, "rm", "--address", address, ""); len(got) != 0 || directive != noFiles {
			t.Errorf("%s: got %q and %s", address, got, directive)
		}
	}
	release := make(chan struct{})
	silent := listen(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer close(release)
	asked := time.Now()
	if got, _ := complete(t, "rm", "--address", silent, ""); len(got) != 0 || time.Since(asked) > 10*completionPatience {
		t.Errorf("a silent Caddy: got %q after %s", got, time.Since(asked))
	}
}
