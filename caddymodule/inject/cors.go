package inject

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// Header fields of CORS (https://fetch.spec.whatwg.org/#http-cors-protocol).
const (
	allowOrigin      = "Access-Control-Allow-Origin"
	allowCredentials = "Access-Control-Allow-Credentials"
	allowHeaders     = "Access-Control-Allow-Headers"
	allowMethods     = "Access-Control-Allow-Methods"
	exposeHeaders    = "Access-Control-Expose-Headers"
	requestHeaders   = "Access-Control-Request-Headers"
	requestMethod    = "Access-Control-Request-Method"
)

// originOf returns the origin of the page that has sent r, if the point lets it read
// injected replies.
func (in *injector) originOf(r *http.Request) (origin string, ok bool) {
	if in.point.CORS == nil {
		return "", false
	}
	origin = r.Header.Get("Origin")
	return origin, in.point.CORS.Allows(origin)
}

// readable is the writer of a reply that pages of another origin may read, if a fault
// writes the reply. A reply that comes from next passes as it is.
type readable struct {
	caddyhttp.ResponseWriterWrapper // towards the client

	origin string
	before http.Header // the header before the faults
	done   bool        // a final head has been seen, or the reply comes from next
}

// readableFor returns the writer and the next handler for the faults of a hit. Without
// cors, or for another origin, it returns them as they are.
func (in *injector) readableFor(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) (http.ResponseWriter, caddyhttp.Handler, *readable) {
	origin, ok := in.originOf(r)
	if !ok {
		return w, next, nil
	}
	rw := &readable{origin: origin, before: maps.Clone(w.Header())}
	rw.ResponseWriter = w
	return rw, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		rw.done = true
		return next.ServeHTTP(w, r)
	}), rw
}

// NoteHead adds the fields to a final head of a fault.
func (rw *readable) NoteHead(code int) {
	if !rw.done && !wire.Interim(code) {
		rw.done = true
		addReadable(rw.Header(), rw.before, rw.origin)
	}
}

// failed adds the fields for the error routes, which reply if the faults return an
// error.
func (rw *readable) failed(err error) {
	if rw != nil && err != nil {
		rw.NoteHead(statusOf(err))
	}
}

// WriteHeader adds the fields and sends the head.
func (rw *readable) WriteHeader(code int) {
	rw.NoteHead(code)
	rw.ResponseWriter.WriteHeader(code)
}

// Write adds the fields if there has been no head.
func (rw *readable) Write(p []byte) (int, error) {
	rw.NoteHead(http.StatusOK)
	return rw.ResponseWriter.Write(p)
}

// ReadFrom adds the fields if there has been no head.
func (rw *readable) ReadFrom(src io.Reader) (int64, error) {
	rw.NoteHead(http.StatusOK)
	return rw.ResponseWriterWrapper.ReadFrom(src)
}

// FlushError adds the fields if there has been no head.
func (rw *readable) FlushError() error {
	rw.NoteHead(http.StatusOK)
	return http.NewResponseController(rw.ResponseWriter).Flush()
}

// addReadable lets pages of an origin read a reply, with the fields that differ from
// before. If something else allows an origin, it only adds the fields to read.
func addReadable(h, before http.Header, origin string) {
	if len(h[allowOrigin]) == 0 {
		allow(h, origin)
	}
	var names []string
	for name, values := range h {
		always := name == "Retry-After" || name == control.RefusedField
		if (always || !slices.Equal(values, before[name])) && !hiddenOrSafe(name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		h.Add(exposeHeaders, strings.Join(names, ", "))
	}
}

// allow allows an origin. Whether the page sends credentials does not show in a request,
// so they are always allowed.
func allow(h http.Header, origin string) {
	h.Set(allowOrigin, origin)
	h.Set(allowCredentials, "true")
	h.Add("Vary", "Origin")
}

// hiddenOrSafe reports whether pages never or always can read a header field of a reply
// that they can read.
func hiddenOrSafe(name string) bool {
	switch name {
	case "Cache-Control", "Content-Language", "Content-Length", "Content-Type", "Expires", "Last-Modified", "Pragma":
		return true
	case "Set-Cookie", "Vary", "Connection", "Trailer", "Transfer-Encoding":
		return true
	default:
		return strings.HasPrefix(name, "Access-Control-") || strings.HasPrefix(name, http.TrailerPrefix)
	}
}

// Interface guards
var (
	_ io.ReaderFrom  = (*readable)(nil)
	_ wire.HeadNoter = (*readable)(nil)
)
