package importer

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// apisixVars returns the alternatives of an expression of lua-resty-expr.
func apisixVars(v value) []conds {
	items := v.each()
	if len(items) == 0 {
		return []conds{nil}
	}
	switch first := items[0]; {
	case first.kind == text && (first.text == "AND" || first.text == "OR"):
		return combined(v, first.text, items[1:])
	case first.kind == text && strings.HasPrefix(first.text, "!"):
		first.cannot("no matcher knows %s", first.text)
		return []conds{nil}
	case first.kind == text:
		return apisixVar(v, items)
	default:
		return combined(v, "AND", items)
	}
}

// combined returns the alternatives of several expressions.
func combined(v value, operator string, items []value) []conds {
	all := []conds{nil}
	if operator == "OR" {
		all = nil
	}
	for _, item := range items {
		if item.kind != list {
			item.cannot("want a condition such as [\"arg_x\", \"==\", \"1\"]")
			return []conds{nil}
		}
		if operator == "OR" {
			all = append(all, apisixVars(item)...)
		} else {
			all = product(v, all, apisixVars(item))
		}
	}
	return all
}

// apisixVar returns the alternatives of one condition.
func apisixVar(v value, items []value) []conds {
	not := false
	if len(items) == 4 && items[1].str() == "!" {
		not = true
		items = append(items[:1:1], items[2:]...)
	}
	if len(items) != 3 {
		v.cannot("want a condition such as [\"arg_x\", \"==\", \"1\"]")
		return []conds{nil}
	}
	name, operator, with := items[0], items[1].str(), items[2]
	if operator == "~=" {
		not, operator = !not, "=="
	}
	cs := apisixComparison(name, operator, with)
	switch {
	case !not:
		return cs
	case len(cs) == 1 && len(cs[0]) == 1:
		return []conds{{negated(cs[0][0])}}
	default:
		var all conds // none of the alternatives
		for _, c := range cs {
			if len(c) != 1 {
				v.cannot("no matcher knows the opposite of this condition")
				return []conds{nil}
			}
			all = append(all, negated(c[0]))
		}
		return []conds{all}
	}
}

// apisixComparison returns the alternatives of a comparison.
func apisixComparison(name value, operator string, with value) []conds {
	switch operator {
	case "==":
		if with.kind == null {
			return []conds{nginxCond(name, test{op: exists, not: true})}
		}
		return []conds{nginxCond(name, test{text: with.str()})}
	case "~~":
		return []conds{nginxCond(name, test{op: search, text: with.str()})}
	case "~*":
		return []conds{nginxCond(name, test{op: search, fold: true, text: with.str()})}
	case ">", "<", ">=", "<=":
		subject, n := nginxSubject(name.str()), with.num()
		if subject == "" || n != math.Trunc(n) || math.Abs(n) > 1e15 {
			name.cannot("no matcher knows the variable %s and this number", quoted(name.str()))
			return []conds{nil}
		}
		return []conds{{expression(numberTest(subject, operator+" "+strconv.FormatInt(int64(n), 10)))}}
	case "in":
		var all []conds
		for _, each := range with.texts() {
			all = append(all, nginxCond(name, test{text: each}))
		}
		if len(all) == 0 {
			with.cannot("an empty list matches nothing")
		}
		return all
	case "ipmatch":
		return []conds{ipCond(name, with)}
	default:
		name.cannot("no matcher knows the operator %s", quoted(operator))
		return []conds{nil}
	}
}

// ipCond returns the condition on the address of the client.
func ipCond(name, with value) conds {
	if name.str() != "remote_addr" {
		name.cannot("no matcher compares %s with addresses", quoted(name.str()))
		return nil
	}
	for _, each := range with.texts() {
		_, errPrefix := netip.ParsePrefix(each)
		if _, err := netip.ParseAddr(each); err != nil && errPrefix != nil {
			with.cannot("%s is not an address", quoted(each))
			return nil
		}
	}
	return conds{one("remote_ip", "", with.texts()...)}
}

// nginxSubjects are variables of nginx as placeholders.
var nginxSubjects = map[string]string{
	"uri": "{http.request.uri.path}", "request_uri": "{http.request.uri}", "request_method": "{http.request.method}",
	"host": "{http.request.host}", "remote_addr": "{http.request.remote.host}", "scheme": "{http.request.scheme}",
	"args": "{http.request.uri.query}", "query_string": "{http.request.uri.query}", "server_port": "{http.request.port}",
}

// nginxGroups are the variables of nginx with a name in them.
var nginxGroups = []struct{ prefix, placeholder string }{
	{"arg_", "http.request.uri.query."}, {"cookie_", "http.request.cookie."}, {"http_", "http.request.header."},
}

// nginxSubject returns a variable of nginx as a placeholder, or "".
func nginxSubject(name string) string {
	for _, group := range nginxGroups {
		rest, ok := strings.CutPrefix(name, group.prefix)
		if !ok || !placeholderKey.MatchString(rest) {
			continue
		}
		if group.prefix == "http_" {
			rest = canonical(strings.ReplaceAll(rest, "_", "-"))
		}
		return "{" + group.placeholder + rest + "}"
	}
	return nginxSubjects[name]
}

// nginxCond returns the conditions on a variable of nginx.
func nginxCond(v value, t test) conds {
	name := v.str()
	if rest, ok := strings.CutPrefix(name, "arg_"); ok {
		return queryCond(v, rest, t)
	}
	if rest, ok := strings.CutPrefix(name, "cookie_"); ok {
		return cookieCond(v, rest, t)
	}
	if rest, ok := strings.CutPrefix(name, "http_"); ok && rest != "host" {
		return headerCond(v, strings.ReplaceAll(rest, "_", "-"), t)
	}
	subject := nginxSubject(name)
	switch {
	case subject == "":
		v.cannot("no matcher knows the variable %s", quoted(name))
		return nil
	case name == "server_port":
		v.cannot("no matcher compares the port as a text")
		return nil
	case name == "request_method":
		return methodCond(v, t)
	case name == "uri":
		return pathCond(v, t)
	default:
		return exprCond(v, subject, t)
	}
}
