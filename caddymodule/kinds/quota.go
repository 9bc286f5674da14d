package kinds

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// A quota counts the requests of one key in fixed windows. A window begins with the
// first request after the last window.
type quota struct {
	mu    sync.Mutex
	began time.Time // zero: there has been no request
	used  int
}

// take counts a request and returns what is left of the quota.
func (q *quota) take(limit int, window time.Duration) quotaLeft {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now() // under the lock, so that the times do not go back
	if now.Sub(q.began) >= window {
		q.began, q.used = now, 0
	}
	above := q.used >= limit
	if !above {
		q.used++
	}
	return quotaLeft{limit: limit, used: q.used, above: above, ends: q.began.Add(window)}
}

// peek returns what is left, without counting a request.
func (q *quota) peek(limit int, window time.Duration) quotaLeft {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.began) >= window {
		return quotaLeft{limit: limit}
	}
	return quotaLeft{limit: limit, used: q.used, above: q.used >= limit, ends: q.began.Add(window)}
}

// quotaLeft is what is left of a quota after a request.
type quotaLeft struct {
	limit, used int
	above       bool // the request is above the quota
	ends        time.Time
}

// remaining returns the number of further requests in the window.
func (q *quotaLeft) remaining() int { return q.limit - q.used }

// seconds returns the time to the end of the window, in seconds. It is rounded up,
// because clients must not come early.
func (q *quotaLeft) seconds() int64 {
	return max(0, int64((time.Until(q.ends)+time.Second-1)/time.Second))
}

// reset returns the end of the window, rounded up to a second.
func (q *quotaLeft) reset() time.Time { return q.ends.Add(time.Second - 1).Truncate(time.Second) }

// A moment is a placeholder that is formatted when it is used.
type moment func() string

func (m moment) String() string { return m() }

// fill sets the placeholders.
func (q *quotaLeft) fill(repl *caddy.Replacer) {
	left := *q
	layout := func(layout string) moment { return func() string { return left.reset().UTC().Format(layout) } }
	repl.Set("http.fault.limit", q.limit)
	repl.Set("http.fault.remaining", q.remaining())
	repl.Set("http.fault.used", q.used)
	repl.Set("http.fault.reset", moment(func() string { return strconv.FormatInt(left.seconds(), 10) }))
	repl.Set("http.fault.reset.unix", moment(func() string { return strconv.FormatInt(left.reset().Unix(), 10) }))
	repl.Set("http.fault.reset.unix_ms", moment(func() string { return strconv.FormatInt(left.ends.UnixMilli(), 10) }))
	repl.Set("http.fault.reset.http", layout(http.TimeFormat))
	repl.Set("http.fault.reset.rfc3339", layout(time.RFC3339))
}

// The styles of limit fields.
const (
	fieldsIETF  = "ietf"
	fieldsX     = "x"
	fieldsXUnix = "x_unix"
	fieldsOff   = "off"
)

// quotaFields are the limit fields of a style.
type quotaFields struct {
	style string
	limit string // the field that is the same in each reply
}

func newQuotaFields(style string, limit int, window time.Duration) quotaFields {
	if style == "" {
		style = fieldsIETF
	}
	value := strconv.Itoa(limit)
	if style == fieldsIETF {
		value = `"default";q=` + value + ";w=" + strconv.FormatInt(int64(window/time.Second), 10)
	}
	return quotaFields{style, value}
}

// set sets the fields of a reply.
func (f *quotaFields) set(h http.Header, q *quotaLeft) {
	remaining := strconv.Itoa(q.remaining())
	switch f.style {
	case fieldsOff:
	case fieldsIETF: // names as http.Header has them
		h.Set("Ratelimit-Policy", f.limit)
		h.Set("Ratelimit", `"default";r=`+remaining+";t="+strconv.FormatInt(q.seconds(), 10))
	default:
		reset := q.seconds()
		if f.style == fieldsXUnix {
			reset = q.reset().Unix()
		}
		h.Set("X-Ratelimit-Limit", f.limit)
		h.Set("X-Ratelimit-Remaining", remaining)
		h.Set("X-Ratelimit-Reset", strconv.FormatInt(reset, 10))
	}
}
