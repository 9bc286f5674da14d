package presets

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// Each file has a sentence, sources or the word pattern, and parameters that it uses.
func TestFiles(t *testing.T) {
	all := Set(nil).All()
	if len(all) == 0 {
		t.Fatal("no presets")
	}
	for _, p := range all {
		if Set(nil).Find(p.Name) != p {
			t.Errorf("%s is not found", p.Name)
		}
		text, err := files.ReadFile("files/" + p.Name + ".caddyfile")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(p.Name, string(text)); err != nil {
			t.Error(err)
		}
		if !strings.HasSuffix(p.What, ".") || utf8.RuneCountInString(p.What) > 100 {
			t.Errorf("%s: %q is not one short sentence", p.Name, p.What)
		}
		if len(p.Sources) == 0 {
			t.Errorf("%s has no source; a pattern says `source: pattern`", p.Name)
		}
		for _, source := range p.Sources {
			if source != "pattern" && !strings.HasPrefix(source, "https://") {
				t.Errorf("%s: source %q is neither a page nor the word pattern", p.Name, source)
			}
		}
		if len(p.Sources) == 1 && p.Sources[0] != "pattern" && !strings.Contains(p.Sources[0], "rfc-editor.org") && p.Modelled == "" {
			t.Errorf("%s has one source: name a second one, or say what it is modelled on", p.Name)
		}
		for _, param := range p.Params {
			if param.What == "" {
				t.Errorf("%s: parameter %s is not explained", p.Name, param.Name)
			}
		}
		if strings.Contains(p.Text, "#") && !strings.Contains(p.Text, "`") {
			t.Errorf("%s: a comment in the fragment", p.Name)
		}
	}
}

const sample = `# A sample.
# source: https://a.example/1
# source: https://a.example/2
# modelled on: a guess
# param: wait=2s how long
# param: code=503|504|502 the status
delay {preset.wait}
respond {preset.code}
`

func TestParse(t *testing.T) {
	p, err := Parse("acme-busy", sample)
	if err != nil {
		t.Fatal(err)
	}
	if p.What != "A sample." || len(p.Sources) != 2 || p.Modelled != "a guess" || len(p.Params) != 2 {
		t.Errorf("got %+v", p)
	}
	if code := p.Param("code"); code == nil || code.Default != "503" || len(code.Choices) != 3 || code.What != "the status" {
		t.Errorf("got %+v", code)
	}
	if p.Text != "delay {preset.wait}\nrespond {preset.code}\n" {
		t.Errorf("got %q", p.Text)
	}
	want := strings.NewReplacer("{preset.wait}", "2s", "{preset.code}", "503").Replace(sample)
	if got := p.Show(); got != want {
		t.Errorf("shows\n%s\nwant\n%s", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"respond 503":                            "the first line is a comment",
		"# A.":                                   "has no fault",
		"# A.\n# by: me\nreset":                  "unknown comment 'by: me': want source, modelled on or param",
		"# A.\n# param: A=1 x\nreset {preset.A}": "bad name 'A' of a parameter",
		"# A.\n# param: a x\nreset {preset.a}":   "has no default: write one, such as a=5s",
		"# A.\n# param: a=1 x\nreset":            "parameter a is not used: write {preset.a}",
		"# A.\n# param: a=1 x\nrespond 503 {preset.{preset.a}}":  "'{preset.1}' is not a whole placeholder: write {preset.<name>}, without another one inside",
		"# A.\n# param: a=1 x\nrespond 503 {preset.a} {preset.":  "'{preset.' is not a whole placeholder",
		"# A.\n# param: a=preset. x\nrespond 503 {{preset.a}b}":  "'{preset.b}' is not a whole placeholder",
		"# A.\nreset {preset.a}":                                 "uses {preset.a}, which is not a parameter; it has no parameters",
		"# A.\n# param: a=1 x\nreset {preset.a}{preset.b}":       "its parameters are a",
		"# A.\n# param: a=1 x\n# param: a=1 x\nreset {preset.a}": "parameter a already specified",
		"# A.\n# param: a={ x\nreset {preset.a}":                 "bad a '{'",
	} {
		if _, err := Parse("acme", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", text, err, want)
		}
	}
	for _, name := range []string{"", "ab", "Acme", "acme busy", "acme_busy", strings.Repeat("a", 41)} {
		if _, err := Parse(name, sample); err == nil || !strings.Contains(err.Error(), "bad name '"+name+"'") {
			t.Errorf("%q: got error %v", name, err)
		}
	}
}

func TestBind(t *testing.T) {
	p, err := Parse("acme-busy", strings.Replace(sample, "# param: wait", "# param: text=hello a text\n# param: n=1.5 a number\n# param: wait", 1)+"header X {preset.text}{preset.n}\n")
	if err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                          "hello 1.5 2s 503",
		"wait=5s":                   "hello 1.5 5s 503",
		"wait=1d code=504":          "hello 1.5 1d 504",
		"n=-3":                      "hello -3 2s 503",
		"text={http.request.host}":  "{http.request.host} 1.5 2s 503",
		"text=a=b":                  "a=b 1.5 2s 503",
		"n={http.request.header.A}": "hello {http.request.header.A} 2s 503",
		"wait":                      "'wait' is not a parameter of preset acme-busy: write preset acme-busy wait=2s",
		"world":                     "'world' is not a parameter of preset acme-busy: write preset acme-busy text=world",
		"wait=":                     "wait= of preset acme-busy is empty: write preset acme-busy wait=2s",
		"wait=1s wait=2s":           "parameter wait of preset acme-busy is given twice: write preset acme-busy wait=2s",
		"wait=soon":                 "bad wait 'soon' of preset acme-busy: want a duration such as 250ms or 2s: write preset acme-busy wait=2s",
		"wait=-1s":                  "bad wait '-1s' of preset acme-busy: want a duration such as 250ms or 2s: write preset acme-busy wait=2s",
		"n=many":                    "bad n 'many' of preset acme-busy: want a number: write preset acme-busy n=1.5",
		"n=0x10":                    "bad n '0x10' of preset acme-busy: want a number: write preset acme-busy n=1.5",
		"n=NaN":                     "bad n 'NaN' of preset acme-busy: want a number: write preset acme-busy n=1.5",
		"code=505":                  "bad code '505' of preset acme-busy: want 503, 504 or 502: write preset acme-busy code=502",
		"code=5044":                 "bad code '5044' of preset acme-busy: want 503, 504 or 502: write preset acme-busy code=504",
		"wiat=5s":                   "preset acme-busy has no parameter 'wiat': did you mean 'preset acme-busy wait=5s'?",
		"wiat=soon":                 "preset acme-busy has no parameter 'wiat': did you mean 'preset acme-busy wait=2s'?",
		"status_code=504":           "preset acme-busy has no parameter 'status_code': did you mean 'preset acme-busy code=504'?",
		"zzz=1":                     "preset acme-busy has no parameter 'zzz': its parameters are text, n, wait, code, such as preset acme-busy text=hello",
		"text={":                    "bad text '{' of preset acme-busy: want a text without braces, or a placeholder such as {http.request.host}: write preset acme-busy text=hello",
		"text={preset.wait}":        "bad text '{preset.wait}' of preset acme-busy: want a text without braces, or a placeholder such as {http.request.host}: write preset acme-busy text=hello",
	} {
		values, err := p.Bind(strings.Fields(args))
		got := strings.Join([]string{values["text"], values["n"], values["wait"], values["code"]}, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", args, got, want)
		}
	}
	if _, err := p.Bind([]string{"text=a\nb"}); err == nil || !strings.Contains(err.Error(), "want one line of text") {
		t.Errorf("two lines: got error %v", err)
	}
	if _, err := p.Bind([]string{"text=" + strings.Repeat("x", 257)}); err == nil || !strings.Contains(err.Error(), "want at most 256 bytes") {
		t.Errorf("a long text: got error %v", err)
	}
	bare := &Preset{Name: "reset-it", Text: "reset\n"}
	for _, arg := range []string{"a", "a=1"} {
		if _, err := bare.Bind([]string{arg}); err == nil || !strings.Contains(err.Error(), "it has none; write preset reset-it") {
			t.Errorf("%s: got error %v", arg, err)
		}
	}
}

// A client chooses numbers, durations and choices, and no texts.
func TestCheckUntrusted(t *testing.T) {
	p, err := Parse("acme-busy", strings.Replace(sample, "# param: wait", "# param: text=hello a text\n# param: wait", 1)+"header X {preset.text}\n")
	if err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]string{
		"": "", "wait=5s": "", "code=504": "", "text=hello": "",
		"text=other":         "text of preset acme-busy is a text, which is not allowed in a trigger",
		"wait={http.vars.a}": "wait of preset acme-busy has a placeholder, which is not allowed in a trigger",
	} {
		values, err := p.Bind(strings.Fields(arg))
		if err != nil {
			t.Fatal(err)
		}
		switch err := p.CheckUntrusted(values); {
		case err == nil && want != "", err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got error %v, want %q", arg, err, want)
		}
	}
}

func TestReplace(t *testing.T) {
	v := Values{"a": `x"y\z<&`, "n": "5"}
	for word, want := range map[string]string{
		"{preset.n}":                        "5",
		"{preset.n}s":                       "5s",
		"{http.fault.in.{preset.n}.unix}":   "{http.fault.in.5.unix}",
		"{preset.a}":                        `x"y\z<&`,
		`{"k":"{preset.a}","n":{preset.n}}`: `{"k":"x\"y\\z\u003c\u0026","n":5}`,
		`data: {"k":"{preset.a}"}`:          `data: {"k":"x\"y\\z\u003c\u0026"}`,
		`<p>{preset.a}</p>`:                 `<p>x&#34;y\z&lt;&amp;</p>`,
		"{other}":                           "{other}",
	} {
		if got := v.Replace(word); got != want {
			t.Errorf("%s: got %s, want %s", word, got, want)
		}
	}
}

func TestSet(t *testing.T) {
	own := Set{}
	p, err := Parse("acme-busy", sample)
	if err != nil {
		t.Fatal(err)
	}
	p.Own = true
	if err := own.Add(p); err != nil {
		t.Fatal(err)
	}
	if err := own.Add(p); err == nil || err.Error() != "preset 'acme-busy' already specified" {
		t.Errorf("got error %v", err)
	}
	taken := &Preset{Name: "openai-quota", Own: true}
	if err := own.Add(taken); err == nil || err.Error() != "preset 'openai-quota' is one of the binary; choose another name, such as my-openai-quota" {
		t.Errorf("got error %v", err)
	}
	if got := own.Find("acme-busy"); got != p {
		t.Errorf("found %v", got)
	}
	if got := Set(nil).Find("acme-busy"); got != nil {
		t.Errorf("found %v", got)
	}
	if got := Set(nil).Find("openai-quota"); got == nil || got.Own {
		t.Errorf("found %v", got)
	}
	if all, embedded := own.All(), Set(nil).All(); len(all) != len(embedded)+1 || all[0] != p {
		t.Errorf("%d presets, %d without the own", len(all), len(embedded))
	}
}

func TestNear(t *testing.T) {
	for name, want := range map[string]string{
		"openai-quotas":      "openai-quota",
		"openai_quota":       "openai-quota",
		"Anthropic-Overload": "anthropic-overloaded",
		"overloaded":         "anthropic-overloaded anthropic-stream-overloaded gemini-overloaded",
		"rate-limit-openai":  "openai-rate-limit azure-openai-rate-limit",
		"gemini-broken":      "gemini-overloaded gemini-rate-limit",
		"zzz":                "",
		"x":                  "",
	} {
		near := Set(nil).Near(name)
		for found := range strings.FieldsSeq(want) {
			if !strings.Contains(" "+strings.Join(near, " ")+" ", " "+found+" ") {
				t.Errorf("%s: got %v, want %s", name, near, want)
			}
		}
		if want == "" && len(near) > 0 || len(near) > maxNear {
			t.Errorf("%s: got %v", name, near)
		}
	}
	if got := Set(nil).Unknown("openai-quoto").Error(); got != "unknown preset 'openai-quoto': did you mean 'preset openai-quota'?" {
		t.Errorf("got %s", got)
	}
	if got := Set(nil).Unknown("zzz").Error(); got != "unknown preset 'zzz': list all with caddy fault presets" {
		t.Errorf("got %s", got)
	}
}

// A value stays in its text, whatever it is.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{"x", `"`, "{", "}", "{a}", "a;b", "a\nb", `\`, "<&>", "{preset.a}", "\xff"} {
		f.Add(seed)
	}
	p, err := Parse("acme-text", "# A.\n# param: text=hello a text\nrespond 503 `{\"a\":\"{preset.text}\",\"b\":1}`\n")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		values, err := p.Bind([]string{"text=" + value})
		if err != nil {
			return
		}
		var body struct {
			A string
			B int
		}
		text := values.Replace(`{"a":"{preset.text}","b":1}`)
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			t.Fatalf("%q: %s: %v", value, text, err)
		}
		if want := strings.ToValidUTF8(value, "\ufffd"); body.B != 1 || utf8.ValidString(value) && body.A != want {
			t.Fatalf("%q: got %+v", value, body)
		}
	})
}
