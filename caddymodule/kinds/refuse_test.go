package kinds

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// The proxy must take the error for a failed dial, or it would not try a POST again.
// The body must be unread for that.
func TestRefuse(t *testing.T) {
	body := strings.NewReader("body")
	r := request(http.MethodPost)
	r.Body = io.NopCloser(body)
	resp, err := Refuse{}.RoundTrip(hitOf(r), r, nil)
	if resp != nil {
		t.Errorf("got the reply %v", resp)
	}
	if _, dial := errors.AsType[reverseproxy.DialError](err); !dial || !strings.HasPrefix(err.Error(), "injected fault: ") {
		t.Errorf("got error %v, want that of a dial that was refused", err)
	}
	if body.Len() != len("body") {
		t.Error("the body has been read")
	}
}
