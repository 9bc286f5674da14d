package kinds

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// ending is how a fault returned from Inject.
type ending struct {
	err     error
	aborted bool
	took    time.Duration
}

// endingOf runs a fault that may panic to abort the request.
func endingOf(f faults.Fault, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) (got ending) {
	start := time.Now()
	defer func() {
		p := recover()
		got.aborted, got.took = p == http.ErrAbortHandler, time.Since(start)
		if p != nil && !got.aborted {
			panic(p)
		}
	}()
	return ending{err: f.Inject(hitOf(r), w, r, next)}
}

// request2 returns an HTTP/2 request. Over HTTP/2 no connection is hijacked.
func request2(ctx context.Context, t testing.TB) *http.Request {
	t.Helper()
	r := request(http.MethodGet)
	r.ProtoMajor, r.ProtoMinor = 2, 0
	return r.WithContext(ctx)
}
