package kinds

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// memory is a rule's memory for one key.
type memory struct {
	mu      sync.Mutex
	values  map[string]any
	elapsed time.Duration
}

func (m *memory) Elapsed() time.Duration { return m.elapsed }

func (m *memory) Kept(name string) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[name]
}

func (m *memory) Keep(name string, fresh func() any) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values[name] == nil {
		if m.values == nil {
			m.values = make(map[string]any)
		}
		m.values[name] = fresh()
	}
	return m.values[name]
}

// limited returns the fields about limits of a reply, in one line.
func limited(h http.Header) string {
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if strings.Contains(name, "Ratelimit") || name == retryAfterField {
			fields = append(fields, name+": "+strings.Join(h[name], " | "))
		}
	}
	return strings.Join(fields, ", ")
}

// A quota lets its requests pass, and the window begins with a request. The fields say
// what is left.
func TestRateLimitWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := parse(t, new(RateLimit), "ratelimit 2 10s"), new(memory)
		const policy = `Ratelimit-Policy: "default";q=2;w=10`
		for i, tt := range []struct {
			after  time.Duration // the last request
			status int
			told   string
			want   string
		}{
			{time.Hour, 200, "within_quota", `Ratelimit: "default";r=1;t=10, ` + policy},
			{2500 * time.Millisecond, 200, "within_quota", `Ratelimit: "default";r=0;t=8, ` + policy},
			{0, 429, "hit", `Ratelimit: "default";r=0;t=8, ` + policy + ", Retry-After: 8"},
			{7499 * time.Millisecond, 429, "hit", `Ratelimit: "default";r=0;t=1, ` + policy + ", Retry-After: 1"},
			{time.Millisecond, 200, "within_quota", `Ratelimit: "default";r=1;t=10, ` + policy},
		} {
			time.Sleep(tt.after)
			listener := new(heard)
			r := request(http.MethodGet)
			r = r.WithContext(withHit(r.Context(), &faults.Hit{N: 1, Memory: m, Listener: listener}))
			resp, err := runFault(t, f, r, func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("RateLimit", "of the upstream")
				_, err := io.WriteString(w, "hello")
				return err
			})
			if err != nil || resp.StatusCode != tt.status || limited(resp.Header) != tt.want || listener.told != tt.told {
				t.Errorf("request %d: got %d, %s, told %q, error %v; want %d, %s, %q", i+1, resp.StatusCode, limited(resp.Header), listener.told, err, tt.status, tt.want, tt.told)
			}
			body, _ := io.ReadAll(resp.Body)
			if said := string(body); said != "hello" && !strings.Contains(said, `"too_many_requests"`) {
				t.Errorf("request %d: got body %s", i+1, said)
			}
		}
	})
}

// Each style has its fields, on replies within and above the quota.
func TestRateLimitFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(300 * time.Millisecond) // the clock is rarely at a full second
		ends := time.Now().Add(time.Minute)
		unix, rfc3339 := "946684861", "2000-01-01T00:01:01Z" // rounded up
		if ends.Unix() != 946684860 {
			t.Fatalf("the fake clock begins at another time: the window ends at %v", ends)
		}
		for _, tt := range []struct{ line, within, above string }{
			{"ratelimit 1 1m", `Ratelimit: "default";r=0;t=60, Ratelimit-Policy: "default";q=1;w=60`, ""},
			{"ratelimit 1 1m ietf", `Ratelimit: "default";r=0;t=60, Ratelimit-Policy: "default";q=1;w=60`, ""},
			{"ratelimit 1 1m x", "X-Ratelimit-Limit: 1, X-Ratelimit-Remaining: 0, X-Ratelimit-Reset: 60", ""},
			{"ratelimit 1 1m x_unix", "X-Ratelimit-Limit: 1, X-Ratelimit-Remaining: 0, X-Ratelimit-Reset: " + unix, ""},
			{"ratelimit 1 1m off", "", "Retry-After: 60"},
			{
				"ratelimit 1 1m x {\nheader -X-RateLimit-Reset\nheader X-RateLimit-Used {http.fault.used}/{http.fault.limit}\nheader +X-RateLimit-At {http.fault.reset.rfc3339}\n}",
				"X-Ratelimit-At: " + rfc3339 + ", X-Ratelimit-Limit: 1, X-Ratelimit-Remaining: 0, X-Ratelimit-Used: 1/1", "",
			},
			{
				"ratelimit 1 1m off {\nheader X-RateLimit-Reset {http.fault.remaining},{http.fault.reset.unix},{http.fault.reset.unix_ms},{http.fault.reset}s\nrespond 403\n}",
				"X-Ratelimit-Reset: 0," + unix + ",946684860300,60s", "X-Ratelimit-Reset: 0," + unix + ",946684860300,60s",
			},
		} {
			if tt.above == "" {
				tt.above = "Retry-After: 60, " + tt.within
				if strings.HasPrefix(tt.within, "Ratelimit") {
					tt.above = tt.within + ", Retry-After: 60"
				}
			}
			f, m := parse(t, new(RateLimit), tt.line), new(memory)
			for i, want := range []string{tt.within, tt.above} {
				r := request(http.MethodGet)
				r = r.WithContext(withHit(r.Context(), &faults.Hit{N: 1, Memory: m}))
				resp, err := runFault(t, f, r, sized("x", 1))
				if got := limited(resp.Header); err != nil || got != want {
					t.Errorf("%s, request %d: got %q, error %v, want %q", tt.line, i+1, got, err, want)
				}
			}
		}
	})
}

// Above the quota, other faults may run, and have the placeholders.
func TestRateLimitFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := parse(t, new(RateLimit), "ratelimit 1 30s off {\ndelay 2s\nrespond 403 `{\"retry_after\": {http.fault.reset}}`\n}"), new(memory)
		for i, want := range []string{"x", `{"retry_after": 28}`} {
			r := request(http.MethodGet)
			r = r.WithContext(withHit(r.Context(), &faults.Hit{N: 1, Memory: m}))
			began := time.Now()
			resp, err := runFault(t, f, r, sized("x", 1))
			body, _ := io.ReadAll(resp.Body)
			if took := time.Since(began); err != nil || (took == 2*time.Second) != (i == 1) {
				t.Errorf("request %d took %v, error %v", i+1, took, err)
			}
			if string(body) != want || resp.Header.Get("Retry-After") != "" {
				t.Errorf("request %d: got %s, header %v, want %s", i+1, body, resp.Header, want)
			}
		}
	})
}

// The quota is exact, however many requests come at once.
func TestRateLimitConcurrent(t *testing.T) {
	f, m := parse(t, new(RateLimit), "ratelimit 10 1h"), new(memory)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			_ = f.Inject(&faults.Hit{N: 1, Memory: m}, httptest.NewRecorder(), request(http.MethodGet), caddyHandler(func(http.ResponseWriter) { passed.Add(1) }))
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 10 {
		t.Errorf("%d requests passed, want 10", n)
	}
}

// A reply of the error routes or of the server has the fields as well. After its end,
// the fault does nothing.
func TestRateLimitWithoutHead(t *testing.T) {
	f := parse(t, new(RateLimit), "ratelimit 1 1h")
	for _, failed := range []error{nil, errors.New("refused")} {
		w := httptest.NewRecorder()
		err := f.Inject(firstHit(), w, request(http.MethodGet), caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return failed }))
		if !errors.Is(err, failed) || w.Header().Get("RateLimit") == "" {
			t.Errorf("error %v: got %v, header %v", failed, err, w.Header())
		}
	}
	ended := make(chan struct{})
	close(ended)
	m := new(memory)
	for range 3 {
		w := httptest.NewRecorder()
		if err := f.Inject(&faults.Hit{Ended: ended, Memory: m}, w, request(http.MethodGet), sized("x", 1)); err != nil || limited(w.Header()) != "" || w.Code != 200 {
			t.Errorf("ended: got %d, header %v, error %v", w.Code, w.Header(), err)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (rt roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return rt(r) }

// In a transport, the proxy gets the fields and the reply.
func TestRateLimitAttempts(t *testing.T) {
	f, m := parse(t, new(RateLimit), "ratelimit 1 1h x"), new(memory)
	asked := 0
	for i, want := range []int{200, 429, 429} {
		r := request(http.MethodGet)
		resp, err := f.RoundTrip(&faults.Hit{N: 1, Memory: m}, r, roundTripper(func(r *http.Request) (*http.Response, error) {
			asked++
			return newResponse(r, 200, "OK", make(http.Header), []byte("x")), nil
		}))
		if err != nil || resp.StatusCode != want || resp.Header.Get("X-RateLimit-Limit") != "1" || (resp.Header.Get("Retry-After") == "3600") != (want == 429) {
			t.Errorf("attempt %d: got %+v, error %v, want %d", i+1, resp, err, want)
		}
	}
	if asked != 1 {
		t.Errorf("the upstream was asked %d times, want once", asked)
	}
}

// Foresee says what is used, and changes nothing.
func TestRateLimitForesee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := parse(t, new(RateLimit), "ratelimit 1 10s"), new(memory)
		for i, tt := range []struct {
			asks  bool
			after time.Duration
			what  string
			idle  bool
		}{
			{false, 0, "0 of 1 requests used", true},
			{true, 3 * time.Second, "1 of 1 requests used, the next window begins in 7s", false},
			{false, 7 * time.Second, "0 of 1 requests used", true},
		} {
			if tt.asks {
				_ = f.Inject(&faults.Hit{N: 1, Memory: m}, httptest.NewRecorder(), request(http.MethodGet), sized("x", 1))
			}
			time.Sleep(tt.after)
			for range 2 {
				if what, idle := (faults.Chain{f}).Foresee(m); len(what) != 1 || what[0] != tt.what || idle != tt.idle {
					t.Errorf("step %d: got %q, %v, want %q, %v", i+1, what, idle, tt.what, tt.idle)
				}
			}
		}
	})
}
