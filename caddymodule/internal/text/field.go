package text

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// framing are the fields that belong to the connection or to the server.
var framing = []string{
	"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection",
	"Trailer", "Transfer-Encoding", "Upgrade",
}

// ValidFieldName checks the name of a header field that is to be set in replies:
// none that frames the message.
func ValidFieldName(name string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("bad header name '%s'", name)
	}
	if canonical := http.CanonicalHeaderKey(name); slices.Contains(framing, canonical) {
		return fmt.Errorf("header '%s' frames the message and cannot be changed here", canonical)
	}
	return nil
}

// Mentions reports whether there is a name somewhere in the values of a header
// field.
func Mentions(values []string, name string) bool {
	return slices.ContainsFunc(values, func(value string) bool { return strings.Contains(value, name) })
}
