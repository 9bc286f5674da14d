package kinds

import (
	"context"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// timedWriter records when each part has come.
type timedWriter struct {
	header http.Header
	start  time.Time
	pieces []timedPiece
}

type timedPiece struct {
	at   time.Duration
	size int
}

func (tw *timedWriter) Write(p []byte) (int, error) {
	tw.pieces = append(tw.pieces, timedPiece{time.Since(tw.start), len(p)})
	return len(p), nil
}

func (tw *timedWriter) Header() http.Header {
	if tw.header == nil {
		tw.header = make(http.Header)
	}
	return tw.header
}
func (tw *timedWriter) WriteHeader(int) {}
func (tw *timedWriter) Flush()          {}

func TestThrottle(t *testing.T) {
	for _, tt := range []struct {
		line        string
		size, piece int
		want        time.Duration
	}{
		{"throttle 10KiB/s", 10 << 10, 32 << 10, time.Second},
		{"throttle 10KiB/s", 10 << 10, 1, time.Second},
		{"throttle 1MiB/s", 3 << 20, 32 << 10, 3 * time.Second},
		{"throttle 100MiB/s", 100 << 20, 32 << 10, time.Second},
		{"throttle 7B/s", 21, 100, 3 * time.Second},
		{"throttle 1B/s", 3, 100, 3 * time.Second},
		{"throttle 10KiB/s {\nafter 90KiB\n}", 100 << 10, 32 << 10, time.Second},
		{"throttle 10KiB/s {\nafter 1MB\n}", 100 << 10, 32 << 10, 0},
		{"throttle 10KiB/s {\nrequest\n}", 100 << 10, 32 << 10, 0},
		{"throttle 10KiB/s {\nboth\n}", 10 << 10, 32 << 10, time.Second},
	} {
		t.Run(tt.line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tw := &timedWriter{start: time.Now()}
				f := parse(t, new(Throttle), tt.line)
				if err := f.Inject(firstHit(), tw, request(http.MethodGet), sender(strings.Repeat("x", tt.size), tt.piece)); err != nil {
					t.Fatal(err)
				}
				took := time.Since(tw.start)
				if off := (took - tt.want).Abs(); off > time.Millisecond {
					t.Errorf("took %v, want %v", took, tt.want)
				}
				tw.check(t, f, tt.size)
			})
		})
	}
}

// check checks that at each moment the bytes are within the rate, and that no piece is
// larger than a slice.
func (tw *timedWriter) check(t *testing.T, f *Throttle, size int) {
	t.Helper()
	total := 0
	for _, piece := range tw.pieces {
		total += piece.size
		if f.Direction == directionRequest {
			continue
		}
		allowed := float64(f.BytesPerSecond)*piece.at.Seconds() + float64(f.After) + 1
		if float64(total) > allowed {
			t.Fatalf("%d bytes after %v, want at most %.0f", total, piece.at, allowed)
		}
		if most := max(1, f.BytesPerSecond/10, f.After); int64(piece.size) > most {
			t.Fatalf("a piece of %d bytes, want at most %d", piece.size, most)
		}
	}
	if total != size {
		t.Errorf("got %d bytes, want %d", total, size)
	}
}

// The delays of late timers do not add up. After a pause of the sender, there is no
// burst.
func TestPaceMakesUp(t *testing.T) {
	const rate = 1000
	p := newLine(rate, 0)
	start := time.Now()
	now := start
	for range 1000 {
		if wait := p.next(now, 10); wait > 0 {
			now = now.Add(wait + 3*time.Millisecond) // the timer's error
		}
	}
	if took, want := now.Sub(start), 10*time.Second; took < want || took > want+5*time.Millisecond {
		t.Errorf("10,000 bytes at 1,000 bytes per second: took %v", took)
	}
	now = now.Add(time.Hour)
	burst := 0
	for p.next(now, 1) <= 0 {
		burst++
	}
	if want := rate / 10; burst > want {
		t.Errorf("%d bytes at once after a pause, want at most %d", burst, want)
	}
}

func TestPaceExtremes(t *testing.T) {
	for _, rate := range []int64{1, 1000, math.MaxInt64} {
		p := newLine(rate, 0)
		if size := p.slice(1 << 20); size < 1 || size > 1<<20 {
			t.Errorf("rate %d: got a slice of %d", rate, size)
		}
		if wait := p.next(time.Now(), 1); wait < 0 || wait > time.Second {
			t.Errorf("rate %d: got a wait of %v", rate, wait)
		}
	}
}

func TestThrottleRequest(t *testing.T) {
	for _, direction := range []string{"request", "both"} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			r := request(http.MethodPost)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 20<<10))), 20<<10
			var read time.Duration
			_, err := runFault(t, parse(t, new(Throttle), "throttle 10KiB/s {\n"+direction+"\n}"), r, func(w http.ResponseWriter, r *http.Request) error {
				if n, err := io.Copy(io.Discard, r.Body); n != 20<<10 || err != nil {
					t.Errorf("read %d bytes, error %v", n, err)
				}
				read = time.Since(start)
				_, err := w.Write(make([]byte, 10<<10))
				return err
			})
			if err != nil || read != 2*time.Second {
				t.Errorf("%s: reading took %v, error %v, want 2s", direction, read, err)
			}
			if took := time.Since(start) - read; (direction == "both") != (took == time.Second) {
				t.Errorf("%s: writing took %v", direction, took)
			}
		})
	}
}

// A request with a body is slow, whatever its reply is. One without a body passes. Caddy
// wraps the body of each request, so the fault looks at the length.
func TestThrottleRequestTold(t *testing.T) {
	empty := func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	short := func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, "short")
		return err
	}
	nothing := func(http.ResponseWriter, *http.Request) error { return nil }
	for _, tt := range []struct {
		options string
		length  int64
		next    caddyhttp.HandlerFunc
		told    string
	}{
		{"request", 1, empty, "hit"},
		{"request", 1, short, "hit"},
		{"request", 1, nothing, "hit"},
		{"both", 1, empty, "hit"},
		{"both", -1, nothing, "hit"},
		{"both\nafter 1KiB", -1, short, "hit"},
		{"both\nafter 1KiB", 1, nothing, "no_body"},
		{"request\nafter 1KiB", 1, nothing, "short"},
		{"request", 0, empty, "no_body"},
		{"request", 0, short, "no_body"},
		{"request", 0, nothing, "no_body"},
		{"both", 0, empty, "no_body"},
		{"both", 0, nothing, "no_body"},
		{"both\nafter 1KiB", 0, short, "hit short"},
	} {
		told := new(heard)
		r := request(http.MethodPost)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), tt.length
		r = r.WithContext(withHit(r.Context(), &faults.Hit{N: 1, Listener: told}))
		_, err := runFault(t, parse(t, new(Throttle), "throttle 1MiB/s {\n"+tt.options+"\n}"), r, tt.next)
		if err != nil || told.told != tt.told {
			t.Errorf("%s, length %d: told %q, error %v, want %q", tt.options, tt.length, told.told, err, tt.told)
		}
	}
}

// A request whose body the upstream has read passes, as in phase response over HTTP/2.
func TestThrottleRequestRead(t *testing.T) {
	told := new(heard)
	r := request(http.MethodPost)
	r.Body, r.ContentLength = http.NoBody, 4
	r = r.WithContext(withHit(r.Context(), &faults.Hit{N: 1, Listener: told}))
	_, err := runFault(t, parse(t, new(Throttle), "throttle 1MiB/s {\nrequest\n}"), r, func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusOK)
		return nil
	})
	if err != nil || told.told != "no_body" {
		t.Errorf("told %q, error %v, want no_body", told.told, err)
	}
}

// When the fault ends, the waits end and the rest passes at full speed. When the
// request ends, the waits end and nothing more is written.
func TestThrottleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(ended) })
		r := request(http.MethodGet)
		r = r.WithContext(withHit(r.Context(), &faults.Hit{Ended: ended}))
		start := time.Now()
		got := runShaped(parse(t, new(Throttle), "throttle 1B/s"), r, sized(strings.Repeat("x", 1000), 10))
		if took := time.Since(start); took != time.Second || got.Body.Len() != 1000 {
			t.Errorf("ended: took %v, got %d bytes", took, got.Body.Len())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		start := time.Now()
		got := runShaped(parse(t, new(Throttle), "throttle 1B/s"), request(http.MethodGet).WithContext(ctx), sized(strings.Repeat("x", 1000), 10))
		if took := time.Since(start); took != 2500*time.Millisecond || got.Body.Len() != 2 || !got.aborted {
			t.Errorf("client left: took %v, got %d bytes, aborted %v", took, got.Body.Len(), got.aborted)
		}
	})
}

// Throttling needs no memory, however long a body is.
func TestThrottleMemory(t *testing.T) {
	piece := make([]byte, 32<<10)
	f := provision(t, &Throttle{BytesPerSecond: math.MaxInt64})
	allocs := testing.AllocsPerRun(5, func() {
		_ = f.Inject(firstHit(), &timedWriter{pieces: make([]timedPiece, 0, 10000)}, request(http.MethodGet), caddyHandler(func(w http.ResponseWriter) {
			for range 1000 {
				_, _ = w.Write(piece)
			}
		}))
	})
	if allocs > 100 {
		t.Errorf("%v allocations for 1,000 writes", allocs)
	}
}

// caddyHandler adapts a next handler that cannot fail.
func caddyHandler(write func(w http.ResponseWriter)) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) error {
		write(w)
		return nil
	}
}
