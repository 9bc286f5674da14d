package text

import (
	"net/http"
	"net/textproto"
	"strconv"
	"time"
)

// RetryAfter parses the values of a Retry-After field (RFC 9110, section 10.2.3): a number
// of seconds, or else a date. It returns false if the field is absent, repeated, or
// neither.
func RetryAfter(field []string) (seconds int64, date time.Time, ok bool) {
	if len(field) != 1 {
		return 0, date, false
	}
	value := textproto.TrimString(field[0])
	if date, err := http.ParseTime(value); err == nil {
		return 0, date, true
	}
	n, err := strconv.ParseUint(value, 10, 63)
	return int64(n), date, err == nil
}
