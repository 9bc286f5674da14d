package kinds

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// provision provisions a fault, as Caddy does.
func provision[F faults.Fault](t testing.TB, f F) F {
	t.Helper()
	ctx := testContext(t)
	if p, ok := any(f).(caddy.Provisioner); ok {
		if err := p.Provision(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if v, ok := any(f).(caddy.Validator); ok {
		if err := v.Validate(); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// parse parses and provisions a fault from its line in a Caddyfile.
func parse[F interface {
	faults.Fault
	caddyfile.Unmarshaler
}](t testing.TB, f F, line string,
) F {
	t.Helper()
	return provision(t, unmarshal(t, f, line))
}

// unmarshal parses a fault from its line in a Caddyfile.
func unmarshal[F interface {
	faults.Fault
	caddyfile.Unmarshaler
}](t testing.TB, f F, line string,
) F {
	t.Helper()
	if err := f.UnmarshalCaddyfile(caddyfile.NewTestDispenser(line)); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return f
}

// request returns a request as Caddy's server passes it to a handler.
func request(method string, header ...string) *http.Request {
	r := httptest.NewRequest(method, "/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
}

// runFault runs a fault for a request and returns the result.
func runFault(t testing.TB, f faults.Fault, r *http.Request, next caddyhttp.HandlerFunc) (*http.Response, error) {
	t.Helper()
	w := httptest.NewRecorder()
	err := f.Inject(hitOf(r), w, r, next)
	return w.Result(), err
}

type hitKey struct{}

// withHit adds a hit to a request, for [hitOf] and [hitIn].
func withHit(ctx context.Context, hit *faults.Hit) context.Context {
	return context.WithValue(ctx, hitKey{}, hit)
}

func hitOf(r *http.Request) *faults.Hit { return hitIn(r.Context()) }

// hitIn returns the hit of a test's request, or else a first hit.
func hitIn(ctx context.Context) *faults.Hit {
	if hit, ok := ctx.Value(hitKey{}).(*faults.Hit); ok {
		return hit
	}
	return firstHit()
}

// firstHit returns a first hit that never ends.
func firstHit() *faults.Hit { return &faults.Hit{N: 1} }

// heard records the calls of a hit's listener. It marks the hit in header.
type heard struct {
	began   time.Time
	header  http.Header
	told    string // "hit" and the reasons, in order
	delayed time.Duration
	changes []faults.Change
}

func (h *heard) Changed(changes []faults.Change) { h.changes = append(h.changes, changes...) }

func (h *heard) Injected() {
	h.Passed("hit")
	if h.header != nil {
		h.header.Set("X-Hit", "yes")
	}
}

func (h *heard) Passed(reason string) { h.told = strings.TrimPrefix(h.told+" "+reason, " ") }

func (h *heard) Began() time.Time { return h.began }

func (h *heard) Delayed(wait time.Duration) { h.delayed += wait }

func (*heard) Waits() {}

func notCalled(t testing.TB) caddyhttp.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) error {
		t.Error("next was called")
		return nil
	}
}

func testContext(t testing.TB) caddy.Context {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	return ctx
}
