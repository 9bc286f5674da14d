package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// The answer to an experiment has the requests that its points apply to, and where it
// cannot match.
func TestExperimentPlaces(t *testing.T) {
	n := testnode.Start(t, `{"point": "a", "source": "Caddyfile:3", "match": [{"path": ["/a/*"]}]}`, "")
	n.Beside(`{"point": "b", "match": [{"path": ["/b/*"], "method": ["GET"]}]}`)
	n.Beside(`{"point": "all"}`)
	n.Beside(`{"point": "a", "match": [{"path": ["/a2/*"]}]}`)
	const fault = `"faults": [{"fault": "respond", "status_code": 500}]}`
	for _, tt := range []struct{ experiment, want string }{
		{`{"match": [{"path": ["/b/c"]}], ` + fault, "a Caddyfile:3 [match path /a/*] path /a/* and /b/c; b  [match { method GET; path /b/* }] ; all  [] ; a  [match path /a2/*] path /a2/* and /b/c; "},
		{`{"match": [{"method": ["PUT"]}], "points": ["b"], ` + fault, "b  [match { method GET; path /b/* }] method GET and PUT; "},
		{`{"points": ["b", "all"], ` + fault, "b  [match { method GET; path /b/* }] ; all  [] ; "},
	} {
		for _, ask := range []func() []byte{
			func() []byte { return n.Do("PUT", "/experiments/x", tt.experiment).Body.Bytes() },
			func() []byte { return n.Do("GET", "/experiments/x", "").Body.Bytes() },
			func() []byte { return n.Do("PATCH", "/experiments/x", `{"ttl": "1h"}`).Body.Bytes() },
		} {
			var view api.ExperimentView
			if err := json.Unmarshal(ask(), &view); err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, p := range view.Places {
				got += fmt.Sprintf("%s %s [%s] %s; ", p.Point, p.Source, p.Line, p.Excluded)
			}
			if got != tt.want {
				t.Errorf("%s: got\n%s\nwant\n%s", tt.experiment, got, tt.want)
			}
		}
	}
	if got := n.Do("GET", "/experiments", "").Body.String(); strings.Contains(got, `"places"`) {
		t.Errorf("a list has places: %s", got)
	}
}

// cameTo returns how many requests have matched the experiment, of how many that reached
// it.
func cameTo(t *testing.T, n *testnode.Node, name string) string {
	t.Helper()
	var view api.StateView
	if err := json.Unmarshal(n.Do("GET", "/", "").Body.Bytes(), &view); err != nil {
		t.Fatal(err)
	}
	for _, e := range view.Experiments {
		if e.Name == name {
			return fmt.Sprintf("%d of %d", e.Matched, e.Came)
		}
	}
	return "none"
}

// An experiment counts the requests that reach its points after its start, and the
// requests that match it. Neither another experiment nor an extension changes these
// counts.
func TestExperimentSeen(t *testing.T) {
	n := testnode.Start(t, `{"point": "a", "match": [{"path": ["/a/*"]}]}`, "")
	const rest = `"percent": 0, "faults": [{"fault": "respond", "status_code": 500}]}`
	want := func(name, want string) {
		t.Helper()
		if got := cameTo(t, n, name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	hits := func(times int, target string) {
		for range times {
			n.Hit(target)
		}
	}
	hits(2, "/a/x") // before the experiment
	n.Put("x", `{"match": [{"path": ["/a/x"]}], `+rest)
	want("x", "0 of 0")
	hits(3, "/a/y")
	hits(2, "/a/x")
	hits(4, "/elsewhere")
	want("x", "2 of 5")
	n.Put("late", `{"match": [{"path": ["/b/*"]}], `+rest)
	hits(7, "/a/y")
	want("x", "2 of 12")
	want("late", "0 of 7")
	n.Want(200, "PATCH", "/experiments/late", `{"note": "longer", "ttl": "1h"}`, "")
	n.Do("DELETE", "/experiments/x", "")
	hits(1, "/a/x")
	want("late", "0 of 8")
	n.Want(200, "POST", "/reset?rule=late", "", "")
	want("late", "0 of 0")
	hits(2, "/a/x")
	want("late", "0 of 2")
	n.Put("x", `{"match": [{"path": ["/a/x"]}], `+rest)
	want("x", "0 of 0")
	n.Want(200, "PUT", "/experiments/late", `{"match": [{"path": ["/b/*"]}], `+rest, `"came": 0`)
}

// A request that another experiment takes does not count as unmatched.
func TestExperimentSeenAfterAnother(t *testing.T) {
	n := testnode.Start(t, `{"point": "a"}`, "")
	const rest = `"points": ["*"], "faults": [{"fault": "respond", "status_code": 500}]}`
	n.Put("first", `{"match": [{"path": ["/first"]}], `+rest)
	n.Put("second", `{`+rest)
	for _, target := range []string{"/first", "/first", "/second"} {
		n.Hit(target)
	}
	for name, want := range map[string]string{"first": "2 of 3", "second": "1 of 1"} {
		if got := cameTo(t, n, name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
