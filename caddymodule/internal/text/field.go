package text

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// framing lists the fields that belong to the connection or the server.
var framing = []string{
	"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection",
	"Trailer", "Transfer-Encoding", "Upgrade",
}

// ValidFieldName returns an error if name is not a valid name for a header field to set
// in replies, or if the field frames the message.
func ValidFieldName(name string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("bad header name '%s'", name)
	}
	if canonical := http.CanonicalHeaderKey(name); slices.Contains(framing, canonical) {
		return fmt.Errorf("header '%s' frames the message and cannot be changed here", canonical)
	}
	return nil
}

// Mentions reports whether a value of a header field contains name.
func Mentions(values []string, name string) bool {
	return slices.ContainsFunc(values, func(value string) bool { return strings.Contains(value, name) })
}

// IsJSON reports whether the values of a Content-Type field are JSON (RFC 8259, and RFC
// 6839, section 3.1 for the suffix). A field with two types is not JSON, and neither are
// the streams of gRPC.
func IsJSON(contentType []string) bool {
	mediaType, _, _ := strings.Cut(strings.ToLower(strings.Join(contentType, ", ")), ";")
	mediaType = strings.TrimSpace(mediaType)
	return mediaType == "application/json" ||
		strings.HasSuffix(mediaType, "+json") && !strings.Contains(mediaType, ",") && !strings.HasPrefix(mediaType, "application/grpc")
}
