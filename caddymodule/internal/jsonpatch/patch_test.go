package jsonpatch

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPatch(t *testing.T) {
	const missing = ""
	for _, tt := range []struct{ name, document, patch, want string }{
		// the examples of RFC 6902, appendix A
		{"RFC 1", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"foo":"bar","baz":"qux"}`},
		{"RFC 2", `{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
		{"RFC 3", `{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		{"RFC 4", `{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
		{"RFC 5", `{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`},
		{"RFC 6", `{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`, `{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		{"RFC 7", `{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
		{"RFC 8", `{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
		{"RFC 9", `{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, missing},
		{"RFC 10", `{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"foo":"bar","child":{"grandchild":{}}}`},
		{"RFC 12", `{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, missing},
		{"RFC 14", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10}]`, `{"/":9,"~1":10}`},
		{"RFC 15", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, missing},
		{"RFC 16", `{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `{"foo":["bar",["abc","def"]]}`},

		{"add at the end", `[1]`, `[{"op":"add","path":"/1","value":2}]`, `[1,2]`},
		{"add beyond the end", `[1]`, `[{"op":"add","path":"/2","value":2}]`, missing},
		{"add to nothing", `[]`, `[{"op":"add","path":"/0","value":null}]`, `[null]`},
		{"add replaces", `{"a":1}`, `[{"op":"add","path":"/a","value":null}]`, `{"a":null}`},
		{"add to a text", `{"a":"b"}`, `[{"op":"add","path":"/a/b","value":1}]`, missing},
		{"set a null", `{"a":{"b":1}}`, `[{"op":"set","path":"/a/b","value":null}]`, `{"a":{"b":null}}`},
		{"set a member", `{"a":{}}`, `[{"op":"set","path":"/a/b","value":1}]`, `{"a":{"b":1}}`},
		{"set an element", `{"a":[1,2,3]}`, `[{"op":"set","path":"/a/1","value":{}}]`, `{"a":[1,{},3]}`},
		{"set after the last", `{"a":[1]}`, `[{"op":"set","path":"/a/-","value":2}]`, `{"a":[1,2]}`},
		{"set beyond the end", `{"a":[1]}`, `[{"op":"set","path":"/a/1","value":2}]`, missing},
		{"set in nothing", `{}`, `[{"op":"set","path":"/a/b","value":2}]`, missing},
		{"set the whole", ` {"a":1} `, `[{"op":"set","path":"","value":[]}]`, `[]`},
		{"set all of one name", `{"a":1,"a":2}`, `[{"op":"set","path":"/a","value":3}]`, `{"a":3,"a":3}`},
		{"set in all of one name", `{"a":{},"a":{}}`, `[{"op":"set","path":"/a/b","value":3}]`, `{"a":{"b":3},"a":{"b":3}}`},
		{"set a name of digits", `{"0":1}`, `[{"op":"set","path":"/0","value":2}]`, `{"0":2}`},
		{"set an empty name", `{"":1}`, `[{"op":"set","path":"/","value":2}]`, `{"":2}`},
		{"leading zero", `[1,2]`, `[{"op":"set","path":"/01","value":2}]`, missing},
		{"sign", `[1,2]`, `[{"op":"set","path":"/+1","value":2}]`, missing},
		{"replace nothing", `{}`, `[{"op":"replace","path":"/a","value":2}]`, missing},
		{"replace after the last", `[1]`, `[{"op":"replace","path":"/-","value":2}]`, missing},
		{"remove nothing", `{"a":1}`, `[{"op":"remove","path":"/b"}]`, missing},
		{"remove the last element", `[1 , 2 ]`, `[{"op":"remove","path":"/1"}]`, `[1 ]`},
		{"remove all of one name", `{"a":1,"b":2,"a":3}`, `[{"op":"remove","path":"/a"}]`, `{"b":2}`},
		{"move to itself", `{"a":1}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":1}`},
		{"move nothing", `{"a":1}`, `[{"op":"move","from":"/b","path":"/a"}]`, missing},
		{"copy", `{"a": {"x":1.0}}`, `[{"op":"copy","from":"/a","path":"/b"}]`, `{"a": {"x":1.0},"b": {"x":1.0}}`},
		{"copy the whole", ` [1] `, `[{"op":"copy","from":"","path":"/-"}]`, ` [1,[1]] `},
		{"none or all", `{"a":1}`, `[{"op":"set","path":"/a","value":2},{"op":"remove","path":"/b"}]`, missing},
		{"test numbers", `{"a":1.0,"b":[10,-0],"c":12345678901234567890}`, `[{"op":"test","path":"/a","value":1},{"op":"test","path":"/b","value":[1e1,0]}]`, `{"a":1.0,"b":[10,-0],"c":12345678901234567890}`},
		{"test digits", `{"c":12345678901234567890}`, `[{"op":"test","path":"/c","value":12345678901234567891}]`, missing},
		{"test objects", `{"a":{"x":1,"y":[]}}`, `[{"op":"test","path":"/a","value":{"y":[],"x":1}}]`, `{"a":{"x":1,"y":[]}}`},
		{"test a larger object", `{"a":{"x":1}}`, `[{"op":"test","path":"/a","value":{"y":[],"x":1}}]`, missing},
		{"test null", `{"a":null}`, `[{"op":"test","path":"/a","value":null}]`, `{"a":null}`},
		{"test absent", `{}`, `[{"op":"test","path":"/a","value":null}]`, missing},
		{
			"white space", "{\n  \"a\" : 1,\n  \"l\": [\n    1,\n    2\n  ]\n}\n",
			`[{"op":"set","path":"/b","value":true},{"op":"add","path":"/l/0","value":0},{"op":"add","path":"/l/-","value":3}]`,
			"{\n  \"a\" : 1,\n  \"l\": [\n    0,\n    1,\n    2,\n    3\n  ],\n  \"b\": true\n}\n",
		},
		{"digits", `{"a":1e400,"b":[1.0,{"c":12345678901234567890}]}`, `[{"op":"set","path":"/b/1/d","value":1.50}]`, `{"a":1e400,"b":[1.0,{"c":12345678901234567890,"d":1.50}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ParsePatch([]byte(tt.patch))
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Apply([]byte(tt.document))
			if string(got) != tt.want || (err != nil) != (tt.want == missing) || err != nil && !errors.Is(err, ErrNoMember) {
				t.Errorf("%s with %s: got %s, error %v, want %s", tt.document, tt.patch, got, err, tt.want)
			}
		})
	}
}

func TestPatchRefused(t *testing.T) {
	for patch, want := range map[string]string{
		`{}`:                          "cannot unmarshal object",
		`[1]`:                         "cannot unmarshal number",
		`[{"op":"ad","path":"/a"}]`:   "operation 1: unknown op 'ad'",
		`[{"op":"add","path":"/a"}]`:  "operation 1: add needs the member 'value'",
		`[{"op":"move","path":"/a"}]`: "move needs the member 'from'",
		`[{"op":"remove","path":"/a","value":1}]`:          "remove does not take the member 'value'",
		`[{"op":"add","path":"/a","value":1,"from":"/b"}]`: "add does not take the member 'from'",
		`[{"op":"remove","path":""}]`:                      "would remove the whole document",
		`[{"op":"remove","path":"a.b"}]`:                   "bad pointer 'a.b': must begin with a slash; write /a/b",
		`[{"op":"remove","path":"/a~2"}]`:                  "bad pointer '/a~2': after ~ want 0",
		`[{"op":"remove","path":"/a~"}]`:                   "bad pointer '/a~'",
		`[{"op":"copy","path":"/a","from":"b"}]`:           "bad pointer 'b'",
		`[{"op":"move","path":"/a/b","from":"/a"}]`:        "move cannot move '/a' into itself",
		`[{"op":"remove","path":"/a","paht":"/b"}]`:        `unknown field "paht"`,
	} {
		if _, err := ParsePatch([]byte(patch)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", patch, err, want)
		}
	}
}

// The examples of RFC 6901, section 5.
func TestPointer(t *testing.T) {
	const document = `{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}`
	decoded, err := Decode([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]string{
		"": document, "/foo": `["bar","baz"]`, "/foo/0": `"bar"`, "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3", "/g|h": "4", `/i\j`: "5", `/k"l`: "6", "/ ": "7", "/m~0n": "8",
		"/foo/2": "", "/foo/-": "", "/foo/01": "", "/foo/0/x": "", "/none": "",
	} {
		p, err := ParsePointer(pointer)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.get([]byte(document))
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %s, error %v, want %s", pointer, got, err, want)
		}
		if value, ok := p.In(decoded); ok != (want != "") || ok && !equal(got, []byte(want)) {
			t.Errorf("%s: got %v, %v, want %s", pointer, value, ok, want)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, text := range []string{"", "{", `{} {}`, `{}x`, "1 2", "nul"} {
		if value, err := Decode([]byte(text)); err == nil {
			t.Errorf("%q: got %v, want an error", text, value)
		}
	}
	if value, err := Decode([]byte(" 1 \n")); err != nil || !Equal(value, value) {
		t.Errorf("got %v, error %v", value, err)
	}
}

// put is what add, set, remove and replace mean for decoded values.
func put(op string, document any, p Pointer, value any) (any, bool) {
	if len(p) == 0 {
		return value, op != "remove"
	}
	token, last := p[0], len(p) == 1
	switch d := document.(type) {
	case map[string]any:
		d = maps.Clone(d)
		old, ok := d[token]
		switch {
		case last && op == "remove":
			delete(d, token)
			return d, ok
		case last:
			d[token] = value
			return d, ok || op != "replace"
		case !ok:
			return nil, false
		}
		d[token], ok = put(op, old, p[1:], value)
		return d, ok
	case []any:
		d = slices.Clone(d)
		i, ok := index(token)
		switch {
		case last && (op == "add" || op == "set") && token == "-", last && op == "add" && ok && i == len(d):
			return append(d, value), true
		case !ok || i >= len(d):
			return nil, false
		case last && op == "remove":
			return slices.Delete(d, i, i+1), true
		case last && op == "add":
			return slices.Insert(d, i, value), true
		}
		d[i], ok = put(op, d[i], p[1:], value)
		return d, ok
	}
	return nil, false
}

// An operation has the effect that the RFC defines, and the result is JSON.
func FuzzPatch(f *testing.F) {
	f.Add([]byte(`{"a": [1, {"b": null}], "c": {"d": "x"}} `), byte(0), "/a/1/b", []byte(`[null]`))
	f.Add([]byte("[ [1 , 2\n],\t{} ]"), byte(1), "/0/1", []byte(`{}`))
	f.Add([]byte(`{"a~/b": {"": []}}`), byte(2), "/a~0~1b//-", []byte(`1e2`))
	f.Add([]byte(`[[], 1]`), byte(3), "/0", []byte(`null`))
	f.Fuzz(func(t *testing.T, document []byte, kind byte, path string, value []byte) {
		op := []string{"add", "set", "remove", "replace"}[kind%4]
		from, err := Decode(document)
		to, errValue := Decode(value)
		p, errPath := ParsePointer(path)
		if err != nil || errValue != nil || errPath != nil || repeats(document) || !utf8.ValidString(path) || op == "remove" && len(p) == 0 {
			t.Skip()
		}
		step := Operation{Op: op, Path: path, path: p}
		if op != "remove" {
			step.Value = value
		}
		want, ok := put(op, from, p, to)
		text, err := Patch{step}.Apply(document)
		if ok != (err == nil) {
			t.Fatalf("%s %s %s of %s: got error %v, want success %v", op, path, value, document, err, ok)
		}
		if !ok {
			return
		}
		got, err := Decode(text)
		if err != nil || !json.Valid(text) || !Equal(got, want) {
			t.Fatalf("%s %s %s of %s: got %s, error %v, want %v", op, path, value, document, text, err, want)
		}
	})
}
