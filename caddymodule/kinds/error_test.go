package kinds

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestError(t *testing.T) {
	tests := []struct {
		line    string
		status  int
		message string
	}{
		{"error", 502, "Bad Gateway"},
		{"error 504", 504, "Gateway Timeout"},
		{"error 551", 551, "User Not Local"},
		{"error away", 502, "away"},
		{"error 500 \"{http.request.method} failed\"", 500, "GET failed"},
		{"error away 500", 500, "away"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			_, err := runFault(t, parse(t, new(Error), tt.line), request(http.MethodGet), notCalled(t))
			he, ok := errors.AsType[caddyhttp.HandlerError](err)
			if !ok || he.StatusCode != tt.status || he.Err.Error() != tt.message {
				t.Errorf("got %v, want status %d, message %q", err, tt.status, tt.message)
			}
		})
	}
}

func TestErrorRefused(t *testing.T) {
	for _, code := range []int{-1, 99, 199, 1000} {
		if err := (&Error{StatusCode: code}).Validate(); err == nil || !strings.Contains(err.Error(), "bad status '") {
			t.Errorf("status %d: got error %v", code, err)
		}
	}
}
