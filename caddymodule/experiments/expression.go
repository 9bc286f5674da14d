package experiments

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/ext"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// celLanguage is CEL as Caddy's expression matcher configures it, without the functions
// of the matchers.
type celLanguage struct {
	parser *cel.Env // expands no macros: the tree is what is written
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

// Caddy turns placeholders in an expression into calls before it parses the expression.
// It also does so inside string literals, which may therefore end where they do not
// seem to.
var (
	celPlaceholder = regexp.MustCompile(`([^\\]|^){([a-zA-Z][\w.-]+)}`)
	celEscaped     = regexp.MustCompile(`\\{([a-zA-Z][\w.-]+)}`)
)

// marker distinguishes the calls that Caddy makes from calls in the source. No
// placeholder has it in its name.
const marker = ":"

// rewrite replaces placeholders as Caddy does, with mark before each name.
func rewrite(expression, mark string) string {
	expression = celPlaceholder.ReplaceAllString(expression, `${1}`+caddyhttp.CELPlaceholderFuncName+`(req, "`+mark+`${2}")`)
	return celEscaped.ReplaceAllString(expression, `{${1}}`)
}

// expression checks an expression matcher. Caddy's replacer can only be reached through
// the variable req, which only placeholder calls and matcher functions use. Matcher
// functions expand placeholders in their arguments. The arguments must therefore be
// literals, not values of the request, which would be expanded twice.
func (c *matcherCheck) expression(field string, raw json.RawMessage) error {
	text, err := rules.ExpressionText(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if len(text) > maxExpression {
		return fmt.Errorf("%s: the expression has %d bytes; experiments allow %d; split it into several matcher sets", field, len(text), maxExpression)
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

// celWalk walks the tree of an expression.
type celWalk struct {
	*matcherCheck
	field string
	known func(function string) bool
}

// scope describes the calls around an expression.
type scope struct {
	grower string // a call whose cost multiplies the cost of its arguments, "" for none
	loop   bool   // evaluated once for each part of a value
	looped bool   // the value may come from the request
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
			return w.refuse("'req' is reserved by Caddy; write a placeholder instead, such as {http.request.uri.path}")
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
	return w.refuse("bad expression: an element is empty")
}

// entries returns the keys and values of a map.
func entries(m ast.MapExpr) (both []ast.Expr) {
	for _, entry := range m.Entries() {
		both = append(both, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
	}
	return both
}

// call checks a function call.
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
		return w.refuse("'%s' is not a function of CEL or a matcher of Caddy", name)
	}
	within, err := w.bound(name, call, in)
	if err != nil {
		return err
	}
	if call.IsMemberFunction() {
		outside := in // the operand of a loop is evaluated once
		if !loops[name] {
			outside.grower = within.grower
		}
		if err := w.expr(call.Target(), outside); err != nil {
			return err
		}
	}
	return w.all(args, within)
}

// functionName returns the name of a function with its namespace, such as math.abs.
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

// placeholder checks a call that Caddy makes from a placeholder.
func (w *celWalk) placeholder(args []ast.Expr, in scope) error {
	name := ""
	if len(args) == 2 {
		name, _ = literal(args[1])
	}
	name, written := strings.CutPrefix(name, marker)
	switch {
	case !written:
		return w.refuse("%s() is reserved by Caddy; write the placeholder instead, such as {http.request.uri.path}", caddyhttp.CELPlaceholderFuncName)
	case in.looped:
		return w.refuse("{%s} would be evaluated for each part of another request value; compare the parts with literals", name)
	}
	return checkPlaceholders(w.field, "{"+name+"}")
}

// matcherCall checks a call of a matcher function.
func (w *celWalk) matcherCall(name string, args []ast.Expr, in scope) error {
	if known := caddyMatchers[name]; known.refused {
		return w.refuse("%s(): %s", name, known.why)
	}
	if in.loop {
		return w.refuse("%s() would run for each element of %s(); call it once, outside", name, in.grower)
	}
	var texts []string
	for _, arg := range args {
		if err := w.argument(name, arg, &texts); err != nil {
			return err
		}
	}
	last := len(texts) - 1
	switch {
	case last < 0:
		return nil // Caddy reports what is missing
	case name == "path_regexp", name == "header_regexp", name == "vars_regexp":
		return w.pattern(w.field+": "+name+"()", texts[last])
	case name == "url_pattern":
		texts = texts[last:]
	case name != "json_body":
		return nil
	}
	for _, text := range texts {
		if err := w.count(w.field+": "+name+"()", text); err != nil {
			return err
		}
	}
	return nil
}

// argument checks an argument of a matcher function: a string literal, or a list or map
// of them. It appends them to texts.
func (w *celWalk) argument(function string, arg ast.Expr, texts *[]string) error {
	var parts []ast.Expr
	text, isText := literal(arg)
	switch {
	case isText:
		*texts = append(*texts, text)
		return checkPlaceholders(w.field+": "+function+"()", text)
	case arg.Kind() == ast.ListKind:
		parts = arg.AsList().Elements()
	case arg.Kind() == ast.MapKind:
		parts = entries(arg.AsMap())
	default:
		return w.refuse("an argument of %s() is not a single string literal, so Caddy would expand placeholders twice; compare with ==, in, contains() or matches() instead, such as {http.request.host} == {http.request.header.X}", function)
	}
	for _, part := range parts {
		if err := w.argument(function, part, texts); err != nil {
			return err
		}
	}
	return nil
}

// literal returns the value of a string literal.
func literal(e ast.Expr) (text string, ok bool) {
	if e.Kind() == ast.LiteralKind {
		text, ok = e.AsLiteral().Value().(string)
	}
	return text, ok
}
