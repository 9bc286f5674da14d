package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/ext"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// celLanguage is CEL as Caddy's matcher has it, without the functions that the
// matchers add.
type celLanguage struct {
	parser *cel.Env // which expands no macro: the tree is what is written
	known  func(function string) bool
}

var loadCEL = sync.OnceValues(func() (celLanguage, error) {
	env, err := cel.NewEnv(ext.Strings(), ext.Bindings(), ext.Lists(), ext.Math())
	if err != nil {
		return celLanguage{}, err
	}
	parser, err := env.Extend(cel.ClearMacros())
	macros := env.Macros()
	return celLanguage{parser: parser, known: func(function string) bool {
		return env.HasFunction(function) || slices.ContainsFunc(macros, func(m cel.Macro) bool { return m.Function() == function })
	}}, err
})

// What Caddy makes of the placeholders in an expression, before it reads it: a
// call each, also within texts, which therefore may end where none seems to.
var (
	celPlaceholder = regexp.MustCompile(`([^\\]|^){([a-zA-Z][\w.-]+)}`)
	celEscaped     = regexp.MustCompile(`\\{([a-zA-Z][\w.-]+)}`)
)

// marker distinguishes the calls that Caddy makes from those that are written.
// No placeholder has it in its name.
const marker = ":"

// rewrite does what Caddy does, with a mark before the name of each placeholder.
func rewrite(expression, mark string) string {
	expression = celPlaceholder.ReplaceAllString(expression, `${1}`+caddyhttp.CELPlaceholderFuncName+`(req, "`+mark+`${2}")`)
	return celEscaped.ReplaceAllString(expression, `{${1}}`)
}

// expression looks at the matcher of that name. Every way to Caddy's replacer
// leads over the variable req, which only the calls for placeholders and the
// functions of the matchers have. Those functions fill in their arguments, so
// these are texts as they are written, not values of the request, which would
// be filled in a second time.
func (c *matcherCheck) expression(field string, raw json.RawMessage) error {
	text, err := expressionText(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if len(text) > maxExpression {
		return fmt.Errorf("%s: the expression has %d bytes, more than the %d of an experiment: write several sets of matchers", field, len(text), maxExpression)
	}
	if err := c.count(field, ""); err != nil {
		return err
	}
	language, err := loadCEL()
	if err != nil {
		return err
	}
	tree, issues := language.parser.Parse(rewrite(text, marker))
	if issues.Err() != nil {
		return fmt.Errorf("%s: bad expression: %s", field, issues.Errors()[0].Message)
	}
	w := celWalk{matcherCheck: c, field: field, known: language.known}
	return w.expr(tree.NativeRep().Expr(), scope{})
}

// expressionText is the expression in its short form or its long one, for which
// Caddy wants both fields.
func expressionText(raw json.RawMessage) (string, error) {
	var text *string
	if json.Unmarshal(raw, &text) == nil && text != nil {
		return *text, nil
	}
	var long map[string]any
	_ = json.Unmarshal(raw, &long)
	expr, hasExpr := long["expr"].(string)
	if _, hasName := long["name"].(string); !hasExpr || !hasName {
		return "", errors.New(`want an expression, such as "path('/a')", or {"expr": "path('/a')", "name": "a"}`)
	}
	return expr, nil
}

// celWalk walks along the tree of an expression.
type celWalk struct {
	*matcherCheck
	field string
	known func(function string) bool
}

// scope is what an expression stands in.
type scope struct {
	grower string // a call whose cost multiplies that of what it contains, "" for none
	loop   bool   // done once for each part of something
	looped bool   // which may be a value of the request
}

func (w *celWalk) refuse(format string, args ...any) error {
	return fmt.Errorf(w.field+": "+format, args...)
}

func (w *celWalk) all(list []ast.Expr, in scope) error {
	for _, e := range list {
		if err := w.expr(e, in); err != nil {
			return err
		}
	}
	return nil
}

func (w *celWalk) expr(e ast.Expr, in scope) error {
	switch e.Kind() {
	case ast.LiteralKind:
		return nil
	case ast.IdentKind:
		if strings.TrimPrefix(e.AsIdent(), ".") == caddyhttp.CELRequestVarName {
			return w.refuse("'req' is Caddy's own name: write a placeholder instead, such as {http.request.uri.path}")
		}
		return nil
	case ast.SelectKind:
		return w.expr(e.AsSelect().Operand(), in)
	case ast.CallKind:
		return w.call(e.AsCall(), in)
	case ast.ListKind:
		return w.all(e.AsList().Elements(), in)
	case ast.MapKind:
		return w.all(entries(e.AsMap()), in)
	case ast.StructKind:
		var values []ast.Expr
		for _, field := range e.AsStruct().Fields() {
			values = append(values, field.AsStructField().Value())
		}
		return w.all(values, in)
	case ast.UnspecifiedExprKind, ast.ComprehensionKind:
	}
	return w.refuse("bad expression: what stands for nothing is left out")
}

// entries are the keys and values of a map.
func entries(m ast.MapExpr) (both []ast.Expr) {
	for _, entry := range m.Entries() {
		both = append(both, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
	}
	return both
}

// call looks at the call of a function.
func (w *celWalk) call(call ast.CallExpr, in scope) error {
	name, args := functionName(call), call.Args()
	if !call.IsMemberFunction() {
		if name == caddyhttp.CELPlaceholderFuncName {
			return w.placeholder(args, in)
		}
		if _, ok := caddyMatchers[name]; ok || slices.Contains(w.named, name) {
			return w.matcherCall(name, args, in)
		}
	}
	if !w.known(name) && !w.known(call.FunctionName()) {
		return w.refuse("'%s' is neither a function of CEL nor a matcher of Caddy", name)
	}
	within, err := w.bound(name, call, in)
	if err != nil {
		return err
	}
	if call.IsMemberFunction() {
		outside := in // what a loop goes through is evaluated once
		if !loops[name] {
			outside.grower = within.grower
		}
		if err := w.expr(call.Target(), outside); err != nil {
			return err
		}
	}
	return w.all(args, within)
}

// functionName is the name of a function with its namespace, as in math.abs.
func functionName(call ast.CallExpr) string {
	name := strings.TrimPrefix(call.FunctionName(), ".")
	if call.IsMemberFunction() && call.Target().Kind() == ast.IdentKind {
		if space := strings.TrimPrefix(call.Target().AsIdent(), "."); namespaces[space] {
			return space + "." + name
		}
	}
	return name
}

var namespaces = map[string]bool{"cel": true, "lists": true, "math": true, "strings": true}

// placeholder looks at a call that Caddy makes of a placeholder.
func (w *celWalk) placeholder(args []ast.Expr, in scope) error {
	name := ""
	if len(args) == 2 {
		name, _ = literal(args[1])
	}
	name, written := strings.CutPrefix(name, marker)
	switch {
	case !written:
		return w.refuse("%s() is Caddy's own function: write the placeholder instead, such as {http.request.uri.path}", caddyhttp.CELPlaceholderFuncName)
	case in.looped:
		return w.refuse("{%s} would be read for each part of another value of the request: compare the parts with texts", name)
	}
	return checkPlaceholders(w.field, "{"+name+"}")
}

// matcherCall looks at a call of a matcher's function.
func (w *celWalk) matcherCall(name string, args []ast.Expr, in scope) error {
	if known := caddyMatchers[name]; known.refused {
		return w.refuse("%s(): %s", name, known.why)
	}
	if in.loop {
		return w.refuse("%s() would be asked again and again in %s(): ask it once, outside", name, in.grower)
	}
	last := ""
	for _, arg := range args {
		if err := w.argument(name, arg, &last); err != nil {
			return err
		}
	}
	switch name {
	case "path_regexp", "header_regexp", "vars_regexp":
		return w.pattern(w.field+": "+name+"()", last)
	case "url_pattern":
		return w.count(w.field+": url_pattern()", last)
	}
	return nil
}

// argument looks at an argument of a matcher's function: a text, or a list or map
// of them.
func (w *celWalk) argument(function string, arg ast.Expr, last *string) error {
	var parts []ast.Expr
	text, isText := literal(arg)
	switch {
	case isText:
		*last = text
		return checkPlaceholders(w.field+": "+function+"()", text)
	case arg.Kind() == ast.ListKind:
		parts = arg.AsList().Elements()
	case arg.Kind() == ast.MapKind:
		parts = entries(arg.AsMap())
	default:
		return w.refuse("an argument of %s() is not a text in one piece; Caddy would fill in placeholders a second time: compare with ==, in, contains() or matches() instead, such as {http.request.host} == {http.request.header.X}", function)
	}
	for _, part := range parts {
		if err := w.argument(function, part, last); err != nil {
			return err
		}
	}
	return nil
}

// literal is a text that stands in the expression as it is.
func literal(e ast.Expr) (text string, ok bool) {
	if e.Kind() == ast.LiteralKind {
		text, ok = e.AsLiteral().Value().(string)
	}
	return text, ok
}
