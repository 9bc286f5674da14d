package importer

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
)

// File is a file to import.
type File struct {
	Name string
	Data []byte
}

// Options say how to import.
type Options struct {
	From     string // name of a format; empty: recognize it
	Site     string // address of the site for the lines; empty: only lines
	Upstream string // address that the site forwards requests to

	// Open reads a file that a source names, relative to the source.
	Open func(source, name string) ([]byte, error)
}

// Result is what an import returns.
type Result struct {
	Caddyfile string `json:"caddyfile"`
	Notes     []Note `json:"notes"`
	Rules     int    `json:"rules"`
	Others    int    `json:"other_objects,omitempty"` // objects that are not faults
}

// ErrNothing says that the files have no fault.
var ErrNothing = errors.New("the files have no fault")

// Import turns files into lines of a Caddyfile. The result has the notes even if there
// is an error.
func Import(files []File, o Options) (Result, error) {
	var wanted *format
	if o.From != "" && o.From != "auto" {
		f, err := formatNamed(o.From)
		if err != nil {
			return Result{}, err
		}
		wanted = &f
	}
	var result Result
	var inputs []*input
	names := newNamer()
	for _, file := range files {
		read, others, err := readFile(file, wanted, o.Open)
		if err != nil {
			return Result{}, err
		}
		result.Others += others
		inputs = addInputs(inputs, read)
	}
	var parts []*part
	for i, in := range inputs {
		inputs[i], in.names = nil, names // a file is not needed any more once it is read
		parts = append(parts, in.format.read(in)...)
		result.Notes = append(result.Notes, in.taken()...)
	}
	sortNotes(files, result.Notes)
	result.Notes = slices.Compact(result.Notes)
	text, err := compose(parts, o)
	if err != nil {
		return result, err
	}
	result.Caddyfile = text
	result.Rules = countRules(parts)
	if !hasOutput(parts) {
		result.Caddyfile = ""
		return result, ErrNothing
	}
	return result, nil
}

// readFile reads a file, which may have documents of several formats. The second result
// is how many objects have no faults.
func readFile(file File, wanted *format, open func(source, name string) ([]byte, error)) (inputs []*input, others int, err error) {
	documents, err := read(file.Name, file.Data)
	if at, ok := errors.AsType[*lineError](err); ok {
		return nil, 0, fmt.Errorf("%s:%d: %w", file.Name, at.line, at.err)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", file.Name, err)
	}
	src := &source{file: file.Name}
	if open != nil {
		src.open = func(name string) ([]byte, error) { return open(file.Name, name) }
	}
	for _, group := range group(spread(documents), wanted) {
		if group.format == nil {
			if i := slices.IndexFunc(group.documents, func(d *node) bool { return !isKubernetes(d) }); i >= 0 {
				return nil, 0, fmt.Errorf("%s:%d: cannot tell the format of the file: give it with --from, one of %s", file.Name, group.documents[i].line, strings.Join(FormatNames(), ", "))
			}
			others += len(group.documents)
			continue
		}
		if err := group.format.usable(); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", file.Name, err)
		}
		in := &input{source: src, sources: []*source{src}, format: group.format}
		for _, d := range group.documents {
			in.documents = append(in.documents, value{node: d, at: d.line, src: src})
		}
		inputs = append(inputs, in)
	}
	return inputs, others, nil
}

// addInputs adds what a file has to what the files before it have.
func addInputs(all, more []*input) []*input {
	for _, in := range more {
		i := -1
		if in.format.together {
			i = slices.IndexFunc(all, func(before *input) bool { return before.format.name == in.format.name })
		}
		if i < 0 {
			all = append(all, in)
			continue
		}
		all[i].documents = append(all[i].documents, in.documents...)
		all[i].sources = append(all[i].sources, in.sources...)
	}
	return all
}

// taken takes the notes of the files, and the problems that are not of a rule.
func (in *input) taken() []Note {
	var all []Note
	for _, src := range in.sources {
		src.take()
		all = append(all, src.notes...)
		src.notes = nil
	}
	return all
}

// documentGroup is the documents of one format.
type documentGroup struct {
	format    *format // nil: of no format
	documents []*node
}

// group groups documents by their formats, in order of the first of each.
func group(documents []*node, wanted *format) []documentGroup {
	var groups []documentGroup
	for _, d := range documents {
		f := wanted
		if f == nil || isKubernetes(d) && !f.has(d) {
			f = recognize(d)
		}
		if f == nil {
			f = companion(d, groups)
		}
		i := slices.IndexFunc(groups, func(g documentGroup) bool {
			return g.format == nil && f == nil || g.format != nil && f != nil && g.format.name == f.name
		})
		if i < 0 {
			i = len(groups)
			groups = append(groups, documentGroup{format: f})
		}
		groups[i].documents = append(groups[i].documents, d)
	}
	return groups
}

// companion returns the format of a document that only has a meaning beside others.
func companion(d *node, groups []documentGroup) *format {
	if !isKind("HTTPRoute", "GRPCRoute")(d) {
		return nil
	}
	f, err := formatNamed("envoy-gateway")
	if err != nil {
		return nil
	}
	return &f
}

// spread returns the items of lists of Kubernetes beside the other documents.
func spread(documents []node) []*node {
	var all []*node
	for i := range documents {
		d := &documents[i]
		items := d.find("items")
		if items == nil || items.kind != list || !isKubernetes(d) || !strings.HasSuffix(d.textOf("kind"), "List") {
			all = append(all, d)
			continue
		}
		for j := range items.children {
			all = append(all, &items.children[j].node)
		}
	}
	return all
}

// hasOutput reports whether there is a rule, or one that is left out.
func hasOutput(parts []*part) bool {
	return slices.ContainsFunc(parts, func(p *part) bool { return len(p.points) > 0 || len(p.sites) > 0 })
}

func countRules(parts []*part) int {
	n := 0
	for _, p := range parts {
		for _, pt := range p.points {
			n += pt.count()
		}
		for _, s := range p.sites {
			for _, pt := range s.points {
				n += pt.count()
			}
		}
	}
	return n
}

// compose writes the Caddyfile.
func compose(parts []*part, o Options) (string, error) {
	bare := slices.ContainsFunc(parts, func(p *part) bool { return len(p.points) > 0 })
	sites := slices.ContainsFunc(parts, func(p *part) bool { return len(p.sites) > 0 })
	if bare && sites && o.Site == "" {
		return "", errors.New("some files have sites and others only rules: give the rules a site with --site <address>, or import the files one by one")
	}
	var inside, outside []line
	for _, p := range parts {
		if len(p.sites) > 0 || o.Site == "" {
			outside = append(outside, line{later: p.lines})
		} else {
			inside = append(inside, line{later: p.lines})
		}
	}
	if len(inside) > 0 {
		if o.Upstream != "" {
			inside = append(inside, line{}, said("reverse_proxy", o.Upstream))
		}
		outside = append([]line{{words: []string{o.Site}, block: inside}, {}}, outside...)
	}
	var p printer
	p.lines(outside, "")
	return p.text.String(), nil
}

// lines returns the lines of a part.
func (p *part) lines() []line {
	all := []line{{}}
	for _, text := range p.head {
		all = append(all, comment(text))
	}
	all = append(all, line{})
	shown := make(map[string]bool)
	for _, pt := range p.points {
		if len(pt.matcher) > 0 && pt.count() > 0 && !shown[pt.label] {
			shown[pt.label] = true
			all = append(all, line{words: []string{"@" + pt.label}, block: pt.matcher.lines()})
		}
		all = append(all, pt.lines()...)
	}
	for i, s := range p.sites {
		if i > 0 {
			all = append(all, line{})
		}
		all = append(all, s.lines()...)
	}
	if len(p.after) > 0 {
		all = append(all, line{})
	}
	for _, text := range p.after {
		all = append(all, comment(text))
	}
	return all
}

// sortNotes puts notes in the order of files and lines.
func sortNotes(files []File, notes []Note) {
	order := make(map[string]int)
	for i, f := range files {
		order[f.Name] = i
	}
	slices.SortStableFunc(notes, func(a, b Note) int {
		if a.File != b.File {
			return order[a.File] - order[b.File]
		}
		return a.Line - b.Line
	})
}

// Count returns how many notes are of a kind.
func (r *Result) Count(kind NoteKind) int {
	n := 0
	for _, note := range r.Notes {
		if note.Kind == kind {
			n++
		}
	}
	return n
}

// base returns the name of a file without its folder and its ending.
func base(file string) string {
	name := filepath.Base(file)
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// splitPort returns the host and the port of an address.
func splitPort(address string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	return host, port, err == nil && port != ""
}
