package command

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// The elements of JUnit XML that build servers read.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}

	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}

	junitCase struct {
		Class   string       `xml:"classname,attr"`
		Name    string       `xml:"name,attr"`
		Failure *junitResult `xml:"failure"`
		Skipped *junitResult `xml:"skipped"`
		Out     string       `xml:"system-out,omitempty"`
	}

	junitResult struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// printClientsJUnit prints a report as JUnit XML: a suite for each client, a test for each
// finding. A separate suite has the assertion, which also fails without evidence.
func printClientsJUnit(out io.Writer, v *api.ClientsView, a *clients.Assertion) error {
	all := junitSuites{Name: "caddy fault clients"}
	switch {
	case v.Why != "":
		all.add("assertion", junitCase{Class: "assertion", Name: "holds", Failure: &junitResult{Message: grammar.Printable(v.Why), Type: "assertion"}})
	case len(a.FailOn) > 0 || a.Retry || a.MinCalls > 0:
		all.add("assertion", junitCase{Class: "assertion", Name: "holds"})
	case v.Calls == 0:
		all.add("assertion", junitCase{Class: "assertion", Name: "holds", Skipped: &junitResult{Message: "no call after a fault"}})
	}
	names := clients.Names()
	ofClient, ofPeriod := names[:len(names)-periodFindings], names[len(names)-periodFindings:]
	for i := range v.Clients {
		c := &v.Clients[i]
		all.add(grammar.Printable(c.Client), junitCases(c.Client, ofClient, c.Findings, c.Undecided, a)...)
	}
	periods := make([]junitCase, 0, len(v.Periods))
	for i := range v.Periods {
		p := &v.Periods[i]
		class := fmt.Sprintf("%s/%s %s", p.Point, p.Rule, instant(p.Start))
		periods = append(periods, junitCases(class, ofPeriod, p.Findings, p.Undecided, a)...)
	}
	if len(periods) > 0 {
		all.add("periods", periods...)
	}
	return all.write(out)
}

// write writes the suites as XML.
func (all *junitSuites) write(out io.Writer) error {
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(out)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(out, "\n")
	return err
}

// add adds a suite and counts its tests.
func (all *junitSuites) add(name string, cases ...junitCase) {
	suite := junitSuite{Name: name, Tests: len(cases), Cases: cases}
	for i := range cases {
		if cases[i].Failure != nil {
			suite.Failures++
		}
		if cases[i].Skipped != nil {
			suite.Skipped++
		}
	}
	all.Suites = append(all.Suites, suite)
	all.Tests += suite.Tests
	all.Failures += suite.Failures
	all.Skipped += suite.Skipped
}

// junitCases returns a test for each name of a finding.
func junitCases(class string, names []string, found []clients.Finding, undecided []clients.Undecided, a *clients.Assertion) []junitCase {
	cases := make([]junitCase, len(names))
	for i, name := range names {
		cases[i] = junitCase{Class: grammar.Printable(class), Name: name}
		for j := range found {
			if found[j].Finding == name {
				cases[i].judge(&found[j], a)
			}
		}
		for _, u := range undecided {
			if u.Finding == name {
				cases[i].Skipped = &junitResult{Message: grammar.Printable("undecided: " + u.Why)}
			}
		}
	}
	return cases
}

// judge makes the test one that fails, or one that says what was found.
func (c *junitCase) judge(f *clients.Finding, a *clients.Assertion) {
	text := grammar.Printable(findingText(f))
	if len(a.FailOn) > 0 && !a.Refuses(f) {
		c.Out = string(f.Level) + ": " + text
		return
	}
	var proofs strings.Builder
	for i := range f.Evidence {
		proofs.WriteString(grammar.Printable(proofText(&f.Evidence[i])) + "\n")
	}
	c.Failure = &junitResult{Message: text, Type: string(f.Level), Text: proofs.String()}
}
