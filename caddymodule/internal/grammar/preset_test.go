package grammar

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// acme are presets of a configuration.
func acme(t *testing.T) presets.Set {
	t.Helper()
	own := make(presets.Set)
	for name, text := range map[string]string{
		"acme-busy":    "# Busy.\n# param: wait=2s x\n# param: code=503 x\ndelay {preset.wait}\nrespond {preset.code}\n",
		"acme-some":    "# Some.\n# param: percent=10 x\npercent {preset.percent}\nphase response\nrespond 503 {\n\theader X-User {header.X-User}\n}\n",
		"acme-often":   "# Often.\npercent 50\nrespond 500\n",
		"acme-slow":    "# Slow.\ndelay 1s\n",
		"acme-nested":  "# Nested.\nchoose {\n\t1 preset acme-nested\n}\n",
		"acme-matched": "# Matched.\nmatch path /a\nreset\n",
	} {
		p, err := presets.Parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		p.Own = true
		if err := own.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	return own
}

// blockRule parses the block of a rule.
func blockRule(t *testing.T, block string) (string, error) {
	t.Helper()
	d := caddyfile.NewTestDispenser("rule {\n" + block + "\n}")
	d.Next()
	rule := new(rules.Rule)
	p := NewRuleParser(rule)
	p.Presets = acme(t)
	if err := p.ParseBlock(d, nil); err != nil {
		return "", err
	}
	text, err := json.Marshal(rule)
	return string(text), err
}

// A preset stands for its lines, wherever a fault is possible.
func TestPreset(t *testing.T) {
	for preset, lines := range map[string]string{
		"preset acme-busy":                                               "delay 2s\nrespond 503",
		"preset acme-busy wait=5s code=504":                              "delay 5s\nrespond 504",
		"preset acme-busy wait=0s":                                       "respond 503",
		"percent 5\npreset acme-busy\ntimes 2":                           "percent 5\ntimes 2\ndelay 2s\nrespond 503",
		"delay 3s\npreset acme-busy":                                     "delay 3s\ndelay 2s\nrespond 503",
		"preset acme-slow\npreset acme-busy":                             "delay 1s\ndelay 2s\nrespond 503",
		"preset acme-some":                                               "percent 10\nphase response\nrespond 503 {\n\theader X-User {http.request.header.X-User}\n}",
		"preset acme-some percent=20":                                    "percent 20\nphase response\nrespond 503 {\n\theader X-User {http.request.header.X-User}\n}",
		"percent 5\npreset acme-some":                                    "percent 5\nphase response\nrespond 503 {\n\theader X-User {http.request.header.X-User}\n}",
		"preset acme-some\npercent 5":                                    "percent 5\nphase response\nrespond 503 {\n\theader X-User {http.request.header.X-User}\n}",
		"choose {\n70 preset acme-busy\n30 pass\n}":                      "choose {\n70 {\ndelay 2s\nrespond 503\n}\n30 pass\n}",
		"choose {\n70 preset acme-slow\n30 preset acme-busy code=502\n}": "choose {\n70 delay 1s\n30 {\ndelay 2s\nrespond 502\n}\n}",
		"choose {\n1 {\ndelay 4s\npreset acme-busy\n}\n1 pass\n}":        "choose {\n1 {\ndelay 4s\ndelay 2s\nrespond 503\n}\n1 pass\n}",
		"choose {\n1 {\npreset acme-slow\npreset acme-slow\n}\n}":        "choose {\n1 {\ndelay 1s\ndelay 1s\n}\n}",
		"choose {\n1 respond 503 \"preset x\"\n}":                        "choose {\n1 respond 503 \"preset x\"\n}",
		"choose {\n1 respond 503 {\nheader preset acme-busy\n}\n}":       "choose {\n1 respond 503 {\nheader preset acme-busy\n}\n}",
		"sequence {\npreset acme-busy\npass\n}":                          "sequence {\nstep {\ndelay 2s\nrespond 503\n}\npass\n}",
		"sequence loop {\nstep {\ndelay 3s\npreset acme-busy\n}\npreset acme-slow\npreset acme-slow\n}": "sequence loop {\nstep {\ndelay 3s\ndelay 2s\nrespond 503\n}\ndelay 1s\ndelay 1s\n}",
	} {
		want, err := blockRule(t, lines)
		if err != nil {
			t.Fatalf("%q: %v", lines, err)
		}
		if got, err := blockRule(t, preset); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", preset, got, err, want)
		}
	}
}

func TestPresetRefuses(t *testing.T) {
	for block, want := range map[string]string{
		"preset":                                 "preset: an argument is missing, at Testfile:2: write preset <name> [<parameter>=<value>...], such as preset openai-rate-limit",
		"preset acme-bussy":                      "unknown preset 'acme-bussy', at Testfile:2: did you mean 'preset acme-busy'?",
		"preset acme-busy wait=soon":             "bad wait 'soon' of preset acme-busy: want a duration such as 250ms or 2s, at Testfile:2: write preset acme-busy wait=2s",
		"preset acme-busy wiat=1s":               "preset acme-busy has no parameter 'wiat', at Testfile:2: did you mean 'preset acme-busy wait=1s'?",
		"preset acme-busy code=1000":             "at preset acme-busy:2, at Testfile:2",
		"preset acme-nested":                     "preset acme-nested:2: a preset cannot have a preset within; write its lines, at Testfile:2",
		"preset acme-matched":                    "preset acme-matched:1: a preset has no match; write it in the rule, at Testfile:2",
		"preset acme-some\npreset acme-often":    "fault 'respond' comes after 'respond'",
		"percent 5\npercent 6\npreset acme-busy": "percent already specified",
		"preset acme-busy\nreset":                "fault 'reset' comes after 'respond'",
		"choose {\n1 preset acme-some\n}":        "preset acme-some brings percent, which is a setting of a whole rule, at Testfile:3: write the preset as a line of the rule",
		"sequence {\npreset acme-often\n}":       "preset acme-often brings percent, which is a setting of a whole rule",
		"choose {\n1 preset acme-busi\n}":        "unknown preset 'acme-busi', at Testfile:3: did you mean 'preset acme-busy'?",
		"prest acme-busy":                        "unknown word 'prest', at Testfile:2: did you mean 'preset openai-rate-limit'?",
	} {
		if _, err := blockRule(t, block); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", block, err, want)
		}
	}
}

// Two presets cannot both bring a setting, unless the rule has it.
func TestPresetsBringOneSetting(t *testing.T) {
	own := make(presets.Set)
	for _, name := range []string{"acme-a", "acme-b"} {
		p, err := presets.Parse(name, "# A.\npercent 50\ndelay 1s\n")
		if err != nil {
			t.Fatal(err)
		}
		own[name] = p
	}
	_, err := ParseLineAnywhere(own, "preset acme-a; preset acme-b; respond 503")
	if want := "presets acme-a and acme-b both bring percent: write it in the rule, which then decides, such as percent 50"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
	rule, err := ParseLineAnywhere(own, "preset acme-a; preset acme-b; respond 503; percent 7")
	if err != nil || *rule.Percent != 7 {
		t.Errorf("got %+v, error %v", rule, err)
	}
}

func TestPresetInLine(t *testing.T) {
	rule, err := ParseLine("percent 10; preset anthropic-rate-limit retry_after=5; times 3")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(rule)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"percent":10`, `"times":3`, `"status_code":429`, `rate_limit_error`, `{http.fault.in.5.rfc3339}`, `"retry_after":"5s"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("got %s, want %s in it", text, want)
		}
	}
	_, err = ParseLine("preset anthropic-rate-limit retry=5")
	if want := "preset anthropic-rate-limit has no parameter 'retry': did you mean 'preset anthropic-rate-limit retry_after=5'?"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if got := PresetsIn("percent 10; preset a-b x=1; respond 503 'preset'; preset c-d"); strings.Join(got, " ") != "a-b c-d" {
		t.Errorf("got %q", got)
	}
}

// Every preset of the binary loads as a line, in a rule, and nested if it has no
// settings.
func TestEmbeddedPresets(t *testing.T) {
	for _, p := range presets.Set(nil).All() {
		about := AboutPreset(p)
		rule, err := ParseLine(p.Line())
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		if err := CheckPreset(p); err != nil {
			t.Error(err)
		}
		if got, err := blockRule(t, p.Text); !strings.Contains(p.Text, "{preset.") && (err != nil || got == "") {
			t.Errorf("%s: the text is not a rule: %v", p.Name, err)
		}
		for _, block := range []string{"choose {\n1 " + p.Line() + "\n1 pass\n}", "sequence {\n" + p.Line() + "\npass\n}"} {
			if _, err := blockRule(t, block); (err == nil) == about.Settings {
				t.Errorf("%s: settings %v, in %q: %v", p.Name, about.Settings, block, err)
			}
		}
		if !about.Settings && Format(mustJSON(t, rule)) == "" {
			t.Errorf("%s has no line", p.Name)
		}
		checkShown(t, p, rule)
	}
}

// checkShown checks that the shown text of a preset is the same rule.
func checkShown(t *testing.T, p *presets.Preset, rule *rules.Rule) {
	t.Helper()
	got, err := blockRule(t, p.Show())
	if want := string(mustJSON(t, rule)); err != nil || got != want {
		t.Errorf("%s: the shown text is %s, %v, want %s", p.Name, got, err, want)
	}
}

func mustJSON(t *testing.T, value any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The text of a block is read as the same lines.
func TestTextOfBlock(t *testing.T) {
	for _, block := range []string{
		"delay 2s\nrespond 503",
		"respond 503 {\n\theader X-Acme 17\n\tbody `{\"a\": \"b\"}`\n}",
		"respond 503 \"a `quoted` \\\"text\\\"\"",
		"patch {\n\treplace \"`\\d+\\\\.\" x\n}",
		"stream {\n\t4 insert `event: error\ndata: {}`\n\t4 stop clean\n}",
		"choose {\n\t1 {\n\t\tdelay 1s\n\t\treset\n\t}\n\t1 pass\n}",
	} {
		d := caddyfile.NewTestDispenser("preset acme a=1 {\n" + block + "\n}")
		d.Next()
		text := TextOfBlock(d)
		want, err := blockRule(t, block)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := blockRule(t, text); err != nil || got != want {
			t.Errorf("%q: text %q is %s, %v, want %s", block, text, got, err, want)
		}
	}
	imported := func(text string) caddyfile.Token { return caddyfile.Token{File: "Testfile", Line: 2, Text: text} }
	for _, arg := range []string{"try later", "", "`", `"`, "#1", "a\nb", "<<a"} { // Caddy puts it in place of {args[0]}
		got := textOfTokens([]caddyfile.Token{imported("body"), imported(arg), imported("{")})
		tokens, err := caddyfile.Tokenize([]byte(got), "Testfile")
		if err != nil || len(tokens) != 3 || tokens[1].Text != arg || tokens[2].Quoted() {
			t.Errorf("argument %q: got text %q, words %v, error %v", arg, got, tokens, err)
		}
	}
	d := caddyfile.NewTestDispenser("preset acme")
	d.Next()
	if got := TextOfBlock(d); got != "" {
		t.Errorf("without a block: got %q", got)
	}
}

// What a client may not choose is refused.
func TestDistrust(t *testing.T) {
	own := acme(t)
	for line, want := range map[string]string{
		"preset openai-rate-limit retry_after=5":                  "",
		"preset acme-busy wait=5s":                                "",
		"preset acme-often":                                       "",
		"preset acme-some":                                        "preset acme-some brings phase, which a trigger cannot have",
		"preset openai-rate-limit retry_after={http.request.uri}": "retry_after of preset openai-rate-limit has a placeholder, which is not allowed in a trigger",
	} {
		p := NewRuleParser(new(rules.Rule))
		p.Presets = own
		p.Distrust([]string{"percent"})
		statements, err := Split(line)
		if err == nil {
			err = statements[0].Parse(p)
		}
		if err == nil {
			err = p.ApplyPresets()
		}
		switch {
		case want == "" && (err != nil || !p.FromPreset(0)):
			t.Errorf("%q: got error %v, from a preset: %v", line, err, p.FromPreset(0))
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got error %v, want %q", line, err, want)
		}
	}
}
