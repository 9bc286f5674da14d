package e2e

import (
	"encoding/xml"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// unmatched are rules that read everything in a request and match none of these tests.
const unmatched = `fault {
	rule {
		match path /never/*
		respond 551
	}
	rule {
		match header X-Never yes
		reset
	}
	rule {
		match method BREW
		hang
	}
	rule {
		match host never.test
		close
	}
	rule {
		match expression {query.never} == "yes"
		throttle 1B/s
	}
	rule {
		match_response {
			status 599
		}
		truncate 50%
	}
}
`

// TestH2Spec runs the conformance tests of h2spec. With the directive, they have the
// same results as with Caddy alone, also over h2c with the listener wrapper. Over TLS,
// any listener wrapper changes how Caddy ends some broken connections, because the
// connection no longer has Go's own type.
func TestH2Spec(t *testing.T) {
	if _, err := exec.LookPath("h2spec"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("h2spec is not installed")
	}
	const reply = "respond hello"
	plain := config{anyHost: true, servers: "protocols h1 h2 h2c", site: reply}
	faulty := plain
	faulty.site, faulty.wrapper = unmatched+reply, true
	t.Run("h2c, wrapper", func(t *testing.T) { faulty.wantH2Spec(t, plain) })
	plain.tls, faulty.tls, faulty.wrapper = true, true, false
	t.Run("TLS", func(t *testing.T) { faulty.wantH2Spec(t, plain) })
}

// wantH2Spec checks that the results are those of the plain site. Some cases fail
// there. A few fail only if Go's server closes the connection before h2spec has read
// from it. Cases with different results are therefore repeated until both sites have
// had the same result.
func (c config) wantH2Spec(t *testing.T, plain config) {
	t.Helper()
	want, got := plain.h2spec(t, nil), c.h2spec(t, nil)
	if len(want) < 100 {
		t.Fatalf("h2spec has %d cases", len(want))
	}
	differ := want.without(got)
	for try := 0; try < 8 && len(differ) > 0; try++ {
		var sections []string
		for _, name := range differ {
			section, _, _ := strings.Cut(name, ":")
			sections = append(sections, section)
		}
		want.add(plain.h2spec(t, sections))
		got.add(c.h2spec(t, sections))
		differ = want.without(got)
	}
	if len(differ) > 0 {
		t.Errorf("these cases do not end as with Caddy alone:\n%s", strings.Join(differ, "\n"))
	}
}

// verdicts holds the results of the cases of h2spec by name, with several results for a
// repeated case.
type verdicts map[string][]string

func (v verdicts) add(more verdicts) {
	for name, ends := range more {
		v[name] = append(v[name], ends...)
	}
}

// without returns the cases that never had the same result in others.
func (v verdicts) without(others verdicts) (names []string) {
	for name, ends := range v {
		if !slices.ContainsFunc(others[name], func(end string) bool { return slices.Contains(ends, end) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// h2spec starts the site and runs these sections of h2spec, or all of them.
func (c config) h2spec(t *testing.T, sections []string) (found verdicts) {
	t.Helper()
	t.Run("h2spec", func(t *testing.T) {
		s := start(t, c)
		ip, port, err := net.SplitHostPort(s.addr)
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string{"--host", ip, "--port", port, "--timeout", "1", "--junit-report", s.path("junit.xml")}, sections...)
		if c.tls {
			args = append(args, "--tls", "--insecure")
		}
		out, err := exec.CommandContext(t.Context(), "h2spec", args...).CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		report, err := os.ReadFile(s.path("junit.xml"))
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		found = readVerdicts(t, report)
	})
	return found
}

// readVerdicts parses the report of h2spec.
func readVerdicts(t *testing.T, report []byte) verdicts {
	t.Helper()
	var suites struct {
		Suite []struct {
			Case []struct {
				Section string    `xml:"package,attr"`
				Name    string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(report, &suites); err != nil {
		t.Fatal(err)
	}
	found := make(verdicts)
	for _, suite := range suites.Suite {
		for _, c := range suite.Case {
			verdict := "passed"
			if c.Failure != nil || c.Error != nil {
				verdict = "failed"
			} else if c.Skipped != nil {
				verdict = "skipped"
			}
			found.add(verdicts{c.Section + ": " + c.Name: {verdict}})
		}
	}
	return found
}
