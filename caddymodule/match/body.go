package match

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/caddyfault/caddyfault/caddymodule/internal/private"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// maxBody is the size in bytes of the largest body that is read.
const maxBody = 64 << 10

// A readBody is the body of a request, of which the beginning has been read. It gives the
// same bytes to the reader of the body.
type readBody struct {
	body io.ReadCloser // has the rest

	document any  // decoded
	isJSON   bool // false: document is not set

	mu    sync.Mutex
	left  []byte // what the reader has not taken of the beginning
	taken bool   // the reader has taken something
}

// readBefore is the body that has been read last for a request. A proxy may make a new
// attempt with the body that it had before.
const readBefore private.Slot[*readBody] = "read_body"

// documentOf returns the JSON document in the body of a request. It reads the body once,
// whoever asks, and sets a body in r that has all bytes. If ok is false, the body is not
// JSON, or is too large.
func documentOf(r *http.Request) (document any, ok bool) {
	if !mayRead(r) {
		return nil, false
	}
	b, read := r.Body.(*readBody)
	if !read {
		if b = readBefore.Get(r); b == nil || !same(b.body, r.Body) {
			b = read64KiB(r.Body)
			readBefore.Set(r, b)
		}
		r.Body = b
	}
	return b.document, b.isJSON
}

// mayRead reports whether the body of a request can be read before its reader asks for
// it. A stream in another format may have no end, and its client may wait for the reply
// to what it has sent.
func mayRead(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength <= maxBody && len(r.Header["Upgrade"]) == 0 &&
		len(r.Header["Content-Encoding"]) == 0 && text.IsJSON(r.Header["Content-Type"])
}

// same reports whether two bodies are the same. Some types cannot be compared.
func same(a, b io.ReadCloser) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

// read64KiB reads a body until the end of its document, at most up to [maxBody].
func read64KiB(body io.ReadCloser) *readBody {
	var buf bytes.Buffer
	dec := json.NewDecoder(io.TeeReader(io.LimitReader(body, maxBody), &buf))
	dec.UseNumber()
	b := &readBody{body: body}
	b.isJSON = dec.Decode(&b.document) == nil
	b.left = buf.Bytes()
	return b
}

// Read returns the beginning of the body, then the rest.
func (b *readBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	n := copy(p, b.left)
	b.left, b.taken = b.left[n:], true
	b.mu.Unlock()
	if n > 0 {
		return n, nil
	}
	return b.body.Read(p)
}

// Close closes the body, unless nothing has been taken. After an attempt that has failed
// without reading, a proxy makes another one with the same body.
func (b *readBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.taken {
		return nil
	}
	return b.body.Close()
}

// textOf returns the content of a text, or the JSON of another value.
func textOf(value any) string {
	if content, ok := value.(string); ok {
		return content
	}
	var content bytes.Buffer
	enc := json.NewEncoder(&content)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(value) // what has been decoded can be encoded
	return strings.TrimSuffix(content.String(), "\n")
}
