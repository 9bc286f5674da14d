package importer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// plain returns a node as the standard library returns the same JSON.
func plain(n *node) any {
	switch n.kind {
	case boolean:
		return n.text == "true"
	case number:
		return json.Number(n.text)
	case text:
		return n.text
	case list:
		all := []any{}
		for i := range n.children {
			all = append(all, plain(&n.children[i].node))
		}
		return all
	case object:
		all := map[string]any{}
		for i := range n.children {
			all[n.children[i].name] = plain(&n.children[i].node)
		}
		return all
	default:
		return nil
	}
}

// checkAgainstLibrary compares the reader with the standard library.
func checkAgainstLibrary(t *testing.T, data []byte) {
	t.Helper()
	documents, err := readJSON(data)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var want []any
	for {
		var v any
		if wantErr := decoder.Decode(&v); wantErr != nil {
			if atEnd := wantErr.Error() == "EOF"; atEnd && err != nil && !isOurs(err) || !atEnd && err == nil {
				t.Fatalf("%q: got error %v, the library %v", data, err, wantErr)
			}
			break
		}
		want = append(want, v)
	}
	if err != nil {
		return
	}
	var got []any
	for i := range documents {
		got = append(got, plain(&documents[i]))
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q:\ngot  %v\nwant %v", data, got, want)
	}
}

// isOurs reports whether only the importer refuses a text.
func isOurs(err error) bool {
	return strings.Contains(err.Error(), "is written twice") || strings.Contains(err.Error(), errDeep.Error())
}

// The reader returns what the standard library returns.
func TestReadJSON(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		checkAgainstLibrary(t, content)
	}
	for _, data := range []string{
		"", " ", "null", "1", "-1.5e+3", "true", "false", `""`, "[]", "{}", "[[], {}]", " [ ] ", "{ }",
		`{"a":{"b":[1,2,{"c":null}]},"d":"e"}`, "{\"a\" :\r\n\t1 , \"b\": [ true ,false]}", "1 2 3", `{}{}[]"a"1 true`,
		"00", "-0-0", "1-1", "1e5-3", "0.5-1", "truefalse", "nullnull1true", `0"a"1`, "01x", "0x", "00]", "nulltru", "[00]", "[truefalse]", `{"a":00}`, "1.5.5", "0\n0 0",
		`"\u00e9\ud83d\ude00\n\t\"\\\/"`, `"\ud83d"`, `{"\u0061": 1}`, `["a\\", "b"]`, `["\\\"", "]"]`,
		"[", "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, "[1", "[1,", `"a`, `"a\`, `"\u00`, "tru", "-", "1.", "[1,]", `{"a":1,}`, "[1 2]", `{"a" 1}`, "{1:2}", "]", "}", "[}", "{]", "nul", "'a'", "\x00", "[\x00]", "\"a\nb\"", "{} x", "[1]]",
	} {
		checkAgainstLibrary(t, []byte(data))
	}
}

// A part of a text that is cut is an error and not a panic.
func TestReadJSONCut(t *testing.T) {
	whole := "{\"mappings\": [\n{\"request\": {\"url\": \"/\\u00e9\\\\\"}, \"n\": [1.5e3, true, null, {}, []]}]}\n[]"
	for i := range len(whole) {
		checkAgainstLibrary(t, []byte(whole[:i]))
		checkAgainstLibrary(t, []byte(whole[:i]+"]"))
		checkAgainstLibrary(t, []byte(whole[:i]+"\""))
	}
}

// Each value and each name has its line, also after an escape and in a later document.
func TestReadJSONLines(t *testing.T) {
	documents, err := readJSON([]byte("\n{\"a\": [1,\n\n2], \"b\\n\\u000a\":\n\"x\"}\n\n[\n{\n}]"))
	if err != nil || len(documents) != 2 {
		t.Fatal(documents, err)
	}
	a, b, second := documents[0].children[0], documents[0].children[1], documents[1]
	got := fmt.Sprint(documents[0].line, a.line, a.node.line, a.children[0].line, a.children[1].line, b.line, b.node.line, second.line, second.children[0].line)
	if want := "2 2 2 2 4 4 5 7 8"; got != want {
		t.Errorf("got lines %s, want %s", got, want)
	}
}

// The first error of a text is told, with its line.
func TestReadJSONErrors(t *testing.T) {
	many := ""
	for i := range 3 * manyNames {
		many += fmt.Sprintf("\"m%d\": %d,\n", i, i)
	}
	for _, tt := range []struct{ text, err string }{
		{"{\"a\": 1,\n\"a\": 2,\n]", "2: 'a' is written twice, first in line 1"},
		{"{\"a\": 1,\n]", "2: bad JSON: invalid character ']'"},
		{"{\"a\": 1}\n{\"b\": 1,\n\"b\": 2}", "3: 'b' is written twice, first in line 2"},
		{"{\"a\": 1}\n{\"b\": x}", "2: bad JSON: invalid character 'x'"},
		{"{\"a\": [1,\n2\n\n", "2: the JSON ends early"},
		{"[" + strings.Repeat("\n[", 200) + strings.Repeat("]", 201), "101: more than 100 objects"},
		{strings.Repeat("[\n", 20000), "101: more than 100 objects"},
		{"{" + many + "\"m1\": 0}", "49: 'm1' is written twice, first in line 2"},
		{"{" + many + "\"m47\": 0}", "49: 'm47' is written twice, first in line 48"},
		{"{" + many + "\"x\": 0, \"x\": 0}", "49: 'x' is written twice, first in line 49"},
		{"[{\"a\": 1}, {\"a\": 1},\n{\"a\": {\"a\": {\"a\": 0}, \"b\": 1}, \"b\": 1, \"b\": 1}]", "2: 'b' is written twice, first in line 2"},
	} {
		if _, err := readJSON([]byte(tt.text)); err == nil || !strings.HasPrefix(err.Error(), tt.err) {
			t.Errorf("%.60q: got error %v, want %s", tt.text, err, tt.err)
		}
	}
}

// FuzzReadJSON compares the reader with the standard library.
func FuzzReadJSON(f *testing.F) {
	for _, data := range []string{`{"a": [1, "b\n", null, true]}`, `{} []`, `"\ud83d"`, "[1,", `{"a":1,"a":2}`, "00", "truenull-1"} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkUTF8(data) != nil {
			t.Skip()
		}
		checkAgainstLibrary(t, data)
	})
}
