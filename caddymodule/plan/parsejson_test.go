package plan

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A plan in JSON without a value, or with null or a value of another type, is refused
// or complete. It never makes reading panic.
func TestMangledJSON(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var whole any
		if err := json.Unmarshal(text, &whole); err != nil {
			t.Fatal(err)
		}
		mangle(whole, "", nil, func(path string) {
			data, err := json.Marshal(whole)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if panicked := recover(); panicked != nil {
					t.Errorf("%s%s: %v", file, path, panicked)
				}
			}()
			_, err = parse(t, string(data))
			if all, isProblems := errors.AsType[ProblemsError](err); err != nil && (!isProblems || len(all) == 0) {
				t.Errorf("%s%s: got %T %v", file, path, err, err)
			}
		})
	}
}

// mangle puts other values into each place of a document, and removes each member.
func mangle(node any, path string, set func(any), try func(path string)) {
	if set != nil {
		for _, other := range []any{nil, 7, -1, "", "(", map[string]any{}, []any{}, []any{nil}, []any{""}} {
			set(other)
			try(path)
		}
		set(node)
	}
	switch node := node.(type) {
	case map[string]any:
		for name, value := range node {
			delete(node, name)
			try(path + "/" + name)
			mangle(value, path+"/"+name, func(other any) { node[name] = other }, try)
			node[name] = value
		}
	case []any:
		for i := range node {
			mangle(node[i], path+"/-", func(other any) { node[i] = other }, try)
		}
	}
}

// What a file cannot leave out, JSON cannot leave out either.
func TestMissingInJSON(t *testing.T) {
	for part, want := range map[string]string{
		`"stage": [null]`:  "a list has null",
		`"report": [null]`: "a list has null",
		`"stage": [{"name": "a", "duration": "1s", "expect": [null]}]`:                             "a list has null",
		`"stage": [{"name": "a", "duration": "1s", "fault": [{"name": "b"}]}]`:                     "fault 'b' of stage 'a' has no experiment",
		`"stage": [{"name": "a", "duration": "1s", "fault": [{"name": "b", "experiment": null}]}]`: "fault 'b' of stage 'a' has no experiment",
		`"address": ["node1:2019", ""]`:                                                            "an address is empty",
		`"check": [{"name": "c", "seen": {"point": "api", "op": ">="}}]`:                           "check 'c': seen needs a point, a figure and an op",
	} {
		if _, err := parse(t, `{"plan": "x", `+part+`}`); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", part, err, want)
		}
	}
}
