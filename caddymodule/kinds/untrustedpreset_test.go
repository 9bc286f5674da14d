package kinds

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// A trigger takes the texts of a preset, and no others. The bounds for sizes and times are
// the same for both.
func TestUntrustedTexts(t *testing.T) {
	for _, tt := range []struct{ line, alone, preset string }{
		{"respond 503", "", ""},
		{"respond 503 busy", "respond takes only statuses", ""},
		{"respond 429 {\nbody `{\"a\":1}`\nheader X-A 1\nretry_after 5s\n}", "respond takes only statuses", ""},
		{"respond 503 {\nformat problem\n}", "respond takes only statuses", ""},
		{"respond 503 {\nclose\n}", "respond takes only statuses", ""},
		{"respond 200 {\nbody_size 2MiB\n}", "too large for a trigger", "too large for a trigger"},
	} {
		for _, texts := range []bool{false, true} {
			want := tt.alone
			if texts {
				want = tt.preset
			}
			f := unmarshal(t, new(Respond), tt.line)
			err := f.Untrusted(&faults.Limits{Time: time.Second, Texts: texts})
			switch {
			case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("%s, of a preset %t: got error %v, want %q", tt.line, texts, err, want)
			case err == nil && f.Headers.Set.Get("X-Content-Type-Options") != "nosniff":
				t.Errorf("%s: a browser may guess the type", tt.line)
			}
		}
	}
}

// The fields of the preset stay, and the one that the trigger needs comes to them.
func TestUntrustedKeepsFields(t *testing.T) {
	f := unmarshal(t, new(Respond), "respond 429 {\nheader X-A 1\nheader +X-B 2\nheader -Server\n}")
	if err := f.Untrusted(&faults.Limits{Texts: true}); err != nil {
		t.Fatal(err)
	}
	if f.Headers.Set.Get("X-A") != "1" || f.Headers.Add.Get("X-B") != "2" || len(f.Headers.Delete) != 1 {
		t.Errorf("got %+v", f.Headers)
	}
}

func TestUntrustedStreamTexts(t *testing.T) {
	for _, tt := range []struct{ line, alone, preset string }{
		{"stream 4 drop", "", ""},
		{"stream 4 insert \"data: 1\"", "stream insert is not allowed in a trigger, because it has a text", ""},
		{"stream 3 stop 1012 restart", "stream stop is not allowed in a trigger, because it has a text", ""},
		{"stream 4 repeat 1000000", "is too large for a trigger", "is too large for a trigger"},
	} {
		for _, texts := range []bool{false, true} {
			want := tt.alone
			if texts {
				want = tt.preset
			}
			err := unmarshal(t, new(Stream), tt.line).Untrusted(&faults.Limits{Time: time.Second, Texts: texts})
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s, of a preset %t: got error %v, want %q", tt.line, texts, err, want)
			}
		}
	}
}
