package importer

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// stubConditions returns the conditions of a request of WireMock.
func stubConditions(v value) conds {
	v.known("method", "url", "urlPath", "urlPattern", "urlPathPattern", "urlPathTemplate", "headers", "queryParameters",
		"cookies", "basicAuthCredentials", "basicAuth", "host", "port", "scheme", "bodyPatterns")
	var all conds
	if method := v.get("method").str(); method != "" && method != "ANY" {
		all = append(all, methods(v.get("method"), method))
	}
	all = append(all, stubURL(v)...)
	for _, h := range v.get("headers").members() {
		all = append(all, stubValue(h, func(t test) conds { return headerCond(h, h.name, t) })...)
	}
	for _, q := range v.get("queryParameters").members() {
		all = append(all, stubValue(q, func(t test) conds { return queryCond(q, q.name, t) })...)
	}
	for _, c := range v.get("cookies").members() {
		all = append(all, stubValue(c, func(t test) conds { return cookieCond(c, c.name, t) })...)
	}
	auth := v.get("basicAuthCredentials")
	if !auth.is() {
		auth = v.get("basicAuth")
	}
	if auth.is() {
		credentials := auth.get("username").str() + ":" + auth.get("password").str()
		all = append(all, headerCond(auth, "Authorization", test{text: "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))})...)
	}
	if host := v.get("host"); host.is() {
		all = append(all, stubValue(host, func(t test) conds { return exprCond(host, "{http.request.host}", t) })...)
	}
	if port := v.get("port"); port.is() {
		all = append(all, expression("{http.request.port} == "+strconv.Itoa(port.whole())))
	}
	if scheme := v.get("scheme"); scheme.is() {
		all = append(all, exprCond(scheme, "{http.request.scheme}", test{text: strings.ToLower(scheme.str())})...)
	}
	for _, pattern := range v.get("bodyPatterns").each() {
		all = append(all, stubBody(pattern)...)
	}
	for _, name := range []string{"customMatcher", "multipartPatterns", "formParameters", "pathParameters", "clientIp"} {
		if found := v.get(name); found.is() {
			found.cannot("no matcher knows %s", name)
		}
	}
	return all
}

// stubURL returns the conditions on the URL.
func stubURL(v value) conds {
	var all conds
	const uri = "{http.request.uri}"
	if url := v.get("url"); url.is() {
		cs := exprCond(url, uri, test{text: url.str()})
		for i := range cs {
			path, _, _ := strings.Cut(url.str(), "?")
			cs[i].path.exact = path
		}
		all = append(all, cs...)
	}
	if path := v.get("urlPath"); path.is() {
		all = append(all, pathCond(path, test{text: path.str()})...)
	}
	if pattern := v.get("urlPattern"); pattern.is() && javaPattern(pattern) {
		all = append(all, exprCond(pattern, uri, test{op: whole, text: pattern.str()})...)
	}
	if pattern := v.get("urlPathPattern"); pattern.is() && javaPattern(pattern) {
		all = append(all, pathCond(pattern, test{op: whole, text: pattern.str()})...)
	}
	if template := v.get("urlPathTemplate"); template.is() {
		all = append(all, pathCond(template, test{op: whole, text: templatePattern(template.str())})...)
	}
	return all
}

var templateName = regexp.MustCompile(`\\\{[^/{}]*\\\}`)

// templatePattern returns the pattern of a template such as /users/{id}.
func templatePattern(template string) string {
	return templateName.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+")
}

// javaPattern reports whether a pattern means the same in Java and in Go. It adds a
// problem otherwise.
func javaPattern(v value) bool {
	if inClass := false; true {
		text := v.str()
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case c == '\\':
				i++
			case inClass && (c == '[' || c == '&' && strings.HasPrefix(text[i:], "&&")):
				v.cannot("the pattern %s has a class within a class", quoted(text))
				return false
			case c == '[':
				inClass = true
			case c == ']':
				inClass = false
			}
		}
	}
	return true
}

// stubValue returns the conditions of a value pattern of WireMock. cond returns the
// conditions of one comparison.
func stubValue(v value, cond func(test) conds) conds {
	v.known("equalTo", "contains", "matches", "doesNotMatch", "doesNotContain", "absent", "caseInsensitive", "and")
	fold := v.get("caseInsensitive").truth(false)
	var all conds
	compared := false
	add := func(name string, t test) {
		if found := v.get(name); found.is() {
			t.text, compared = found.str(), true
			all = append(all, cond(t)...)
		}
	}
	add("equalTo", test{fold: fold})
	add("contains", test{op: contains})
	add("doesNotContain", test{op: contains, not: true})
	for _, name := range []string{"matches", "doesNotMatch"} {
		if found := v.get(name); found.is() && javaPattern(found) {
			add(name, test{op: whole, not: name == "doesNotMatch"})
		}
	}
	if absent := v.get("absent"); absent.is() {
		compared = true
		all = append(all, cond(test{op: exists, not: absent.truth(true)})...)
	}
	for _, each := range v.get("and").each() {
		compared = true
		all = append(all, stubValue(each, cond)...)
	}
	for _, m := range v.members() {
		if !isOneOf(m.name, "equalTo", "contains", "matches", "doesNotMatch", "doesNotContain", "absent", "caseInsensitive", "and") {
			m.cannot("no matcher knows %s", quoted(m.name))
			compared = true
		}
	}
	if !compared && v.is() {
		v.cannot("want a comparison such as equalTo")
	}
	return all
}

func isOneOf(s string, all ...string) bool {
	return slices.Contains(all, s)
}

// stubBody returns the conditions of a pattern on the body.
func stubBody(v value) conds {
	if path := v.get("matchesJsonPath"); path.is() {
		return stubJSONPath(path)
	}
	return stubValue(v, func(t test) conds {
		if t.op == exists {
			v.cannot("no matcher knows absent for a body")
			return nil
		}
		return exprCond(v, "{http.request.body}", t)
	})
}

// jsonPath matches a path of JSONPath that names one place.
var (
	jsonPath = regexp.MustCompile(`^\$((?:\.[A-Za-z_][A-Za-z0-9_]*|\['[^'~/{}"\\]+'\]|\[[0-9]+\])+)$`)
	jsonStep = regexp.MustCompile(`\.([A-Za-z_][A-Za-z0-9_]*)|\['([^']+)'\]|\[([0-9]+)\]`)
)

// stubJSONPath returns the conditions of matchesJsonPath, as far as json_body has them.
func stubJSONPath(v value) conds {
	path, compared := v, value{}
	if v.kind == object {
		path, compared = v.get("expression"), v
	}
	found := jsonPath.FindStringSubmatch(path.str())
	if found == nil {
		path.cannot("no matcher knows the JSONPath %s", quoted(path.str()))
		return nil
	}
	var b strings.Builder
	for _, step := range jsonStep.FindAllStringSubmatch(found[1], -1) {
		b.WriteString("/" + step[1] + step[2] + step[3])
	}
	pointer := b.String()
	v.note(Approximate, "json_body wants the Content-Type of JSON, and a body of at most 64 KiB")
	if !compared.is() {
		// a null, an empty list and an empty object do not match in WireMock
		return conds{one("json_body", pointer, pointer), negated(one("json_body", pointer, pointer, "null", "[]", "{}"))}
	}
	return jsonPathValue(compared, pointer)
}

// jsonPathValue returns the condition on a value of the body.
func jsonPathValue(v value, pointer string) conds {
	for _, m := range v.members() {
		t := m.str()
		word := map[string]string{"equalTo": t, "contains": "*" + t + "*"}[m.name]
		switch {
		case m.name == "expression":
			continue
		case word == "" || strings.ContainsAny(t, "*{") || t == "":
			m.cannot("no matcher knows %s of a value in JSON", quoted(m.name))
			return nil
		default:
			return conds{one("json_body", pointer, pointer, word)}
		}
	}
	v.cannot("want a comparison such as equalTo")
	return nil
}
