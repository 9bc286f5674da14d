package grammar_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// A text is one line, or lines with blocks. Its lines in a Caddyfile mean the same.
func TestParseText(t *testing.T) {
	for _, tt := range []struct{ text, same, lines string }{
		{"percent 10; respond 503", "percent 10; respond 503", "percent 10\nrespond 503\n"},
		{"551", "respond 551", "respond 551\n"},
		{" 551\n", "respond 551", "respond 551\n"},
		{"percent 10\nrespond 503", "percent 10; respond 503", ""},
		{"percent 10\r\nrespond 503\r\n", "percent 10; respond 503", ""},
		{"respond 503; retry_after 5s", "respond 503; retry_after 5s", "respond 503 {\nretry_after 5s\n}\n"},
		{"\nrespond 503 {\n\tretry_after 5s\n}\n", "respond 503; retry_after 5s", ""},
		{"throttle 1KiB/s; burst 1MiB; shared", "throttle 1KiB/s; burst 1MiB; shared", "throttle 1KiB/s {\nburst 1MiB\nshared\n}\n"},
		{"match path /a /b; respond 410 `a; b`", "match path /a /b; respond 410 `a; b`", "match path /a /b\nrespond 410 `a; b`\n"},
		{"# a comment\nrespond 200 {path}", "respond 200 {path}", ""},
		{"respond 200 {path}", "respond 200 {path}", "respond 200 {path}\n"},
		{"respond 200 `{`", "respond 200 `{`", "respond 200 `{`\n"},
		{"respond 410 <<X\n\ta\n\tX\npercent 5", "percent 5; respond 410 a", ""},
	} {
		rule, err := grammar.ParseText(tt.same, faults.InHandler, nil)
		if err != nil || !grammar.ReadsAs(tt.text, rule) {
			t.Errorf("%q is not the same as %q", tt.text, tt.same)
		}
		lines, err := grammar.Lines(tt.text)
		if err != nil || tt.lines != "" && lines != tt.lines || tt.lines == "" && lines != tt.text {
			t.Errorf("%q: the lines are %q, %v, want %q", tt.text, lines, err, tt.lines)
		}
		if !grammar.ReadsAs(lines+"\n# in a block", rule) {
			t.Errorf("%q: the lines %q are not the same", tt.text, lines)
		}
	}
}

// Only lines can have blocks.
func TestParseTextBlocks(t *testing.T) {
	rule, err := grammar.ParseText("percent 50\nchoose {\n\t70 respond 503\n\t30 {\n\t\tdelay 1s\n\t\tclose\n\t}\n}", faults.InHandler, nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = `"fault":"choose"`
	if got := string(caddyconfig.JSON(rule, nil)); !strings.Contains(strings.ReplaceAll(got, " ", ""), want) {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, other := range []string{"close", "choose {", ""} {
		if grammar.ReadsAs(other, rule) {
			t.Errorf("%q is read as the same rule", other)
		}
	}
}

// Some kinds are only possible at some places.
func TestParseTextPlace(t *testing.T) {
	for _, text := range []string{"refuse", "percent 10\nrefuse"} {
		rule, err := grammar.ParseText(text, faults.InTransport, nil)
		if err != nil || !grammar.ReadsAs(text, rule) {
			t.Errorf("%q in a transport: %v", text, err)
		}
		if _, err := grammar.ParseText(text, faults.InHandler, nil); err == nil {
			t.Errorf("%q is possible in a handler", text)
		}
	}
}

// An error has the place of the line that is wrong.
func TestParseTextError(t *testing.T) {
	for _, tt := range []struct{ text, at, message string }{
		{"", "", "the line is empty"},
		{"percent 10; explode 3", " explode 3", "unknown word 'explode'"},
		{"percent 10\nexplode 3", "explode 3", "unknown word 'explode'"},
		{"percent 110\nclose", "percent 110", "bad percent '110'"},
		{"close\r\npercent x\r\n", "percent x", "bad percent 'x'"},
		{"percent 10\n\n", "percent 10", "a rule needs a fault"},
		{"\npercent 10\n", "\npercent 10\n", "a rule needs a fault"},
		{"percent 10\nmatch path /a", "percent 10\nmatch path /a", "a rule needs a fault"},
		{"percent 10;\nclose", "percent 10;", "ends in ';'"},
		{"choose {\n70 respond 503", "70 respond 503", "a block is not closed"},
		{"close\n}\nreset {", "}", "no block is open"},
		{"close\n}", "}", "no block is open"},
		{"match @named\nclose", "match @named", "named matchers"},
		{"respond 503 {\n\tretry 5s\n}", "\tretry 5s", "retry"},
		{"respond 410 <<X\na", "respond 410 <<X\na", "heredoc"},
	} {
		_, err := grammar.ParseText(tt.text, faults.InHandler, nil)
		at, ok := errors.AsType[*grammar.LineError](err)
		if !ok {
			t.Errorf("%q: got %v, want a LineError", tt.text, err)
			continue
		}
		if got := tt.text[at.Start:at.End]; got != tt.at || !strings.Contains(err.Error(), tt.message) || strings.Contains(err.Error(), ", at ") {
			t.Errorf("%q: got %q at %q, want %q at %q", tt.text, err, got, tt.message, tt.at)
		}
	}
	if _, err := grammar.Lines("respond `"); err == nil {
		t.Error("the lines of a text with an open quote have no error")
	}
}
