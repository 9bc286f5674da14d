package grammar

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// The block of an experiment has the lines of a rule and those of an experiment. A fault of
// a transport is read as well.
func TestParseExperiment(t *testing.T) {
	for _, tt := range []struct{ block, want string }{
		{"point *\ndelay 2s", `{"faults":[{"duration":2000000000,"fault":"delay"}],"points":["*"]}`},
		{"point a b\nclose", `{"faults":[{"fault":"close"}],"points":["a","b"]}`},
		{"match path /a\nclose", `{"match":[{"path":["/a"]}],"faults":[{"fault":"close"}]}`},
		{"point a\nttl 5m\nclose", `{"faults":[{"fault":"close"}],"points":["a"],"ttl":300000000000}`},
		{"point a\nttl 0\nclose", `{"faults":[{"fault":"close"}],"points":["a"],"ttl":0}`},
		{"point a\nnote \"ask Ada\"\nclose", `{"faults":[{"fault":"close"}],"points":["a"],"note":"ask Ada"}`},
		{"point a\nsticky {http.request.header.X-User}\nclose", `{"faults":[{"fault":"close"}],"sticky":"{http.request.header.X-User}","points":["a"]}`},
		{"point a\nseed -42\nclose", `{"faults":[{"fault":"close"}],"seed":-42,"points":["a"]}`},
		{"point a\nrefuse", `{"faults":[{"fault":"refuse"}],"points":["a"]}`},

		{"close", "experiment 'x' has neither point nor match, at Testfile:1: write point * for every point"},
		{"point\nclose", "experiment point: an argument is missing"},
		{"point shop shop\nclose", "point 'shop' already specified"}, //nolint:dupword // the mistake
		{"point a\npoint b\nclose", "point already specified"},
		{"point a/b\nclose", "bad name 'a/b'"},
		{"point a", "a rule needs a fault"},
		{"point a\nttl\nclose", "experiment ttl: an argument is missing"},
		{"point a\nttl 5m 6m\nclose", "unexpected argument '6m' of experiment ttl"},
		{"point a\nttl soon\nclose", "bad ttl 'soon'"},
		{"point a\nttl -5m\nclose", "bad ttl '-5m0s': want a duration such as 5m, or 0 for no end"},
		{"point a\nsticky\nclose", "sticky: an argument is missing"},
		{"point a\nsticky \"\"\nclose", "sticky '' is empty"},
		{"point a\nsticky user\nclose", "bad sticky 'user': without a placeholder"},
		{"point a\nsticky {env.USER}\nclose", "placeholder '{env.USER}' is not allowed in experiments"},
		{"point a\nseed many\nclose", "bad seed 'many': want a whole number"},
		{"point a\nseed 1.5\nclose", "bad seed '1.5'"},
		{"point a\nseed 1 2\nclose", "unexpected argument '2' of seed"},
		{"point a\nobserve", "follows and observe are about other rules"},
		{"point a\nfollows b 5s\nclose", "follows and observe are about other rules"},
		{"point a\nrespond 503 {\nbody_file x\n}", "experiments read no files"},
		{"point a\nhealth_checks\nrefuse", "health_checks is only allowed in a transport"},
		{"point a\nsed 5\nclose", "did you mean 'seed 5'?"},
		{"point a\nrespnd 503\nrefuse", "did you mean 'respond 503'?"},
	} {
		d := caddyfile.NewTestDispenser("x {\n" + tt.block + "\n}")
		d.Next()
		e, err := ParseExperiment(d, "x", nil)
		if err != nil {
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q: got %v, want %s", tt.block, err, tt.want)
			}
			continue
		}
		got, err := json.Marshal(e)
		if err != nil || string(got) != tt.want {
			t.Errorf("%q: got %s, %v, want %s", tt.block, got, err, tt.want)
		}
		if e.Place != 0 {
			t.Errorf("%q: the place is decided by a parser", tt.block)
		}
	}
	d := caddyfile.NewTestDispenser("x {\npoint a\nclose\n}")
	d.Next()
	if _, err := ParseExperiment(d, "bad name", nil); err == nil || !strings.Contains(err.Error(), "bad name 'bad name'") {
		t.Errorf("got %v", err)
	}
}
