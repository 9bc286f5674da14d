package kinds

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// reload decodes the JSON of a fault into a new fault, as the server does with the
// output of the Caddyfile adapter.
func reload[F faults.Fault](t testing.TB, from faults.Fault, into F) F {
	t.Helper()
	config, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.StrictUnmarshalJSON(config, into); err != nil {
		t.Fatalf("%s: %v", config, err)
	}
	return provision(t, into)
}

func parseChoose(t testing.TB, lines string) *Choose {
	t.Helper()
	return reload(t, unmarshal(t, new(Choose), "choose {\n"+lines+"\n}"), new(Choose))
}

// outcome returns what a fault does with a hit: the body of its reply, or a dot if the
// request passes.
func outcome(t testing.TB, f faults.Fault, hit faults.Hit) string {
	t.Helper()
	result := ""
	r := request(http.MethodGet)
	resp, err := runFault(t, f, r.WithContext(withHit(r.Context(), &hit)), func(http.ResponseWriter, *http.Request) error {
		result = "."
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	return result + string(body)
}

func TestChoose(t *testing.T) {
	f := parseChoose(t, "0 respond 500 never\n1 respond 500 a\n2 pass\n1 {\n delay 1ns\n respond 500 b\n}\n0 respond 500 never")
	for _, tt := range []struct {
		u    float64
		want string
	}{
		{0, "a"},
		{0.2499, "a"},
		{0.25, "."},
		{0.7499, "."},
		{0.75, "b"},
		{math.Nextafter(1, 0), "b"},
	} {
		if got := outcome(t, f, faults.Hit{N: 1, U: tt.u}); got != tt.want {
			t.Errorf("draw %v: got %q, want %q", tt.u, got, tt.want)
		}
	}
}

// The draw within a branch is uniform again, so a nested choose works.
func TestChooseInChoose(t *testing.T) {
	f := parseChoose(t, "1 pass\n1 {\n choose {\n 1 respond 500 a\n 1 respond 500 b\n }\n}")
	got := map[string]int{}
	const n = 1000
	for i := range n {
		got[outcome(t, f, faults.Hit{N: 1, U: (float64(i) + 0.5) / n})]++
	}
	if got["."] != n/2 || got["a"] != n/4 || got["b"] != n/4 {
		t.Errorf("got %v, want half next, a quarter a and a quarter b", got)
	}
}

func TestChooseEnds(t *testing.T) {
	for lines, want := range map[string]bool{
		"1 close\n1 reset":                       true,
		"1 close\n0 pass":                        true,
		"1 close\n1 pass":                        false,
		"1 close\n1 delay 1s":                    false,
		"1 {\n delay 1s\n close\n}":              true,
		"1 {\n choose {\n 1 close\n }\n}":        true,
		"1 {\n sequence loop {\n close\n }\n}":   true,
		"1 {\n sequence once {\n close\n }\n}":   false,
		"1 {\n sequence loop {\n pass\n }\n}":    false,
		"1 {\n choose {\n 1 delay 1s\n }\n}":     false,
		"1 {\n sequence loop {\n delay 1s\n}\n}": false,
	} {
		if got := parseChoose(t, lines).Terminal(); got != want {
			t.Errorf("%q: got %v, want %v", lines, got, want)
		}
	}
}

func TestChooseRefused(t *testing.T) {
	for _, tt := range []struct{ config, want string }{
		{`{}`, "choose has no branches"},
		{`{"branches": [null]}`, "branch 1 of choose is null"},
		{`{"branches": [{"weight": 0}]}`, "all are 0"},
		{`{"branches": [{"weight": -1}]}`, "bad weight '-1'"},
		{`{"branches": [{"weight": 1, "faults": [{"fault": "explode"}]}]}`, "loading branch 1 of choose"},
		{`{"branches": [{"weight": 1, "faults": [{"fault": "close"}, {"fault": "reset"}]}]}`, "branch 1 of choose: fault 'reset' comes after 'close'"},
		{`{"branches": [{"weight": 1, "colour": 1}]}`, `unknown field "colour"`},
	} {
		if _, err := testContext(t).LoadModuleByID(faults.Namespace+".choose", []byte(tt.config)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q", tt.config, err, tt.want)
		}
	}
}
