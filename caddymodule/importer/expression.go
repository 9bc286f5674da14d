package importer

import "strings"

// exprCond returns a condition on a placeholder as an expression.
func exprCond(v value, subject string, t test) conds {
	if t.not {
		t.not = false
		c := exprCond(v, subject, t)
		if len(c) == 0 {
			return nil
		}
		return conds{expression(subject + ` != "" && !(` + c[0].expr + ")")}
	}
	text := t.text
	left := subject
	if t.fold {
		left, text = subject+".lowerAscii()", lowerASCII(text)
	}
	var expr string
	switch t.op {
	case prefix:
		expr = left + ".startsWith(" + literal(text) + ")"
	case suffix:
		expr = left + ".endsWith(" + literal(text) + ")"
	case contains:
		expr = left + ".contains(" + literal(text) + ")"
	case whole, search:
		pattern, ok := patternOf(v, t)
		if !ok {
			return nil
		}
		expr = subject + ".matches(" + literal(pattern) + ")"
	case exists:
		expr = subject + ` != ""`
	default:
		expr = left + " == " + literal(text)
	}
	mayBeAbsent := strings.HasPrefix(subject, "{http.request.header.") || strings.HasPrefix(subject, "{http.request.cookie.")
	if mayBeAbsent && t.op != exists && matchesEmpty(t) {
		expr = subject + ` != "" && ` + expr // an absent one is empty as well
	}
	if !survives(expr) {
		v.cannot("a Caddyfile cannot contain the value %s", quoted(t.text))
		return nil
	}
	return conds{expression(expr)}
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// literal returns a text as a literal of an expression. An opening brace is escaped,
// because Caddy takes {name} for a placeholder even there.
func literal(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			b.WriteString(`\` + string(r))
		case '{':
			b.WriteString(`\u007b`)
		case '`':
			b.WriteString(`\u0060`)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}
