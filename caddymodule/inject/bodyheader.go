package inject

import (
	"maps"
	"net/http"
	"strings"
)

// bodyFields are the header fields that describe or frame the body of a reply. They
// must not be sent with another body.
var bodyFields = []string{
	"Accept-Ranges", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language",
	"Content-Length", "Content-Location", "Content-Md5", "Content-Range", "Content-Type", "Digest", "Etag",
	"Last-Modified", "Repr-Digest", "Trailer", "Transfer-Encoding",
	"Connection", "Upgrade", // in a reply of 101
}

// bodyPrefixes are prefixes of further such fields.
var bodyPrefixes = []string{"Grpc-", "Connect-Content-", "Sec-Websocket-", http.TrailerPrefix}

// setAside removes the fields that describe the body from a header and returns them.
func setAside(header http.Header) http.Header {
	aside := make(http.Header)
	take := func(name string) {
		if values, ok := header[name]; ok {
			aside[name] = values
			delete(header, name)
		}
	}
	for _, name := range bodyFields {
		take(name)
	}
	for name := range header {
		for _, prefix := range bodyPrefixes {
			if strings.HasPrefix(http.CanonicalHeaderKey(name), prefix) { // reverse_proxy writes Sec-WebSocket-
				take(name)
			}
		}
	}
	return aside
}

// putBack undoes setAside.
func putBack(header, aside http.Header) { maps.Copy(header, aside) }
