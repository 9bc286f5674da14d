package wire

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// writeHead writes the status line and the header as net/http does: first the fields of
// the header map in sorted order, then those that the server adds.
func (x *exchange) writeHead(buf *bytes.Buffer, header http.Header) {
	version := "HTTP/1.1 "
	if !x.r.ProtoAtLeast(1, 1) {
		version = "HTTP/1.0 "
	}
	buf.WriteString(version)
	buf.Write(x.line.to)

	skip := map[string]bool{"Transfer-Encoding": true, "Trailer": true}
	for name := range header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			skip[name] = true
		}
	}
	length := x.contentLength(header, skip)
	connection := x.connection(header, skip)
	if x.line.code == http.StatusNotModified {
		skip["Content-Type"] = true
	}
	_ = header.WriteSubset(buf, skip) // a buffer does not fail

	if _, ok := header["Date"]; !ok {
		writeField(buf, "Date", time.Now().UTC().Format(http.TimeFormat))
	}
	writeField(buf, "Content-Length", length)
	writeField(buf, "Content-Type", x.sniffed(header))
	writeField(buf, "Connection", connection)
	buf.WriteString("\r\n")
}

func writeField(buf *bytes.Buffer, name, value string) {
	if value == "" {
		return
	}
	buf.WriteString(name)
	buf.WriteString(": ")
	buf.WriteString(value)
	buf.WriteString("\r\n")
}

// contentLength returns the field to add. A field that the handler has set remains if
// it is correct, or if the request is a HEAD.
func (x *exchange) contentLength(header http.Header, skip map[string]bool) string {
	if !x.bodyAllowed() {
		skip["Content-Length"] = true
		return ""
	}
	if set := header["Content-Length"]; len(set) == 1 {
		n, err := strconv.ParseUint(set[0], 10, 63)
		if err == nil && (n == uint64(len(x.allowedBody())) || x.method == http.MethodHead) {
			return ""
		}
	}
	skip["Content-Length"] = true
	if x.method == http.MethodHead && len(x.allowedBody()) == 0 {
		return "" // nothing is known about the body of a GET
	}
	return strconv.Itoa(len(x.allowedBody()))
}

// connection returns the Connection field to add (RFC 9112 section 9.3): HTTP/1.1 needs
// "close" to close, HTTP/1.0 needs "keep-alive" to keep the connection.
func (x *exchange) connection(header http.Header, skip map[string]bool) string {
	_, set := header["Connection"]
	is11 := x.r.ProtoAtLeast(1, 1)
	switch {
	case x.close && !saysClose(header):
		skip["Connection"] = true
		if is11 {
			return "close"
		}
	case !x.close && !is11 && !set:
		return "keep-alive"
	}
	return ""
}

// sniffed returns the Content-Type that net/http guesses if the handler has set none.
func (x *exchange) sniffed(header http.Header) string {
	if _, ok := header["Content-Type"]; ok || len(x.allowedBody()) == 0 || header.Get("Content-Encoding") != "" {
		return ""
	}
	return http.DetectContentType(x.body)
}

func (x *exchange) bodyAllowed() bool {
	return x.line.code != http.StatusNoContent && x.line.code != http.StatusNotModified
}

// allowedBody returns the body that the status allows. A 205 has a length of zero (RFC
// 9110 section 15.3.6).
func (x *exchange) allowedBody() []byte {
	if !x.bodyAllowed() || x.line.code == http.StatusResetContent {
		return nil
	}
	return x.body
}

// wireBody returns the body that is sent.
func (x *exchange) wireBody() []byte {
	if x.method == http.MethodHead {
		return nil
	}
	return x.allowedBody()
}
