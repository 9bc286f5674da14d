package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A setting that has no effect at its place is reported once at each load.
func TestHintsAtLoad(t *testing.T) {
	s := start(t, config{site: "route {\nrespond ok\nfault 503\n}\nfault /api {\nmatch path /users\nrespond 503\n}"})
	for loads := 1; loads <= 2; loads++ {
		for _, want := range []string{
			"no request reaches point 'fault1': static_response before it ends all requests; write the point first",
			"rule 'rule1' of point 'fault2' can never fire: the matcher of the point excludes its own, path /api and /users",
		} {
			if got := strings.Count(s.caddyLog(t), want); got != loads {
				t.Errorf("%d loads: reported %d times: %s", loads, got, want)
			}
		}
		if loads == 1 {
			s.load(t)
		}
	}
}

// `caddy validate` shows the hints of the adapter, of points and of places, with their
// lines, and does not fail.
func TestHintsOfValidate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Caddyfile")
	writeFile(t, file, []byte(":8080 {\n\tfault {\n\t\tpercent 0.1\n\t\tend 2020-01-01T00:00:00Z\n\t\trespond 503\n\t}\n"+
		"\troute {\n\t\trespond ok\n\t\tfault 503\n\t}\n}\n"))
	out, err := exec.CommandContext(t.Context(), readyBinary(t), "validate", "--config", file).CombinedOutput()
	if err != nil {
		t.Fatalf("validating: %v\n%s", err, out)
	}
	for _, want := range []string{
		"Caddyfile:3: percent 0.1 is 1 request in 1000; if a share of 0.1 is meant, write percent 10; if not, write percent 0.1%",
		"Caddyfile:2: rule 'rule1' can never fire: its end 2020-01-01T00:00:00Z has passed",
		"Caddyfile:2: rule 'rule1': respond 503 sends the catalog's Retry-After: 300",
		"Caddyfile:9: no request reaches point 'fault2': static_response before it ends all requests; write the point first",
	} {
		if strings.Count(string(out), want) != 1 {
			t.Errorf("got\n%s\nwant once: %s", out, want)
		}
	}
}

// A fault that needs the listener wrapper is reported in a server without it.
func TestHintsOfWrapper(t *testing.T) {
	for _, wrapper := range []bool{false, true} {
		s := start(t, config{wrapper: wrapper, site: "fault {\nrule lost {\nchoose {\n1 reset CANCEL\n}\n}\n}\nrespond ok"})
		want := "rule 'lost': reset CANCEL only ends the request over HTTP/2, because the server does not have the listener wrapper fault"
		if got := strings.Contains(s.caddyLog(t), want); got == wrapper {
			t.Errorf("wrapper %t: reported: %t", wrapper, got)
		}
	}
}
