package manual

import (
	"slices"
	"testing"
)

// TestProse makes Markdown of what commands and APIs say in plain text.
func TestProse(t *testing.T) {
	for text, want := range map[string]string{
		"Lines such as 'percent 10' and 'a'.":      "Lines such as `percent 10` and `a`.",
		"Caddy's matchers, and the API's JSON":     "Caddy's matchers, and the API's JSON",
		"needs --point, or --rule <point>/<rule>.": "needs `--point`, or `--rule <point>/<rule>`.",
		"With a command after -- it lasts":         "With a command after `--` it lasts",
		"'*' for all, and * alone":                 "`*` for all, and \\* alone",
		"{http.*} only, with `a <b>` in it":        "`{http.*}` only, with `a <b>` in it",
	} {
		if got := Prose(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestParagraphs(t *testing.T) {
	want := []string{"One of two lines.", "Another."}
	if got := Paragraphs("\nOne of\ntwo lines.\n\nAnother.\n"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{"": "", "a ": "a.", "a.": "a.", "(a.)": "(a.)", "a:": "a:"} {
		if got := Sentence(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestWriter reads again what has been written.
func TestWriter(t *testing.T) {
	var w Writer
	w.Printf("# Title\n\n\n")
	w.Block("sh", "\na | b\n")
	w.Table([]string{"A", "B"}, nil)
	w.Table([]string{"A", "B"}, [][]string{{Code("a|b"), Code("`")}, {"one\ntwo", Code("")}})
	want := "# Title\n\n```sh\na | b\n```\n\n| A | B |\n| --- | --- |\n| `a\\|b` | `` ` `` |\n| one two |  |\n"
	got := w.Text()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if blocks := Parse("page", got).Blocks(); len(blocks) != 1 || blocks[0].Text != "a | b\n" {
		t.Errorf("got blocks %+v", blocks)
	}
}
