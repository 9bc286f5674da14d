package deploy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// structs compares YAML with Go structs. It reads their source, because compiling their
// modules takes minutes.
type structs struct {
	tag      string            // the key of the struct tags, json or yaml
	folders  map[string]string // by import path; types of other packages are not checked
	packages map[string]*source
}

// source is a package in source.
type source struct {
	types   map[string]ast.Expr
	custom  map[string]bool // types that decode themselves
	imports map[string]string
}

// load reads a package, or returns nil if its folder is unknown.
func (s *structs) load(t *testing.T, path string) *source {
	t.Helper()
	if s.packages[path] != nil || s.folders[path] == "" {
		return s.packages[path]
	}
	files, err := filepath.Glob(filepath.Join(s.folders[path], "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of %s: %v", path, err)
	}
	pkg := &source{types: make(map[string]ast.Expr), custom: make(map[string]bool), imports: make(map[string]string)}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		pkg.add(file)
	}
	s.packages[path] = pkg
	return pkg
}

func (p *source) add(file *ast.File) {
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		name := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		p.imports[name] = path
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if named, ok := spec.(*ast.TypeSpec); ok {
					p.types[named.Name.Name] = named.Type
				}
			}
		case *ast.FuncDecl:
			if decl.Recv != nil && (decl.Name.Name == "UnmarshalJSON" || decl.Name.Name == "UnmarshalYAML") {
				if star, ok := decl.Recv.List[0].Type.(*ast.StarExpr); ok {
					p.custom[fmt.Sprint(star.X)] = true
				}
			}
		}
	}
}

// check returns what is wrong with a node for a type of a package.
func (s *structs) check(t *testing.T, n *yaml.Node, path, name string) []string {
	t.Helper()
	pkg := s.load(t, path)
	if pkg == nil {
		return nil
	}
	if pkg.types[name] == nil {
		return []string{fmt.Sprintf("%s has no type %s", path, name)}
	}
	if pkg.custom[name] {
		return nil
	}
	return s.compare(t, n, path, pkg.types[name])
}

func (s *structs) compare(t *testing.T, n *yaml.Node, path string, expr ast.Expr) (wrong []string) {
	t.Helper()
	pkg := s.load(t, path)
	switch expr := expr.(type) {
	case *ast.StarExpr:
		return s.compare(t, n, path, expr.X)
	case *ast.SelectorExpr:
		return s.check(t, n, pkg.imports[fmt.Sprint(expr.X)], expr.Sel.Name)
	case *ast.Ident:
		if pkg.types[expr.Name] != nil {
			return s.check(t, n, path, expr.Name)
		}
		return s.scalar(n, expr.Name)
	case *ast.ArrayType:
		if n.Kind != yaml.SequenceNode {
			return []string{fmt.Sprintf("line %d: want a list", n.Line)}
		}
		for _, item := range n.Content {
			wrong = append(wrong, s.compare(t, item, path, expr.Elt)...)
		}
	case *ast.MapType:
		if n.Kind != yaml.MappingNode {
			return []string{fmt.Sprintf("line %d: want a map", n.Line)}
		}
		for i := 1; i < len(n.Content); i += 2 {
			wrong = append(wrong, s.compare(t, n.Content[i], path, expr.Value)...)
		}
	case *ast.StructType:
		return s.fields(t, n, path, expr)
	}
	return wrong
}

func (s *structs) scalar(n *yaml.Node, kind string) []string {
	tags := map[string][]string{"string": {"!!str"}, "bool": {"!!bool"}, "int": {"!!int"}, "int32": {"!!int"}, "int64": {"!!int"}}[kind]
	if s.tag == "yaml" && kind == "string" {
		tags = []string{"!!str", "!!bool", "!!int"} // as goreleaser reads them
	}
	if tags == nil || n.Kind == yaml.ScalarNode && slices.Contains(tags, n.Tag) {
		return nil
	}
	return []string{fmt.Sprintf("line %d: want a %s", n.Line, kind)}
}

func (s *structs) fields(t *testing.T, n *yaml.Node, path string, expr *ast.StructType) (wrong []string) {
	t.Helper()
	if n.Kind != yaml.MappingNode {
		return []string{fmt.Sprintf("line %d: want a block of keys", n.Line)}
	}
	known := make(map[string]ast.Expr)
	owner := make(map[string]string)
	s.collect(t, path, expr, known, owner)
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if known[key] == nil {
			wrong = append(wrong, fmt.Sprintf("line %d: unknown key %s", n.Content[i].Line, key))
			continue
		}
		wrong = append(wrong, s.compare(t, n.Content[i+1], owner[key], known[key])...)
	}
	return wrong
}

// collect adds the fields of a struct and of the structs that it embeds.
func (s *structs) collect(t *testing.T, path string, expr *ast.StructType, known map[string]ast.Expr, owner map[string]string) {
	t.Helper()
	for _, field := range expr.Fields.List {
		name := ""
		if field.Tag != nil {
			name = reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get(s.tag)
		}
		name, options, _ := strings.Cut(name, ",")
		if name == "" && (strings.Contains(options, "inline") || len(field.Names) == 0) {
			s.embed(t, path, field.Type, known, owner)
			continue
		}
		known[name], owner[name] = field.Type, path
	}
}

func (s *structs) embed(t *testing.T, path string, expr ast.Expr, known map[string]ast.Expr, owner map[string]string) {
	t.Helper()
	name := fmt.Sprint(expr)
	if selector, ok := expr.(*ast.SelectorExpr); ok {
		path, name = s.load(t, path).imports[fmt.Sprint(selector.X)], selector.Sel.Name
	}
	if pkg := s.load(t, path); pkg != nil {
		if inner, ok := pkg.types[name].(*ast.StructType); ok {
			s.collect(t, path, inner, known, owner)
		}
	}
}

// TestStructs checks that the comparison finds mistakes.
func TestStructs(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "types.go"), "package types\n\n"+
		"type Base struct { Name string `json:\"name\"` }\n"+
		"type Any struct{}\nfunc (*Any) UnmarshalJSON([]byte) error { return nil }\n"+
		"type Pod struct {\n\tBase `json:\",inline\"`\n\tList []Base `json:\"list\"`\n\tOn *bool `json:\"on\"`\n\tSizes map[string]int `json:\"sizes\"`\n\tFree Any `json:\"free\"`\n}\n")
	tests := []struct{ yaml, want string }{
		{"name: a", ""},
		{"name: a\nlist: [{name: b}]\non: true\nsizes: {a: 1}\nfree: [anything]", ""},
		{"nam: a", "line 1: unknown key nam"},
		{"list: {name: b}", "line 1: want a list"},
		{"list: [{nam: b}]", "line 1: unknown key nam"},
		{"on: yes please", "line 1: want a bool"},
		{"name: a\nsizes: {a: b}", "line 2: want a int"},
		{"sizes: [1]", "line 1: want a map"},
		{"[name]", "line 1: want a block of keys"},
	}
	for _, tc := range tests {
		s := &structs{tag: "json", folders: map[string]string{"types": dir}, packages: make(map[string]*source)}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(tc.yaml), &doc); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.check(t, doc.Content[0], "types", "Pod"), "\n"); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.yaml, got, tc.want)
		}
	}
}
