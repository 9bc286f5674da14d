package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// form is how to write a line: its syntax, and an example.
type form struct{ syntax, example string }

// forms has every line of a plan, by the place and the word.
var forms = map[string]form{
	"plan":          {"plan <name> { ... }", "plan smoke {\n\tstage busy 30s {\n\t\tfault down {\n\t\t\tpoint *\n\t\t\trespond 503\n\t\t}\n\t}\n}"},
	"plan note":     {"note <text>", `note "game day of the shop"`},
	"plan address":  {"address <admin address>...", "address node1:2019 node2:2019"},
	"plan ttl":      {"ttl <duration>", "ttl 30s"},
	"plan seed":     {"seed <number>", "seed 42"},
	"plan let":      {"let <name> <value>", "let rate 30"},
	"plan check":    {"check <name> http <url> | check <name> seen <point> <figure> >=|<= <value> [over <duration>] | check <name> command <word>...", "check up http http://localhost:8080/health"},
	"plan baseline": {"baseline <duration>", "baseline 30s"},
	"plan abort":    {"abort <check>... [for <duration>]", "abort up for 30s"},
	"plan settle":   {"settle <duration>", "settle 5s"},
	"plan run":      {"run [as <name>] <word>...", "run k6 run load.js"},
	"plan stage":    {"stage <name> [<duration>] { ... }", "stage busy 30s {\n\tfault down {\n\t\tpoint *\n\t\trespond 503\n\t}\n}"},
	"plan after":    {"after <word>...", "after ./clean-up.sh"},
	"plan report":   {"report junit|json|markdown|html <file>", "report junit plan.xml"},

	"check status": {"status <code>...", "status 2xx"},
	"check within": {"within <duration>", "within 2s"},
	"check body":   {"body <text>", "body ok"},
	"check every":  {"every <duration>", "every 5s"},
	"check fails":  {"fails <number>", "fails 3"},

	"stage fault":   {"[keep] fault <name> { ... }", "fault down {\n\tpoint *\n\trespond 503\n}"},
	"stage keep":    {"keep fault <name> { ... }", "keep fault slow {\n\tpoint *\n\tdelay 2s\n}"},
	"stage run":     {"run [as <name>] <word>...", "run go test ./client"},
	"stage off":     {"off <check>...", "off up"},
	"stage until":   {"until <check> [within <duration>]", "until up within 30s"},
	"stage recover": {"recover", "recover"},
	"stage expect": {
		"expect verify <rule> at_least|at_most|exactly <n> | expect no <level or finding>... | expect recovered | expect <check>",
		"expect no error",
	},
}

// synonyms are words of other tools, by place.
var synonyms = map[string]map[string]string{
	"plan": {
		"name": "plan", "description": "note", "title": "note", "node": "address", "nodes": "address", "timeout": "ttl", "var": "let", "set": "let",
		"probe": "check", "hypothesis": "check", "steady": "baseline", "warmup": "baseline", "stop": "abort", "halt": "abort", "load": "run", "exec": "run",
		"command": "run", "step": "stage", "phase": "stage", "scenario": "stage", "rollback": "after", "finally": "after", "output": "report", "junit": "report",
	},
	"check": {"code": "status", "timeout": "within", "contains": "body", "interval": "every", "retries": "fails", "threshold": "fails"},
	"stage": {
		"experiment": "fault", "rule": "fault", "inject": "fault", "exec": "run", "command": "run", "load": "run", "ignore": "off", "without": "off",
		"wait": "until", "recovery": "recover", "assert": "expect", "verify": "expect", "require": "expect",
	},
}

// namesIn returns the words of a place.
func namesIn(owner string) []string {
	var names []string
	for name := range maps.Keys(forms) {
		if word, ok := strings.CutPrefix(name, owner+" "); ok {
			names = append(names, word)
		}
	}
	slices.Sort(names)
	return names
}

// meant returns the line to write instead of an unknown word.
func meant(owner, word, rest string) string {
	near := words.Near(word, namesIn(owner))
	if instead := synonyms[owner][strings.ToLower(word)]; len(near) == 0 && instead != "" {
		if instead == owner {
			return forms[owner].example
		}
		return forms[owner+" "+instead].example
	}
	if len(near) == 0 {
		return ""
	}
	one := forms[owner+" "+near[0]].example
	if rest != "" && len(rest) < 80 && !strings.Contains(one, "\n") {
		return near[0] + " " + rest
	}
	return one
}
