package kinds

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/status"
)

const retryAfterField = "Retry-After"

// retryAfter is the body of the catalog that repeats the reply's Retry-After field.
// It reads the field from the reply's header, so that field and body agree. It cannot
// see later changes, such as those of a deferred `header` directive.
type retryAfter struct {
	code     status.Code
	usual    []string // the field of most replies
	prebuilt []byte   // their body
}

func newRetryAfter(code status.Code) *retryAfter {
	b := &retryAfter{code: code}
	b.expect([]string{strconv.Itoa(code.RetryAfter())})
	return b
}

// expect builds the body for replies with that field, unless the field is a date.
func (b *retryAfter) expect(field []string) {
	if _, date, _ := text.RetryAfter(field); date.IsZero() {
		b.usual, b.prebuilt = field, b.build(field)
	}
}

// body returns the body of a reply with this field.
func (b *retryAfter) body(field []string) []byte {
	if slices.Equal(field, b.usual) {
		return b.prebuilt
	}
	return b.build(field)
}

func (b *retryAfter) build(field []string) []byte {
	return []byte(b.code.JSONRetryAfter(waitOf(field, time.Now())))
}

// waitOf returns the number of seconds in a Retry-After field, or -1 if clients cannot
// read it.
func waitOf(field []string, now time.Time) int64 {
	seconds, at, ok := text.RetryAfter(field)
	switch {
	case !ok:
		return -1
	case !at.IsZero():
		return max(0, int64((at.Sub(now)+time.Second-1)/time.Second)) // rounded up: clients must not come early
	}
	return seconds
}

// expectRetryAfter prepares the bodies for the field of the reply, if its value is
// known before a request comes.
func (f *Respond) expectRetryAfter() {
	if !f.fields.static {
		return
	}
	header := make(http.Header)
	f.fields.apply(header, nil)
	for i := range f.content {
		if b := f.content[i].repeats; b != nil {
			b.expect(header[retryAfterField])
		}
	}
}

// sendsDefaultRetryAfter reports whether the reply has the catalog's Retry-After.
func (f *Respond) sendsDefaultRetryAfter() bool {
	return f.code.RetryAfter() > 0 && !f.ownBody() && !f.Headers.sets(retryAfterField)
}

// Hints warns about a Retry-After that can surprise: the catalog's, and a value that
// clients cannot read.
func (f *Respond) Hints() []string {
	if f.Headers.sets(retryAfterField) {
		return f.Headers.unreadableRetryAfter()
	}
	if !f.sendsDefaultRetryAfter() {
		return nil
	}
	return []string{fmt.Sprintf("respond %s sends the catalog's Retry-After: %d, and many clients wait that long; "+
		"to send another time, add header Retry-After 5 to its block; to send none, add header -Retry-After",
		statusArg{f.Family, f.StatusCode}, f.code.RetryAfter())}
}

// unreadableRetryAfter warns about a value that is neither a number of seconds nor a
// date, the two forms of RFC 9110, section 10.2.3. It accepts a value with a
// placeholder.
func (ops *HeaderOps) unreadableRetryAfter() []string {
	for _, values := range []http.Header{ops.Set, ops.Add} {
		for name, lines := range values {
			if !strings.EqualFold(name, retryAfterField) || len(lines) != 1 || strings.Contains(lines[0], "{") || waitOf(lines, time.Now()) >= 0 {
				continue
			}
			seconds := "5"
			if wait, err := caddy.ParseDuration(lines[0]); err == nil && wait >= time.Second {
				seconds = strconv.FormatInt(int64(wait/time.Second), 10)
			}
			return []string{fmt.Sprintf("Retry-After '%s' is neither a number of seconds nor a date, and clients ignore it; write header Retry-After %s", lines[0], seconds)}
		}
	}
	return nil
}
