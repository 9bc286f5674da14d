package jsonpatch

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestMergePatch(t *testing.T) {
	tests := []struct{ name, document, patch, want string }{
		// the examples of RFC 7396, appendix A
		{"RFC 1", `{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{"RFC 2", `{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{"RFC 3", `{"a":"b"}`, `{"a":null}`, `{}`},
		{"RFC 4", `{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{"RFC 5", `{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{"RFC 6", `{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{"RFC 7", `{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{"RFC 8", `{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{"RFC 9", `["a","b"]`, `["c","d"]`, `["c","d"]`},
		{"RFC 10", `{"a":"b"}`, `["c"]`, `["c"]`},
		{"RFC 11", `{"a":"foo"}`, `null`, `null`},
		{"RFC 12", `{"a":"foo"}`, `"bar"`, `"bar"`},
		{"RFC 13", `{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{"RFC 14", `[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{"RFC 15", `{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},

		{"nulls in arrays", `{"a":1}`, `{"a":[{"b":null},null]}`, `{"a":[{"b":null},null]}`},
		{"order of new members", `{"z":1}`, `{"y":2,"x":3,"w":4,"v":5}`, `{"z":1,"y":2,"x":3,"w":4,"v":5}`},
		{"digits", `{"a":1e400,"b":12345678901234567890,"c":1.0}`, `{"d":0}`, `{"a":1e400,"b":12345678901234567890,"c":1.0,"d":0}`},
		{"escapes", `{"<\u00e9>":"\u003c\/"}`, `{"d":0}`, `{"<\u00e9>":"\u003c\/","d":0}`},
		{"the same name", `{"\u0061":1}`, `{"a":2}`, `{"\u0061":2}`},
		{"twice", `{"a":1,"b":2,"a":3}`, `{"a":4}`, `{"a":4,"b":2,"a":4}`},
		{"twice, removed", `{"a":1,"b":2,"a":3}`, `{"a":null}`, `{"b":2}`},
		{"empty name", `{"":1}`, `{"":{"":2}}`, `{"":{"":2}}`},
		{"white space", " {\n  \"a\" : 1 ,\n  \"b\": 2\n}\n", `{ "a":3, "c": 4 }`, " {\n  \"a\" : 3 ,\n  \"b\": 2,\n  \"c\": 4\n}\n"},
		{"last one removed", "{\n  \"a\": 1,\n  \"b\": 2\n}", `{"b":null}`, "{\n  \"a\": 1\n}"},
		{"removed and put", "{\n  \"a\": 1\n}", `{"a":null,"a":2,"b":3}`, "{\n  \"a\":2,\n  \"b\":3\n}"},
		{"put and removed", `{"a":1}`, `{"b":2,"b":null}`, `{"a":1}`},
		{"spaced patch", `1`, " [ 2 ]\n", `[ 2 ]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Merge([]byte(tt.document), []byte(tt.patch)); string(got) != tt.want {
				t.Errorf("%s with %s: got %s, want %s", tt.document, tt.patch, got, tt.want)
			}
		})
	}
}

// The time for a patch must not grow with the square of its number of members. Here
// that would be half a minute.
func TestMergePatchOfMany(t *testing.T) {
	var patch strings.Builder
	for i := range 90_000 {
		fmt.Fprintf(&patch, `,"%05x":1`, i)
	}
	text := "{" + patch.String()[1:] + "}"
	start := time.Now()
	if got := Merge([]byte("{}"), []byte(text)); string(got) != text {
		t.Errorf("got %d bytes, want the patch's %d", len(got), len(text))
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// merged is the algorithm of RFC 7396 section 2, word by word.
func merged(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = make(map[string]any)
	}
	object = maps.Clone(object)
	for name, value := range changes {
		if value == nil {
			delete(object, name)
		} else {
			object[name] = merged(object[name], value)
		}
	}
	return object
}

// repeats reports whether an object of the document has a duplicate name. RFC 7396 does
// not define that case.
func repeats(text []byte) bool {
	o, ok := parse(text)
	if !ok {
		return false
	}
	seen := make(map[string]bool)
	for _, m := range o.members {
		if seen[m.name] && !o.array || repeats(m.value) {
			return true
		}
		seen[m.name] = true
	}
	return false
}

// The result has the meaning that the RFC defines, and a patch that changes nothing
// changes no byte.
func FuzzMergePatch(f *testing.F) {
	f.Add([]byte(`{"a": [1, {"b": null}], "c": {"d": "x"}} `), []byte(`{"c": {"d": null, "e": {"f": null}}, "a": 7}`))
	f.Add([]byte("{\n\t\"\\u0061\" : 1e400 ,\n \"b\":\"\\\"\"}"), []byte(`{"b":null, "a":{}}`))
	f.Add([]byte(`[]`), []byte(`null`))
	f.Fuzz(func(t *testing.T, document, patch []byte) {
		var target, changes any
		if json.Unmarshal(document, &target) != nil || json.Unmarshal(patch, &changes) != nil || repeats(document) || repeats(patch) {
			t.Skip()
		}
		var got any
		text := Merge(document, patch)
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q with %q: got %q: %v", document, patch, text, err)
		}
		if want := merged(target, changes); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q with %q: got %v, want %v", document, patch, got, want)
		}
		if _, ok := target.(map[string]any); !ok {
			return
		}
		if same := Merge(document, []byte("{}")); string(same) != string(document) {
			t.Fatalf("%q with {}: got %q", document, same)
		}
	})
}
