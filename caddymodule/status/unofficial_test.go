package status

import (
	"slices"
	"testing"
)

func TestUnofficialCodes(t *testing.T) {
	t.Parallel()
	lists := map[string]string{
		"nginx":      "302 405 408 413 414 416 444 494-497 499 503 504",
		"cloudflare": "520-527 530",
		"apache":     "218 413 414 416 418 422 509",
		"iis":        "440 449",
		"microsoft":  "450 451",
		"aws":        "460 463 464 561",
		"laravel":    "419",
		"twitter":    "420",
		"spring":     "420",
		"shopify":    "430 540 783",
		"esri":       "498 499",
		"pantheon":   "530",
		"cpanel":     "508",
		"linkedin":   "999",
		"qualys":     "529",
		"anthropic":  "529",
		"proxy":      "598 599",
	}
	for family, list := range lists {
		checkCodes(t, family, list, len(codesIn(list)))
	}
	for _, family := range Families() {
		if _, ok := lists[family]; !ok && !slices.Contains([]string{"http", "smtp", "sip", "ftp"}, family) {
			t.Errorf("no list for the family %q", family)
		}
	}
}

// A row for a registered code exists only because its wording differs from IANA's.
func TestWordingsDiffer(t *testing.T) {
	t.Parallel()
	for _, family := range []string{"nginx", "apache"} {
		for _, c := range All() {
			if official, ok := Find("http", c.Code); ok && c.Family == family && official.Name == c.Name {
				t.Errorf("%s %q has IANA's name", c, c.Name)
			}
		}
	}
}
