package faults

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestDelay(t *testing.T) {
	tests := []struct {
		line     string
		min, max time.Duration
	}{
		{"delay 1h", time.Hour, time.Hour},
		{"delay 1d", 24 * time.Hour, 24 * time.Hour},
		{"delay 200ms 2s", 200 * time.Millisecond, 2 * time.Second},
		{"delay 1s 1s", time.Second, time.Second},
		{"delay 0s", 0, 0},
		{"delay 0s 1s", 0, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := parse(t, new(Delay), tt.line)
				r := request(http.MethodGet)
				start := time.Now()
				var took time.Duration
				resp, err := runFault(t, f, r, func(http.ResponseWriter, *http.Request) error {
					took = time.Since(start)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if took < tt.min || took > tt.max {
					t.Errorf("waited %v, want %v to %v", took, tt.min, tt.max)
				}
				timing := resp.Header.Get("Server-Timing")
				if tt.max == 0 && timing != "" {
					t.Errorf("no delay is marked as %q", timing)
				}
				if tt.max > 0 && !strings.HasPrefix(timing, "fault;dur=") {
					t.Errorf("got Server-Timing %q", timing)
				}
			})
		})
	}
}

func TestDelayServerTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := parse(t, new(Delay), "delay 1500us")
		resp, err := runFault(t, f, request(http.MethodGet), func(http.ResponseWriter, *http.Request) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if got, want := resp.Header.Get("Server-Timing"), "fault;dur=1.5"; got != want {
			t.Errorf("got Server-Timing %q, want %q", got, want)
		}
	})
}

// The drawn wait is uniform: each tenth of the span gets a tenth of the draws.
func TestDelayIsUniform(t *testing.T) {
	const n = 100_000
	f := &Delay{Min: caddy.Duration(time.Second), Max: caddy.Duration(2 * time.Second)}
	var tenths [10]int
	for i := range n {
		wait := f.draw(&Hit{N: uint64(i), U: (float64(i) + 0.5) / n})
		if wait < time.Second || wait >= 2*time.Second {
			t.Fatalf("drew %v, want 1s to 2s", wait)
		}
		tenths[(wait-time.Second)/(100*time.Millisecond)]++
	}
	for i, count := range tenths {
		if count < n/10*98/100 || count > n/10*102/100 {
			t.Errorf("tenth %d: got %d of %d draws, want %d within 2 %%", i, count, n, n/10)
		}
	}
}

// A client that leaves ends the wait; the upstream is never asked.
func TestDelayClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := parse(t, new(Delay), "delay 1h")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		w := httptest.NewRecorder()
		err := f.ServeHTTP(w, request(http.MethodGet).WithContext(ctx), notCalled(t))
		he, ok := err.(caddyhttp.HandlerError)
		if !ok || he.StatusCode != 499 {
			t.Errorf("got error %v, want status 499", err)
		}
		if len(w.Header()) > 0 {
			t.Errorf("wrote header %v after the client had left", w.Header())
		}
	})
}

func TestDelayRefused(t *testing.T) {
	for _, tt := range []struct {
		f    Delay
		want string
	}{
		{Delay{Duration: -1}, "bad delay duration '-1ns': negative"},
		{Delay{Min: -1, Max: 1}, "bad delay min '-1ns': negative"},
		{Delay{Max: -1}, "bad delay max '-1ns': negative"},
		{Delay{Min: 2, Max: 1}, "min '2ns' is above max '1ns'"},
		{Delay{Min: 2}, "min '2ns' is above max '0s'"},
		{Delay{Duration: 1, Max: 1}, "delay has both duration '1ns' and min or max"},
	} {
		if err := tt.f.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.f, err, tt.want)
		}
	}
}
