package kinds

import (
	"net/http"
	"strings"
)

// noStore is the Cache-Control of a reply that no cache may keep.
const noStore = "no-store"

// uncache keeps a reply that a fault has written or changed out of caches, where
// it would outlive the fault. What the configuration says of the fields is
// applied after it.
//
// Vary, Set-Cookie and Pragma stay: none of them lets a cache keep a reply. Tags
// that caches are purged by stay, too.
func uncache(header http.Header) {
	dropExpiry(header)
	header["Cache-Control"] = []string{noStore}
}

// dropExpiry takes the fields out of a header that tell a cache how long it may
// keep the reply, and how old it is.
func dropExpiry(header http.Header) {
	for name := range header {
		if tellsExpiry(name) {
			delete(header, name)
		}
	}
}

// tellsExpiry reports whether caches go by a field: RFC 9111, RFC 9213 with the
// names that vendors make of it, and the fields of Akamai, Fastly and nginx.
func tellsExpiry(name string) bool {
	switch name {
	case "Age", "Cache-Control", "Edge-Control", "Expires", "Surrogate-Control", "X-Accel-Expires":
		return true
	}
	return strings.HasSuffix(name, "-Cache-Control")
}

// dropValidators takes the fields out of a header that hold only for the very
// body that the reply had.
func dropValidators(header http.Header) {
	for _, name := range []string{"Etag", "Last-Modified", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
		header.Del(name)
	}
}
