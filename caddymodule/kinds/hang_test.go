package kinds

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func TestHang(t *testing.T) {
	tests := []struct {
		name, line    string
		ended, leaves time.Duration // 0: never
		body          io.Reader
		took          time.Duration
		status        int // of the error; 0: the connection is closed
	}{
		{"over", "hang 1h", 0, 0, nil, time.Hour, 0},
		{"ended", "hang 1h", time.Minute, 0, nil, time.Minute, 0},
		{"client leaves", "hang 1h", 0, time.Second, nil, time.Second, 499},
		{"endless, ended", "hang", 24 * time.Hour, 0, nil, 24 * time.Hour, 0},
		{"endless, client leaves", "hang", 0, time.Hour, nil, time.Hour, 499},
		{"body", "hang 1h", 0, 0, strings.NewReader("some text"), time.Hour, 0},
		{"body that stalls", "hang 1h", 0, 0, stalled{}, time.Hour, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := parse(t, new(Hang), tt.line)
				ended := make(chan struct{})
				if tt.ended > 0 {
					time.AfterFunc(tt.ended, func() { close(ended) })
				}
				ctx, leave := context.WithCancel(withHit(t.Context(), &faults.Hit{Ended: ended}))
				defer leave()
				if tt.leaves > 0 {
					time.AfterFunc(tt.leaves, leave)
				}
				r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", tt.body)
				r.ProtoMajor = 2
				w := httptest.NewRecorder()
				got := endingOf(f, w, r, notCalled(t))
				if got.took != tt.took {
					t.Errorf("took %v, want %v", got.took, tt.took)
				}
				he, _ := errors.AsType[caddyhttp.HandlerError](got.err)
				if he.StatusCode != tt.status || got.aborted != (tt.status == 0) {
					t.Errorf("got error %v, aborted %v, want status %d", got.err, got.aborted, tt.status)
				}
				if w.Body.Len() > 0 || len(w.Header()) > 0 {
					t.Errorf("wrote %q, header %v", w.Body, w.Header())
				}
			})
		})
	}
}

// slowHijacker hijacks its connection late, as a delay with hold does.
type slowHijacker struct {
	wire.Hijackable
	late time.Duration
}

func (s slowHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	time.Sleep(s.late)
	return s.Hijackable.Hijack()
}

// Over HTTP/1, hang hijacks the connection and watches it for the client to leave. It
// does not rely on net/http to notice that.
func TestHangTakesOver(t *testing.T) {
	tests := []struct {
		name         string
		late, leaves time.Duration // 0: the client does not leave
		cancelled    bool          // the request, by the taking over
		took         time.Duration
		status       int // of the error; 0: the connection is closed
	}{
		{"over", 0, 0, false, time.Hour, 0},
		{"expired, hijacked late", time.Minute, 0, false, time.Hour, 0},
		{"hijacked too late", 2 * time.Hour, 0, false, 2 * time.Hour, 0},
		{"over, cancelled", 0, 0, true, time.Hour, 0},
		{"client leaves", 0, time.Minute, false, time.Minute, 499},
		{"client leaves, cancelled", 0, time.Minute, true, time.Minute, 499},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := parse(t, new(Hang), "hang 1h")
				conn, client := net.Pipe()
				defer client.Close()
				go func() {
					_, _ = io.WriteString(client, "more than there should be")
					if tt.leaves > 0 {
						time.Sleep(tt.leaves)
						_ = client.Close()
					}
				}()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.cancelled {
					cancel()
				}
				got := endingOf(f, slowHijacker{wire.Hijackable{Conn: conn}, tt.late}, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil), notCalled(t))
				he, _ := errors.AsType[caddyhttp.HandlerError](got.err)
				if got.took != tt.took || he.StatusCode != tt.status || got.aborted != (tt.status == 0) {
					t.Errorf("got %+v, want status %d after %v", got, tt.status, tt.took)
				}
			})
		})
	}
}

type stalled struct{}

func (stalled) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// A hang without a duration ends with its rule.
func TestHangRemoved(t *testing.T) {
	for _, line := range []string{"hang", "hang {\n after 0B\n}"} {
		synctest.Test(t, func(t *testing.T) {
			f := parse(t, new(Hang), line)
			removed := make(chan struct{})
			time.AfterFunc(time.Hour, func() { close(removed) })
			ctx := withHit(t.Context(), &faults.Hit{Removed: removed})
			got := endingOf(f, httptest.NewRecorder(), request2(ctx, t), sized("abc", 1))
			if got.took != time.Hour || !got.aborted {
				t.Errorf("%s: got %+v, want an abort after an hour", line, got)
			}
		})
	}
}

// A hang with a duration keeps the duration.
func TestHangOutlivesRemovedRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := parse(t, new(Hang), "hang 1m")
		removed := make(chan struct{})
		close(removed)
		got := endingOf(f, httptest.NewRecorder(), request2(withHit(t.Context(), &faults.Hit{Removed: removed}), t), notCalled(t))
		if got.took != time.Minute {
			t.Errorf("took %v, want a minute", got.took)
		}
	})
}

// trickle writes n bytes, with a pause after each, until a write fails.
func trickle(n int, pause time.Duration) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(http.StatusOK)
		for i := range n {
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return r.Context().Err()
			}
			if _, err := io.WriteString(w, string(rune('a'+i))); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestHangAfter(t *testing.T) {
	const n = 10 // bytes, one a second
	tests := []struct {
		name, line    string
		ended, leaves time.Duration // 0: never
		pause         time.Duration
		body          string
		took          time.Duration
		aborted       bool
	}{
		{"bytes", "hang 1m {\n after 3B\n}", 0, 0, time.Second, "abc", 64 * time.Second, true},
		{"no byte", "hang 1m {\n after 0B\n}", 0, 0, time.Second, "", 61 * time.Second, true},
		{"all bytes", "hang 1m {\n after 10B\n}", 0, 0, time.Second, "abcdefghij", n * time.Second, false},
		{"bytes, without a duration", "hang {\n after 3B\n}", 0, time.Hour, time.Second, "abc", time.Hour, true},
		{"bytes, ended", "hang 1m {\n after 3B\n}", 5 * time.Second, 0, time.Second, "abc", 5 * time.Second, true},
		{"bytes, ended before", "hang 1m {\n after 3B\n}", time.Second / 2, 0, time.Second, "abcdefghij", n * time.Second, false},
		{"time", "hang 1m {\n after 3500ms\n}", 0, 0, time.Second, "abc", 63500 * time.Millisecond, true},
		{"time, silent", "hang 1m {\n after 3s\n}", 0, 0, time.Hour, "", 63 * time.Second, true},
		{"time, complete before", "hang 1m {\n after 11s\n}", 0, 0, time.Second, "abcdefghij", n * time.Second, false},
		{"time, ended before", "hang 1m {\n after 3500ms\n}", time.Second, 0, time.Second, "abcdefghij", n * time.Second, false},
		{"time, ended", "hang 1m {\n after 3500ms\n}", 5 * time.Second, 0, time.Second, "abc", 5 * time.Second, true},
		{"time, client leaves", "hang 1m {\n after 3500ms\n}", 0, 5 * time.Second, time.Second, "abc", 5 * time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := parse(t, new(Hang), tt.line)
				if f.Terminal() {
					t.Fatal("terminal, want one that calls next")
				}
				ended := make(chan struct{})
				if tt.ended > 0 {
					time.AfterFunc(tt.ended, func() { close(ended) })
				}
				ctx, leave := context.WithCancel(withHit(t.Context(), &faults.Hit{Ended: ended}))
				defer leave()
				if tt.leaves > 0 {
					time.AfterFunc(tt.leaves, leave)
				}
				w := httptest.NewRecorder()
				got := endingOf(f, w, request2(ctx, t), trickle(n, tt.pause))
				if got.took != tt.took || got.aborted != tt.aborted || !got.aborted && got.err != nil {
					t.Errorf("got %+v, want it to take %v, aborted %v", got, tt.took, tt.aborted)
				}
				if w.Body.String() != tt.body || (tt.body != "" || tt.line[len(tt.line)-4:] == "0B\n}") && tt.aborted && !w.Flushed {
					t.Errorf("got body %q, flushed %v, want %q", w.Body, w.Flushed, tt.body)
				}
			})
		})
	}
}

// One large Write is cut at the limit. So is a copy through ReadFrom.
func TestHangAfterLargeWrite(t *testing.T) {
	for _, copies := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := parse(t, new(Hang), "hang 1s {\n after 1KiB\n}")
			w := httptest.NewRecorder()
			got := endingOf(f, w, request2(t.Context(), t), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				text := strings.Repeat("x", 1<<20)
				var err error
				if copies {
					_, err = w.(io.ReaderFrom).ReadFrom(strings.NewReader(text))
				} else {
					_, err = io.WriteString(w, text)
				}
				if !errors.Is(err, errCut) {
					t.Errorf("writing: got error %v, want %v", err, errCut)
				}
				return nil // like a sender that ignores errors
			}))
			if w.Body.Len() != 1024 || !got.aborted || got.took != time.Second {
				t.Errorf("got %d bytes, %+v, want 1024, aborted after 1s", w.Body.Len(), got)
			}
		})
	}
}

// A reply to HEAD has no body in which it could stop.
func TestHangAfterHead(t *testing.T) {
	f := parse(t, new(Hang), "hang 1h {\n after 5B\n}")
	resp, err := runFault(t, f, request(http.MethodHead), func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, "more than five bytes")
		return err
	})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("got %d, error %v, want 200", resp.StatusCode, err)
	}
}

func TestHangRefused(t *testing.T) {
	for _, tt := range []struct {
		f    Hang
		want string
	}{
		{Hang{Duration: -1}, "bad hang duration '-1ns': must not be negative"},
		{Hang{After: "-1s"}, "bad hang after '-1s': must not be negative"},
		{Hang{After: "-1B"}, "bad size '-1B': must not be negative"},
		{Hang{After: "soon"}, "bad hang after 'soon'"},
	} {
		if err := tt.f.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.f, err, tt.want)
		}
	}
}
