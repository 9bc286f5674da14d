package text

import (
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		field   []string
		seconds int64
		date    string
		ok      bool
	}{
		{[]string{"2"}, 2, "", true},
		{[]string{" 2 "}, 2, "", true},
		{[]string{"0"}, 0, "", true},
		{[]string{"9223372036854775807"}, 1<<63 - 1, "", true},
		{[]string{"9223372036854775808"}, 0, "", false},
		{[]string{"-1"}, 0, "", false},
		{[]string{"+1"}, 0, "", false},
		{[]string{"soon"}, 0, "", false},
		{[]string{"2", "2"}, 0, "", false},
		{nil, 0, "", false},
		{[]string{"Mon, 30 Nov 2026 10:00:09 GMT"}, 0, "2026-11-30T10:00:09Z", true},
	} {
		seconds, date, ok := RetryAfter(tt.field)
		at := ""
		if !date.IsZero() {
			at = date.Format(time.RFC3339)
		}
		if ok != tt.ok || ok && seconds != tt.seconds || at != tt.date {
			t.Errorf("%q: got %d, %q, %v", tt.field, seconds, at, ok)
		}
	}
}
