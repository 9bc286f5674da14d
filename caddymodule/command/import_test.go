package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/importer"
)

// The sources of the test: one that is said, one that is approximate, and one that is
// left out.
const (
	importSaid    = "kind: VirtualService\nmetadata: {name: v}\nspec: {http: [{fault: {abort: {httpStatus: 500, percent: 10}}}]}\n"
	importApprox  = `{"api": {"name": "api", "listen": "127.0.0.1:8000", "upstream": "app:80", "toxics": [{"name": "slow", "type": "latency", "attributes": {"latency": 100}}]}}`
	importLeftOut = "kind: HTTPChaos\nmetadata: {name: h}\nspec: {target: Request, replace: {path: /b}}\n"
)

// importFolder returns a folder with the files.
func importFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestCommandImportMistakes(t *testing.T) {
	folder := importFolder(t, map[string]string{"said.yaml": importSaid, "empty/readme.txt": "", "bad.yaml": "a: ["})
	said := filepath.Join(folder, "said.yaml")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "a file is required: caddy fault import virtualservice.yaml, or - for standard input"},
		{[]string{filepath.Join(folder, "none.yaml")}, "no such file"},
		{[]string{filepath.Join(folder, "empty")}, "has no file that ends in .yaml, .yml or .json"},
		{[]string{said, filepath.Join(folder, "bad.yaml")}, "bad.yaml:1: "},
		{[]string{said, "--from", "istoi"}, "unknown format istoi: did you mean istio?"},
		{[]string{said, "--from", ""}, "--from is empty"},
		{[]string{said, "--from", "kong"}, "the format kong cannot be imported yet"},
		{[]string{said, "--upstream", "app:80"}, "--upstream needs a site: add --site :8080"},
		{[]string{said, "--site", "a {\n"}, "bad address"},
	} {
		got := caddyFault(t, append([]string{"import"}, tt.args...)...)
		if got.err == nil || !strings.Contains(got.stderr, tt.want) || got.stdout != "" {
			t.Errorf("%q: got %+v, want %s", tt.args, got, tt.want)
		}
	}
}

func TestCommandImport(t *testing.T) {
	folder := importFolder(t, map[string]string{"said.yaml": importSaid, "approximate.json": importApprox, "out.yml": importLeftOut})
	for _, tt := range []struct {
		name, want, notes string
		args              []string
		code              bool // not 0
	}{
		{"said.yaml", "respond 500", "1 rule\n", nil, false},
		{"said.yaml", ":8080 {\n", "1 rule\n", []string{"--site", ":8080", "--upstream", "app:80", "--strict"}, false},
		{"approximate.json", "http://127.0.0.1:8000 {\n", "1 rule; 1 approximate\n", nil, false},
		{"out.yml", "# Left out: HTTPChaos h", "0 rules; 2 left out\n", nil, true},
		{".", ":8080 {\n", "2 rules; 1 approximate, 2 left out\n", []string{"--site", ":8080"}, true},
	} {
		got := caddyFault(t, append([]string{"import", filepath.Join(folder, tt.name)}, tt.args...)...)
		if !strings.Contains(got.stdout, tt.want) || !strings.HasSuffix(strings.TrimSuffix(got.stderr, "\n")+"\n", tt.notes) || (got.err != nil) != tt.code {
			t.Errorf("%s %q: got %+v, want %q and %q", tt.name, tt.args, got, tt.want, tt.notes)
		}
	}
}

func TestCommandImportStrict(t *testing.T) {
	folder := importFolder(t, map[string]string{"approximate.json": importApprox})
	path := filepath.Join(folder, "approximate.json")
	if got := caddyFault(t, "import", path, "--strict"); got.err == nil || !strings.Contains(got.stdout, "delay 100ms") {
		t.Errorf("got %+v", got)
	}
}

func TestCommandImportJSON(t *testing.T) {
	folder := importFolder(t, map[string]string{"out.yml": importLeftOut, "said.yaml": importSaid})
	got := caddyFault(t, "import", filepath.Join(folder, "out.yml"), "--json")
	var result importer.Result
	if err := json.Unmarshal([]byte(got.stdout), &result); err != nil || len(result.Notes) != 2 || result.Rules != 0 || got.stderr != "" {
		t.Errorf("got %+v, error %v", got, err)
	}
	for _, note := range result.Notes {
		if note.Line != 3 || note.Kind != importer.LeftOut || !strings.HasSuffix(note.File, "out.yml") {
			t.Errorf("got the note %+v", note)
		}
	}
	got = caddyFault(t, "import", filepath.Join(folder, "said.yaml"), "--json")
	if !strings.Contains(got.stdout, `"notes": []`) || got.err != nil {
		t.Errorf("without notes: got %+v", got)
	}
}

// A source can name files beside it, and no others.
func TestCommandImportBeside(t *testing.T) {
	stub := func(name string) string {
		return `{"request": {"urlPath": "/a"}, "response": {"status": 500, "bodyFileName": "` + name + `"}}`
	}
	folder := importFolder(t, map[string]string{
		"mappings/a.json": stub("body.txt"), "mappings/b.json": stub("../secret.txt"), "__files/body.txt": "from a file", "secret.txt": "secret",
	})
	if got := caddyFault(t, "import", filepath.Join(folder, "mappings", "a.json")); got.err != nil || !strings.Contains(got.stdout, `respond 500 "from a file"`) {
		t.Errorf("got %+v", got)
	}
	got := caddyFault(t, "import", filepath.Join(folder, "mappings", "b.json"))
	if got.err == nil || !strings.Contains(got.stderr, "left out: the file ../secret.txt of the body cannot be read") || strings.Contains(got.stdout, "respond 500 secret") {
		t.Errorf("got %+v", got)
	}
}

// WireMock reads the folders within mappings. Other folders are read alone.
func TestCommandImportWithin(t *testing.T) {
	stub := func(path, response string) string {
		return `{"request": {"urlPath": "` + path + `"}, "response": {"status": 500, ` + response + `}}`
	}
	folder := importFolder(t, map[string]string{
		"mappings/a.json": stub("/a", `"body": "a"`), "mappings/users/old/b.json": stub("/b", `"bodyFileName": "b.txt"`), "mappings/users/readme.md": "# Users",
		"__files/b.txt": "from a file", "other/a.json": stub("/a", `"body": "a"`), "other/within/bad.json": "{", "empty/within/a.json": "{}",
	})
	got := caddyFault(t, "import", filepath.Join(folder, "mappings")+string(filepath.Separator))
	if got.err != nil || !strings.Contains(got.stdout, "mappings, 2 files, 2 stubs: 2 rules.") || !strings.Contains(got.stdout, `respond 500 "from a file"`) {
		t.Errorf("mappings: got %+v", got)
	}
	if got := caddyFault(t, "import", filepath.Join(folder, "other")); got.err != nil || !strings.Contains(got.stdout, "1 stub: 1 rule") {
		t.Errorf("other: got %+v", got)
	}
	if got := caddyFault(t, "import", filepath.Join(folder, "empty")); got.err == nil || !strings.Contains(got.err.Error(), "has no file that ends in .yaml, .yml or .json") {
		t.Errorf("empty: got %+v", got)
	}
}

// A source names no files far above it, but those in __files.
func TestOpenBeside(t *testing.T) {
	folder := importFolder(t, map[string]string{"a/b/c/s.json": "", "a/b/c/own": "1", "a/b/above": "2", "a/far": "3", "a/__files/x": "4", "__files/y/x": "5"})
	source := filepath.Join(folder, "a", "b", "c", "s.json")
	for name, want := range map[string]string{
		"own": "1", "../above": "2", "../../__files/x": "4", "../../../__files/y/x": "5", "../../far": "", "../a/../../far": "", "own/../../above": "", "../../__files/../far": "", "__files/x": "", "/etc/passwd": "",
	} {
		if content, err := openBeside(source, name); string(content) != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, error %v", name, content, err)
		}
	}
}

func TestImportSummary(t *testing.T) {
	notes := []importer.Note{{Kind: importer.Skipped}, {Kind: importer.LeftOut}, {Kind: importer.LeftOut}, {Kind: importer.Remark}}
	for _, tt := range []struct {
		result importer.Result
		want   string
	}{
		{importer.Result{Rules: 3}, "3 rules"},
		{importer.Result{Rules: 1, Others: 1}, "1 rule; 1 other object"},
		{importer.Result{Rules: 0, Others: 7, Notes: notes}, "0 rules; 2 left out, 1 skipped; 7 other objects"},
	} {
		if got := importSummary(&tt.result); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
