package presets

import (
	"strings"
	"testing"
)

// A text is read or refused, and what is read can be shown and used.
func FuzzParse(f *testing.F) {
	for _, p := range Set(nil).All() {
		text, err := files.ReadFile("files/" + p.Name + ".caddyfile")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Name, string(text))
	}
	f.Add("acme", "# A.\n# param: a=1|2 x\nrespond {preset.a}")
	f.Add("acme", "# A.\n#\n#param: =\n")
	f.Add("", "\n\n#")
	f.Add("acme", "# A.\n# param: a=1 x\nrespond {preset.{preset.a}}")
	f.Fuzz(func(t *testing.T, name, text string) {
		p, err := Parse(name, text)
		if err != nil {
			return
		}
		values, err := p.Bind(nil)
		if err != nil {
			t.Fatalf("the defaults of %q are refused: %v", text, err)
		}
		if shown := p.Show(); !strings.HasPrefix(shown, "# "+p.What+"\n") {
			t.Fatalf("%q is shown as %q", text, shown)
		}
		for _, param := range p.Params {
			if p.Param(param.Name) == nil || values[param.Name] != param.Default {
				t.Fatalf("%q: parameter %+v has the value %q", text, param, values[param.Name])
			}
		}
		if left := values.Replace(p.Text); placeholder.MatchString(left) {
			t.Fatalf("%q: a placeholder is left in %q", text, left)
		}
	})
}

// What is shown is the file with its values.
func TestShow(t *testing.T) {
	for name, want := range map[string][]string{
		"openai-rate-limit":      {"# OpenAI: the requests per minute are used up.\n", "# source: https://", "# param: retry_after=20 seconds until the next try\n", "\tretry_after 20s\n"},
		"anthropic-rate-limit":   {"{http.fault.in.11.rfc3339}", "\tretry_after 11s\n"},
		"cloudflare-origin":      {"# param: code=522|520|", "respond cloudflare:522 \"error code: 522\" {\n"},
		"openai-stream-error":    {"stream {\n\t4 insert `data: {\"error\":", "\t4 stop clean\n}\n"},
		"network-satellite":      {"# modelled on: the measured times; the rate is our own\n", "throttle 1250kB/s\n"},
		"rolling-deploy":         {"cycle 10s 2m\n", "# source: pattern\n"},
		"aws-s3-error-in-200":    {"phase response\n", "<Code>InternalError</Code>"},
		"github-rate-limit":      {"{http.fault.in.1800.unix}"},
		"stripe-card-declined":   {`"decline_code":"insufficient_funds"`},
		"azure-cosmos-throttled": {"header x-ms-retry-after-ms 123\n"},
	} {
		p := Set(nil).Find(name)
		if p == nil {
			t.Errorf("no preset %s", name)
			continue
		}
		for _, part := range want {
			if shown := p.Show(); !strings.Contains(shown, part) {
				t.Errorf("%s: %q is missing in\n%s", name, part, shown)
			}
		}
	}
	if shown := Set(nil).Find("cloudflare-origin").Show(); strings.Contains(shown, "delay") {
		t.Errorf("a delay of zero is shown:\n%s", shown)
	}
}

func TestIsNoDelay(t *testing.T) {
	for line, want := range map[string]bool{
		"delay 0s": true, "delay 0": true, "delay 0ms": true,
		"delay 1ms": false, "delay": false, "delay 0s 1s": false, "hang 0s": false, "delay {http.vars.a}": false, "": false,
	} {
		if got := IsNoDelay(strings.Fields(line)); got != want {
			t.Errorf("%q: got %t", line, got)
		}
	}
}

// Each form of a value has its values, and the first that fits the default is the form.
func TestForms(t *testing.T) {
	for value, want := range map[string]string{
		"1": "a whole number", "-32603": "a whole number", "007": "a whole number",
		"1.5": "a number", "2.0": "a number", "-0.5": "a number",
		"1s": "a duration such as 250ms or 2s", "1m30s": "a duration such as 250ms or 2s", "2d": "a duration such as 250ms or 2s",
		"hello": "a text", "1x": "a text", "-1s": "a text", "0x10": "a text", "NaN": "a text", "1e3": "a number", "1250kB/s": "a text", "https://a.example/": "a text",
	} {
		if got := formOf(value).want; got != want {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
}
