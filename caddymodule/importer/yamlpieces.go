package importer

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"
)

// pieceSizes say what is read in pieces. The library needs twenty times the size of a
// document as memory. So a long list is read in pieces of several elements.
type pieceSizes struct {
	list  int // bytes from which on a list is read in pieces
	piece int // bytes of a piece, without its last element
}

var usualSizes = pieceSizes{list: 1 << 20, piece: 128 << 10}

// blockList is a list in a text of YAML, one element after another at one indentation.
type blockList struct {
	indent     int
	start, end int   // in the text
	line       int   // of the first element, from 1
	lines      int   // how many it has
	items      []int // where the elements start
	longest    int   // bytes of the longest element
}

// readPieces reads the longest list of a text in pieces, and the rest without the list.
// It reports whether that succeeded. If a piece is not what it seems to be, such as a part
// of a longer text, the whole must be read.
func readPieces(data []byte, sizes pieceSizes) ([]node, bool) {
	if len(data) < sizes.list {
		return nil, false
	}
	found := findList(data, sizes)
	if found == nil || hasOtherLineEnds(data) {
		return nil, false
	}
	r := newYAMLReader()
	r.moved = []move{{found.line, found.lines - 1}}
	holder := append(bytes.Repeat([]byte(" "), found.indent), "- null\n"...)
	documents, err := r.documents(slices.Concat(data[:found.start], holder, data[found.end:]))
	if err != nil {
		return nil, false
	}
	for i := range documents {
		if n, depth := held(&documents[i], int32(found.line), 0); n != nil {
			r.aliased = 0
			return documents, r.pieces(n, depth, data, found, sizes.piece)
		}
	}
	return nil, false
}

// held returns the list whose only element is the one that holds the place of the others.
func held(n *node, line int32, depth int) (*node, int) {
	if n.kind == list && len(n.children) == 1 && n.children[0].kind == null && n.children[0].line == line {
		return n, depth
	}
	for i := range n.children {
		if found, depth := held(&n.children[i].node, line, depth+1); found != nil {
			return found, depth
		}
	}
	return nil, 0
}

// pieces reads the elements of a list, and reports whether that succeeded.
func (r *yamlReader) pieces(n *node, depth int, data []byte, from *blockList, size int) bool {
	n.children = make([]child, 0, len(from.items))
	line := from.line
	for first := 0; first < len(from.items); {
		next, end := first+1, from.end
		for next < len(from.items) && from.items[next]-from.items[first] < size {
			next++
		}
		if next < len(from.items) {
			end = from.items[next]
		}
		text := data[from.items[first]:end]
		r.moved = []move{{0, line - 1}}
		elements, ok := r.piece(text, depth)
		if !ok || len(elements) != next-first {
			return false
		}
		n.children = append(n.children, elements...)
		line += bytes.Count(text, []byte("\n"))
		first = next
	}
	return true
}

// piece reads some elements of a list.
func (r *yamlReader) piece(text []byte, depth int) ([]child, bool) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil || document.Content[0].Kind != yaml.SequenceNode {
		return nil, false
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, false
	}
	n, err := r.convert(document.Content[0], depth)
	return n.children, err == nil
}

// hasOtherLineEnds reports whether YAML counts lines that do not end in \n.
func hasOtherLineEnds(data []byte) bool {
	return bytes.Count(data, []byte("\r")) != bytes.Count(data, []byte("\r\n")) || bytes.ContainsAny(data, "\u0085\u2028\u2029")
}

// findList returns the list with most bytes that is long and has no long element, or nil.
func findList(data []byte, sizes pieceSizes) *blockList {
	var open []*blockList
	var best *blockList
	closeFrom := func(indent, at, line int) {
		for len(open) > 0 && open[len(open)-1].indent >= indent {
			l := open[len(open)-1]
			open = open[:len(open)-1]
			l.endAt(at, line)
			if size := l.end - l.start; size >= sizes.list && l.longest <= sizes.piece && (best == nil || size > best.end-best.start) {
				best = l
			}
		}
	}
	at, line := 0, 1
	for text := range bytes.Lines(data) {
		indent, isItem, skip := shapeOf(text)
		switch {
		case skip:
		case !isItem:
			closeFrom(indent, at, line)
		default:
			closeFrom(indent+1, at, line)
			if len(open) == 0 || open[len(open)-1].indent != indent {
				open = append(open, &blockList{indent: indent, start: at, line: line})
			}
			open[len(open)-1].add(at)
		}
		at += len(text)
		line++
	}
	closeFrom(0, at, line)
	return best
}

// shapeOf returns the indentation of a line, and whether an element of a list begins in
// it. Empty lines and comments are skipped.
func shapeOf(text []byte) (indent int, isItem, skip bool) {
	text = bytes.TrimRight(text, "\r\n")
	rest := bytes.TrimLeft(text, " ")
	switch {
	case len(rest) == 0 || rest[0] == '#':
		return 0, false, true
	default:
		return len(text) - len(rest), rest[0] == '-' && (len(rest) == 1 || rest[1] == ' '), false
	}
}

// add begins an element.
func (l *blockList) add(at int) {
	l.measure(at)
	l.items = append(l.items, at)
}

func (l *blockList) measure(at int) {
	if n := len(l.items); n > 0 {
		l.longest = max(l.longest, at-l.items[n-1])
	}
}

// endAt ends a list before a line.
func (l *blockList) endAt(at, line int) {
	l.measure(at)
	l.end, l.lines = at, line-l.line
}
