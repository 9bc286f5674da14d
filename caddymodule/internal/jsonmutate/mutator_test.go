package jsonmutate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// patterns parses patterns that are separated by spaces.
func patterns(t testing.TB, text string) (list []Pattern) {
	t.Helper()
	for field := range strings.FieldsSeq(text) {
		p, err := ParsePattern(strings.TrimPrefix(field, "root"))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func mutator(t testing.TB, ops, at, notAt string, count int) *Mutator {
	t.Helper()
	m, err := New(strings.Fields(ops), patterns(t, at), patterns(t, notAt), count, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func parsed(t testing.TB, text string) *Document {
	t.Helper()
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%.100q: %v", text, err)
	}
	return d
}

// all returns all changes in turn, with long texts cut.
func all(t *testing.T, m *Mutator, text string) (results []string) {
	t.Helper()
	for n := uint64(1); ; n++ {
		changed, changes := m.Nth(parsed(t, text), n)
		if changes == nil {
			return results
		}
		if len(changes) != 1 || string(changed) == text {
			t.Errorf("%q, change %d: got %q, %+v", text, n, changed, changes)
		}
		results = append(results, fmt.Sprintf("%.60s", changed))
	}
}

// TestOps makes all changes of each operation.
func TestOps(t *testing.T) {
	for _, tt := range []struct {
		op, text string
		want     []string
	}{
		{"drop", `{"a": 1, "b": {"c": 2}}`, []string{`{ "b": {"c": 2}}`, `{"a": 1}`, `{"a": 1, "b": {}}`}},
		{"drop", `[1]`, nil},
		{"null", `[1, null, {}]`, []string{"null", "[null, null, {}]", "[1, null, null]"}},
		{"retype", `12.50`, []string{`"12.50"`, "[12.50]"}},
		{"retype", `"12"`, []string{"12", `["12"]`}},
		{"retype", `"1 "`, []string{`["1 "]`}},
		{"retype", `"-"`, []string{`["-"]`}},
		{"retype", `"true"`, []string{"true", `["true"]`}},
		{"retype", `false`, []string{`"false"`, "[false]"}},
		{"retype", `null`, []string{"[null]"}},
		{"retype", `""`, []string{`[""]`}},
		{"retype", `{"a": 1,"b" : [ ]}`, []string{"[1, [ ]]", `{"a": "1","b" : [ ]}`, `{"a": [1],"b" : [ ]}`}},
		{"retype", `{}`, []string{"[]"}},
		{"retype", ` [ [] ] `, []string{" [] "}},
		{"rename", `{"userName": 1}`, []string{`{"user_name": 1}`}},
		{"rename", `{"user_name": 1, "ID": 2}`, []string{`{"userName": 1, "ID": 2}`, `{"user_name": 1, "id": 2}`}},
		{"rename", `{"UserName": 1, "userName": 2}`, []string{`{"UserName": 1, "user_name": 2}`}},
		{"rename", `{"": 1, "7": 2, "a<\"": 3}`, []string{`{"_": 1, "7": 2, "a<\"": 3}`, `{"": 1, "7_": 2, "a<\"": 3}`, `{"": 1, "7": 2, "A<\"": 3}`}},
		{"add", `[{ "a": 1}, {}, {"x_added": 1}]`, []string{`[{"x_added": true,  "a": 1}, {}, {"x_added": 1}]`, `[{ "a": 1}, {"x_added": true}, {"x_added": 1}]`}},
		{"enum", `["OPEN", "UNKNOWN_VALUE", 1]`, []string{`["UNKNOWN_VALUE", "UNKNOWN_VALUE", 1]`}},
		{"nest", ` [1] `, []string{` {"data": [1]} `}},
		{"nest", `{"data": {"a": 1}}`, []string{`{"a": 1}`}},
		{"nest", `{"data": 1, "a": 1}`, []string{`{"data": {"data": 1, "a": 1}}`}},
		{"nest", `{}`, []string{`{"data": {}}`}},
		{"empty", `{"a": "", "b": "x", "c": 0, "d": 1, "e": [ ], "f": true}`, []string{
			"{}", `{"a": "", "b": "", "c": 0, "d": 1, "e": [ ], "f": true}`, `{"a": "", "b": "x", "c": 0, "d": 0, "e": [ ], "f": true}`,
		}},
		{"empty", `[[1]]`, []string{"[]", "[[]]", "[[0]]"}},
		{"huge", `7`, []string{"9007199254740993", "1e400", "-0", "0.123456789012345678901234567890"}},
		{"huge", `-0`, []string{"9007199254740993", "1e400", "0.123456789012345678901234567890"}},
		{"huge", `[true, null]`, []string{"[" + strings.Repeat("true, null,", 5) + "true"}},
		{"huge", `"a"`, []string{`"` + strings.Repeat("x", 59)}},
		{"huge", `[]`, nil},
		{"date", `"2024-01-31T12:30:00.5Z"`, []string{
			`"2024-01-31 12:30:00.5Z"`, `"2024-01-31T12:30:00.5"`, "1706704200", "1706704200500", `"0000-00-00"`, `"2023-02-29T12:30:00.5Z"`,
		}},
		{"date", `"2024-01-31T12:30:00+01:00"`, []string{
			`"2024-01-31 12:30:00+01:00"`, `"2024-01-31T12:30:00"`, "1706700600", "1706700600000", `"0000-00-00"`, `"2023-02-29T12:30:00+01:00"`,
		}},
		{"date", `"2024-01-31"`, []string{"1706659200", "1706659200000", `"0000-00-00"`, `"2023-02-29"`}},
		{"date", `["2024-01-32", "2024-01-31T99", "yesterday", 20240131]`, nil},
		{"unicode", `"a"`, []string{"\"a\U0001F600\"", "\"a\u200f\"", `"a\u0000"`, `"a\ud800"`, "\"ae\u0301\""}},
		{"unicode", `7`, nil},
		{"encoding", `"a"`, []string{"\xff\xfe\"\x00a\x00\"\x00", "\ufeff\"a\""}},
		{"encoding", `"é€"`, []string{"\xff\xfe\"\x00\xe9\x00\xac\x20\"\x00", "\"\xe9?\"", "\ufeff\"é€\""}},
		{"duplicate", `{"a" : 1, "b": null}`, []string{`{"a" : 1, "a": null, "b": null}`, `{"a" : 1, "b": null, "b": false}`}},
		{"order", `{"a": 1, "b": 2 ,"c": {"d": 1}}`, []string{`{"c": {"d": 1}, "b": 2 ,"a": 1}`}},
		{"order", `[{"a": 1}, {}, {"a":1,"a":1}, 5]`, nil},
	} {
		if got := all(t, mutator(t, tt.op, "", "", 1), tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%s of %s: got\n%q, want\n%q", tt.op, tt.text, got, tt.want)
		}
	}
}

// TestSets compares the operations of each set. Without an operation, the set is drift.
func TestSets(t *testing.T) {
	for names, want := range map[string]string{
		"":                   "drop null retype rename add enum nest",
		"drift":              "drop null retype rename add enum nest",
		"edge":               "empty huge date unicode",
		"broken":             "encoding duplicate",
		"conforming":         "order",
		"order null drop":    "drop null order",
		"broken drop broken": "drop encoding duplicate",
	} {
		var got []string
		for _, o := range mutator(t, names, "", "", 1).ops {
			got = append(got, o.name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %s", names, got, want)
		}
	}
	if _, err := New([]string{"drop", "dropp"}, nil, nil, 1, 1); err == nil || err.Error() != "unknown operation 'dropp'" {
		t.Errorf("got error %v", err)
	}
	if got := strings.Join(Names(), " "); got != "drop null retype rename add enum nest empty huge date unicode encoding duplicate order drift edge broken conforming" {
		t.Errorf("got the names %s", got)
	}
}

// TestPlaces limits the changes to some places.
func TestPlaces(t *testing.T) {
	const text = `{"id": 7, "items": [{"price": 1, "a/b": 2}, {"price": 3}], "meta": {"id": "x"}}`
	for _, tt := range []struct{ ops, at, notAt, want string }{
		{"drop", "/id", "", "/id"},
		{"drop", "/*", "", "/id /items /meta"},
		{"drop", "/items/*/price /id", "", "/id /items/0/price /items/1/price"},
		{"drop", "/items/0/*", "", "/items/0/price /items/0/a~1b"},
		{"drop", "/items/0/a~1b", "", "/items/0/a~1b"},
		{"drop", "/items/00/price", "", ""},
		{"drop", "/*/id", "", "/meta/id"},
		{"drop", "/items/**", "", "/items/0/price /items/0/a~1b /items/1/price"},
		{"drop", "", "/items", "/id /meta /meta/id"},
		{"drop", "", "/items/0/price", "/id /items/0/a~1b /items/1/price /meta /meta/id"},
		{"drop", "", "/meta/**", "/id /items /items/0/price /items/0/a~1b /items/1/price"},
		{"drop", "/meta /id", "/meta/id", "/id"},
		{"null", "", "/**", ""},
		{"null", "root /meta", "", " /meta"},
		{"add", "", "/items/0/price", " /items/0 /items/1 /meta"},
		{"add", "", "/items/0", " /items/1 /meta"},
		{"order", "", "/id", " /items/0"},
		{"nest encoding", "", "/id", ""},
		{"nest", "root", "", ""},
	} {
		m := mutator(t, tt.ops, tt.at, tt.notAt, 1)
		var got []string
		for n := uint64(1); ; n++ {
			_, changes := m.Nth(parsed(t, text), n)
			if changes == nil {
				break
			}
			got = append(got, changes[0].At)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
}

// Patterns and operations that can change nothing are refused.
func TestNothing(t *testing.T) {
	for _, tt := range []struct{ ops, at, notAt, want string }{
		{"drop null", "", "root", "not_at excludes every place at which drop null could change something"},
		{"drop", "/a /b/c", "/a /b", "not_at excludes every place"},
		{"drop", "/a/**", "/*/**", "not_at excludes every place"},
		{"drop", "/a/b", "/a/**", "not_at excludes every place"},
		{"nest encoding", "/a", "", "nest encoding cannot change anything at the places of at"},
		{"drop", "root", "", "drop cannot change anything"},
		{"drop", "/a", "/a/**", ""},
		{"drop", "/a/**", "/a/b/**", ""},
		{"drop", "/*", "/a", ""},
		{"drop nest", "root", "", ""},
	} {
		_, err := New(strings.Fields(tt.ops), patterns(t, tt.at), patterns(t, tt.notAt), 1, 1)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v", tt, err)
		}
	}
	for text, want := range map[string]string{
		"a":       "bad pointer 'a': must begin with a slash; write /a",
		"/~":      "after ~ want 0",
		"/**/a":   "bad pointer '/**/a': ** can only be at its end; write * for each level",
		"/a/**/*": "** can only be at its end",
	} {
		if _, err := ParsePattern(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// Each change is told by its place and types.
func TestChanges(t *testing.T) {
	for _, tt := range []struct{ ops, text, want string }{
		{"drop", `{"a": 1}`, "[{drop /a number absent}]"},
		{"null", `{"a": "x"}`, "[{null  object null}]"},
		{"retype", `[]`, "[]"},
		{"retype", `[{}]`, "[{retype  array object}]"},
		{"rename", `{"a~/": true}`, "[{rename /a~0~1 boolean boolean}]"},
		{"add", `{}`, "[{add  object object}]"},
		{"date", `["2024-01-01"]`, "[{date /0 string number}]"},
		{"encoding", `1`, "[{encoding  UTF-8 UTF-16}]"},
		{"duplicate", `{"a": 1}`, "[{duplicate /a number null}]"},
	} {
		_, changes := mutator(t, tt.ops, "", "", 1).Nth(parsed(t, tt.text), 1)
		if got := fmt.Sprint(changes); got != tt.want {
			t.Errorf("%s of %s: got %s, want %s", tt.ops, tt.text, got, tt.want)
		}
	}
	d := parsed(t, `{"`+strings.Repeat("é", 1000)+`": 1, "\ud800": 2}`)
	for i, want := range map[int]string{1: "/" + strings.Repeat("é", 127) + "…", 2: "/\ufffd"} {
		if got := d.pointer(i); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Several members of one object can go, and the commas remain right.
func TestDropSeveral(t *testing.T) {
	const text = `{"a": 1 , "b": 2, "c": {"d": 1},"e": 4 }`
	m := mutator(t, "drop", "/*", "", 100)
	if got, _ := m.Random(parsed(t, text), rand.New(rand.NewPCG(1, 1))); string(got) != "{ }" {
		t.Errorf("got %s", got)
	}
	for seed := range uint64(200) {
		m := mutator(t, "drop", "/*", "", 1+int(seed%4))
		got, changes := m.Random(parsed(t, text), rand.New(rand.NewPCG(seed, 0)))
		want := []string{"a", "b", "c", "e"}
		for _, c := range changes {
			want = slices.DeleteFunc(want, func(name string) bool { return "/"+name == c.At })
		}
		var left []string
		for _, n := range parsed(t, string(got)).nodes[1:] {
			if n.depth == 1 {
				left = append(left, n.name)
			}
		}
		if !slices.Equal(left, want) || len(changes) != 1+int(seed%4) {
			t.Errorf("seed %d: got %s, %v", seed, got, changes)
		}
	}
}

// Two members do not get the same name.
func TestRenameSeveral(t *testing.T) {
	for seed := range uint64(20) {
		got, changes := mutator(t, "rename", "", "", 2).Random(parsed(t, `{"user_name": 1, "UserName": 2}`), rand.New(rand.NewPCG(seed, 0)))
		if len(changes) != 1 {
			t.Errorf("got %s, %v", got, changes)
		}
	}
}

// What is huge stays within the limit, also for several changes.
func TestHugeIsLimited(t *testing.T) {
	const text = `{"a": [1, 2], "b": "text", "c": [[]]}`
	for _, size := range []int64{10, 40, 60, 100, 1000, 1 << 20} {
		for seed := range uint64(50) {
			m, err := New([]string{"huge"}, nil, nil, 3, size)
			if err != nil {
				t.Fatal(err)
			}
			got, changes := m.Random(parsed(t, text), rand.New(rand.NewPCG(seed, 0)))
			if changes != nil && int64(len(got)) > max(size, int64(len(text)))+3*30 { // numbers may grow
				t.Errorf("max_size %d: got %d bytes", size, len(got))
			}
		}
	}
	if got := all(t, mutator(t, "huge", "", "", 1), `["a"]`); len(got) != 2 {
		t.Errorf("got %q", got)
	}
	long := `"` + strings.Repeat("x", hugeString) + `"`
	if got := all(t, mutator(t, "huge", "", "", 1), long); got != nil {
		t.Errorf("got %q", got)
	}
}

const sample = `{
  "id": 12345678901234567890, "userName": "Ann \u00e9 é", "at": "2024-01-31T12:30:00Z",
  "items": [ {"price": 1.50, "tags": ["A", "b"]}, {"price": 2e3, "tags": [] } ],
  "meta": {"next": null, "ok": true, "": {}}, "dup": 1, "dup": 1
}
`

// TestProperties compares many random changes with what they say. Only the bytes of
// their edits differ. The text remains JSON after drift and edge. The same seed makes the
// same changes.
func TestProperties(t *testing.T) {
	for _, set := range []string{"drift", "edge", "drift edge", "broken", "conforming"} {
		for seed := range uint64(500) {
			m := mutator(t, set, "", "", 1+int(seed%5))
			got, changes := m.Random(parsed(t, sample), rand.New(rand.NewPCG(seed, 0)))
			again, same := m.Random(parsed(t, sample), rand.New(rand.NewPCG(seed, 0)))
			if len(changes) == 0 || string(got) != string(again) || !slices.Equal(changes, same) {
				t.Fatalf("%s, seed %d: got %v, %v", set, seed, changes, same)
			}
			if set != "broken" && !json.Valid(got) {
				t.Errorf("%s, seed %d: %v made %s", set, seed, changes, got)
			}
			if kept := untouched(parsed(t, sample), changes); !inOrder(string(got), kept) && set != "broken" {
				t.Errorf("%s, seed %d: %v made %s, want %q in it", set, seed, changes, got, kept)
			}
		}
	}
}

// untouched returns the texts of the scalars that no change contains.
func untouched(d *Document, changes []Change) (kept []string) {
	for i := range d.nodes {
		at := d.pointer(i)
		touched := slices.ContainsFunc(changes, func(c Change) bool {
			return at == c.At || strings.HasPrefix(at, c.At+"/") && c.Op != "add"
		})
		if raw := d.raw(i); !touched && raw[0] != '{' && raw[0] != '[' {
			kept = append(kept, raw)
		}
	}
	return kept
}

// inOrder reports whether a text has all parts, one after another.
func inOrder(text string, parts []string) bool {
	for _, part := range parts {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return true
}

// The changes are spread over all places.
func TestRandomReachesAll(t *testing.T) {
	m := mutator(t, "drop null date", "", "", 1)
	want, seen := len(all(t, m, sample)), make(map[string]bool)
	for seed := range uint64(5000) {
		text, _ := m.Random(parsed(t, sample), rand.New(rand.NewPCG(seed, 0)))
		seen[string(text)] = true
	}
	if len(seen) != want-1 { // both members dup become null: the same text
		t.Logf("%d texts of %d changes", len(seen), want)
	}
	if len(seen) < want-2 {
		t.Errorf("got %d changes, want %d", len(seen), want)
	}
}

// TestBounds parses hostile texts.
func TestBounds(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"deep", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), ErrNotJSON},
		{"as deep as allowed", strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), nil},
		{"deep objects", strings.Repeat(`{"a":`, 9_000) + "1" + strings.Repeat("}", 9_000), nil},
		{"too many", "[" + strings.Repeat("1,", MaxValues) + "1]", ErrTooMany},
		{"too many members", "{" + strings.Repeat(`"a":{},`, MaxValues) + `"b":1}`, ErrTooMany},
		{"many", "[" + strings.Repeat("1,", MaxValues-2) + "1]", nil},
		{"many with one name", "{" + strings.Repeat(`"a":"x",`, MaxValues-2) + `"a":1}`, nil},
		{"a long number", strings.Repeat("9", 1<<20), nil},
		{"a long name", `{"` + strings.Repeat("aB", 1<<18) + `": 1}`, nil},
		{"broken UTF-8", "{\"\xff\": \"\xff\"}", nil},
		{"half a surrogate", `{"\ud800": "\udc00"}`, nil},
		{"nothing", "", ErrNotJSON},
		{"two values", "1 2", ErrNotJSON},
		{"half", `{"a": `, ErrNotJSON},
	} {
		d, err := Parse([]byte(tt.text))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got error %v, want %v", tt.name, err, tt.want)
		}
		if err != nil {
			continue
		}
		m := mutator(t, "drift edge broken conforming", "/**", "/*/x/y", 100)
		if text, changes := m.Random(d, rand.New(rand.NewPCG(1, 2))); len(d.nodes) > 1 && len(changes) == 0 {
			t.Errorf("%s: got %.100q, %v", tt.name, text, changes)
		}
	}
}

// Whatever the text is, the changes return, and drift leaves JSON.
func FuzzMutate(f *testing.F) {
	for _, text := range []string{sample, `{"a":1,"a":[{}]}`, `"\ud800"`, "[[[[]]]]", "1e400", `{"data":{"":""}}`, "{\"\xff\": \"\xc3\"}", ` "2024-01-31T00:00:00Z" `} {
		f.Add([]byte(text), uint64(1), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64, count int) {
		d, err := Parse(text)
		if json.Valid(text) == errors.Is(err, ErrNotJSON) {
			t.Fatalf("got error %v", err)
		}
		if err != nil {
			return
		}
		for _, set := range []string{"drift", "edge", "broken", "conforming"} {
			m := mutator(t, set, "", "/meta", 1+max(0, count%10))
			got, changes := m.Random(d, rand.New(rand.NewPCG(seed, 0)))
			nth, first := m.Nth(d, 1+seed%16)
			if set != "broken" && (changes != nil && !json.Valid(got) || first != nil && !json.Valid(nth)) {
				t.Errorf("%s of %q: got %q, %q", set, text, got, nth)
			}
			if changes != nil && string(got) == string(text) || first != nil && string(nth) == string(text) {
				t.Errorf("%s of %q changed nothing: %v, %v", set, text, changes, first)
			}
		}
	})
}

func BenchmarkRandom(b *testing.B) {
	m := mutator(b, "drift", "", "", 1)
	rnd := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		m.Random(parsed(b, sample), rnd)
	}
}

// TestRenamed compares the spellings of names.
func TestRenamed(t *testing.T) {
	for name, want := range map[string]string{
		"userName":  "user_name",
		"user_name": "userName",
		"UserName":  "userName",
		"user-name": "userName",
		"userID":    "userId",
		"ID":        "id",
		"id":        "Id",
		"éTat":      "é_tat",
		"état":      "État",
		"7":         "7_",
		"_":         "__",
		"":          "_",
		"a b":       "A b",
		"x__y":      "xY",
	} {
		if got := renamed(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// TestParse compares the values of a text with their pointers and types.
func TestParse(t *testing.T) {
	d := parsed(t, " { \"a\" : [ 1 , \"\\\"]\" ] , \"b\\u002f\" : { } , \"\" : null , \"t\" :true } \n")
	want := []string{
		" object 0-9", "/a array 1-4", "/a/0 number 2-3", "/a/1 string 3-4", "/b~1 object 4-5", "/ null 5-6", "/t boolean 6-7",
	}
	var got []string
	for i, n := range d.nodes {
		after := n.after
		if i == 0 {
			after = 9 // all of them
		}
		got = append(got, fmt.Sprintf("%s %s %d-%d", d.pointer(i), d.typ(i), i, after))
	}
	if !slices.Equal(got, want) || d.nodes[0].after != len(d.nodes) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	if raw := d.raw(1); raw != `[ 1 , "\"]" ]` {
		t.Errorf("got %s", raw)
	}
	if got := fmt.Sprint(d.children(0), d.children(1), d.children(4)); got != "[1 4 5 6] [2 3] []" {
		t.Errorf("got the children %s", got)
	}
	if !d.hasName(0, "b/") || d.hasName(0, "c") || d.hasName(1, "a") || !d.hasName(0, "") {
		t.Error("the names of members are wrong")
	}
}

// TestCovers compares patterns with each other.
func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		p, q string
		want bool
	}{
		{"root", "root", true},
		{"root", "/a/b", true},
		{"root", "/**", true},
		{"/**", "root", false},
		{"/**", "/a", true},
		{"/**", "/**", true},
		{"/a", "/a", true},
		{"/a", "/a/b", true},
		{"/a", "/a/**", true},
		{"/a/b", "/a", false},
		{"/a/b", "/a/**", false},
		{"/a/**", "/a", false},
		{"/a/**", "/a/b/**", true},
		{"/*", "/a", true},
		{"/a", "/*", false},
		{"/*/b", "/a/b", true},
		{"/*/b", "/*/*", false},
		{"/a~1b", "/a/b", false},
	} {
		p, q := patterns(t, tt.p)[0], patterns(t, tt.q)[0]
		if got := p.Covers(q); got != tt.want {
			t.Errorf("%s covers %s: got %t", tt.p, tt.q, got)
		}
	}
}

// TestNthNumbersVariants numbers the variants of an operation one after another.
func TestNthNumbersVariants(t *testing.T) {
	m := mutator(t, "date retype", "", "", 1)
	const text = `{"at": "2024-01-31T12:30:00Z"}`
	want := []string{
		"retype object to array", "retype string to array",
		"date string to string", // with a space
		"date string to string", // without a zone
		"date string to number", // seconds
		"date string to number", // milliseconds
		"date string to string", // no day
		"date string to string", // no leap day
	}
	var got []string
	for n := range uint64(20) {
		if _, changes := m.Nth(parsed(t, text), n); changes != nil {
			got = append(got, changes[0].Op+" "+changes[0].Was+" to "+changes[0].Is)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// No place of a change contains another one, and the changes are in the order of the
// text.
func TestPlacesAreApart(t *testing.T) {
	for seed := range uint64(300) {
		m := mutator(t, "drift edge conforming", "/**", "", 20)
		d := parsed(t, sample)
		_, changes := m.Random(d, rand.New(rand.NewPCG(seed, 1)))
		last := -1
		for k, c := range changes {
			for j, other := range changes {
				if j != k && strings.HasPrefix(c.At, other.At+"/") {
					t.Errorf("seed %d: %v within %v", seed, c, other)
				}
			}
			at := slices.IndexFunc(d.nodes, func(n node) bool { return d.pointer(indexOf(d, n)) == c.At })
			if at < last {
				t.Errorf("seed %d: %v is out of order", seed, changes)
			}
			last = at
		}
	}
}

// indexOf returns the index of a node.
func indexOf(d *Document, n node) int {
	return slices.IndexFunc(d.nodes, func(other node) bool { return other.start == n.start && other.depth == n.depth })
}
