package recent

import (
	"crypto/tls"
	"net/http"
	"slices"
	"time"
)

// A Visit is a request at a point.
type Visit struct {
	// ID is the same for all visits of a request.
	ID uint64

	At        time.Time
	Point     string
	Transport bool

	// Preflight reports a CORS preflight for which the point is not.
	Preflight bool

	// Client is the address of the client, as Caddy sees it through trusted proxies.
	Client string

	// Request is a copy of the request, see [Copy].
	Request *http.Request
}

// credentials are the header fields whose values are not kept: those that Caddy's access
// log hides, and Baggage, which may hold the key of a trigger.
var credentials = []string{"Authorization", "Baggage", "Cookie", "Proxy-Authorization"}

// IsCredential reports whether the values of a header field are not kept. The name is
// in its canonical form.
func IsCredential(field string) bool { return slices.Contains(credentials, field) }

// maxCopy is the maximum size, in bytes, of the URL and the header of a copy.
const maxCopy = 8 << 10

// Copy returns a copy of what matchers read in a request: everything but the body, the
// certificates and the values of credentials. It returns nil if that is too large.
func Copy(r *http.Request) *http.Request {
	if sizeOf(r) > maxCopy {
		return nil
	}
	header := r.Header.Clone()
	for _, field := range credentials {
		if header[field] != nil {
			header[field] = []string{""}
		}
	}
	url := *r.URL
	url.User = nil
	kept := &http.Request{
		Method: r.Method, URL: &url, Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, Header: header,
		Body: http.NoBody, ContentLength: r.ContentLength, Host: r.Host, RemoteAddr: r.RemoteAddr,
		RequestURI: url.RequestURI(), // that of r may still have the parameter of a trigger
	}
	if r.TLS != nil {
		kept.TLS = &tls.ConnectionState{
			Version: r.TLS.Version, HandshakeComplete: r.TLS.HandshakeComplete, CipherSuite: r.TLS.CipherSuite,
			NegotiatedProtocol: r.TLS.NegotiatedProtocol, ServerName: r.TLS.ServerName,
		}
	}
	return kept
}

// perValue is about how many bytes a header field with one value takes besides its text.
const perValue = 64

// sizeOf returns about how many bytes a copy takes.
func sizeOf(r *http.Request) int {
	n := len(r.Method) + len(r.Host) + len(r.URL.Path) + len(r.URL.RawQuery)
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value) + perValue
		}
	}
	return n
}
