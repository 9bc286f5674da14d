package caddymodule

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// Whatever the block of the directive contains, the parser returns a configuration or
// an error.
func FuzzDirective(f *testing.F) {
	for _, block := range []string{
		"551", "/a* respond 503", "{\n\tpercent 10\n\tdelay 1s 2s\n}", "{\n\trule a {\n\t\tmatch path /x\n\t\treset\n\t}\n}",
		"{\n\ttrigger header X-A {\n\t\tkey 0123456789abcdef\n\t}\n}", "{\n\tsequence {\n\t\tstep {\n\t\t\tpass\n\t\t}\n\t}\n}", "{\n\tchoose {\n\t\t1 close\n\t}\n}",
	} {
		f.Add(block)
	}
	f.Fuzz(func(t *testing.T, block string) {
		if strings.Contains(block, "import") || strings.Contains(block, "{$") || strings.Contains(block, "tls") {
			t.Skip() // of Caddy: files and the environment
		}
		_, _, _ = caddyconfig.GetAdapter("caddyfile").Adapt([]byte(":8080 {\n\tfault "+block+"\n}\n"), nil)
	})
}

// Clients of the API send the JSON of a rule. Loading any JSON must return.
func FuzzRuleJSON(f *testing.F) {
	for _, rule := range []string{
		`{"faults": [{"fault": "respond", "status_code": 551}]}`, `{"percent": 10, "faults": [{"fault": "delay", "min": "1s", "max": "2s"}]}`,
		`{"match": [{"path": ["/a*"]}], "times": 3, "faults": [{"fault": "choose", "branches": [{"weight": 1, "faults": [{"fault": "close"}]}]}]}`,
		`null`, `{"faults": [null]}`, `{"faults": [{"fault": "sequence", "steps": [null]}]}`,
	} {
		f.Add(rule)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		if strings.Contains(rule, "body_file") {
			t.Skip() // reads files
		}
		_, _ = testnode.TryLoad(t, `{"rules": [`+rule+`]}`, "")
	})
}

// The statements of a line are parts of it, in order, and contain only words that fit
// on one line.
func FuzzStatements(f *testing.F) {
	for _, line := range []string{"551", "delay 250ms; respond 503", "respond 410 \"a; b\"", "a`b;c`d", `respond "a\\"; close`, "; ;", "{ }"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		statements, err := grammar.Split(line)
		if err != nil {
			return
		}
		end := 0
		for _, s := range statements {
			if s.Start < end || s.End < s.Start || s.End > len(line) || len(s.Tokens) == 0 {
				t.Fatalf("%q: statement %+v after %d", line, s, end)
			}
			end = s.End
			for _, token := range s.Tokens {
				if strings.ContainsRune(token.Text, '\n') {
					t.Errorf("%q: word %q", line, token.Text)
				}
			}
		}
	})
}
