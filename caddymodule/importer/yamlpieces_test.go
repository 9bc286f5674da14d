package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// smallSizes make every list one that is read in pieces.
var smallSizes = []pieceSizes{{1, 500}, {1, 16}, {20, 60}}

// checkPieces compares reading in pieces with reading the whole. It reports whether the
// text was read in pieces.
func checkPieces(t *testing.T, data []byte) bool {
	t.Helper()
	whole, err := newYAMLReader().documents(data)
	inPieces := false
	for _, sizes := range smallSizes {
		documents, ok := readPieces(data, sizes)
		if !ok {
			continue
		}
		inPieces = true
		if err != nil || !reflect.DeepEqual(documents, whole) {
			t.Fatalf("%q, sizes %v:\nin pieces %v\nwhole     %v, error %v", data, sizes, documents, whole, err)
		}
	}
	return inPieces
}

// The samples are the same in pieces, with the lines of all values.
func TestPiecesOfSamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.y*ml")
	if err != nil {
		t.Fatal(err)
	}
	inPieces := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if checkPieces(t, content) {
			inPieces++
		}
		checkPieces(t, []byte(strings.ReplaceAll(string(content), "\n", "\r\n")))
	}
	if inPieces < 4 {
		t.Errorf("%d of %d samples were read in pieces", inPieces, len(files))
	}
}

// Texts that are read in pieces, and texts of which a piece is not what it seems to be.
func TestPieces(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		inPieces   bool
	}{
		{"a list", "- a\n- b\n- c: 1\n  d: 2\n", true},
		{"no line end at the end", "- a\n- b", true},
		{"below a name", "a:\n  b:\n  - 1\n  -\n    c: 2\n  - - 3\n    - 4\n  d: 5\ne: 6\n", true},
		{"not indented", "a:\n- 1\n- 2\nb: 3\n", true},
		{"comments and empty lines", "a:\n  # one\n  - 1\n\n# two\n  - 2 # three\n\n  # four\nb: 1\n", true},
		{"texts", "a:\n- |\n  - x\n  - y\n\n- >-\n  z\n- 'q'\n- \"- r\"\nb:\n  - s\n", true},
		{"flow", "a:\n- {b: [c, d]}\n- [e,\n   f]\n", true},
		{"documents", "a: 1\n---\nb:\n- 1\n- 2\n---\nc: 3\n", true},
		{"an anchor within an element", "a:\n- &x {b: 1}\n- 2\n- {c: &y 3, d: *y}\n", true},
		{"an anchor of another element", "a:\n- &x 1\n" + strings.Repeat("- filler\n", 100) + "- *x\n", false},
		{"an anchor before", "z: &x 1\na:\n- *x\n- 2\n", false},
		{"an anchor that is used after", "a:\n- &x 1\n- 2\nb: *x\n", false},
		{"a text that looks like a list", "a: |\n  - 1\n  - 2\n  - 3\n", false},
		{"a plain text that looks like a list", "a: b\n  - 1\n  - 2\n  - 3\n", false},
		{"a quoted text that looks like a list", "a: \"b\n  - 1\n  - 2\n  \"\n", false},
		{"a quoted text over elements", "a:\n- \"b\n- c\n- d\"\n- e\n", false},
		{"a flow list over elements", "a:\n- [b,\n- c]\n- d\n", false},
		{"a name that is written twice", "a:\n- b: 1\n  b: 2\n- c\n", false},
		{"a tag", "%TAG !e! tag:example,2000:\n---\na:\n- !e!x 1\n- 2\n", false},
		{"a text that breaks off", "a:\n- b\n- \"c\n", false},
		{"a line separator", "a:\n- b\u2028- c\n- d\n", false},
		{"no list", "a: 1\nb: 2\n", false},
		{"a name after an element", "- a\n- b\nc: d\n", false},
	} {
		if inPieces := checkPieces(t, []byte(tt.text)); inPieces != tt.inPieces {
			t.Errorf("%s: read in pieces is %v", tt.name, inPieces)
		}
	}
}

// The list with most bytes is read in pieces, unless one element is nearly all of it.
func TestFindList(t *testing.T) {
	var b strings.Builder
	b.WriteString("items:\n- kind: VirtualService\n  spec:\n    http:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "    - match:\n      - uri: {exact: /%d}\n", i)
	}
	b.WriteString("- kind: Service\n")
	found := findList([]byte(b.String()), pieceSizes{10_000, 1000})
	if found == nil || found.indent != 4 || len(found.items) != 1000 || found.line != 5 || found.lines != 2000 {
		t.Errorf("got %+v", found)
	}
	if !checkPieces(t, []byte(b.String())) {
		t.Error("not read in pieces")
	}
	if found := findList([]byte(b.String()), pieceSizes{1 << 20, 1000}); found != nil {
		t.Errorf("got a list of %d bytes", found.end-found.start)
	}
}

// A list that is too deep, or that has too many aliases, is refused in the same way.
func TestPiecesBounds(t *testing.T) {
	deep := strings.Repeat("- ", maxDepth-1)
	for _, text := range []string{
		"a:\n- 1\n- " + deep + "x\n", "a:\n- 1\n- " + deep + "- x\n", "a:\n- 1\n- " + deep + "- - x\n",
		"a:\n- 1\n- &b [" + strings.Repeat("1, ", 1000) + "]\n- [" + strings.Repeat("*b, ", 200) + "]\n",
	} {
		want, wantErr := newYAMLReader().documents([]byte(text))
		for _, sizes := range smallSizes {
			if documents, ok := readPieces([]byte(text), sizes); ok && (wantErr != nil || !reflect.DeepEqual(documents, want)) {
				t.Errorf("%.40q: read in pieces, the whole has the error %v", text, wantErr)
			}
		}
	}
}

// FuzzPieces compares reading in pieces with reading the whole.
func FuzzPieces(f *testing.F) {
	f.Add([]byte("a:\n  - b: 1\n    c: |\n      - d\n  - {e: f}\n# g\nh: 'i'\n"))
	f.Add([]byte("- &a 1\n- *a\n---\n- \"x\n- y\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkUTF8(data) != nil {
			t.Skip()
		}
		checkPieces(t, data)
	})
}
