package grammar

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// The block of a rule outside of a site has the lines of a rule, and others that its
// owner knows.
func TestParseBlock(t *testing.T) {
	for _, tt := range []struct{ block, want string }{
		{"delay 2s", `{"faults":[{"duration":2000000000,"fault":"delay"}]}`},
		{"note x\npercent 10\nclose", `x {"percent":10,"faults":[{"fault":"close"}]}`},
		{"match path /a\nmatch host b\nclose", `{"match":[{"path":["/a"]},{"host":["b"]}],"faults":[{"fault":"close"}]}`},
		{"match {\npath /a\nhost b\n}\nclose\nnote y", `y {"match":[{"host":["b"],"path":["/a"]}],"faults":[{"fault":"close"}]}`},
		{"match *\nclose", `{"match":[{}],"faults":[{"fault":"close"}]}`},
		{"", "a rule needs a fault"},
		{"note x", "a rule needs a fault"},
		{"note x\nnote y\nclose", "note already specified"},
		{"percent 1\npercent 2\nclose", "percent already specified"},
		{"note\nclose", "wrong argument count"},
		{"nte x\nclose", "did you mean 'note x'?"},
		{"match @api\nclose", "named matchers belong to a site"},
		{"point shop\nclose", "'point' is not a line of a rule"},
		{"observe\nclose", "a rule that observes injects nothing"},
		{"max_keys 5\nclose", "max_keys"},
	} {
		d := caddyfile.NewTestDispenser("x {\n" + tt.block + "\n}")
		d.Next()
		rule, note := new(rules.Rule), ""
		err := NewRuleParser(rule).ParseBlock(d, map[string]func(*caddyfile.Dispenser) error{"note": func(d *caddyfile.Dispenser) error {
			if !d.AllArgs(&note) {
				return d.ArgErr()
			}
			return nil
		}})
		data, _ := json.Marshal(rule)
		got := strings.TrimSpace(note + " " + string(data))
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != tt.want || err != nil && (strings.HasPrefix(tt.want, "{") || !strings.Contains(got, tt.want)) {
			t.Errorf("%q: got %s, want %s", tt.block, got, tt.want)
		}
	}
}
