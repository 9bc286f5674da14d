package importer

import (
	"regexp"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// cond is a condition on a request: a matcher of Caddy, or an expression.
type cond struct {
	matcher string
	key     string     // a field or a parameter; conditions with one key are alternatives
	lines   [][]string // the words after the matcher; several lines are alternatives
	expr    string     // if matcher is "expression"

	path pathShape // what the condition says about the path, if that is known
}

// conds must all hold.
type conds []cond

// pathShape is what is known about the path: its text, or its beginning.
type pathShape struct{ exact, prefix string }

// op is how a text is compared.
type op int

const (
	equal op = iota
	prefix
	suffix
	contains
	whole  // a pattern that matches the whole text
	search // a pattern that is found in the text
	exists
)

// test is a comparison of a text.
type test struct {
	op   op
	text string
	fold bool // ignore case
	not  bool // the value must be there, and must not match
}

// one returns a condition of one line.
func one(matcher, key string, words ...string) cond {
	return cond{matcher: matcher, key: key, lines: [][]string{words}}
}

// expression returns an expression as a condition.
func expression(expr string) cond { return cond{matcher: "expression", expr: expr} }

// methods returns a condition on the method, which a value has.
func methods(v value, all ...string) cond {
	for _, method := range all {
		if !httpguts.ValidHeaderFieldName(method) { // field names and methods are both tokens
			v.cannot("%s is not a method", quoted(method))
		}
	}
	return one("method", "", all...)
}

// negated returns the opposite of a condition.
func negated(c cond) cond {
	if c.matcher == "expression" {
		return expression("!(" + c.expr + ")")
	}
	if c.matcher == "not" && c.lines[0][0] != "not" {
		return cond{matcher: c.lines[0][0], key: c.key, lines: [][]string{c.lines[0][1:]}}
	}
	n := cond{matcher: "not", key: c.matcher + " " + c.key + " " + strings.Join(c.lines[0], " ")}
	for _, words := range c.lines { // none of them matches
		n.lines = append(n.lines, append([]string{c.matcher}, words...))
	}
	return n
}

// plainPath matches a path that means itself in Caddy's path matcher.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9/._~:@!$&'()+,;=-]*$`)

// pathCond returns conditions on the path.
func pathCond(v value, t test) conds {
	shape := pathShape{}
	plain := plainPath.MatchString(t.text) && !strings.Contains(t.text, "//") && !strings.Contains(t.text, "/.") && !strings.Contains(t.text, "{$")
	var c cond
	switch {
	case t.op == equal && plain:
		c, shape.exact = one("path", "", t.text), t.text
	case t.op == prefix && plain:
		c, shape.prefix = one("path", "", t.text+"*"), t.text
	case t.op == whole || t.op == search:
		pattern, ok := patternOf(v, t)
		if !ok {
			return nil
		}
		c = one("path_regexp", "", pattern)
		if t.op == whole {
			shape.prefix, _ = regexp.MustCompile(t.text).LiteralPrefix()
		}
	default:
		return exprCond(v, "{http.request.uri.path}", t)
	}
	if t.not {
		return conds{negated(c)}
	}
	c.path = shape
	return conds{c}
}

// pathElements returns a condition on the beginning of the path, by elements.
func pathElements(v value, text string) conds {
	text = strings.TrimRight(text, "/")
	if text == "" {
		return nil
	}
	cs := pathCond(v, test{op: equal, text: text})
	if len(cs) != 1 || cs[0].matcher != "path" {
		return pathCond(v, test{op: whole, text: regexp.QuoteMeta(text) + "(/.*)?"})
	}
	cs[0].lines[0] = []string{text, text + "/*"}
	cs[0].path = pathShape{prefix: text}
	return cs
}

var fieldName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*.^_`|~][A-Za-z0-9!#$%&'*+.^_`|~-]*$")

// headerCond returns conditions on a header field.
func headerCond(v value, name string, t test) conds {
	if !fieldName.MatchString(name) || strings.HasPrefix(name, "!") {
		v.cannot("%s is not the name of a header field", quoted(name))
		return nil
	}
	name = canonical(name)
	if name == "Host" {
		return exprCond(v, "{http.request.hostport}", t)
	}
	if t.op == exists {
		if t.not {
			return conds{one("header", name, "!"+name)}
		}
		return conds{one("header", name, name, "*")}
	}
	c, ok := headerMatcher(v, name, t)
	if !ok || !t.not {
		return c
	}
	// a field that is absent does not match in the sources either
	return append(conds{one("header", name, name, "*")}, negated(c[0]))
}

func headerMatcher(v value, name string, t test) (conds, bool) {
	starred := strings.Contains(t.text, "*") || strings.Contains(t.text, "{") || t.text == ""
	switch {
	case t.op == whole || t.op == search:
		pattern, ok := patternOf(v, t)
		return conds{one("header_regexp", name, name, pattern)}, ok
	case t.fold:
		t.not = false
		return exprCond(v, "{http.request.header."+name+"}", t), true
	case starred:
		return conds{one("header_regexp", name, name, literalPattern(t))}, survivesPattern(v, literalPattern(t))
	}
	word := map[op]string{equal: t.text, prefix: t.text + "*", suffix: "*" + t.text, contains: "*" + t.text + "*"}[t.op]
	return conds{one("header", name, name, word)}, true
}

// literalPattern returns a pattern for a comparison without one.
func literalPattern(t test) string {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(t.text), `\{`, `\x7b`)
	if t.op == equal || t.op == prefix {
		pattern = "^" + pattern
	}
	if t.op == equal || t.op == suffix {
		pattern += "$"
	}
	return pattern
}

// patternOf returns the pattern of a test, and whether Caddy has such patterns.
func patternOf(v value, t test) (string, bool) {
	pattern := t.text
	switch {
	case t.op == whole && strings.Contains(pattern, "|"):
		pattern = "^(?:" + pattern + ")$"
	case t.op == whole:
		pattern = "^" + pattern + "$"
	}
	if t.fold {
		pattern = "(?i)" + pattern
	}
	if _, err := regexp.Compile(pattern); err != nil {
		v.cannot("the pattern %s uses what patterns in Go do not have", quoted(t.text))
		return pattern, false
	}
	return pattern, survivesPattern(v, pattern)
}

func survivesPattern(v value, pattern string) bool {
	if survives(pattern) {
		return true
	}
	v.cannot("a Caddyfile cannot contain the pattern %s", quoted(pattern))
	return false
}

// queryCond returns conditions on a parameter of the query.
func queryCond(v value, name string, t test) conds {
	plain := func(s string) bool { return s != "" && !strings.ContainsAny(s, "{}=\\") }
	subject := "{http.request.uri.query." + name + "}"
	if !plain(name) || !placeholderKey.MatchString(name) {
		v.cannot("a Caddyfile cannot contain the parameter %s", quoted(name))
		return nil
	}
	present := one("query", name, name+"=*")
	switch {
	case t.op == exists && t.not:
		return conds{negated(present)}
	case t.op == exists:
		return conds{present}
	case t.op == equal && !t.fold && t.text != "*" && plain(t.text):
		c := one("query", name, name+"="+t.text)
		if t.not {
			return conds{present, negated(c)}
		}
		return conds{c}
	default:
		return append(conds{present}, exprCond(v, subject, t)...)
	}
}

var placeholderKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// cookieCond returns conditions on a cookie.
func cookieCond(v value, name string, t test) conds {
	if !placeholderKey.MatchString(name) {
		v.cannot("a Caddyfile cannot contain the cookie %s", quoted(name))
		return nil
	}
	subject := "{http.request.cookie." + name + "}"
	if t.op == exists {
		if t.not {
			return conds{expression(subject + ` == ""`)}
		}
		return conds{expression(subject + ` != ""`)}
	}
	return exprCond(v, subject, t)
}

// canonical returns the name of a header field as Caddy's pages write it.
func canonical(name string) string {
	parts := strings.Split(strings.ToLower(name), "-")
	for i, part := range parts {
		if part != "" {
			parts[i] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "-")
}
