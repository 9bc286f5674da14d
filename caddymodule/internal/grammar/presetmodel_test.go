package grammar

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// twoForms is a block in two forms: with presets, and with their lines.
type twoForms struct{ short, long []string }

func (w *twoForms) add(short, long string) {
	w.short, w.long = append(w.short, short), append(w.long, long)
}

// put adds a block with a head.
func (w *twoForms) put(head string, block twoForms) {
	w.short = append(append(append(w.short, head+" {"), block.short...), "}")
	w.long = append(append(append(w.long, head+" {"), block.long...), "}")
}

// drawn draws rules with presets.
type drawn struct{ *rand.Rand }

// slow draws a preset that does not end the request.
func (r drawn) slow() (short, long string) {
	wait := 1 + r.IntN(9)
	return fmt.Sprintf("preset acme-slow wait=%ds", wait), fmt.Sprintf("delay %ds", wait)
}

// busy draws a preset that ends the request.
func (r drawn) busy() (short string, long []string) {
	code := 500 + r.IntN(5)
	return fmt.Sprintf("preset acme-busy code=%d", code), []string{"delay 2s", fmt.Sprintf("respond %d", code)}
}

// chain draws lines that are a chain of faults.
func (r drawn) chain() (w twoForms) {
	for range r.IntN(3) {
		if r.IntN(2) == 0 {
			w.add("delay 5ms", "delay 5ms")
			continue
		}
		w.add(r.slow())
	}
	switch short, long := r.busy(); r.IntN(3) {
	case 0:
		w.add(short, strings.Join(long, "\n"))
	case 1:
		w.add("close", "close")
	default:
		w.add("delay 7ms", "delay 7ms")
	}
	return w
}

// steps draws the block of a sequence.
func (r drawn) steps() (w twoForms) {
	for range 1 + r.IntN(4) {
		switch r.IntN(5) {
		case 0:
			w.add("pass", "pass")
		case 1:
			w.add("respond 503", "respond 503")
		case 2:
			short, long := r.slow()
			w.add(short, "step {\n"+long+"\n}")
		case 3:
			short, long := r.busy()
			w.add(short, "step {\n"+strings.Join(long, "\n")+"\n}")
		default:
			w.put("step", r.chain())
		}
	}
	return w
}

// branches draws the block of a choose.
func (r drawn) branches(depth int) (w twoForms) {
	for range 1 + r.IntN(4) {
		weight := fmt.Sprint(1 + r.IntN(90))
		switch r.IntN(6) {
		case 0:
			w.add(weight+" pass", weight+" pass")
		case 1:
			short, long := r.busy()
			w.add(weight+" "+short, weight+" {\n"+strings.Join(long, "\n")+"\n}")
		case 2:
			short, long := r.slow()
			w.add(weight+" "+short, weight+" {\n"+long+"\n}")
		case 3:
			if depth > 0 {
				w.put(weight+" choose", r.branches(depth-1))
				continue
			}
			w.add(weight+" reset", weight+" reset")
		case 4:
			w.put(weight+" sequence", r.steps())
		default:
			w.put(weight, r.chain())
		}
	}
	return w
}

// ruleOf parses a block with the presets of the model.
func ruleOf(t *testing.T, own presets.Set, lines []string) (string, error) {
	t.Helper()
	d := caddyfile.NewTestDispenser("rule {\n" + strings.Join(lines, "\n") + "\n}")
	d.Next()
	rule := new(rules.Rule)
	p := NewRuleParser(rule)
	p.Presets = own
	if err := p.ParseBlock(d, nil); err != nil {
		return "", err
	}
	text, err := json.Marshal(rule)
	return string(text), err
}

// A rule with presets is the rule with their lines, however deep they are.
func TestNestedPresetModel(t *testing.T) {
	own := make(presets.Set)
	for name, text := range map[string]string{
		"acme-busy": "# Busy.\n# param: code=503 x\ndelay 2s\nrespond {preset.code}\n",
		"acme-slow": "# Slow.\n# param: wait=1s x\ndelay {preset.wait}\n",
	} {
		p, err := presets.Parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		own[name] = p
	}
	r := drawn{rand.New(rand.NewPCG(7, 11))}
	good := 0
	for range 2000 {
		var w twoForms
		switch r.IntN(3) {
		case 0:
			w.put("choose", r.branches(2))
		case 1:
			w.put("sequence", r.steps())
		default:
			w = r.chain()
		}
		want, wrong := ruleOf(t, own, w.long)
		got, err := ruleOf(t, own, w.short)
		if (err == nil) != (wrong == nil) || got != want {
			t.Fatalf("%s\nis %s, %v\nwant %s, %v", strings.Join(w.short, "\n"), got, err, want, wrong)
		}
		if err == nil {
			good++
		}
	}
	if good < 1000 {
		t.Errorf("only %d of 2000 rules load", good)
	}
}

// A value of a parameter changes the rule only where the fragment has it.
func FuzzPresetValue(f *testing.F) {
	for _, seed := range []string{"x", `"`, "{", "}", "{http.request.host}", "a;b", "a\nb", `\`, "`", "percent", "503 {", "#", " "} {
		f.Add(seed)
	}
	preset, err := presets.Parse("acme-text", "# A.\n# param: text=hello x\nrespond 503 {\n\tbody `{\"a\":\"{preset.text}\"}`\n\theader X-B b\n}\n")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		values, err := preset.Bind([]string{"text=" + value})
		if err != nil {
			return
		}
		lines, err := presetLines(preset, values)
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		if len(lines) != 1 || len(lines[0]) != 9 || lines[0][0].Text != "respond" || lines[0][6].Text != "X-B" {
			t.Fatalf("%q: got %v", value, lines)
		}
	})
}
