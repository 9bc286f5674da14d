package importer

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stubFaults returns the faults of a response of WireMock. Without a fault it returns
// nil.
func stubFaults(v value) []line {
	v.known("status", "statusMessage", "headers", "body", "jsonBody", "base64Body", "bodyFileName", "fault",
		"fixedDelayMilliseconds", "delayDistribution", "chunkedDribbleDelay", "transformers", "transformerParameters",
		"proxyBaseUrl", "additionalProxyRequestHeaders", "removeProxyRequestHeaders", "proxyUrlPrefixToRemove", "fromConfiguredStub")
	all := stubDelay(v)
	if fault := v.get("fault"); fault.is() {
		return append(all, brokenReply(fault)...)
	}
	if dribble := v.get("chunkedDribbleDelay"); dribble.is() {
		dribble.known("numberOfChunks", "totalDuration")
		pieces, total := dribble.get("numberOfChunks").whole(), dribble.get("totalDuration").scaled(time.Millisecond)
		if pieces > 0 && total > 0 {
			all = append(all, said("dribble", strconv.Itoa(pieces), span(total)))
		}
	}
	status := statusOf(v.get("status"), 200)
	proxied := v.get("proxyBaseUrl").is()
	if status >= 400 && !proxied {
		return append(all, stubReply(v, status).line())
	}
	if len(all) > 0 && !proxied {
		v.note(Skipped, "the reply of status %d is not imported: its delay applies to the reply of the upstream", status)
	}
	return all
}

// brokenReply returns the fault that breaks a reply.
func brokenReply(v value) []line {
	switch v.str() {
	case "CONNECTION_RESET_BY_PEER":
		return []line{said("reset")}
	case "EMPTY_RESPONSE":
		return []line{said("close")}
	case "RANDOM_DATA_THEN_CLOSE":
		return []line{said("garbage")}
	case "MALFORMED_RESPONSE_CHUNK":
		return []line{said("malformed", "200")}
	default:
		v.cannot("unknown fault %s", quoted(v.str()))
		return []line{said("close")}
	}
}

// stubDelay returns the delay of a response.
func stubDelay(v value) []line {
	var all []line
	if d := v.get("fixedDelayMilliseconds").scaled(time.Millisecond); d > 0 {
		all = append(all, said("delay", span(d)))
	}
	random := v.get("delayDistribution")
	if !random.is() {
		return all
	}
	random.known("type", "median", "sigma", "lower", "upper", "milliseconds", "maxValue")
	millis := func(name string) time.Duration { return random.get(name).scaled(time.Millisecond) }
	switch random.get("type").str() {
	case "fixed":
		if d := millis("milliseconds"); d > 0 {
			all = append(all, said("delay", span(d)))
		}
	case "uniform":
		lower, upper := millis("lower"), millis("upper")
		if upper > lower {
			all = append(all, said("delay", span(lower), span(upper)))
		} else if upper > 0 {
			all = append(all, said("delay", span(upper)))
		}
	case "lognormal":
		all = append(all, lognormal(random, millis("median"), millis("maxValue"))...)
	default:
		random.get("type").cannot("unknown distribution %s", quoted(random.get("type").str()))
	}
	return all
}

// lognormal returns a delay with a lognormal distribution.
func lognormal(v value, median, longest time.Duration) []line {
	sigma := v.get("sigma").num()
	switch {
	case median == 0:
		return nil
	case sigma <= 0:
		return []line{said("delay", span(median))}
	}
	l := said("delay", "lognormal", span(median), decimal(sigma))
	if longest > 0 {
		if longest < median {
			v.get("maxValue").cannot("the longest delay is below the median")
		}
		l.block = []line{said("at_most", span(longest))}
	}
	return []line{l}
}

// stubReply returns the reply of a stub.
func stubReply(v value, status int) *reply {
	r := &reply{at: v, status: status, reason: v.get("statusMessage").str(), body: literalBody("")}
	isTemplate := false
	for _, name := range v.get("transformers").texts() {
		isTemplate = isTemplate || name == "response-template"
	}
	fill := literalBody
	if isTemplate {
		fill = func(s string) body { return handlebars(v, s) }
	}
	switch {
	case v.get("jsonBody").is():
		r.body = fill(jsonText(v.get("jsonBody").node))
	case v.get("base64Body").is():
		r.body = bytesBody(decodeBase64(v.get("base64Body")))
	case v.get("bodyFileName").is():
		r.body = bodyFile(v.get("bodyFileName"), fill)
	case v.get("body").is():
		r.body = fill(v.get("body").str())
	}
	for _, h := range v.get("headers").members() {
		for _, text := range h.texts() {
			filled := fill(text)
			if len(filled.parts) > 1 {
				h.note(Approximate, "the template in the field %s is sent as it is written", quoted(h.name))
			}
			r.add(h.name, text)
		}
	}
	return r
}

// bytesBody returns a body of bytes, as a text if it is one.
func bytesBody(b []byte) body {
	if s := string(b); survives(escapeBraces(s)) && checkUTF8(b) == nil && !strings.Contains(s, "\x00") {
		return literalBody(s)
	}
	return body{bytes: b}
}

// bodyFile reads a file that a stub names.
func bodyFile(v value, fill func(string) body) body {
	content, err := v.src.readAbove("__files/" + v.str())
	if err != nil {
		v.cannot("the file %s of the body cannot be read", quoted(v.str()))
		return literalBody("")
	}
	if checkUTF8(content) != nil {
		return body{bytes: content}
	}
	return fill(string(content))
}

// maxAbove is how many folders above the source a file that it names may be.
const maxAbove = 5

// readAbove reads a file that the source names, from its folder or one of those above.
func (s *source) readAbove(name string) (content []byte, err error) {
	if s.open == nil {
		return nil, errors.New("files beside the source are not read")
	}
	for range maxAbove {
		if content, err = s.open(name); err == nil {
			return content, nil
		}
		name = "../" + name
	}
	return nil, err
}

var (
	helper       = regexp.MustCompile(`\{\{\{?\s*([^{}]*?)\s*\}?\}\}`)
	helperPath   = regexp.MustCompile(`^request\.(?:pathSegments|path)\.\[?(\d+)\]?$`)
	helperNamed  = regexp.MustCompile(`^request\.(query|headers|cookies)\.(?:\[')?([A-Za-z0-9_-]+)(?:'\])?$`)
	helperSimple = map[string]string{
		"request.path": "http.request.uri.path", "request.url": "http.request.uri", "request.method": "http.request.method",
		"request.host": "http.request.host", "request.port": "http.request.port", "request.scheme": "http.request.scheme",
		"request.clientIp": "http.request.remote.host",
	}
	helperGroups = map[string]string{"query": "http.request.uri.query.", "headers": "http.request.header.", "cookies": "http.request.cookie."}
)

// handlebars returns a template of WireMock with our placeholders.
func handlebars(v value, s string) body {
	var b body
	rest := s
	for {
		at := helper.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		name := rest[at[2]:at[3]]
		placeholder := helperSimple[name]
		if m := helperPath.FindStringSubmatch(name); m != nil {
			placeholder = "http.request.uri.path." + m[1]
		}
		if m := helperNamed.FindStringSubmatch(name); m != nil {
			placeholder = helperGroups[m[1]] + m[2]
		}
		if placeholder == "" {
			v.note(Approximate, "the template has %s, which is sent as it is written", quoted(rest[at[0]:at[1]]))
			b.parts = append(b.parts, bodyPart{literal: rest[:at[1]]})
		} else {
			b.parts = append(b.parts, bodyPart{literal: rest[:at[0]]}, bodyPart{placeholder: placeholder})
		}
		rest = rest[at[1]:]
	}
	b.parts = append(b.parts, bodyPart{literal: rest})
	return b
}
