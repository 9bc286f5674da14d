package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// jsonReader reads a text of JSON with the line of each value. Unlike a YAML reader, it
// knows escapes of surrogate pairs.
//
// The standard library checks the text before. Its decoder of tokens needs several times
// the time and the memory.
type jsonReader struct {
	text string
	at   int
	line int32 // of at
	open []child
}

// readJSON returns the documents of a text, one after another. The error is the first in
// the text.
func readJSON(data []byte) ([]node, error) {
	ends, syntax := checkJSON(data)
	all := string(data)
	r := &jsonReader{line: 1}
	var documents []node
	for _, end := range ends {
		// Nothing has to separate two documents: 00 is 0 and 0.
		r.text = all[:end]
		if r.next() == 0 {
			break
		}
		document, err := r.value(0)
		if errors.Is(err, errShort) {
			break // at the error of the syntax
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
	if syntax != nil {
		return nil, syntax
	}
	return documents, nil
}

// checkJSON returns where each document of JSON ends. If the text is bad, the last end is
// that of its good part, and the error says what follows.
func checkJSON(data []byte) (ends []int, err error) {
	if json.Valid(data) {
		return []int{len(data)}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		before := decoder.InputOffset()
		var document json.RawMessage
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return ends, nil
		}
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return append(ends, int(max(syntax.Offset-1, before))), explainSyntax(data, syntax)
		}
		if err != nil {
			line := 1 + bytes.Count(bytes.TrimRight(data, "\r\n"), []byte("\n"))
			return append(ends, len(data)), &lineError{line, errors.New("the JSON ends early")}
		}
		ends = append(ends, int(decoder.InputOffset()))
	}
}

// explainSyntax adds the line to an error.
func explainSyntax(data []byte, syntax *json.SyntaxError) error {
	at := min(max(int(syntax.Offset)-1, 0), len(data))
	line := 1 + bytes.Count(data[:at], []byte("\n"))
	if strings.Contains(syntax.Error(), "'/'") {
		return &lineError{line, errors.New("JSON has no comments: remove them")}
	}
	return &lineError{line, fmt.Errorf("bad JSON: %w", syntax)}
}

var (
	errDeep  = fmt.Errorf("more than %d objects and lists within one another", maxDepth)
	errShort = errors.New("the text ends within a value")
)

// next goes to the next character that is not a space, and returns it, or 0 at the end.
func (r *jsonReader) next() byte {
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; c {
		case '\n':
			r.line++
		case ' ', '\t', '\r':
		default:
			return c
		}
	}
	return 0
}

// value returns the next value.
func (r *jsonReader) value(depth int) (n node, err error) {
	first := r.next()
	n.line = r.line
	switch first {
	case 0:
		return n, errShort
	case '{', '[':
		if depth == maxDepth {
			return n, &lineError{int(r.line), errDeep}
		}
		err = r.children(&n, depth+1)
	case '"':
		n.kind = text
		n.text, err = r.string()
	case 'n':
		r.word()
	case 't', 'f':
		n.kind, n.text = boolean, r.word()
	default:
		n.kind, n.text = number, r.word()
	}
	return n, err
}

// word returns a word or a number.
func (r *jsonReader) word() string {
	start := r.at
	length := strings.IndexAny(r.text[start:], ",]}\"[{ \t\r\n")
	if length < 0 {
		length = len(r.text) - start
	}
	r.at += length
	return r.text[start:r.at]
}

// string returns a text. Without an escape it is a part of the text of the file.
func (r *jsonReader) string() (string, error) {
	start, escaped := r.at, false
	for r.at++; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '\\':
			escaped = true
			r.at++
		case '"':
			r.at++
			if !escaped {
				return r.text[start+1 : r.at-1], nil
			}
			var s string
			err := json.Unmarshal([]byte(r.text[start:r.at]), &s)
			return s, err
		}
	}
	r.at = len(r.text)
	return "", errShort
}

// children reads a list or an object.
func (r *jsonReader) children(n *node, depth int) error {
	n.kind = list
	if r.text[r.at] == '{' {
		n.kind = object
	}
	r.at++
	first := len(r.open)
	defer func() { r.open = r.open[:first] }()
	var seen names
	for {
		switch r.next() {
		case 0:
			return errShort
		case ']', '}':
			r.at++
			n.children = slices.Clone(r.open[first:])
			return nil
		case ',':
			r.at++
			continue
		}
		var c child
		var err error
		if n.kind == object {
			if err = r.name(&c, &seen, r.open[first:]); err != nil {
				return err
			}
		}
		if c.node, err = r.value(depth); err != nil {
			return err
		}
		if n.kind == list {
			c.line = c.node.line
		}
		r.open = append(r.open, c)
	}
}

// name reads the name of a member, and the colon.
func (r *jsonReader) name(c *child, seen *names, before []child) (err error) {
	c.line = r.line
	if c.name, err = r.string(); err != nil {
		return err
	}
	if err = seen.check(c, before); err != nil {
		return err
	}
	if r.next() == 0 {
		return errShort
	}
	r.at++ // the colon
	return nil
}

// lineError is an error at a line of a file.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("%d: %v", e.line, e.err) }

func (e *lineError) Unwrap() error { return e.err }
