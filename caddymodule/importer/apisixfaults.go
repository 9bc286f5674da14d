package importer

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// apisixDelay returns the rule of a delay, or nil.
func (in *input) apisixDelay(v value) *rule {
	if !v.is() {
		return nil
	}
	v.known("duration", "percentage", "vars")
	r := newRule(v)
	d := v.get("duration").scaled(time.Second)
	if d > 0 {
		r.fault("delay", span(d))
	}
	if !in.apisixShare(r, v) || d == 0 && len(in.problems) == 0 {
		return nil
	}
	in.give(r)
	return r
}

// apisixShare reads the percentage and the conditions of a fault. It reports whether the
// fault can ever happen.
func (in *input) apisixShare(r *rule, v value) bool {
	if percentage := v.get("percentage"); percentage.is() {
		r.share = share(percentage, percentage.num())
	}
	vars := v.get("vars")
	if !vars.is() {
		return true
	}
	alternatives := vars.each()
	if len(alternatives) == 0 {
		vars.note(Skipped, "an empty list of vars never matches in APISIX")
		return false
	}
	for _, each := range alternatives {
		r.sets = append(r.sets, apisixVars(each)...)
	}
	return true
}

// apisixAbort returns the rule of an abort, or nil.
func (in *input) apisixAbort(v value) *rule {
	if !v.is() {
		return nil
	}
	v.known("http_status", "body", "headers", "percentage", "vars")
	r := newRule(v)
	reply := &reply{at: v, status: statusOf(v.get("http_status"), 0)}
	switch b := v.get("body"); {
	case b.is():
		reply.body = nginxText(b, b.str())
	case reply.status < 400:
		reply.body = literalBody("")
	default:
		reply.catalog = true
		v.note(Approximate, "without a body, APISIX sends a page of nginx; the body here is that of the catalog")
	}
	if !v.get("http_status").is() {
		v.cannot("an abort needs a http_status")
	}
	apisixFields(reply, v.get("headers"))
	r.faults = []line{reply.line()}
	if !in.apisixShare(r, v) {
		in.problems = nil
		return nil
	}
	in.give(r)
	return r
}

// apisixFields adds header fields to a reply.
func apisixFields(r *reply, v value) {
	for _, h := range v.members() {
		text, _ := nginxText(h, h.str()).text()
		if text == escapeBraces(h.str()) {
			r.add(h.name, h.str())
		} else {
			r.fields = append(r.fields, field{name: h.name, value: text, raw: true})
		}
	}
}

// nginxVariable matches a variable in a text.
var nginxVariable = regexp.MustCompile(`\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{[^}]*\})`)

// nginxText returns a text with variables of nginx with our placeholders.
func nginxText(v value, s string) body {
	var b body
	end := 0
	for _, at := range nginxVariable.FindAllStringSubmatchIndex(s, -1) {
		name := strings.Trim(s[at[0]+1:at[1]], "{} ")
		subject := nginxSubject(name)
		if subject == "" {
			v.note(Approximate, "the variable %s is sent as it is written", quoted(s[at[0]:at[1]]))
			continue
		}
		b.parts = append(b.parts, bodyPart{literal: s[end:at[0]]}, bodyPart{placeholder: strings.Trim(subject, "{}")})
		end = at[1]
	}
	b.parts = append(b.parts, bodyPart{literal: s[end:]})
	return b
}

// apisixRewrite returns the rule of a response-rewrite.
func (in *input) apisixRewrite(v value) *rule {
	v.known("status_code", "body", "body_base64", "headers", "vars", "filters", "_meta")
	r := newRule(v)
	reply := &reply{at: v, body: literalBody("")}
	hasBody := v.get("body").is()
	if hasBody && v.get("body_base64").truth(false) {
		reply.body = bytesBody(decodeBase64(v.get("body")))
	} else if hasBody {
		reply.body = nginxText(v.get("body"), v.get("body").str())
	}
	if headers := v.get("headers"); headers.has("set") || headers.has("add") || headers.has("remove") {
		headers.known("set", "add", "remove")
		apisixFields(reply, headers.get("set"))
		for _, each := range headers.get("add").texts() {
			name, text, _ := strings.Cut(each, ":")
			reply.fields = append(reply.fields, field{name: strings.TrimSpace(name), value: strings.TrimSpace(text), add: true})
		}
		for _, name := range headers.get("remove").texts() {
			reply.fields = append(reply.fields, field{name: name, remove: true})
		}
	} else {
		apisixFields(reply, headers)
	}
	status := 0
	if code := v.get("status_code"); code.is() {
		status = statusOf(code, 0)
	}
	if filters := v.get("filters"); filters.is() {
		filters.note(LeftOut, "filters of the body: write patch with replace")
	}
	r.faults = []line{patchLine(reply, status, hasBody)}
	if len(r.faults[0].block) == 0 {
		return nil
	}
	if vars := v.get("vars"); vars.is() {
		r.sets = apisixVars(vars)
	}
	in.give(r)
	return r
}

// patchLine returns a reply as a change of the upstream's reply.
func patchLine(r *reply, status int, hasBody bool) line {
	block := []line{}
	if status != 0 {
		if status == 204 || status == 205 || status == 304 {
			r.at.cannot("patch cannot make a reply one of status %d", status)
		}
		block = append(block, said("status", strconv.Itoa(status)))
	}
	bodyLine, contentType := r.bodyLine()
	if hasBody && bodyLine.words[0] != "body" {
		r.at.cannot("patch cannot send this body")
	}
	if hasBody {
		block = append(block, bodyLine)
	}
	if contentType != "" {
		block = append(block, said("content_type", contentType))
	}
	return line{words: []string{"patch"}, block: append(block, r.fieldLines()...)}
}
