package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// read returns the documents of a file in YAML or JSON.
func read(name string, data []byte) ([]node, error) {
	if len(data) > maxFile {
		return nil, &lineError{1, fmt.Errorf("the file has %d bytes, want %d at most: split it", len(data), maxFile)}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if err := checkUTF8(data); err != nil {
		return nil, err
	}
	start := bytes.TrimLeft(data, " \t\r\n")
	isJSON := strings.HasSuffix(name, ".json")
	if !isJSON && (len(start) == 0 || start[0] != '{' && start[0] != '[') {
		return readYAML(data)
	}
	documents, err := readJSON(data)
	if err == nil || isJSON {
		return documents, err
	}
	if documents, yamlErr := readYAML(data); yamlErr == nil {
		return documents, nil // YAML may begin with a brace as well
	}
	return nil, err
}

// checkUTF8 returns an error for the first byte that is not UTF-8.
func checkUTF8(data []byte) error {
	if utf8.Valid(data) {
		return nil
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size <= 1 {
			return &lineError{1 + bytes.Count(data[:at], []byte("\n")), fmt.Errorf("the byte 0x%02x is not UTF-8: convert the file to UTF-8", data[at])}
		}
		at += size
	}
}

// readYAML returns the documents of a text.
func readYAML(data []byte) ([]node, error) {
	if documents, ok := readPieces(data, usualSizes); ok {
		return documents, nil
	}
	return newYAMLReader().documents(data)
}

// documents reads the documents of a text. Each document of the library is dropped before
// the next one is read.
func (r *yamlReader) documents(data []byte) (documents []node, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, yamlError(err)
		}
		r.aliased = 0
		converted, err := r.convert(&document, 0)
		if err != nil {
			return nil, err
		}
		if converted.kind != null {
			documents = append(documents, converted)
		}
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError returns an error of the library with its line.
func yamlError(err error) error {
	line, found := 1, yamlLine.FindStringSubmatch(err.Error())
	if found != nil && found[1] != "" {
		line, _ = strconv.Atoi(found[1])
	}
	return &lineError{line, errors.New(yamlLine.ReplaceAllString(err.Error(), ""))}
}

// yamlReader converts the nodes of documents.
type yamlReader struct {
	open    map[*yaml.Node]bool // anchors that are being converted
	inAlias bool
	aliased int               // nodes that aliases have added to a document
	shared  map[string]string // short texts, which are often the same
	moved   []move
}

// move says that a part of the text comes from later lines of the file.
type move struct{ after, by int }

func newYAMLReader() *yamlReader {
	return &yamlReader{open: make(map[*yaml.Node]bool), shared: make(map[string]string)}
}

// line returns the line of a node in the file.
func (r *yamlReader) line(n *yaml.Node) int32 {
	line := n.Line
	for _, m := range r.moved {
		if n.Line > m.after {
			line += m.by
		}
	}
	return int32(line)
}

// share returns a text that is the same as others, if it is short.
func (r *yamlReader) share(s string) string {
	const longest, most = 32, 4096
	if len(s) > longest {
		return s
	}
	if known, ok := r.shared[s]; ok {
		return known
	}
	if len(r.shared) < most {
		r.shared[s] = s
	}
	return s
}

func (r *yamlReader) convert(from *yaml.Node, depth int) (node, error) {
	n := node{line: r.line(from)}
	if r.inAlias {
		if r.aliased++; r.aliased > maxAliased {
			return n, &lineError{from.Line, fmt.Errorf("aliases add more than %d values: write the values", maxAliased)}
		}
	}
	if depth > maxDepth {
		return n, &lineError{from.Line, errDeep}
	}
	switch from.Kind {
	case yaml.DocumentNode:
		return r.convert(from.Content[0], depth)
	case yaml.AliasNode:
		return r.alias(from, depth)
	case yaml.ScalarNode:
		n.kind, n.text = scalarKind(from), r.share(from.Value)
	case yaml.SequenceNode:
		n.kind = list
		n.children = make([]child, 0, len(from.Content))
		for _, each := range from.Content {
			element, err := r.convert(each, depth+1)
			if err != nil {
				return n, err
			}
			n.children = append(n.children, child{line: element.line, node: element})
		}
	case yaml.MappingNode:
		n.kind = object
		return n, r.members(&n, from, depth)
	}
	return n, nil
}

// alias converts what an alias stands for, at the line of the alias.
func (r *yamlReader) alias(from *yaml.Node, depth int) (node, error) {
	if r.open[from.Alias] {
		return node{}, &lineError{from.Line, fmt.Errorf("the anchor '%s' contains itself", clean(from.Value))}
	}
	before := r.inAlias
	r.open[from.Alias], r.inAlias = true, true
	n, err := r.convert(from.Alias, depth)
	delete(r.open, from.Alias)
	r.inAlias = before
	n.line = r.line(from)
	return n, err
}

// members converts the members of an object. Those of a merge key come last.
func (r *yamlReader) members(n *node, from *yaml.Node, depth int) error {
	var seen names
	n.children = make([]child, 0, len(from.Content)/2)
	var merged []child
	for i := 0; i+1 < len(from.Content); i += 2 {
		key := from.Content[i]
		value, err := r.convert(from.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return &lineError{key.Line, errors.New("the name of a member is a list or an object, want a text")}
		}
		c := child{name: r.share(key.Value), line: r.line(from.Content[i]), node: value}
		if key.Tag == "!!merge" {
			merged = append(merged, mergedMembers(&value)...)
			continue
		}
		if err := seen.check(&c, n.children); err != nil {
			return err
		}
		n.children = append(n.children, c)
	}
	for _, c := range merged {
		if _, own := seen.line(c.name, n.children); !own {
			n.children = append(n.children, c)
		}
	}
	return nil
}

// mergedMembers returns the members that a merge key adds.
func mergedMembers(value *node) []child {
	if value.kind == object {
		return value.children
	}
	var all []child
	for i := range value.children { // earlier ones take precedence
		if value.children[i].kind == object {
			all = append(all, value.children[i].children...)
		}
	}
	return all
}

func scalarKind(n *yaml.Node) kind {
	switch n.ShortTag() {
	case "!!null":
		return null
	case "!!bool":
		return boolean
	case "!!int", "!!float":
		return number
	default:
		return text
	}
}
