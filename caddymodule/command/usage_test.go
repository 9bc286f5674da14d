package command

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// Each mistake in the arguments gets a text that says what to write instead. None of
// these command lines reaches Caddy.
func TestUsage(t *testing.T) {
	t.Setenv(addressVariable, "nowhere.invalid:1")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"status", "--rul"}, "unknown flag '--rul': list the flags with caddy fault status --help"},
		{[]string{"status", "--addrss", "x:1"}, "unknown flag '--addrss': did you mean '--address'?"},
		{[]string{"verify", "slow", "--at_least", "1"}, "unknown flag '--at_least': did you mean '--at-least'?"},
		{[]string{"verify", "slow", "--atleast", "1"}, "did you mean '--at-least'?"},
		{[]string{"run", "--poin", "shop", "503"}, "unknown flag '--poin': did you mean '--point'?"},
		{[]string{"run", "503", "npm", "test", "--watchAll"}, "unknown flag '--watchAll': list the flags with caddy fault run --help; write a command and its flags after --"},
		{[]string{"status", "-v"}, "unknown flag '-v': list the flags with caddy fault status --help"},
		{[]string{"--json", "status"}, "unknown flag '--json': write a flag after the command that has it, as in caddy fault "},
		{[]string{"--colour", "status"}, "unknown flag '--colour': list the flags with caddy fault --help"},
		{[]string{"reset", "--rule"}, "--rule needs a value: write --rule slow"},
		{[]string{"verify", "slow", "--exactly", "x"}, "bad value 'x' of --exactly: want a number, such as --exactly 1"},
		{[]string{"verify", "slow", "--at-most", "-1"}, "bad value '-1' of --at-most: want a number, such as --at-most 3"},
		{[]string{"list", "--ended=yes"}, "bad value 'yes' of --ended: write --ended, or leave it out"},

		{[]string{""}, "unknown command '': list all with caddy fault --help"},
		{[]string{"rm", "slow", ""}, "a name is empty: caddy fault rm <name>"},
		{[]string{"list", "x"}, "unexpected argument 'x': write caddy fault list, without arguments"},
		{[]string{"halt", "now"}, "unexpected argument 'now': write caddy fault halt, without arguments"},
		{[]string{"clients", "x"}, "unexpected argument 'x': write caddy fault clients, without arguments"},
		{[]string{"explain"}, "a URL is required: caddy fault explain http://localhost:8080/api"},
		{[]string{"explain", "/a", "/b"}, "unexpected argument '/b': want one argument, as in caddy fault explain http://localhost:8080/api"},
		{[]string{"plan"}, "a file is required: caddy fault plan smoke.plan"},
		{[]string{"codes", "too", "many"}, "unexpected argument 'many': write several words in quotes: caddy fault codes 'too many'"},
		{[]string{"off"}, "a point and a rule are required: caddy fault off fault1 rule1"},
		{[]string{"on", "a", "b", "c"}, "unexpected argument 'c': name one point and one rule, as in caddy fault on fault1 rule1"},

		{[]string{"clients", "--json", "--html"}, "--json and --html exclude each other: give one of them"},
		{[]string{"plan", "x.plan", "--check", "--dry-run"}, "--check and --dry-run exclude each other: give one of them"},
		{[]string{"watch", "--stat", "--refused"}, "--stat and --refused exclude each other: give one of them"},
		{[]string{"verify", "slow", "--exactly", "1", "--at-least", "2"}, "--exactly and --at-least exclude each other: give one of them"},

		{[]string{"verify"}, "a rule is required: caddy fault verify slow --at-least 1, or caddy fault verify --refused --exactly 0"},
		{[]string{"verify", "gone"}, "a number is required: caddy fault verify gone --at-least 1, or --exactly or --at-most"},
		{[]string{"verify", "--rule", "gone"}, "a number is required: caddy fault verify gone --at-least 1"},
		{[]string{"verify", "--refused"}, "a number is required: caddy fault verify --refused --exactly 0"},
		{[]string{"verify", "gone", "5"}, "unexpected argument '5': write caddy fault verify gone --exactly 5"},
		{[]string{"verify", "--refused", "gone", "--exactly", "0"}, "'gone' and --refused exclude each other: "},

		{[]string{"run"}, "a rule is required: caddy fault run --match 'path /api/*' 'percent 10; delay 2s'"},
		{[]string{"run", "--point", "shop", "--", "npm", "test"}, "a rule is required: "},
		{[]string{"run", "--point", "shop", "503", "--"}, "a command is required after --"},
		{[]string{"run", "--point", "shop", "delay", "2s"}, "unexpected argument '2s': write the rule in quotes: 'delay 2s'"},
		{[]string{"run", "--point", "shop", "delay 2s", "npm", "test"}, "unexpected argument 'npm': write a command after --: 'delay 2s' -- npm test"},
		{[]string{"run", "--point", "shop", "delay 2s", "sh", "-c", "true"}, "unexpected argument 'sh': write a command after --: 'delay 2s' -- sh"},
		{[]string{"run", "--match", "path", "/api/*", "delay 2s"}, "write the matcher in quotes: --match 'path /api/*'"},
		{[]string{"run", "shop", "delay 2s"}, "unexpected argument 'shop': write a point with its flag: --point shop 'delay 2s'"},
		{[]string{"run", "--point", "shop", "dely", "2s"}, "unexpected argument '2s': write the rule as one argument in quotes, and a command after --"},
		{[]string{"run", "--point", "shop/slow", "503"}, "bad point 'shop/slow': an experiment has its own rule; write --point shop"},
		{[]string{"run", "--point", "shop", "--ttl", "5", "503"}, "bad ttl '5': want a duration such as 5m, or 0 for no end"},
		{[]string{"explain", "/x", "-H", "X-User=ann"}, "bad header 'X-User=ann': write -H 'X-User: ann'"},
		{[]string{"explain", "/x", "-H", "X-User"}, "bad header 'X-User': write -H 'X-User: value'"},

		{[]string{"clients", "--fail-on", "warnin"}, "--fail-on: 'warnin' is not a level or a finding: did you mean 'warning'?"},
		{[]string{"clients", "--allow", "no_jiter", "--fail-on", "info"}, "--allow: 'no_jiter' is not a finding: did you mean 'no_jitter'?"},
		{[]string{"clients", "--fail-on", "x"}, "--fail-on: 'x' is not a level or a finding: want one of error, warning, info, retry_after_ignored,"},
		{[]string{"clients", "--require", "x"}, "bad value 'x' of --require: write --require retry"},
		{[]string{"status", "--address", "2020"}, "the admin address '2020' has no host: write --address localhost:2020"},
	} {
		if got := caddyFault(t, tt.args...); got.err == nil || !strings.Contains(got.err.Error(), tt.want) {
			t.Errorf("%q:\ngot  %v\nwant %s", tt.args, got.err, tt.want)
		}
	}
}

// A line to copy names the same Caddy.
func TestUsageAgain(t *testing.T) {
	got := caddyFault(t, "verify", "gone", "--address", "node1:2019")
	if want := "a number is required: caddy fault verify gone --at-least 1 --address node1:2019"; got.err == nil || !strings.HasPrefix(got.err.Error(), want) {
		t.Errorf("got %v, want %s", got.err, want)
	}
}

// A refusal names the parameters of the API as flags.
func TestUsageParameters(t *testing.T) {
	_, address := adminEndpoint(t, twoRules)
	for args, want := range map[string]string{
		"status --limit x":                          "--limit: 'x' is not a number from 1 to 10000; write --limit 1000",
		"status --after nope":                       "--after: the running configuration has no 'nope'; start again without --after",
		"verify gone --exactly 1 --wait 10":         "--wait: '10' is not a duration of at most ",
		"verify gone --exactly 1 --since yesterday": "--since: 'yesterday' is neither a time",
		"verify gone --exactly 1 --id x":            "--id: only the lines of triggers have one, not rule 'gone'; write --rule trigger",
		"explain 127.0.0.1:80/x":                    ": write http://127.0.0.1:80/x",
		"explain localhost:80/x":                    "neither a path nor a whole URL: write http://localhost:80/x",
		"explain orders":                            "neither a path nor a whole URL: write /orders",
		"codes timout":                              "no status code, family or name matches 'timout': list all with caddy fault codes --address " + address,
	} {
		got := caddyFault(t, append(strings.Fields(args), "--address", address)...)
		if got.err == nil || !strings.Contains(got.err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", args, got.err, want)
		}
	}
	if got := caddyFault(t, "codes", "551", "--address", address); asFlags(faultCommand(), got.err) != nil {
		t.Errorf("got %v", got.err)
	}
}

// A name that is half of a rule is answered with the commands for the rules that it
// may mean.
func TestUsageRuleNames(t *testing.T) {
	n, address := adminEndpoint(t, twoRules)
	n.Want(201, "PUT", "/experiments/late", `{"points": ["*"], "faults": [{"fault": "close"}]}`, "")
	for args, want := range map[string]string{
		"off late":     "'late' is an experiment: end it with caddy fault rm late@",
		"off api late": "no rule 'late' at injection point 'api'; an experiment has this name: end it with caddy fault rm late@",

		"off gone":   "a point and a rule are required: write caddy fault off api gone@",
		"on api":     "a point and a rule are required: write one of:\n\tcaddy fault on api slow@\n\tcaddy fault on api gone@",
		"off nope":   "'nope' is neither a point nor a rule: see the names in caddy fault status@, then write caddy fault off <point> <rule>@",
		"rm nope":    "no experiment 'nope'",
		"rm gone":    "no experiment 'gone'; a rule of the configuration has this name: switch it off with caddy fault off api gone@",
		"rm gone x1": "no experiment 'x1'",
	} {
		got := caddyFault(t, append(strings.Fields(args), "--address", address)...)
		if !strings.Contains(got.stderr, at(address, want)) {
			t.Errorf("%s:\ngot  %s\nwant %s", args, got.stderr, at(address, want))
		}
	}
	if rules := n.Ctl.FindRules("api", "gone"); len(rules) != 1 {
		t.Errorf("got %d rules", len(rules))
	}
	if got := caddyFault(t, "off", "gone", "--address", unheardAddress(t, address)); got.err == nil || !strings.Contains(got.err.Error(), "neither a point nor a rule") {
		t.Errorf("without Caddy: got %v", got.err)
	}
}

// A report without calls says if the rule or the point of the filter does not exist.
func TestUsageFilter(t *testing.T) {
	_, address := adminEndpoint(t, twoRules)
	for args, want := range map[string]string{
		"clients --rule gnoe":            "Warning: no rule 'gnoe'; did you mean 'gone'?\n",
		"clients --point apo":            "Warning: no injection point 'apo'; did you mean 'api'?\n",
		"clients --rule gone":            "",
		"clients --point api":            "",
		"clients":                        "",
		"clients --rule x --min-calls 1": "Warning: no rule 'x'\nError: saw 0 calls, needs 1\n",
	} {
		got := caddyFault(t, append(strings.Fields(args), "--address", address)...)
		if got.stderr != want {
			t.Errorf("%s: got %q, want %q", args, got.stderr, want)
		}
	}
}

// An address without a host is not an origin that Caddy knows.
func TestUsageHost(t *testing.T) {
	client, err := newAdminClient(":2020")
	if err != nil {
		t.Fatal(err)
	}
	got := client.withOrigins(&api.Error{Status: http.StatusForbidden, Message: "host not allowed: :2020"}).Error()
	if want := "host not allowed: :2020; the admin address ':2020' has no host: write --address localhost:2020"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A command does not fall back to another Caddy if its address is empty.
func TestEmptyAddress(t *testing.T) {
	n := testnode.Start(t, twoRules, "")
	t.Setenv(addressVariable, listen(t, n.API))
	for _, args := range [][]string{{"halt", "--address="}, {"halt", "--config="}, {"clients", "--reset", "--address="}, {"plan", "no.plan", "--address="}} {
		want := strings.TrimSuffix(args[len(args)-1], "=") + " is empty: give it a value, or leave it out"
		if got := caddyFault(t, args...); got.err == nil || got.err.Error() != want {
			t.Errorf("%q: got %+v, want %s", args, got, want)
		}
	}
	if n.Ctl.Switch.Halted() {
		t.Error("a Caddy without the address is halted")
	}
}
