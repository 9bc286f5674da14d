package kinds

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
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

// optionRetryAfter is the option of respond that sets the field.
const optionRetryAfter = "retry_after"

// retryOff is the value of retry_after for a reply without the field.
const retryOff = "off"

// Continues lists the options that may follow respond as statements of one line.
func (*Respond) Continues() []string { return []string{optionRetryAfter} }

func (f *Respond) unmarshalRetryAfter(d *caddyfile.Dispenser) error {
	const form = "respond " + optionRetryAfter
	words := d.RemainingArgs()
	switch {
	case len(words) == 0:
		return args.Missing(d, form)
	case len(words) > 2, len(words) == 2 && words[1] != "date":
		return args.Unexpected(d, form, words[len(words)-1])
	}
	f.RetryAfter, f.RetryAfterDate = words[0], len(words) == 2
	if f.RetryAfter == "" {
		return args.Missing(d, form)
	}
	if err := f.validateRetryAfter(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// retryAfterLine returns the line of the option.
func (f *Respond) retryAfterLine() string {
	line := optionRetryAfter + " " + f.RetryAfter
	if f.RetryAfterDate {
		line += " date"
	}
	return line
}

func (f *Respond) validateRetryAfter() error {
	wait, err := caddy.ParseDuration(f.RetryAfter)
	switch {
	case f.RetryAfter == "" && f.RetryAfterDate:
		return errors.New("retry_after_date requires retry_after, such as 5s")
	case f.RetryAfter == retryOff && f.RetryAfterDate:
		return errors.New("retry_after off sends no field, so it has no date; write retry_after off, or retry_after 5s date")
	case f.RetryAfter == "", f.RetryAfter == retryOff && !f.Headers.sets(retryAfterField):
		return nil
	case f.Headers.sets(retryAfterField):
		return fmt.Errorf("respond has both retry_after '%s' and header '%s'; remove one of them", f.RetryAfter, retryAfterField)
	case err != nil && waitOf([]string{f.RetryAfter}, time.Now()) >= 0:
		return fmt.Errorf("bad retry_after '%s': want a duration; write retry_after %[1]ss", f.RetryAfter)
	case err != nil:
		return fmt.Errorf("bad retry_after '%s': want a duration such as 5s, or off", f.RetryAfter)
	case wait < 0 || wait%time.Second != 0:
		return fmt.Errorf("bad retry_after '%s': the field has whole seconds; write retry_after %ds", f.RetryAfter, max(1, int64((wait+time.Second-1)/time.Second)))
	}
	return nil
}

// retrySeconds returns the seconds of the reply's Retry-After: those of the setting, or
// the default. It returns -1 without a field of the fault.
func (f *Respond) retrySeconds() int64 {
	switch {
	case f.RetryAfter == retryOff:
		return -1
	case f.RetryAfter != "":
		wait, _ := caddy.ParseDuration(f.RetryAfter) // Validate has parsed it
		return int64(wait / time.Second)
	case f.sendsDefaultRetryAfter():
		return int64(f.code.RetryAfter())
	}
	return -1
}

// setRetryDate sets Retry-After to a date, and Date to the time from which it counts.
// Without Date, net/http reads the clock again, which may show the next second.
func (f *Respond) setRetryDate(h http.Header, now time.Time) {
	wait := time.Duration(f.retrySeconds()) * time.Second
	h["Date"] = []string{now.Format(http.TimeFormat)}
	h[retryAfterField] = []string{now.Add(wait).Format(http.TimeFormat)}
}

// sendsDefaultRetryAfter reports whether the reply has the catalog's Retry-After.
func (f *Respond) sendsDefaultRetryAfter() bool {
	return f.code.RetryAfter() > 0 && f.RetryAfter == "" && !f.ownBody() && !f.Headers.sets(retryAfterField)
}

// Hints warns about a Retry-After that can surprise: the catalog's, and a value that
// clients cannot read.
func (f *Respond) Hints() []string {
	for _, one := range f.choices {
		if hints := one.Hints(); hints != nil {
			return hints
		}
	}
	if f.choices != nil {
		return nil
	}
	if f.Headers.sets(retryAfterField) {
		return f.Headers.unreadableRetryAfter()
	}
	if !f.sendsDefaultRetryAfter() {
		return nil
	}
	return []string{fmt.Sprintf("respond %s sends the catalog's Retry-After: %d, and many clients wait that long; "+
		"to send another time, add retry_after 5s to its block; to send none, add retry_after off",
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
