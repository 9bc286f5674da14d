package importer

import (
	"fmt"
	"strings"
	"testing"
)

// badFile is a file that cannot be read, and the error.
type badFile struct{ file, text, err string }

func badFiles() []badFile {
	bomb := "a: &a [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n"
	for c := 'b'; c < 'i'; c++ {
		last := string(c - 1)
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+last+", ", 10), ", "))
	}
	return []badFile{
		{"a.yaml", "", "the files have no fault"},
		{"a.yaml", "a: 1\n", "a.yaml:1: cannot tell the format of the file: give it with --from, one of istio, "},
		{"a.yaml", "a: 1\n---\n- b\n", "a.yaml:1: cannot tell the format"},
		{"a.yaml", "kind: VirtualService\nspec:\n  http: []\nkind: VirtualService\n", "a.yaml:4: 'kind' is written twice, first in line 1: remove one of them"},
		{"a.json", "{\"a\": 1,\n\"b\": 2,\n\"a\": 3}", "a.json:3: 'a' is written twice, first in line 1"},
		{"a.yaml", "kind: VirtualService\nspec:\n\t- x\n", "a.yaml:3: found character that cannot start any token"},
		{"a.yaml", "a: \xff\n", "a.yaml:1: the byte 0xff is not UTF-8: convert the file to UTF-8"},
		{"a.json", "{\n\"a\": \"\xc3\x28\"}", "a.json:2: the byte 0xc3 is not UTF-8"},
		{"a.yaml", bomb, "aliases add more than 100000 values: write the values"},
		{"a.yaml", "kind: VirtualService\nspec: &s\n  http: *s\n", "a.yaml:3: the anchor 's' contains itself"},
		{"a.yaml", "kind: VirtualService\nspec: *none\n", "unknown anchor 'none' referenced"},
		{"a.json", "{\"a\": [1, 2", "a.json:1: the JSON ends early"},
		{"a.json", "// stubs\n{}", "a.json:1: JSON has no comments: remove them"},
		{"a.json", "{\n  // stubs\n}", "a.json:2: JSON has no comments: remove them"},
		{"a.json", "{\"a\": }", "a.json:1: bad JSON: invalid character '}'"},
		{"a.json", strings.Repeat("[", 200), "a.json:1: more than 100 objects and lists within one another"},
		{"a.yaml", strings.Repeat("[", 200) + strings.Repeat("]", 200), "more than 100 objects and lists within one another"},
		{"a.yaml", strings.Repeat("- ", 200), "more than 100 objects and lists within one another"},
		{"a.yaml", "? [a]\n: b\n", "a.yaml:1: the name of a member is a list or an object, want a text"},
		{"a.yaml", strings.Repeat("#", maxFile+1), "a.yaml:1: the file has 16777217 bytes, want 16777216 at most: split it"},
		{"a.yaml", "_format_version: \"3.0\"\n", "the format kong cannot be imported yet"},
		{"a.yaml", "imposters: []\n", "the format mountebank cannot be imported yet"},
		{"a.json", `[{"httpRequest": {}}]`, "the format mockserver cannot be imported yet"},
		{"a.yaml", "kind: MeshFaultInjection\n", "the format kuma cannot be imported yet"},
		{"a.json", `{"data": {"pairs": []}}`, "the format hoverfly cannot be imported yet"},
		{"a.yaml", "kind: VirtualService\nspec: {http: [{route: []}]}\n", "the files have no fault"},
		{"a.yaml", "apiVersion: v1\nkind: Service\n", "the files have no fault"},
	}
}

// A file that cannot be read is refused, with its name and the line.
func TestBadFiles(t *testing.T) {
	for _, tt := range badFiles() {
		result, err := Import([]File{{tt.file, []byte(tt.text)}}, Options{})
		if err == nil || !strings.Contains(err.Error(), tt.err) || result.Caddyfile != "" {
			t.Errorf("%.80q: got error %v, want %s", tt.text, err, tt.err)
		}
	}
}

// One bad file makes the import fail, and is named.
func TestBadAmongGood(t *testing.T) {
	good := File{"good.yaml", []byte(istioAbort)}
	result, err := Import([]File{good, {"bad.yaml", []byte("a: [")}, good}, Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "bad.yaml:1: ") || result.Caddyfile != "" || len(result.Notes) > 0 {
		t.Errorf("got %+v, error %v", result, err)
	}
}

const istioAbort = `kind: VirtualService
metadata: {name: v}
spec: {http: [{fault: {abort: {httpStatus: 500, percentage: {value: 100}}}}]}
`

// A byte order mark and other line ends do not change the result.
func TestLineEnds(t *testing.T) {
	want := importText(t, "a.yaml", istioAbort)
	for _, text := range []string{"\ufeff" + istioAbort, strings.ReplaceAll(istioAbort, "\n", "\r\n"), "---\n" + istioAbort} {
		if got := importText(t, "a.yaml", text); got.Caddyfile != want.Caddyfile {
			t.Errorf("%.20q: got\n%s", text, got.Caddyfile)
		}
	}
}

// Formats that cannot be imported, and those that people may ask for.
func TestFrom(t *testing.T) {
	for from, want := range map[string]string{
		"istoi":   "unknown format istoi: did you mean istio?",
		"xyz":     "unknown format xyz: want one of istio, envoy-gateway, chaos-mesh",
		"kong":    "the format kong cannot be imported yet: write the rules by hand",
		"linkerd": "there is nothing to import from linkerd: Linkerd injects faults through a route",
		"NGINX":   "there is nothing to import from NGINX: NGINX has directives",
		"auto":    "",
		"istio":   "",
	} {
		_, err := Import([]File{{"a.yaml", []byte(istioAbort)}}, Options{From: from})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %s", from, err, want)
		}
	}
}

// Each format that can be imported has a sample, and each sample is recognized as its
// format.
func TestRecognize(t *testing.T) {
	samples := sources(t)
	for _, name := range FormatNames() {
		if len(samples[name]) == 0 {
			t.Errorf("%s has no sample in testdata", name)
		}
	}
	for format := range samples {
		if _, err := formatNamed(format); err != nil {
			t.Error(err)
		}
	}
}

// Names from a source are in comments and notes in one line, and cannot become
// directives.
func TestInjection(t *testing.T) {
	evil := `a"}\n}\nrespond 200\n{$HOME} {env.X}`
	text := `{"kind": "VirtualService", "metadata": {"name": "` + strings.ReplaceAll(evil, `"`, `\"`) + `"}, "spec": {"hosts": ["` + strings.ReplaceAll(evil, `"`, `\"`) + `"], "http": [
		{"name": "x\n}", "match": [{"headers": {"x-a": {"exact": "v\n}\nrespond 200 #"}}, "sourceLabels": {"a\nb": "c\nd"}}, {"uri": {"exact": "/a {\n"}}],
		"fault": {"abort": {"httpStatus": 500, "percentage": {"value": 100}}}}]}}`
	result := importText(t, "a.json", text)
	for line := range strings.Lines(result.Caddyfile) {
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "respond 200") || strings.Contains(line, "{$") {
			t.Errorf("got the line %q in\n%s", line, result.Caddyfile)
		}
	}
	for _, note := range result.Notes {
		if strings.Count(note.String(), "\n") > 0 {
			t.Errorf("note %q", note)
		}
	}
}
