package kinds

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/status"
)

const retryAfterField = "Retry-After"

// retryAfter is the catalogue's body that repeats the Retry-After of its reply. It
// goes by the field as the reply has it, so that both agree. What a handler further
// out makes of the field, as a deferred `header` does, is not known by then.
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

// expect builds the body of replies with that field, unless it depends on the
// time.
func (b *retryAfter) expect(field []string) {
	if _, isDate := parseDate(field); !isDate {
		b.usual, b.prebuilt = field, b.build(field)
	}
}

// body is that of a reply with this field.
func (b *retryAfter) body(field []string) []byte {
	if slices.Equal(field, b.usual) {
		return b.prebuilt
	}
	return b.build(field)
}

func (b *retryAfter) build(field []string) []byte {
	return []byte(b.code.JSONRetryAfter(waitOf(field, time.Now())))
}

// waitOf is for how many seconds a Retry-After field asks the client to wait, by
// RFC 9110 section 10.2.3. It is -1 if the field does not tell: there is none, or
// more than one, or it is neither a number of seconds nor a date.
func waitOf(field []string, now time.Time) int64 {
	if at, isDate := parseDate(field); isDate {
		return max(0, int64((at.Sub(now)+time.Second-1)/time.Second)) // not too early
	}
	if len(field) != 1 {
		return -1
	}
	seconds, err := strconv.ParseUint(textproto.TrimString(field[0]), 10, 63)
	if err != nil {
		return -1
	}
	return int64(seconds)
}

// parseDate reads a field that is a date.
func parseDate(field []string) (at time.Time, isDate bool) {
	if len(field) != 1 {
		return at, false
	}
	at, err := http.ParseTime(textproto.TrimString(field[0]))
	return at, err == nil
}

// expectRetryAfter prepares the bodies for the field that the reply has if nothing
// else sets one, where that is known.
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

// sendsDefaultRetryAfter reports whether the reply has the Retry-After of the
// catalogue.
func (f *Respond) sendsDefaultRetryAfter() bool {
	return f.code.RetryAfter() > 0 && !f.ownBody() && !f.Headers.sets(retryAfterField)
}

// Hints tells of a Retry-After that surprises: that of the catalogue, and one that no
// client can read.
func (f *Respond) Hints() []string {
	if f.Headers.sets(retryAfterField) {
		return f.Headers.unreadableRetryAfter()
	}
	if !f.sendsDefaultRetryAfter() {
		return nil
	}
	return []string{fmt.Sprintf("respond %s sends the catalogue's Retry-After: %d, and many clients wait that long; "+
		"for another time write 'header Retry-After 5' into the block of respond, for none 'header -Retry-After'",
		statusArg{f.Family, f.StatusCode}, f.code.RetryAfter())}
}

// unreadableRetryAfter tells of a value that is neither a number of seconds nor a
// date, the two forms of RFC 9110 section 10.2.3. One with a placeholder may be
// either.
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
