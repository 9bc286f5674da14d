package status

import (
	"encoding/json"
	"html"
	"strconv"
	"strings"
)

// retryAfter is how long, in seconds, a 503 asks the client to wait.
const retryAfter = 300

// BodyAllowed reports whether HTTP allows a body in a reply with this status. It does
// not for 1xx (RFC 9110 section 15.2), 204 (section 15.3.5), 205 (section 15.3.6) and
// 304 (section 15.4.5).
func (c Code) BodyAllowed() bool {
	switch c.Code {
	case 204, 205, 304:
		return false
	}
	return c.Code >= 200
}

// hasBody reports whether the default body is not empty. A redirect may have a body,
// but clients follow the redirect without reading it, so the default is empty.
func (c Code) hasBody() bool {
	return c.BodyAllowed() && c.Code/100 != 3
}

// RetryAfter returns the number of seconds for a Retry-After header field (RFC 9110
// section 10.2.3): 300 for code 503 of any family, otherwise 0, which means no field.
func (c Code) RetryAfter() int {
	if c.Code == 503 {
		return retryAfter
	}
	return 0
}

// JSON returns the default body of the code, for the type application/json. The reply
// must have the Retry-After header field of [Code.RetryAfter]. The body has one space
// after each colon and comma and no newline at the end:
//
//	2xx    {"status": "success"}
//	3xx    no body
//	4xx    {"error": "<slug>", "message": "<name>"}
//	503    {"error": "service_unavailable", "retry_after": 300}
//	5xx    {"error": "server_error", "message": "<name>"}
//
// Codes from 600 are also failures, such as the global failures of SIP, and have the
// body of a 5xx. A 503 has the same body in every family. The body is empty for codes
// that must not have one (see [Code.BodyAllowed]).
func (c Code) JSON() string { return c.JSONRetryAfter(int64(c.RetryAfter())) }

// JSONRetryAfter is like [Code.JSON], for a reply whose Retry-After header field has
// this number of seconds. A negative number means that the reply has no such field. The
// body of a 503 then omits it. Only the body of a 503 depends on the field.
func (c Code) JSONRetryAfter(seconds int64) string {
	switch {
	case !c.hasBody():
		return ""
	case c.Code < 300:
		return `{"status": "success"}`
	case c.Code == 503 && seconds < 0:
		return `{"error": "service_unavailable"}`
	case c.Code == 503:
		return `{"error": "service_unavailable", "retry_after": ` + strconv.FormatInt(seconds, 10) + `}`
	case c.Code < 500:
		return `{"error": ` + quote(c.Slug()) + `, "message": ` + quote(c.Name) + `}`
	default:
		return `{"error": "server_error", "message": ` + quote(c.Name) + `}`
	}
}

// Text returns the default body as plain text: code, name and a newline. It is empty if
// [Code.JSON] is.
func (c Code) Text() string {
	if !c.hasBody() {
		return ""
	}
	return c.line() + "\n"
}

// HTML returns the default body as a small HTML page. It is empty if [Code.JSON] is.
func (c Code) HTML() string {
	if !c.hasBody() {
		return ""
	}
	line := html.EscapeString(c.line())
	return `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>` + line + `</title></head>
<body><h1>` + line + `</h1></body>
</html>
`
}

// Problem returns the default body as a problem details object (RFC 9457), for the type
// application/problem+json. The problem type is "about:blank", which means that the
// status says everything (section 4.2.1). The body is empty if [Code.JSON] is.
func (c Code) Problem() string {
	if !c.hasBody() {
		return ""
	}
	return `{"type": "about:blank", "title": ` + quote(c.Name) + `, "status": ` + strconv.Itoa(c.Code) + `}`
}

// line returns the status as on a status line, after the protocol version.
func (c Code) line() string {
	return strconv.Itoa(c.Code) + " " + c.Name
}

// quote returns s as a JSON string. Unlike json.Marshal it does not escape <, > and &.
// Escaping them is for JSON inside HTML and would lengthen the body.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes, and a Builder accepts all of it
	return strings.TrimSuffix(b.String(), "\n")
}
