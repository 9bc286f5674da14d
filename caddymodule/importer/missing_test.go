package importer

import (
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A value that is absent, null or of another type is a note or an error, in every place of
// a sample.
func TestMissingValues(t *testing.T) {
	for _, files := range sources(t) {
		for _, path := range files {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var document yaml.Node
			if err := yaml.Unmarshal(content, &document); err != nil {
				t.Fatal(err)
			}
			spoil(&document, func() { importNode(t, path, &document) })
		}
	}
}

// What is absent is named at the place of the value in which it is absent.
func TestMissingNames(t *testing.T) {
	for _, tt := range []struct{ text, note string }{
		{"\nkind: HTTPChaos\n", "a.yaml:2: file: left out: target must be Request or Response\n"},
		{"kind: VirtualService\nspec:\n  http:\n  - match:\n    - uri: a\n    fault: {abort: {httpStatus: 503}}\n", "a.yaml:5: spec.http[0].match[0].uri: left out: want an object, got a text\n"},
		{"- {listen: ':1', upstream: 'u:80', toxics: [\n  {attributes: {}}]}\n", "a.yaml:2: [0].toxics[0]: left out: unknown toxic ''\n"},
		{"kind: HTTPChaos\nspec:\n  target: Response\n  method: (\n  abort: true\n", "a.yaml:4: spec.method: left out: ( is not a method\n"},
		{"kind: HTTPChaos\nspec:\n  target: Response\n  code: 0\n  abort: true\n", "a.yaml:4: spec.code: left out: the status is 0, want 200 to 999\n"},
		{"mappings:\n- request: {bodyPatterns: [{matchesJsonPath: {}}]}\n  response: {status: 500}\n", "a.yaml:2: mappings[0].request.bodyPatterns[0].matchesJsonPath: left out: no matcher knows the JSONPath ''\n"},
	} {
		result, err := Import([]File{{"a.yaml", []byte(tt.text)}}, Options{})
		if got := notesOf(result); err != nil || !strings.HasPrefix(got, tt.note) {
			t.Errorf("%q: got error %v, the notes\n%s", tt.text, err, got)
		}
	}
}

// A scenario whose stubs match every request is a chain.
func TestMissingRequests(t *testing.T) {
	result := importText(t, "a.yaml", "mappings:\n"+
		"- {scenarioName: s, requiredScenarioState: Started, newScenarioState: two, response: {status: 503}}\n"+
		"- {scenarioName: s, requiredScenarioState: two, newScenarioState: end, response: {status: 502}}\n")
	if result.Rules != 1 || !strings.Contains(result.Caddyfile, "sequence") {
		t.Errorf("got\n%s", result.Caddyfile)
	}
}

// importNode imports a document. Nothing may panic.
func importNode(t *testing.T, path string, document *yaml.Node) {
	t.Helper()
	content, err := yaml.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s: panic %v in\n%s", path, p, content)
		}
	}()
	_, _ = Import([]File{{"a.yaml", content}}, Options{})
}

// spoil calls a function with each value below a node removed, and replaced by others.
func spoil(n *yaml.Node, check func()) {
	step := 1 // elements of a list
	if n.Kind == yaml.MappingNode {
		step = 2 // names and values
	}
	all := n.Content
	for i := step - 1; i < len(all); i += step {
		if n.Kind != yaml.DocumentNode {
			n.Content = slices.Concat(all[:i+1-step], all[i+1:])
			check()
			n.Content = all
		}
		was := all[i]
		for _, other := range []string{"null", "x", "-1", "[]", "[null]", "[x]", "{}", "{x: null}"} {
			all[i] = &yaml.Node{}
			if err := yaml.Unmarshal([]byte(other), all[i]); err != nil {
				panic(err)
			}
			all[i] = all[i].Content[0]
			check()
		}
		all[i] = was
		spoil(was, check)
	}
}
