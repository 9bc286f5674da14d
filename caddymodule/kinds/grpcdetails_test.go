package kinds

import (
	"encoding/base64"
	"encoding/hex"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// The bytes are those that Go's library for protocol buffers writes.
func TestRetryInfo(t *testing.T) {
	for _, tt := range []struct {
		delay time.Duration
		want  string
	}{
		{1, "0a021001"},
		{time.Millisecond, "0a0410c0843d"},
		{time.Second, "0a020801"},
		{time.Second + 1, "0a0408011001"},
		{127 * time.Second, "0a02087f"},
		{128 * time.Second, "0a03088001"},
		{24 * time.Hour, "0a040880a305"},
		{2500 * time.Millisecond, "0a0808021080cab5ee01"},
		{1<<63 - 1, "0a0c0884fa85ae2210ffafcb9703"},
	} {
		if got := hex.EncodeToString(retryInfo(tt.delay)); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.delay, got, tt.want)
		}
	}
}

// The text of a status is valid UTF-8 of any length, or absent.
func TestDetailsBin(t *testing.T) {
	detail := "1a30" + "0a28" + hex.EncodeToString([]byte("type.googleapis.com/google.rpc.RetryInfo")) + "1204" + "0a020801"
	for _, tt := range []struct{ message, want string }{
		{"", "080e"},
		{"no", "080e12026e6f"},
		{"a\xffb", "080e120561efbfbd62"},
	} {
		f := &GRPC{Code: 14, RetryInfo: caddy.Duration(time.Second)}
		raw, err := base64.RawStdEncoding.DecodeString(f.detailsBin(tt.message))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(raw); got != tt.want+detail {
			t.Errorf("%q: got %s, want %s", tt.message, got, tt.want+detail)
		}
	}
	if got := (&GRPC{Code: 14}).detailsBin("no"); got != "" {
		t.Errorf("without details: got %q", got)
	}
}
