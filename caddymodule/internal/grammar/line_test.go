package grammar

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestSplitLine(t *testing.T) {
	tests := []struct {
		line string
		want [][]string
		err  string
	}{
		{"", nil, ""},
		{" ; ;; ", nil, ""},
		{"551", [][]string{{"551"}}, ""},
		{"delay 250ms; respond 503", [][]string{{"delay", "250ms"}, {"respond", "503"}}, ""},
		{"reset;", [][]string{{"reset"}}, ""},
		{`respond 410 "a; b"`, [][]string{{"respond", "410", "a; b"}}, ""},
		{"respond 410 `a; \"b`; close", [][]string{{"respond", "410", `a; "b`}, {"close"}}, ""},
		{`respond "say \"no;\"" 410`, [][]string{{"respond", `say "no;"`, "410"}}, ""},
		{`respond "a\\"; close`, [][]string{{"respond", `a\\`}, {"close"}}, ""},
		{`respond ""`, [][]string{{"respond", ""}}, ""},
		{`a"b;c"d`, [][]string{{`a"b`}, {`c"d`}}, ""}, // a quote counts only at the beginning of a word
		{`a#b`, [][]string{{"a#b"}}, ""},
		{`per {http.request.uuid}`, [][]string{{"per", "{http.request.uuid}"}}, ""},
		{`respond "open`, nil, "the quote \" is not closed"},
		{"respond `open", nil, "the quote ` is not closed"},
		{`respond "open\"`, nil, "is not closed"},
		{`choose {`, nil, "blocks are not allowed"},
		{`choose {; }`, nil, "blocks are not allowed"},
		{`}`, nil, "blocks are not allowed"},
		{`respond <<EOF`, nil, "heredocs are not allowed"},
		{`\reset`, nil, "backslash"},
		{`reset # not now`, nil, "comment"},
		{"reset\nclose", nil, "control characters"},
		{"reset\r", nil, "control characters"},
		{"reset\x00", nil, "control characters"},
		{"\ufeff", nil, "byte order mark"}, // Caddy's lexer finds no word
		{"reset;\ufeff", nil, "byte order mark"},
		{"reset;\ufeff#close", nil, "byte order mark"},
	}
	for _, tt := range tests {
		statements, err := Split(tt.line)
		if tt.err != "" || err != nil {
			if err == nil || tt.err == "" || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: got error %v, want %q", tt.line, err, tt.err)
			}
			continue
		}
		var got [][]string
		for _, s := range statements {
			var words []string
			for _, token := range s.Tokens {
				words = append(words, token.Text)
			}
			got = append(got, words)
		}
		if !slices.EqualFunc(got, tt.want, slices.Equal) {
			t.Errorf("%q: got %q, want %q", tt.line, got, tt.want)
		}
	}
}

// An error says where in the line it is.
func TestStatementError(t *testing.T) {
	_, err := Split(`delay 1s;reset "open`)
	at, ok := errors.AsType[*LineError](err)
	if !ok || at.Start != 9 || at.End != 20 {
		t.Errorf("got %+v, want the place 9 to 20", err)
	}
}
