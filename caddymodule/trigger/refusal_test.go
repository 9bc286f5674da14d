package trigger

import (
	"errors"
	"strings"
	"testing"
)

func TestOneLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 300)
	for text, want := range map[string]string{
		"plain 'text'":         "plain 'text'",
		"one\ntwo":             "one; two",
		"a\rb\x00c\td\x7fe":    "a?b?c?d?e",
		"é😀":                   "??",
		"\xff\xfe":             "??",
		long[:256]:             long[:256],
		long[:257]:             long[:253] + "...",
		"é" + long:             "?" + long[:252] + "...",
		strings.Repeat("é", 9): "?????????",
	} {
		if got := oneLine(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestRefusalDisclosed(t *testing.T) {
	t.Parallel()
	no := &Refusal{err: errors.New("no\nway"), told: true}
	if no.String() != "no\nway" || no.Reason() != "no; way" || no.Disclosed() != "no; way" {
		t.Errorf("got %q, %q, %q", no.String(), no.Reason(), no.Disclosed())
	}
	no.told = false
	if no.Reason() != "no; way" || no.Disclosed() != "key" {
		t.Errorf("without the key: got %q, %q", no.Reason(), no.Disclosed())
	}
}
