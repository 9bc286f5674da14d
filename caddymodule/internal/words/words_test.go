package words

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A word is found in all forms in which people write it.
func TestSynonym(t *testing.T) {
	for _, tt := range []struct {
		place Place
		word  string
		want  string
	}{
		{Rule, "latency", "[delay 250ms]"},
		{Rule, "Latency", "[delay 250ms]"},
		{Rule, "errorRate", "[percent 10]"},
		{Rule, "error-rate", "[percent 10]"},
		{Rule, "rate", "[percent 10 throttle 64KiB/s]"},
		{Rule, "delay", "[]"},
		{Point, "latency", "[]"},
		{"respond", "headers", "[header Retry-After 5]"},
		{"nowhere", "latency", "[]"},
	} {
		if got := fmt.Sprint(Synonym(tt.place, tt.word)); got != tt.want {
			t.Errorf("%s, %s: got %s, want %s", tt.place, tt.word, got, tt.want)
		}
	}
	lines := Synonym(Rule, "latency")
	lines[0] = "changed"
	if got := Synonym(Rule, "latency"); got[0] != "delay 250ms" {
		t.Errorf("after a caller has changed its lines: got %s", got)
	}
}

// There are at least 25 synonyms. A synonym is not duplicate at a place, does not hide
// a known word, and leads to a known one.
func TestSynonyms(t *testing.T) {
	known := map[Place][]string{Rule: kindsAndSettings()}
	for place := range synonyms {
		if known[place] == nil {
			known[place] = Options(string(place))
		}
	}
	for place, entries := range synonyms {
		seen := make(map[string]bool)
		for _, e := range entries {
			if n := len(e.lines); n < 1 || n > 2 {
				t.Errorf("%s, %s: %d lines, want one or two", place, e.words, n)
			}
			for word := range strings.FieldsSeq(e.words) {
				switch {
				case seen[word]:
					t.Errorf("%s: %s: duplicate", place, word)
				case slices.Contains(known[place], word):
					t.Errorf("%s: %s is known there", place, word)
				case word != strings.ToLower(word):
					t.Errorf("%s: %s is never found: it is not in lower case", place, word)
				}
				seen[word] = true
			}
			for _, line := range e.lines {
				first := strings.Fields(line)[0]
				_, isForm := forms[first]
				_, isOption := forms[string(place)+" "+first]
				if !isForm && !isOption {
					t.Errorf("%s: %s leads to %s, which is unknown", place, e.words, first)
				}
			}
		}
	}
	if n := len(synonyms[Rule]); n < 25 {
		t.Errorf("%d lines of a rule, want 25 or more", n)
	}
}

func kindsAndSettings() []string {
	var names []string
	for name, form := range forms {
		if form.JSON != "" {
			names = append(names, name)
		}
	}
	return names
}

func TestSuggest(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		want  string
		json  string
	}{
		{nil, "", ""},
		{[]string{"a"}, "did you mean 'a'?", "did you mean a?"},
		{[]string{"a", "b"}, "did you mean 'a' or 'b'?", "did you mean a or b?"},
		{[]string{"a {\n\tb\n}"}, "did you mean:\n\ta {\n\t\tb\n\t}", "did you mean a {\n\tb\n}?"},
	} {
		if got := Suggest(tt.lines); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.lines, got, tt.want)
		}
		if got := SuggestJSON(tt.lines); got != tt.json {
			t.Errorf("%q in JSON: got %q, want %q", tt.lines, got, tt.json)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"percent", "write percent <0 to 100>, such as percent 10"},
		{"refuse", "write refuse"},
		{"phase", "write phase request or phase response, such as phase response"},
		{"trigger key", "write key <text>, such as key {env.FAULT_KEY}"},
		{"patch", "write patch { ... }, such as\n\tpatch {\n\t\tstatus 404\n\t}"},
		{"nonsense", ""},
	} {
		if got := Usage(tt.name); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct{ owner, want string }{
		{"delay", "[at_least at_most hold]"},
		{"hang", "[after continue request]"},
		{"reset", "[]"},
	} {
		if got := fmt.Sprint(Options(tt.owner)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.owner, got, tt.want)
		}
	}
	for _, tt := range []struct{ option, want string }{
		{"after", "[hang throttle truncate]"},
		{"body", "[patch respond]"},
		{"key", "[]"}, // of a trigger
		{"path", "[]"},
		{"", "[]"}, // a kind has no space after it
	} {
		if got := fmt.Sprint(OwnersOf(tt.option)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.option, got, tt.want)
		}
	}
}

func TestInJSON(t *testing.T) {
	got := InJSON([]string{"delay 250ms", "end 10m", "delay 1s", "point a"})
	want := []string{`{"fault": "delay", "duration": "250ms"}`, `"end": "10m"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNear(t *testing.T) {
	known := []string{"delay", "percent", "percentiles", "respond", "reset", "refuse", "status_code", "max_active", "close", "choose", "header", "x", "@m"}
	for _, tt := range []struct{ word, want string }{
		{"dealy", "[delay]"},     // swapped
		{"dlay", "[delay]"},      // missing
		{"delayy", "[delay]"},    // additional
		{"deley", "[delay]"},     // wrong
		{"DELAY", "[delay]"},     // in another case
		{"respnod", "[respond]"}, // swapped
		{"max_actvie", "[max_active]"},
		{"mx_actvie", "[max_active]"}, // two
		{"stat", "[status_code]"},     // the beginning
		{"perce", "[percent percentiles]"},
		{"rese", "[reset]"},
		{"sat", "[]"},
		{"a", "[]"},  // not close to the letter x
		{"@a", "[]"}, // nor to @m
		{"X", "[x]"}, // in another case
		{strings.Repeat("delay", 1000), "[]"},
		{"hello", "[]"},
		{"", "[]"},
	} {
		if got := fmt.Sprint(Near(tt.word, known)); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.word, got, tt.want)
		}
	}
	if got := Near("abd", []string{"abc", "abe", "abf"}); len(got) != 2 {
		t.Errorf("three are near: got %q, want two", got)
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""}, {"abcd", "abcd"}, {"abcde", "abcd..."}, {"abcé", "abc..."},
	} {
		if got := Cut(tt.text, 4); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}
