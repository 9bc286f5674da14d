package status

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// codesIn parses a list such as "100-104 226" into a set.
func codesIn(list string) map[int]bool {
	codes := make(map[int]bool)
	for field := range strings.FieldsSeq(list) {
		first, last, isRange := strings.Cut(field, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		if err != nil {
			panic(err)
		}
		to, err := strconv.Atoi(last)
		if err != nil {
			panic(err)
		}
		for code := from; code <= to; code++ {
			codes[code] = true
		}
	}
	return codes
}

// checkCodes compares the codes of a family with a list that is separate from the
// table.
func checkCodes(t *testing.T, family, list string, count int) {
	t.Helper()
	want := codesIn(list)
	if len(want) != count {
		t.Fatalf("the list of %s has %d codes, want %d", family, len(want), count)
	}
	for code := range want {
		if _, ok := Find(family, code); !ok {
			t.Errorf("%s:%d is missing", family, code)
		}
	}
	for _, c := range All() {
		if c.Family == family && !want[c.Code] {
			t.Errorf("%s is not in the list", c)
		}
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, c := range All() {
		if seen[c.String()] {
			t.Errorf("%s: duplicate", c)
		}
		seen[c.String()] = true
		if c.Code < minCode || c.Code > maxCode {
			t.Errorf("%s is outside %d-%d", c, minCode, maxCode)
		}
		if c.Source == "" || strings.TrimSpace(c.Source) != c.Source {
			t.Errorf("%s has the source %q", c, c.Source)
		}
		for _, r := range c.Name + c.Source {
			if r < ' ' || r > '~' {
				t.Errorf("%s has the character %q", c, r)
			}
		}
		if got, ok := Find(c.Family, c.Code); !ok || got != c {
			t.Errorf("Find(%q, %d) = %#v, %t, want %#v", c.Family, c.Code, got, ok, c)
		}
	}
}

// Names appear on status lines and in messages, so they look like names: capitalized
// words, without sentences and placeholders.
func TestNamesAreTitles(t *testing.T) {
	t.Parallel()
	exceptions := map[string]string{
		"http:418": "I'm a teapot",
		"http:306": "(Unused)",
	}
	small := []string{"a", "an", "at", "by", "for", "from", "in", "of", "or", "and", "the", "to", "with"}
	for _, c := range All() {
		if name, ok := exceptions[c.String()]; ok {
			if c.Name != name {
				t.Errorf("%s is named %q, want %q", c, c.Name, name)
			}
			continue
		}
		words := strings.Split(c.Name, " ")
		for i, word := range words {
			if word == "" {
				t.Errorf("%s has a doubled, leading or trailing space: %q", c, c.Name)
				continue
			}
			if i > 0 && slices.Contains(small, word) {
				continue
			}
			if r := rune(word[0]); !unicode.IsUpper(r) && !unicode.IsDigit(r) {
				t.Errorf("%s: the word %q of %q has no capital", c, word, c.Name)
			}
		}
		if strings.ContainsAny(c.Name, `<>[]{}|"\`) || strings.ContainsAny(c.Name[len(c.Name)-1:], ".,:;") {
			t.Errorf("%s has a name like a sentence or a template: %q", c, c.Name)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	names := Families()
	if names[0] != "http" {
		t.Errorf("the first family is %q, want http", names[0])
	}
	sorted := slices.IsSortedFunc(All(), func(a, b Code) int {
		if d := slices.Index(names, a.Family) - slices.Index(names, b.Family); d != 0 {
			return d
		}
		return a.Code - b.Code
	})
	if !sorted {
		t.Error("All is not ordered by family, then code")
	}
}

func TestFamilies(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int)
	for _, c := range All() {
		counts[c.Family]++
	}
	seen := make(map[string]bool)
	place := 0
	for _, name := range Families() {
		if seen[name] {
			t.Errorf("family %q: duplicate", name)
		}
		seen[name] = true
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("family %q is not a lower-case word", name)
		}
		if counts[name] == 0 {
			t.Errorf("family %q has no rows", name)
		}
		// The package's documentation lists the families, in the same order.
		_, list, _ := strings.Cut(string(doc), "# Families")
		list, _, _ = strings.Cut(list, "# Bare codes")
		at := -1
		for _, before := range []string{"- ", ", "} {
			for _, after := range []string{":", ","} {
				if i := strings.Index(list, before+name+after); i >= 0 {
					at = i
				}
			}
		}
		if at < place {
			t.Errorf("doc.go does not list the family %q, or lists it at another place", name)
		}
		place = max(place, at)
	}
}

func TestCallersCannotChangeTheCatalog(t *testing.T) {
	t.Parallel()
	codes := All()
	codes[0] = Code{Name: "Changed"}
	if All()[0].Name != "Continue" {
		t.Error("a change to the slice of All changes the catalog")
	}
	names := Families()
	names[0] = "changed"
	if Families()[0] != "http" {
		t.Error("a change to the slice of Families changes the catalog")
	}
}

// The rule for bare codes, independent of its implementation.
func TestBareRule(t *testing.T) {
	t.Parallel()
	for code := minCode; code <= maxCode; code++ {
		var want Code
		for _, family := range slices.Backward(Families()) {
			if c, ok := Find(family, code); ok {
				want = c
			}
		}
		got, ok := Find("", code)
		if want == (Code{}) {
			want = Code{Code: code, Name: "Unknown Status"}
		}
		if got != want || ok != (want.Family != "") {
			t.Errorf("Find(\"\", %d) = %#v, %t, want %#v", code, got, ok, want)
		}
	}
}

func TestBareCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		codes, family string
	}{
		// IANA's name has precedence over all others.
		{"100-104 200-208 226 300-308 400-418 421-426 428 429 431 451 500-508 510 511", "http"},
		{"520-527 530", "cloudflare"},
		{"444 494-497 499", "nginx"},
		{"550-556", "smtp"},
		{"218 509", "apache"},
		{"419", "laravel"},
		{"420", "twitter"},
		{"430 540 783", "shopify"},
		{"440 449", "iis"},
		{"450", "microsoft"},
		{"460 463 464 561", "aws"},
		{"498", "esri"},
		{"529", "qualys"},
		{"598 599", "proxy"},
		{"999", "linkedin"},
		// Not used in HTTP.
		{"211 214 220 221 235 250-253 334 354 355 432 452-455 458 459 534 535 538", "smtp"},
		{"180-183 199 380 433 436-439 469 470 480-489 491 493 513 580 600 603 604 606-608", "sip"},
		{"110 120 125 150 212 213 215 225 227-230 232 234 257 331 332 335 336 350 532 533 536 537 631-633", "ftp"},
	}
	seen := make(map[int]bool)
	for _, tt := range tests {
		for code := range codesIn(tt.codes) {
			seen[code] = true
			if got, ok := Find("", code); !ok || got.Family != tt.family {
				t.Errorf("bare %d is %s %q, want family %s", code, got, got.Name, tt.family)
			}
		}
	}
	for _, c := range All() {
		if !seen[c.Code] {
			t.Errorf("%s %q: the table of this test does not say what the bare code means", c, c.Name)
		}
	}
}
