package caddymodule

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// inPlace returns a Caddyfile with a line in a place of package words. It adds the
// other parts that the line needs.
func inPlace(place words.Place, line string) string {
	fault := func(lines ...string) string {
		return ":8080 {\n@flaky path /flaky\nfault {\n" + strings.Join(lines, "\n") + "\n}\n}"
	}
	ends := "close"
	if first := strings.Fields(line); faults.IsKind(first[0]) {
		ends = ""
	}
	switch place {
	case words.Rule, words.Match, words.MatchResponse:
		if strings.HasPrefix(line, "max_keys") {
			ends = "per {header.X-User}\ntimes 2\nclose"
		}
		if strings.HasPrefix(line, "refuse") {
			return inPlace(words.Transport, line)
		}
		if strings.HasPrefix(line, "health_checks") {
			return inPlace(words.Transport, line+"\nrefuse")
		}
		return fault(line, ends)
	case words.Point:
		if strings.HasPrefix(line, "rule") {
			return fault(line)
		}
		return fault(line, "close")
	case words.Transport:
		return ":8080 {\nreverse_proxy 127.0.0.1:9000 {\ntransport fault {\n" + line + "\n}\n}\n}"
	case words.Global:
		return "{\nfault {\n" + line + "\n}\n}\n:8080 {\nfault 551\n}"
	case words.Trigger:
		return fault("trigger header {", line, "}", "close")
	case "fault_console":
		return ":8080 {\nfault_console {\n" + line + "\n}\n}"
	}
	if strings.HasPrefix(line, "max_size") && place == "patch" {
		line += "\nstatus 404"
	}
	form, _ := words.FormOf(string(place)) // the block of a kind
	begin, _, _ := strings.Cut(form.Example, " {")
	return fault(begin+" {", line, "}")
}

// placeOf returns the place of a form, and its name there.
func placeOf(name string) (place words.Place, own string) {
	owner, option, isOption := strings.Cut(name, " ")
	switch form, _ := words.FormOf(name); {
	case owner == "match" || owner == "match_response":
		return words.Rule, name
	case isOption:
		return words.Place(owner), option
	case name == "transport":
		return words.Transport, name
	case form.JSON == "":
		return words.Point, name
	}
	return words.Rule, name
}

// formNames returns the names of all forms except directives, which are not lines of a
// block.
func formNames() []string {
	names := slices.Concat(grammar.Settings, faults.Kinds(), []string{"point", "sticky", "seed", "halted", "rule", "trigger", "transport"})
	names = slices.DeleteFunc(names, func(name string) bool { _, known := words.FormOf(name); return !known })
	for _, owner := range slices.Concat(names, []string{"global", "fault_console"}) {
		for _, option := range words.Options(owner) {
			names = append(names, owner+" "+option)
		}
	}
	return names
}

// The example of each setting, kind and option loads.
func TestExamplesOfForms(t *testing.T) {
	for _, name := range slices.Concat(grammar.Settings, faults.Kinds()) {
		if form, known := words.FormOf(name); !known || form.JSON == "" {
			t.Errorf("%s has no form with JSON", name)
		}
	}
	for _, name := range formNames() {
		form, _ := words.FormOf(name)
		place, own := placeOf(name)
		if !strings.HasPrefix(form.Example, own) && own != "match expression" {
			t.Errorf("%s: the example is %q", name, form.Example)
		}
		example := form.Example
		if name == "transport" {
			example += "\nrefuse"
		}
		config := inPlace(place, example)
		switch name {
		case "follows":
			config = ":80 {\nfault {\nrule writes {\nclose\n}\nrule {\n" + example + "\nclose\n}\n}\n}"
		case "hang continue", "hang request": // not without after
			config = inPlace(words.Rule, "hang 2s {\nafter 64KiB\n"+example+"\n}")
		case "observe":
			config = ":80 {\nfault {\n" + example + "\n}\n}"
		}
		if _, err := testkit.Adapt(t, config); err != nil && !needsModule(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each setting, kind and option shows its syntax when it gets too few arguments or
// too many. No words of Caddy's own parser come first.
func TestUsageIsTold(t *testing.T) {
	tooFew := []string{"match", "trigger", "transport", "grpc", "delay", "throttle", "dribble", "corrupt"}
	for _, name := range formNames() {
		form, _ := words.FormOf(name)
		place, own := placeOf(name)
		if strings.HasPrefix(name, "match ") && name != "match path" {
			continue // Caddy's matchers count their arguments themselves
		}
		needsOne := slices.Contains(tooFew, name) || strings.Contains(form.Syntax, own+" <") || strings.Contains(form.Syntax, own+" [+]")
		needsOne = needsOne && name != "respond" && name != "sequence" && name != "rule"
		lines := []string{own + " 1s 2s 3s 4s"}
		if needsOne {
			lines = append(lines, own)
		}
		for _, line := range lines {
			_, err := testkit.Adapt(t, inPlace(place, line))
			switch takesAny := slices.Contains([]string{"match", "match path", "match_response", "match_response status", "trigger allow", "global experiment_matchers", "trailers drop"}, name); {
			case takesAny && line != own:
			case err == nil:
				t.Errorf("%s is read", line)
			case strings.Contains(err.Error(), "wrong argument count"), strings.Contains(err.Error(), "not registered"):
				t.Errorf("%s: got error %v", line, err)
			case line == own && !strings.Contains(err.Error(), words.Usage(name)):
				t.Errorf("%s: got error %v, want %q in it", line, err, words.Usage(name))
			}
		}
	}
}

// Each line suggested for a word can be copied.
func TestSynonymsCanBeCopied(t *testing.T) {
	told := 0
	for _, place := range []words.Place{words.Rule, words.Point, words.Transport, words.Global, words.Trigger, words.Match, words.MatchResponse, "respond", "grpc", "delay", "patch", "mutate", "interim", "trailers", "truncate", "throttle", "fault_console"} {
		for _, word := range words.Words(place) {
			_, err := testkit.Adapt(t, inPlace(place, word+" 1"))
			if place == words.Match || place == words.MatchResponse {
				_, err = testkit.Adapt(t, inPlace(words.Rule, string(place)+" "+word+" 1"))
			}
			if err == nil {
				t.Errorf("%s: %s is read", place, word)
				continue
			}
			told++
			for _, line := range words.Synonym(place, word) {
				if !strings.Contains(withoutTabs(err.Error()), withoutTabs(line)) {
					t.Errorf("%s: %s: got error %v, want %q in it", place, word, err, line)
				}
				copied := inPlace(place, line)
				if first, _, _ := strings.Cut(line, " "); first == string(place) { // the line before the block
					copied = inPlace(words.Rule, line)
				}
				if place == words.Transport {
					copied = inPlace(place, line+"\nrefuse")
				}
				if _, err := testkit.Adapt(t, copied); err != nil && !needsModule(err) {
					t.Errorf("%s: %s: %q: %v", place, word, line, err)
				}
			}
		}
	}
	t.Logf("%d words", told)
}

// needsModule reports whether the line only needs a module that this Caddy does not
// have.
func needsModule(err error) bool {
	return strings.Contains(err.Error(), "this Caddy has no module http.matchers.maxmind_geolocation")
}

func withoutTabs(text string) string { return strings.ReplaceAll(text, "\t", "") }

// The JSON of each form loads.
func TestJSONOfForms(t *testing.T) {
	for _, name := range slices.Concat(grammar.Settings, faults.Kinds()) {
		if name == "health_checks" {
			continue // only valid in a transport
		}
		form, _ := words.FormOf(name)
		config := `{"points": ["*"], "faults": [` + form.JSON + `]}`
		if strings.HasPrefix(form.JSON, `"`) {
			config = `{"points": ["*"], "faults": [{"fault": "close"}], ` + form.JSON + `}`
		}
		if name == "max_keys" {
			config = strings.Replace(config, "{", `{"per": "{http.request.host}", "times": 2, `, 1)
		}
		if _, err := experiments.Parse("x", []byte(config)); err != nil {
			t.Errorf("%s: %v", config, err)
		}
		var rule map[string]json.RawMessage
		if err := json.Unmarshal([]byte(config), &rule); err != nil {
			t.Errorf("%s: %v", config, err)
			continue
		}
		delete(rule, "points")
		rules := []any{rule}
		switch name {
		case "follows":
			rules = append(rules, map[string]any{"name": "writes", "faults": rule["faults"]})
		case "observe":
			delete(rule, "faults")
		}
		handler := caddyconfig.JSON(map[string]any{"handler": "fault", "rules": rules}, nil)
		if name == "refuse" {
			continue
		}
		if err := validateHandler(t, string(handler)); err != nil {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// validateHandler loads a handler.
func validateHandler(t *testing.T, handler string) error {
	t.Helper()
	return testkit.ValidateConfig(t, `{"apps": {"http": {"servers": {"srv0": {"listen": ["127.0.0.1:0"], "routes": [{"handle": [`+handler+`]}]}}}}}`)
}

// Errors in JSON have a place and our own words.
func TestWordsInJSON(t *testing.T) {
	rule := func(text string) string { return `{"handler": "fault", "rules": [{` + text + `}]}` }
	fault := func(text string) string { return rule(`"faults": [` + text + `]`) }
	for _, tt := range []struct{ handler, want string }{
		{`{"handler": "fault", "percentage": 10}`, `unknown field "percentage": did you mean "rules": [{"percent": ...}]?`},
		{`{"handler": "fault", "faults": [{"fault": "close"}]}`, `unknown field "faults": did you mean "rules": [{"faults": ...}]?`},
		{`{"handler": "fault", "triggers": [{"source": "header", "secret": "x"}]}`, `triggers[0]: unknown field "secret": did you mean "key"?`},
		{`{"handler": "fault", "colour": 1}`, `unknown field "colour": the fields are cors, halted, match, point, rules, seed, `},
		{rule(`"percentage": 10, "faults": [{"fault": "close"}]`), `rules[0]: unknown field "percentage": did you mean "percent": 10?`},
		{rule(`"latency": "2s"`), `rules[0]: unknown field "latency": did you mean "faults": [{"fault": "delay", "duration": "250ms"}]?`},
		{rule(`"percnt": 10`), `rules[0]: unknown field "percnt": did you mean "percent"?`},
		{rule(`"percent": "10"`), `rules.percent: want a number, not string: write it without quotes`},
		{rule(`"match": {"path": ["/x"]}`), `rules.match: want a list, not object: write [ and ] around it`},
		{rule(`"match": [{"pth": ["/x"]}], "faults": [{"fault": "close"}]`), `unknown matcher "pth": did you mean "path"?`},
		{rule(`"match": [{"url": ["/x"]}], "faults": [{"fault": "close"}]`), `unknown matcher "url": did you mean "path"?`},
		{rule(`"match": [{"not": [{"pth": ["/x"]}]}], "faults": [{"fault": "close"}]`), `unknown matcher "pth": did you mean "path"?`},
		{rule(`"match": [{"colour": ["/x"]}], "faults": [{"fault": "close"}]`), `unknown matcher "colour": want one of `},
		{rule(``), `no fault: write what goes wrong, such as "faults": [{"fault": "respond", "status_code": 503}]`},
		{fault(`{"kind": "respond"}`), `faults[0]: there is no "fault": write "fault": "respond" instead of "kind"`},
		{fault(`{"status_code": 503}`), `faults[0]: there is no "fault": write one, such as {"fault": "respond", "status_code": 503}`},
		{fault(`"respond"`), `faults[0]: want an object, such as {"fault": "respond", "status_code": 503}`},
		{fault(`{"fault": "latency"}`), `faults[0].fault: unknown name 'latency': did you mean {"fault": "delay", "duration": "250ms"}?`},
		{fault(`{"fault": "dealy"}`), `faults[0].fault: unknown name 'dealy': did you mean "fault": "delay"?`},
		{fault(`{"fault": "colour"}`), `faults[0].fault: unknown name 'colour': want one of choose, close, `},
		{fault(`{"fault": "respond", "status": 503}`), `faults[0]: unknown field "status": did you mean {"fault": "respond", "status_code": 503}?`},
		{fault(`{"fault": "respond", "message": "x"}`), `faults[0]: unknown field "message": did you mean "body"?`},
		{fault(`{"fault": "delay", "duration": "2sec"}`), `faults[0].duration: bad duration '2sec': want one such as "250ms" or "2s"`},
		{fault(`{"fault": "choose", "branches": [{"weight": 1, "faults": [{"kind": "close"}]}]}`), `faults[0].branches[0].faults[0]: there is no "fault": write "fault": "close" instead of "kind"`},
		{fault(`{"fault": "sequence", "steps": [[{"fault": "latency"}]]}`), `faults[0].steps[0][0].fault: unknown name 'latency'`},
	} {
		err := validateHandler(t, tt.handler)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q in it", tt.handler, err, tt.want)
			continue
		}
		if before, _, _ := strings.Cut(err.Error(), tt.want); strings.Contains(before, "unknown module") || strings.Contains(before, "json: ") {
			t.Errorf("%s: texts of Caddy come first: %v", tt.handler, err)
		}
	}
}

// If an experiment has a wrong field and is incomplete, the error names the field.
func TestExperimentUnknownField(t *testing.T) {
	for _, tt := range []struct{ experiment, want string }{
		{`{"fautls": []}`, `unknown field "fautls": did you mean "faults"?`},
		{`{"percentage": 10}`, `unknown field "percentage": did you mean "percent": 10?`},
		{`{"fault": "delay"}`, `unknown field "fault": did you mean "faults": [{"fault": "respond", "status_code": 503}]?`},
		{`{"faults": [{"fault": "close"}]}`, `either match or points is required`},
	} {
		if _, err := experiments.Parse("x", []byte(tt.experiment)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q in it", tt.experiment, err, tt.want)
		}
	}
}

// An error repeats neither a long word as a whole nor control characters.
func TestHostileWords(t *testing.T) {
	long := strings.Repeat("é", 5000)
	for _, line := range []string{"%s 1", "percent 10; %s", "match %s; close", "5%s%%; close", "respond 503 a %s", "delay %s", "percent %s", "close %s", "match_response %s; close", "per %s x; close"} {
		for _, word := range []string{long, "a\x1b[31mb", "a\u202eb\x7f", "a\xffb", "{" + long + "}"} {
			text := strings.Replace(strings.ReplaceAll(line, "%%", "%"), "%s", word, 1)
			_, err := grammar.ParseLine(text)
			if err == nil {
				t.Errorf("%.40q is read", text)
				continue
			}
			if got := err.Error(); len(got) > 1100 || strings.ContainsAny(got, "\x1b\x7f\u202e\n") || !utf8.ValidString(got) {
				t.Errorf("%.40q: got %d bytes, %.200q", text, len(got), got)
			}
		}
	}
	for _, lines := range []string{long, "dleay " + long, "5" + long + "%", "trigger " + long, "respond 503 {\n" + long + " x\n}", "match " + long} {
		if _, err := testkit.Adapt(t, inPlace(words.Point, lines)); err == nil || len(err.Error()) > 2500 {
			t.Errorf("%.20q: got %.200v", lines, err)
		}
	}
	for _, rule := range []string{`"%s": 1`, `"faults": [{"fault": "%s"}]`, `"faults": [{"fault": "close", "%s": 1}]`, `"faults": [{"fault": "delay", "duration": "%s"}]`} {
		err := validateHandler(t, `{"handler": "fault", "rules": [{`+fmt.Sprintf(rule, long)+`}]}`)
		if err == nil || len(err.Error()) > 2500 {
			t.Errorf("%s: got %.200v", rule, err)
		}
	}
}

// An error in a one-line rule has no place, no tabs and no line breaks.
func TestWordsInOneLine(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"latency 2s", "unknown word 'latency': did you mean 'delay 250ms'?"},
		{"percent 10; dealy 2s", "unknown word 'dealy': did you mean 'delay 2s'?"},
		{"percnt abc", "unknown word 'percnt': did you mean 'percent 10'?"},
		{"500%", "unknown word '500%': did you mean 'percent 10'?"},
		{"2s 503; close", "unknown word '2s': did you mean 'delay 250ms'?"},
		{"503 10%", "unknown word '503': did you mean 'percent 10%; respond 503'?"},
		{"503; delay 2s", "fault 'delay' comes after 'respond', which ends the request: swap the two: delay 2s; respond 503"},
		{"headers x", "unknown word 'headers': did you mean: respond 503 { header Retry-After 5 } (a block is only possible in a Caddyfile)"},
		{"match pth /x; close", "unknown matcher 'pth': did you mean 'match path /x'?"},
		{"match @flaky; close", "unknown matcher '@flaky': named matchers are only possible in a Caddyfile; write the matcher itself, such as match path /api/*"},
		{"percent; close", "percent: an argument is missing: write percent <0 to 100>, such as percent 10"},
		{"choose", "choose has no branches"},
		{"sticky {header.X-User}; close", "'sticky' is not a line of a rule: it is a line of the directive fault"},
		{"respond 503 {", "blocks are not allowed in a line; write the rule in a Caddyfile or as JSON"},
	} {
		_, err := grammar.ParseLine(tt.line)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.ContainsAny(err.Error(), "\n\t") {
			t.Errorf("%s: got error %v, want %q", tt.line, err, tt.want)
		}
	}
}
