package kinds

import (
	"net/http"
	"strings"
)

// noStore is the Cache-Control of a reply that no cache may keep.
const noStore = "no-store"

// uncache keeps a reply that a fault has written or changed out of caches. In a cache,
// the reply would outlive the fault. Header changes of the configuration are applied
// later and override it.
//
// Vary, Set-Cookie and Pragma stay, because none of them lets a cache keep a reply.
// Tags for purging a cache also stay.
func uncache(header http.Header) {
	dropExpiry(header)
	header["Cache-Control"] = []string{noStore}
}

// dropExpiry removes the header fields that say how old a reply is and how long a cache
// may keep it.
func dropExpiry(header http.Header) {
	for name := range header {
		if tellsExpiry(name) {
			delete(header, name)
		}
	}
}

// tellsExpiry reports whether caches read a field to decide how long they keep a reply:
// the fields of RFC 9111, those of RFC 9213 with vendor prefixes, and the fields of
// Akamai, Fastly and nginx.
func tellsExpiry(name string) bool {
	switch name {
	case "Age", "Cache-Control", "Edge-Control", "Expires", "Surrogate-Control", "X-Accel-Expires":
		return true
	}
	return strings.HasSuffix(name, "-Cache-Control")
}

// dropValidators removes the header fields that apply only to the unchanged body.
func dropValidators(header http.Header) {
	for _, name := range []string{"Etag", "Last-Modified", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
		header.Del(name)
	}
}
