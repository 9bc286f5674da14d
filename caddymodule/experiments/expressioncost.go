package experiments

import "cel.dev/cel-go/common/ast"

// loops are the macros that evaluate their arguments for each part of a value and do
// not enlarge the parts.
var loops = map[string]bool{"all": true, "exists": true, "exists_one": true, "existsOne": true, "filter": true, "sortBy": true}

// growers are the functions whose result can be longer than their arguments by a
// factor. Nested calls multiply the factors.
var growers = map[string]bool{"cel.bind": true, "flatten": true, "format": true, "join": true, "map": true, "replace": true, "strings.quote": true}

// unbounded are the functions that cost more than the length of their arguments, with
// the text that says what to write instead.
var unbounded = map[string]string{
	"distinct":    "compare the parts with literals",
	"lists.range": "write the list out",
}

// bound returns an error for a call that is too expensive, or the scope of its
// arguments.
func (w *celWalk) bound(name string, call ast.CallExpr, in scope) (scope, error) {
	if instead, ok := unbounded[name]; ok {
		return in, w.refuse("the cost of %s() has no bound; %s", name, instead)
	}
	if err := w.search(name, call.Args(), in); err != nil {
		return in, err
	}
	isLoop := loops[name] && call.IsMemberFunction()
	if !isLoop && (!growers[name] || shortens(name, call.Args())) {
		return in, nil
	}
	if in.grower != "" {
		return in, w.refuse("%s() inside %s() is too expensive; use only one of them, or several matchers", name, in.grower)
	}
	in.grower = name
	if isLoop || name == "map" {
		in.loop, in.looped = true, in.looped || !writtenOut(call.Target())
	}
	return in, nil
}

// search checks a function whose cost is the product of the lengths of a text and a
// pattern. A client must not choose both.
func (w *celWalk) search(name string, args []ast.Expr, in scope) error {
	var sought ast.Expr
	switch {
	case len(args) == 0:
		return nil
	case name == "matches":
		sought = args[len(args)-1] // matches(text, pattern) is text.matches(pattern)
	case name == "indexOf" || name == "lastIndexOf":
		sought = args[0]
	default:
		return nil
	}
	text, ok := literal(sought)
	if !ok {
		return w.refuse("the pattern of %s() is not a single string literal; write it out, or use contains()", name)
	}
	switch {
	case name != "matches":
		return nil
	case in.loop:
		return w.refuse("matches() would run for each element of %s(); call it once, outside", in.grower)
	}
	return w.pattern(w.field+": matches()", text)
}

// writtenOut reports whether the source determines the length of a list or map.
func writtenOut(e ast.Expr) bool { return e.Kind() == ast.ListKind || e.Kind() == ast.MapKind }

// shortens reports whether a call of replace cannot lengthen a text.
func shortens(name string, args []ast.Expr) bool {
	if name != "replace" || len(args) < 2 {
		return false
	}
	before, isText := literal(args[0])
	after, isTextToo := literal(args[1])
	return isText && isTextToo && before != "" && len(after) <= len(before)
}
