package experiments

import (
	"encoding/json"
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Exclude returns a pair of matchers, one of each side, that no request can match
// together, such as `path /a/* and /b/*`. It returns "" if such requests may exist, or
// if that is unknown. Both sides see the request at the same time.
func Exclude(one, other caddyhttp.RawMatcherSets) (why string) {
	for _, a := range one {
		for _, b := range other {
			pair := excludeSets(a, b)
			if pair == "" {
				return ""
			}
			if why == "" {
				why = pair
			}
		}
	}
	return why
}

// excluders are the matchers for which exclusion can be determined.
var excluders = []struct {
	name    string
	exclude func(a, b json.RawMessage) string
}{
	{"path", excludeLists(excludePaths)},
	{"host", excludeLists(excludeHosts)},
	{"method", excludeLists(excludeMethods)},
	{"header", excludeHeaders},
}

func excludeSets(a, b caddy.ModuleMap) string {
	for _, by := range excluders {
		if a[by.name] == nil || b[by.name] == nil {
			continue
		}
		if why := by.exclude(a[by.name], b[by.name]); why != "" {
			return by.name + " " + why
		}
	}
	return ""
}

// excludeLists is for matchers that are lists of alternatives. Each element must
// exclude each element of the other list.
func excludeLists(exclude func(a, b string) bool) func(a, b json.RawMessage) string {
	return func(a, b json.RawMessage) string {
		var mine, others []string
		if json.Unmarshal(a, &mine) != nil || json.Unmarshal(b, &others) != nil || len(mine)*len(others) == 0 || len(mine)*len(others) > maxCompared {
			return ""
		}
		for _, one := range mine {
			if slices.ContainsFunc(others, func(other string) bool { return !exclude(one, other) }) {
				return ""
			}
		}
		return firstOf(mine) + " and " + firstOf(others)
	}
}

// Bounds for lists that may be very long: maxCompared for comparisons, maxTold for the
// elements named in the answer.
const (
	maxCompared = 10_000
	maxTold     = 3
)

// firstOf returns the first alternatives, as text.
func firstOf(list []string) string {
	if len(list) > maxTold {
		return strings.Join(list[:maxTold], " ") + " ..."
	}
	return strings.Join(list, " ")
}

// excludePaths reports whether no path matches both patterns. It knows exact paths and
// paths that end in a star. Caddy compares both with the same form of the request's
// path.
func excludePaths(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	prefixA, openA := strings.CutSuffix(a, "*")
	prefixB, openB := strings.CutSuffix(b, "*")
	odd := func(text string) bool {
		return strings.ContainsAny(text, `*?[\{%`) || strings.Contains(text, "//")
	}
	switch {
	case odd(prefixA) || odd(prefixB):
		return false
	case openA && openB:
		return !strings.HasPrefix(prefixA, prefixB) && !strings.HasPrefix(prefixB, prefixA)
	case openA:
		return !strings.HasPrefix(b, prefixA)
	case openB:
		return !strings.HasPrefix(a, prefixB)
	default:
		return a != b
	}
}

// excludeMethods reports whether the methods differ after Caddy has loaded them.
// Loading changes both i and ı to I.
func excludeMethods(a, b string) bool {
	upper := strings.ToUpper(a)
	return upper != strings.ToUpper(b)
}

// excludeHosts reports whether no host matches both names. A star stands for one label.
func excludeHosts(a, b string) bool {
	if !plainHost(a) || !plainHost(b) {
		return false
	}
	labelsA, labelsB := strings.Split(a, "."), strings.Split(b, ".")
	if len(labelsA) != len(labelsB) {
		return true
	}
	for i, label := range labelsA {
		if label != "*" && labelsB[i] != "*" && !strings.EqualFold(label, labelsB[i]) {
			return true
		}
	}
	return false
}

// plainHost reports whether Caddy compares the name as written: it has no placeholders
// and only ASCII characters.
func plainHost(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("*-._", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// excludeHeaders finds a field that one side requires and the other forbids. Different
// values exclude nothing, because a request may have both.
func excludeHeaders(a, b json.RawMessage) string {
	var mine, others map[string][]string
	if json.Unmarshal(a, &mine) != nil || json.Unmarshal(b, &others) != nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(mine)) {
		for _, other := range slices.Sorted(maps.Keys(others)) {
			absent, otherAbsent := mine[name] == nil, others[other] == nil
			if absent == otherAbsent || textproto.CanonicalMIMEHeaderKey(name) != textproto.CanonicalMIMEHeaderKey(other) {
				continue
			}
			return fieldText(name, absent) + " and " + fieldText(other, otherAbsent)
		}
	}
	return ""
}

// fieldText returns the field in the notation of a Caddyfile.
func fieldText(name string, absent bool) string {
	if absent {
		return "!" + name
	}
	return name
}
