package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// starPattern returns the pattern of a text with stars.
func starPattern(s string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, ".*")
}

// randomErrors returns the rules of GenericRandomErrorPlugin: one for each entry, of
// which the first that matches decides.
func (d *devProxy) randomErrors(v, section value) []*rule {
	section.known("$schema", "errorsFile", "errors", "rate", "retryAfterInSeconds")
	errors := section.get("errors")
	if file := section.get("errorsFile"); !errors.is() {
		name := "errors.json"
		if file.is() {
			name = file.str()
		} else {
			file = v
		}
		if read, ok := d.readBeside(file, name); ok {
			errors = read.get("errors")
		}
	}
	retryAfter := "5"
	if seconds := section.get("retryAfterInSeconds"); seconds.is() {
		retryAfter = fmt.Sprint(seconds.whole())
	}
	var rules []*rule
	for i, entry := range errors.each() {
		if r := d.errorEntry(entry, retryAfter); r != nil {
			r.name, r.share = fmt.Sprintf("errors%d", i+1), d.rate(section)
			rules = append(rules, r)
		}
	}
	if len(rules) == 0 {
		r := newRule(v)
		r.about = "GenericRandomErrorPlugin"
		if len(d.problems) == 0 {
			v.cannot("it has no errors")
		}
		r.fault("respond", "500")
		r.problems = d.take()
		return []*rule{r}
	}
	return rules
}

// errorEntry returns the rule of an entry of the errors, or nil.
func (d *devProxy) errorEntry(entry value, retryAfter string) *rule {
	entry.known("request", "responses")
	request := entry.get("request")
	request.known("url", "method", "bodyFragment")
	r := newRule(entry)
	r.about = "the errors of " + quoted(request.get("url").str())
	if cs := d.requestConditions(request); len(cs) > 0 {
		r.sets = []conds{cs}
	}
	responses := entry.get("responses").each()
	branches := make([]line, 0, len(responses))
	for _, response := range responses {
		branches = append(branches, branch("1", []line{d.reply(response, retryAfter).line()}))
	}
	switch len(branches) {
	case 0:
		return nil
	case 1:
		l := branches[0]
		r.faults = []line{{words: l.words[1:], block: l.block}}
	default:
		r.faults = []line{{words: []string{"choose"}, block: branches}}
	}
	d.give(r)
	return r
}

// requestConditions returns the conditions of a request of an error or a mock.
func (d *devProxy) requestConditions(request value) conds {
	url := request.get("url").str()
	u, ok := splitURL(url)
	if !ok {
		request.cannot("the URL %s does not have a host and a path", quoted(url))
	}
	cs := d.urlConditions(request, u)
	if method := request.get("method"); method.is() {
		cs = append(cs, methods(method, method.str()))
	}
	if fragment := request.get("bodyFragment"); fragment.is() {
		fragment.cannot("no matcher knows bodyFragment")
	}
	return cs
}

// reply returns a response of Dev Proxy. retryAfter is what @dynamic stands for.
func (d *devProxy) reply(v value, retryAfter string) *reply {
	v.known("statusCode", "headers", "body", "$schema")
	r := &reply{at: v, status: statusOf(v.get("statusCode"), 400), body: literalBody("")}
	switch b := v.get("body"); {
	case !b.is():
	case b.kind >= list:
		r.body = literalBody(jsonText(b.node))
	case strings.HasPrefix(b.str(), "@"):
		r.body = d.fileBody(b)
	default:
		r.body = literalBody(b.str())
	}
	headers := v.get("headers")
	if headers.is() && headers.kind == object { // of old versions
		for _, h := range headers.members() {
			d.header(r, h, h.name, h.str(), retryAfter)
		}
		return r
	}
	for _, h := range headers.each() {
		h.known("name", "value")
		d.header(r, h, h.get("name").str(), h.get("value").str(), retryAfter)
	}
	return r
}

// fileBody reads a body from a file beside the configuration.
func (d *devProxy) fileBody(v value) body {
	name := strings.TrimPrefix(v.str(), "@")
	if d.open == nil {
		v.cannot("the file %s beside the source is not read", quoted(name))
		return literalBody("")
	}
	content, err := d.open(name)
	if err != nil {
		v.cannot("the file %s cannot be read", quoted(name))
	}
	return bytesBody(content)
}

// header adds a header field to a reply.
func (d *devProxy) header(r *reply, v value, name, text, retryAfter string) {
	dynamic, isDynamic := strings.CutPrefix(text, "@dynamic")
	if !isDynamic {
		r.add(name, text)
		return
	}
	if strings.HasPrefix(retryAfter, "{") {
		r.fields = append(r.fields, field{name: name, value: retryAfter, raw: true})
		return
	}
	if given := strings.TrimPrefix(dynamic, "="); seconds.MatchString(given) {
		retryAfter = given
	}
	text = fmt.Sprintf("%s @dynamic counts down in Dev Proxy and throttles until then; here it is %s seconds each time.", canonical(name), retryAfter)
	v.note(Approximate, "%s", strings.TrimSuffix(text, "."))
	if about := "Approximate: " + clean(text); !slices.Contains(d.part.head, about) {
		d.part.head = append(d.part.head, about)
	}
	r.add(name, retryAfter)
}
