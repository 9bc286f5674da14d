package importer

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// isChaosMesh reports whether a document is an HTTPChaos, or has one.
func isChaosMesh(n *node) bool {
	if isKind("HTTPChaos")(n) {
		return true
	}
	return isKind("Workflow", "Schedule")(n) && hasDeep(n, "httpChaos")
}

// hasDeep reports whether a value has a member anywhere.
func hasDeep(n *node, name string) bool {
	for i := range n.children {
		if n.children[i].name == name || hasDeep(&n.children[i].node, name) {
			return true
		}
	}
	return false
}

// readChaosMesh returns a point for each HTTPChaos.
func readChaosMesh(in *input) []*part {
	var parts []*part
	for _, v := range in.documents {
		name := v.walk("metadata", "name").str()
		switch v.get("kind").str() {
		case "HTTPChaos":
			parts = append(parts, in.httpChaos(name, "HTTPChaos "+quoted(name), v.get("spec")))
		case "Schedule":
			parts = append(parts, in.schedule(name, v))
		default:
			for _, template := range v.walk("spec", "templates").each() {
				if spec := template.get("httpChaos"); spec.is() {
					own := template.get("name").str()
					spec.note(Elsewhere, "a Workflow runs %s at its time; here it begins at once", quoted(own))
					parts = append(parts, in.httpChaos(own, "the HTTPChaos "+quoted(own)+" of the Workflow "+quoted(name), spec))
					spec.children = nil // of a large file, both the templates and their rules are too much
				}
			}
		}
	}
	return parts
}

// schedule returns the HTTPChaos of a Schedule, which is left out.
func (in *input) schedule(name string, v value) *part {
	spec := v.walk("spec", "httpChaos")
	p := in.httpChaos(name, "Schedule "+quoted(name), spec)
	schedule := v.walk("spec", "schedule")
	if !schedule.is() {
		schedule = v
	}
	schedule.cannot("a schedule such as %s cannot be said: write cycle", quoted(schedule.textOrNone()))
	r := p.points[0].rules[0]
	r.problems = append(r.problems, in.take()...)
	return p
}

var chaosFields = []string{
	"mode", "value", "selector", "target", "port", "path", "method", "code", "request_headers", "response_headers",
	"abort", "delay", "replace", "patch", "duration", "tls", "remoteCluster",
}

// httpChaos returns the part of an HTTPChaos.
func (in *input) httpChaos(name, about string, v value) *part {
	v.known(chaosFields...)
	p := &part{head: []string{"Imported from " + in.file + ", " + about + "."}}
	p.head = append(p.head, in.pods(v)...)
	r := newRule(v)
	r.about = "HTTPChaos " + quoted(name)
	if cs := chaosConditions(v); len(cs) > 0 {
		r.sets = []conds{cs}
	}
	c := chaos{value: v, rule: r, replies: v.get("target").str() == "Response"}
	c.target()
	if d := v.get("duration"); d.is() {
		if length := d.duration(); length > 0 {
			r.set("end", span(length))
			d.note(Remark, "the duration counts from when the rule is loaded")
		}
	}
	c.actions()
	if len(r.faults) == 0 && len(in.problems) == 0 {
		v.cannot("nothing is left that a rule could do")
	}
	r.problems = in.take()
	p.points = []*point{{name: in.names.take(name), rules: []*rule{r}}}
	return p
}

// pods returns the comment about the choice of pods.
func (in *input) pods(v value) []string {
	if port := v.get("port"); port.is() {
		port.note(Elsewhere, "the port %s is that of the pods: put these lines where their requests go", clean(port.textOrNone()))
	}
	const text = "mode and selector choose pods; here every request is chosen."
	if mode := v.get("mode"); mode.is() && mode.str() != "all" {
		mode.note(Approximate, "mode %s chooses some of the pods; here every request is chosen", quoted(mode.str()))
		return []string{"Approximate: " + text}
	}
	if v.get("selector").is() {
		return []string{text}
	}
	return nil
}

// chaosConditions returns the conditions on a request.
func chaosConditions(v value) conds {
	var all conds
	if method := v.get("method"); method.is() {
		all = append(all, methods(method, strings.ToUpper(method.str())))
	}
	if path := v.get("path"); path.is() {
		all = append(all, globPath(path)...)
	}
	for _, h := range v.get("request_headers").members() {
		all = append(all, headerCond(h, h.name, test{text: h.str()})...)
	}
	return all
}

// globPath returns the condition on a path with stars.
func globPath(v value) conds {
	glob := v.str()
	short, atEnd := strings.CutSuffix(glob, "*")
	switch {
	case glob == "*" || glob == "/*":
		return nil
	case !strings.ContainsAny(glob, "*?"):
		return pathCond(v, test{text: glob})
	case atEnd && !strings.ContainsAny(short, "*?"):
		return pathCond(v, test{op: prefix, text: short})
	default:
		pattern := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(glob))
		return pathCond(v, test{op: whole, text: pattern})
	}
}

// chaos is an HTTPChaos that is being converted.
type chaos struct {
	value
	rule    *rule
	replies bool // it changes replies
}

// target sets the phase and the conditions on the reply.
func (c *chaos) target() {
	switch t := c.get("target"); {
	case c.replies:
	case t.str() == "Request":
		for _, name := range []string{"code", "response_headers"} {
			if v := c.get(name); v.is() {
				v.cannot("a request does not have %s yet", name)
			}
		}
		return
	default:
		c.cannot("target must be Request or Response")
		return
	}
	var block []line
	if code := c.get("code"); code.is() {
		block = append(block, said("status", strconv.Itoa(statusOf(code, 0))))
	}
	for _, h := range c.get("response_headers").members() {
		if !fieldName.MatchString(h.name) || strings.ContainsAny(h.str(), "*{") || h.str() == "" {
			h.cannot("match_response cannot compare the field %s", quoted(h.name))
			continue
		}
		block = append(block, said("header", canonical(h.name), h.str()))
	}
	switch len(block) {
	case 0:
		c.rule.set("phase", "response")
	case 1:
		c.rule.set(append([]string{"match_response"}, block[0].words...)...)
	default:
		c.rule.settings = append(c.rule.settings, line{words: []string{"match_response"}, block: block})
	}
}

// actions adds the faults. An abort comes first, so that nothing else happens.
func (c *chaos) actions() {
	if c.get("abort").truth(false) {
		for _, name := range []string{"delay", "replace", "patch"} {
			if v := c.get(name); v.is() {
				v.note(Remark, "%s has no effect beside abort", name)
			}
		}
		c.rule.fault("close")
		return
	}
	if delay := c.get("delay"); delay.is() {
		if d := delay.duration(); d > 0 {
			c.rule.fault("delay", span(d))
		}
	}
	replace, patch := c.get("replace"), c.get("patch")
	replace.known("path", "method", "code", "body", "queries", "headers")
	patch.known("body", "queries", "headers")
	for _, v := range []value{replace, patch} {
		for _, m := range v.members() {
			if !c.replies || isOneOf(m.name, "path", "method", "queries") {
				m.note(LeftOut, "nothing changes a request: the rule goes without %s", quoted(m.name))
			}
		}
	}
	if c.replies {
		c.reply(replace, patch)
	}
}

// reply adds the faults that change a reply.
func (c *chaos) reply(replace, patch value) {
	r := &reply{at: c.value, body: literalBody("")}
	for _, h := range replace.get("headers").members() {
		r.add(h.name, h.str())
	}
	for _, pair := range patch.get("headers").each() {
		words := pair.texts()
		if len(words) != 2 {
			pair.cannot("want a name and a value")
			continue
		}
		r.fields = append(r.fields, field{name: words[0], value: words[1], add: true})
	}
	code, hasBody := 0, replace.get("body").is()
	if v := replace.get("code"); v.is() {
		code = statusOf(v, 0)
	}
	if hasBody {
		r.body = bytesBody(decodeBase64(replace.get("body")))
	}
	merge := c.mergePatch(patch.get("body"))
	if hasBody && code != 0 && merge == "" || code == 204 || code == 205 || code == 304 {
		r.status = code
		c.rule.faults = append(c.rule.faults, r.line())
		return
	}
	l := patchLine(r, code, hasBody)
	if merge != "" && hasBody {
		patch.get("body").cannot("a body that is replaced and patched")
	} else if merge != "" {
		l.block = append([]line{said("json", merge)}, l.block...)
	}
	if len(l.block) > 0 {
		c.rule.faults = append(c.rule.faults, l)
	}
}

// mergePatch returns the patch of a body in JSON, or "".
func (c *chaos) mergePatch(v value) string {
	if !v.is() {
		return ""
	}
	v.known("type", "value")
	text := v.get("value").str()
	var compact bytes.Buffer
	if !strings.EqualFold(v.get("type").str(), "JSON") || json.Compact(&compact, []byte(text)) != nil || !strings.HasPrefix(compact.String(), "{") {
		v.cannot("the patch of the body is not an object of JSON")
		return ""
	}
	if !survives(compact.String()) {
		v.cannot("a Caddyfile cannot contain the patch of the body")
	}
	return compact.String()
}
