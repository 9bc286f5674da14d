package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// jsonReader reads JSON documents with the line of each value. Unlike a YAML reader, it
// knows escapes of surrogate pairs.
type jsonReader struct {
	data   []byte
	tokens *json.Decoder
	line   int // of offset
	offset int
}

// readJSON returns the documents of a text, one after another.
func readJSON(data []byte) (documents []node, err error) {
	r := &jsonReader{data: data, tokens: json.NewDecoder(bytes.NewReader(data)), line: 1}
	r.tokens.UseNumber()
	for {
		token, err := r.tokens.Token()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		var document node
		if err == nil {
			document, err = r.value(token, 0)
		}
		if err != nil {
			return nil, r.explain(err)
		}
		documents = append(documents, document)
	}
}

// value returns the value that begins with a token.
func (r *jsonReader) value(token json.Token, depth int) (node, error) {
	n := node{line: int32(r.lineNow())}
	switch token := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return n, errDeep
		}
		n.kind = list
		if token == '{' {
			n.kind = object
		}
		return n, r.children(&n, depth+1)
	case string:
		n.kind, n.text = text, token
	case json.Number:
		n.kind, n.text = number, token.String()
	case bool:
		n.kind, n.text = boolean, fmt.Sprint(token)
	}
	return n, nil
}

var errDeep = fmt.Errorf("more than %d objects and lists within one another", maxDepth)

// children reads up to the end of a list or an object.
func (r *jsonReader) children(n *node, depth int) error {
	seen := make(names)
	for r.tokens.More() {
		token, err := r.tokens.Token()
		if err != nil {
			return err
		}
		var c child
		if n.kind == object {
			name, ok := token.(string)
			if !ok {
				return fmt.Errorf("the name of a member is %v, want a text", token)
			}
			c.name, c.line = name, int32(r.lineNow())
			if err := seen.add(&c); err != nil {
				return err
			}
			if token, err = r.tokens.Token(); err != nil {
				return err
			}
		}
		if c.node, err = r.value(token, depth); err != nil {
			return err
		}
		if n.kind == list {
			c.line = c.node.line
		}
		n.children = append(n.children, c)
	}
	_, err := r.tokens.Token() // the end
	return err
}

// lineNow returns the line of the last token.
func (r *jsonReader) lineNow() int {
	to := min(int(r.tokens.InputOffset()), len(r.data))
	r.line += bytes.Count(r.data[r.offset:max(to, r.offset)], []byte("\n"))
	r.offset = max(to, r.offset)
	return r.line
}

// explain adds the line to an error.
func (r *jsonReader) explain(err error) error {
	line := r.lineNow()
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at := min(max(int(syntax.Offset)-1, 0), len(r.data))
		line = 1 + bytes.Count(r.data[:at], []byte("\n"))
		if strings.Contains(err.Error(), "'/'") {
			err = errors.New("JSON has no comments: remove them")
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the JSON ends early")
		line = 1 + bytes.Count(bytes.TrimRight(r.data, "\r\n"), []byte("\n"))
	}
	if _, ok := errors.AsType[*lineError](err); ok {
		return err
	}
	return &lineError{line, err}
}

// names finds members that are written twice.
type names map[string]int32

func (s names) add(c *child) error {
	if first, again := s[c.name]; again {
		return &lineError{int(c.line), fmt.Errorf("'%s' is written twice, first in line %d: remove one of them", clean(c.name), first)}
	}
	s[c.name] = c.line
	return nil
}

// lineError is an error at a line of a file.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("%d: %v", e.line, e.err) }

func (e *lineError) Unwrap() error { return e.err }
