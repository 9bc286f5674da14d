package caddymodule

import (
	"regexp"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// adviceOfShort finds the lines to copy in the error of a line of the directive.
var adviceOfShort = regexp.MustCompile(`(?s)(?:write:?|did you mean:?|: )\s*'?((?:@[a-z-]+ path [^\n]*\n\t)?fault(?: [^'\n]*)?(?:\n.*)?)$`)

// TestShortAdviceLoads refuses each pair of words in the line of the directive, and
// some longer lines. The advice, if there is any, loads.
func TestShortAdviceLoads(t *testing.T) {
	const vocabulary = "503 5% 2s 64KiB/s 50% /x @m * x/y delay close percent truncate throttle respond patch choose refuse match point both text dleay latency"
	told := 0
	check := func(line string) {
		_, err := testkit.Adapt(t, inSite(line))
		if err == nil {
			return
		}
		found := adviceOfShort.FindStringSubmatch(strings.TrimSuffix(strings.ReplaceAll(err.Error(), "?", ""), "'"))
		if found == nil || strings.Contains(found[1], "[<fault>]") { // the syntax
			return
		}
		told++
		if _, again := testkit.Adapt(t, inSite(found[1])); again != nil {
			t.Errorf("%s: %v\nthe advice: %v", line, err, again)
		}
	}
	for first := range strings.FieldsSeq(vocabulary) {
		check("fault " + first)
		for second := range strings.FieldsSeq(vocabulary) {
			check("fault " + first + " " + second)
		}
	}
	for _, line := range []string{"5% 2s 503", "percent 5 503 close", "/x /y percent 5", "respond 503 close /x", "delay 2s close 5%", "close reset close", "trigger X-Fault", "trigger cookie a", "dleay 2s 503"} {
		check("fault " + line)
	}
	if told < 200 {
		t.Errorf("%d lines have advice", told)
	}
}

func inSite(lines string) string { return ":8080 {\n@m path /m\n" + lines + "\n}" }

// A value whose name is missing gets it, and what cannot be a fault gets one.
func TestShortAdvice(t *testing.T) {
	for line, want := range map[string]string{
		"fault 5% 503":                 "write:\n\tfault {\n\t\tpercent 5%\n\t\trespond 503\n\t}",
		"fault 5% 2s":                  "write:\n\tfault {\n\t\tpercent 5%\n\t\tdelay 2s\n\t}",
		"fault respond /x":             "write fault /x respond 503",
		"fault percent 5 /x":           "write:\n\tfault /x {\n\t\tpercent 5\n\t\trespond 503\n\t}",
		"fault /a /b percent 5":        "@paths path /a /b\n\tfault @paths {\n\t\tpercent 5\n\t\trespond 503\n\t}",
		"fault /x {env.STATUS}":        "'{env.STATUS}' has no value yet, at Caddyfile:3: write fault /x {$STATUS}, which has its value when the file is read",
		"fault 503 hang":               "did you mean 'fault respond 503'?",
		"fault 503 close":              "write:\n\tfault {\n\t\trespond 503 {\n\t\t\tclose\n\t\t}\n\t}",
		"fault throttle 64KiB/s both":  "write:\n\tfault {\n\t\tthrottle 64KiB/s {\n\t\t\tboth\n\t\t}\n\t}",
		"fault delay 200ms 500ms hold": "write:\n\tfault {\n\t\tdelay 200ms 500ms {\n\t\t\thold\n\t\t}\n\t}",
	} {
		if _, err := testkit.Adapt(t, inSite(line)); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q at its end", line, err, want)
		}
	}
}
