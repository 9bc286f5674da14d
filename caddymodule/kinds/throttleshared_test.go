package kinds

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// download returns how long a body of n bytes takes, for a rule with this memory.
func download(f faults.Fault, m faults.Memory, n int) time.Duration {
	began := time.Now()
	_ = f.Inject(&faults.Hit{N: 1, Memory: m}, &timedWriter{}, request(http.MethodGet), sized(strings.Repeat("x", n), 1<<10))
	return time.Since(began)
}

// A burst is sent at once, before the rate applies. A body within it is not slow.
func TestThrottleBurst(t *testing.T) {
	for _, tt := range []struct {
		line string
		size int
		want time.Duration
		told string
	}{
		{"throttle 10KiB/s {\nburst 20KiB\n}", 40 << 10, 2 * time.Second, "hit"},
		{"throttle 10KiB/s {\nburst 20KiB\nafter 10KiB\n}", 40 << 10, time.Second, "hit"},
		{"throttle 10KiB/s {\nburst 20KiB\n}", 20 << 10, 0, "short"},
		{"throttle 10KiB/s {\nburst 20KiB\nafter 10KiB\n}", 30 << 10, 0, "short"},
		{"throttle 10KiB/s {\nburst 1TiB\n}", 40 << 10, 0, "short"},
		{"throttle 10KiB/s {\nburst 20KiB\nshared\n}", 20 << 10, 0, "hit short"}, // others could have used the burst
	} {
		synctest.Test(t, func(t *testing.T) {
			f, listener, began := parse(t, new(Throttle), tt.line), new(heard), time.Now()
			hit := &faults.Hit{N: 1, Memory: new(memory), Listener: listener}
			w := &timedWriter{start: began}
			err := f.Inject(hit, w, request(http.MethodGet), sized(strings.Repeat("x", tt.size), 1<<10, "Content-Length", fmt.Sprint(tt.size)))
			if took := time.Since(began); err != nil || took != tt.want || listener.told != tt.told {
				t.Errorf("%q, %d bytes: took %v, told %q, error %v; want %v, %q", tt.line, tt.size, took, listener.told, err, tt.want, tt.told)
			}
			total := 0
			for _, piece := range w.pieces {
				total += piece.size
				if allowed := float64(f.After+f.Burst) + piece.at.Seconds()*float64(f.BytesPerSecond); float64(total) > allowed {
					t.Errorf("%q: %d bytes after %v, want at most %v", tt.line, total, piece.at, allowed)
				}
			}
			if total != tt.size {
				t.Errorf("%q: got %d bytes, want %d", tt.line, total, tt.size)
			}
		})
	}
}

// A burst is used once, and fills up again at the rate, also between requests.
func TestThrottleBurstFillsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := parse(t, new(Throttle), "throttle 10KiB/s {\nburst 20KiB\nshared\n}"), new(memory)
		for i, tt := range []struct{ after, want time.Duration }{
			{0, 0},
			{0, 2 * time.Second},
			{time.Second, time.Second},
			{time.Hour, 0},
			{0, 2 * time.Second},
		} {
			time.Sleep(tt.after)
			if took := download(f, m, 20<<10); took.Round(time.Millisecond) != tt.want {
				t.Errorf("request %d: took %v, want %v", i+1, took, tt.want)
			}
		}
	})
}

// Requests of one key share the rate and take turns. Each key has a line.
func TestThrottleShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users, requests = 3, 5
		f := parse(t, new(Throttle), "throttle 10KiB/s {\nshared\n}")
		var wg sync.WaitGroup
		for range users {
			m := new(memory)
			for range requests {
				wg.Go(func() {
					// The last pieces of all requests are within one round of turns.
					if took, all := download(f, m, 10<<10), requests*time.Second; took > all+time.Millisecond || took < all-requests*maxSlice {
						t.Errorf("took %v, want about %v", took, all)
					}
				})
			}
		}
		wg.Wait()
		m := new(memory)
		for range 2 { // one after the other
			if took := download(f, m, 10<<10); took.Round(time.Millisecond) != time.Second {
				t.Errorf("alone: took %v, want 1s", took)
			}
		}
	})
}

// Uploads share the rate, but not with downloads.
func TestThrottleSharedUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := parse(t, new(Throttle), "throttle 10KiB/s {\nshared\nboth\n}"), new(memory)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				began, r := time.Now(), request(http.MethodPost)
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 10<<10))), 10<<10
				_ = f.Inject(&faults.Hit{N: 1, Memory: m}, &timedWriter{}, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
					_, err := io.Copy(io.Discard, r.Body)
					return err
				}))
				if took := time.Since(began); took < 1900*time.Millisecond || took > 2001*time.Millisecond {
					t.Errorf("an upload took %v, want about 2s", took)
				}
			})
		}
		wg.Go(func() {
			if took := download(f, m, 10<<10); took.Round(time.Millisecond) != time.Second {
				t.Errorf("a download took %v, want 1s", took)
			}
		})
		wg.Wait()
	})
}

// A client that leaves gives its turn back, and an end of the fault releases all.
func TestThrottleSharedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := parse(t, new(Throttle), "throttle 10B/s {\nshared\n}"), new(memory)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				defer func() { _ = recover() }() // the sender notices that the client has left
				r := request(http.MethodGet)
				_ = f.Inject(&faults.Hit{N: 1, Memory: m}, &timedWriter{}, r.WithContext(ctx), sized("xxxxxxxxxx", 1))
			})
		}
		wg.Wait()
		if took := download(f, m, 10); took > time.Second+2*time.Millisecond {
			t.Errorf("after 50 clients have left: took %v, want 1s", took)
		}
		ended := make(chan struct{})
		time.AfterFunc(2*time.Second, func() { close(ended) })
		began := time.Now()
		for range 50 {
			wg.Go(func() {
				_ = f.Inject(&faults.Hit{N: 1, Memory: m, Ended: ended}, &timedWriter{}, request(http.MethodGet), sized(strings.Repeat("x", 1000), 1))
				if took := time.Since(began); took != 2*time.Second {
					t.Errorf("ended after 2s: took %v", took)
				}
			})
		}
		wg.Wait()
	})
}

// A line does not overflow.
func TestLineExtremes(t *testing.T) {
	for _, rate := range []int64{1, 1000, math.MaxInt64} {
		for _, burst := range []int64{0, 1, math.MaxInt64} {
			l := newLine(rate, burst)
			for range 2 {
				if size := l.slice(1 << 20); size < 1 || size > 1<<20 {
					t.Errorf("rate %d, burst %d: got a slice of %d", rate, burst, size)
				}
				if wait := l.next(time.Now(), 1); wait > 2*time.Second {
					t.Errorf("rate %d, burst %d: got a wait of %v", rate, burst, wait)
				}
			}
		}
	}
}

// A client cannot ask for a shared line.
func TestThrottleUntrusted(t *testing.T) {
	for _, tt := range []struct {
		options string
		refused bool
	}{{"burst 1MiB", false}, {"burst 2MiB", true}, {"shared", true}} {
		err := unmarshal(t, new(Throttle), "throttle 1KiB/s {\n"+tt.options+"\n}").Untrusted(new(faults.Limits))
		if (err != nil) != tt.refused {
			t.Errorf("%s: got error %v, want one: %v", tt.options, err, tt.refused)
		}
	}
}
