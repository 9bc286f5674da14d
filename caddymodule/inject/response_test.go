package inject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// onResponse is a point with one rule of phase response.
func onResponse(fault string) string {
	return `{"rules": [{"phase": "response", "faults": [` + fault + `]}]}`
}

const (
	respond551 = `{"fault": "respond", "status_code": 551}`
	body551    = `{"error": "server_error", "message": "User Not Local"}`
)

// Fields that describe the upstream's body are not sent with another body. Other fields
// are kept.
func TestReplacedHeader(t *testing.T) {
	h := load(t, onResponse(respond551), "")
	gone := []string{
		"Content-Length", "Transfer-Encoding", "Trailer", "Content-Encoding", "Content-Range", "Accept-Ranges", "Etag",
		"Last-Modified", "Content-Disposition", "Content-Language", "Content-Location", "Content-Md5", "Digest",
		"Content-Digest", "Repr-Digest", "Grpc-Status", "Grpc-Message", "Upgrade", "Connection", "Sec-Websocket-Accept",
		"Connect-Content-Encoding",
	}
	resp, body, err := testkit.Get(t, h, "/", func(w http.ResponseWriter, _ *http.Request) error {
		for _, name := range gone {
			w.Header().Set(name, "1")
		}
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("X-Upstream", "1")
		w.Header().Set("Content-Type", "image/png")
		w.WriteHeader(http.StatusOK)
		_, err := io.WriteString(w, "not this")
		w.Header().Set("Grpc-Status", "0") // a trailer
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		return err
	})
	if err != nil || resp.StatusCode != 551 || body != body551 {
		t.Fatalf("got %d %s, %v", resp.StatusCode, body, err)
	}
	for _, name := range gone {
		if got := resp.Header.Get(name); got != "" {
			t.Errorf("%s of the upstream is still there: %q", name, got)
		}
	}
	for name, want := range map[string]string{"Set-Cookie": "a=b", "X-Upstream": "1", "Content-Type": "application/json"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// A fault that calls next gets the upstream's reply unchanged.
func TestHeldReplyPasses(t *testing.T) {
	tests := []struct {
		name     string
		upstream caddyhttp.HandlerFunc
		status   int
		body     string
	}{
		{"plain", testkit.Upstream, 200, testkit.UpstreamBody},
		{"implicit head", func(w http.ResponseWriter, _ *http.Request) error {
			_, err := io.WriteString(w, "hi")
			return err
		}, 200, "hi"},
		{"nothing at all", func(http.ResponseWriter, *http.Request) error { return nil }, 200, ""},
		{"no body", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(204)
			return nil
		}, 204, ""},
		{"copied", func(w http.ResponseWriter, _ *http.Request) error {
			_, err := io.Copy(w, strings.NewReader("copied"))
			return err
		}, 200, "copied"},
		{"flushed first", func(w http.ResponseWriter, _ *http.Request) error {
			if err := http.NewResponseController(w).Flush(); err != nil {
				return err
			}
			_, err := io.WriteString(w, "flushed")
			return err
		}, 200, "flushed"},
		{"head twice", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(201)
			w.WriteHeader(500)
			return nil
		}, 201, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := load(t, onResponse(`{"fault": "delay", "duration": "1h"}, {"fault": "delay", "duration": "1h"}`), "")
				start := time.Now()
				resp, body, err := testkit.Get(t, h, "/", tt.upstream)
				if err != nil || resp.StatusCode != tt.status || body != tt.body {
					t.Errorf("got %d %q, %v, want %d %q", resp.StatusCode, body, err, tt.status, tt.body)
				}
				if took := time.Since(start); took != 2*time.Hour {
					t.Errorf("took %v, want both delays", took)
				}
			})
		})
	}
}

// next returns to the chain at the end of the upstream's reply, with the upstream's
// error.
func TestHeldNextReturnsAtTheEnd(t *testing.T) {
	cut := errors.New("cut")
	w := httptest.NewRecorder()
	var log []string
	rp := newResponsePhase(w, func(d http.ResponseWriter, reply caddyhttp.HandlerFunc) error {
		log = append(log, "chain")
		err := reply(d, httptest.NewRequest("GET", "/", nil))
		log = append(log, fmt.Sprint("end ", err))
		return err
	})
	err := rp.serve(caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(200)
		log = append(log, "body")
		return cut
	}), testkit.Request(http.MethodGet, "/", w))
	if got, want := fmt.Sprint(log), "[chain body end cut]"; got != want || !errors.Is(err, cut) {
		t.Errorf("got %s, error %v, want %s", got, err, want)
	}
}

// If the upstream panics, a chain that waits for it ends before the request does.
func TestHeldUpstreamPanics(t *testing.T) {
	w := httptest.NewRecorder()
	ended := false
	rp := newResponsePhase(w, func(d http.ResponseWriter, reply caddyhttp.HandlerFunc) error {
		err := reply(d, httptest.NewRequest("GET", "/", nil))
		ended = errors.Is(err, http.ErrAbortHandler)
		return err
	})
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("got panic %v, want the upstream's", p)
		}
		if !ended {
			t.Error("the chain was not ended with an error")
		}
	}()
	_ = rp.serve(caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(200)
		panic(http.ErrAbortHandler)
	}), testkit.Request(http.MethodGet, "/", w))
}

// If a chain has aborted the request, an inner writer such as that of encode may write
// the header again. Nothing happens then, because the rule has had its hit.
func TestHeadIsTakenOnce(t *testing.T) {
	w := httptest.NewRecorder()
	hits := 0
	rp := newResponsePhase(w, func(http.ResponseWriter, caddyhttp.HandlerFunc) error {
		hits++
		panic(http.ErrAbortHandler)
	})
	defer func() {
		if p := recover(); p != http.ErrAbortHandler || hits != 1 || w.Flushed || w.Body.Len() > 0 {
			t.Errorf("got panic %v after %d hits, sent %v %q; want the abort after one hit and nothing sent", p, hits, w.Flushed, w.Body)
		}
	}()
	_ = rp.serve(caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		defer func() {
			w.WriteHeader(200)
			_, _ = io.WriteString(w, "late")
			_ = http.NewResponseController(w).Flush()
		}()
		w.WriteHeader(200)
		return nil
	}), testkit.Request(http.MethodGet, "/", w))
}

// newResponsePhase returns a responsePhase whose rule always fires.
func newResponsePhase(w http.ResponseWriter, chain func(http.ResponseWriter, caddyhttp.HandlerFunc) error) *responsePhase {
	rp := &responsePhase{
		cancelUpstream: func() {},
		decide:         func(int) rules.Decision { return rules.Decision{Rule: new(rules.Rule)} },
		inject:         func(_ rules.Decision, reply caddyhttp.HandlerFunc) error { return chain(w, reply) },
	}
	rp.HeadWriter = wire.NewHeadWriter(w, rp)
	return rp
}

// The rest of a replaced reply is cut after drainSize.
func TestReplacedBodyIsCut(t *testing.T) {
	h := load(t, onResponse(respond551), "")
	for _, way := range []string{"write", "copy"} {
		t.Run(way, func(t *testing.T) {
			taken := int64(0)
			resp, body, err := testkit.Get(t, h, "/", func(w http.ResponseWriter, _ *http.Request) error {
				chunk := strings.Repeat("x", 32<<10)
				for {
					var n int64
					var err error
					if way == "copy" {
						n, err = io.Copy(w, strings.NewReader(chunk))
					} else {
						var written int
						written, err = io.WriteString(w, chunk)
						n = int64(written)
					}
					taken += n
					if err != nil {
						panic(http.ErrAbortHandler) // as reverse_proxy does
					}
				}
			})
			if err != nil || resp.StatusCode != 551 || body != body551 {
				t.Errorf("got %d %q, %v", resp.StatusCode, body, err)
			}
			if taken > drainSize {
				t.Errorf("%d bytes were taken, want at most %d", taken, drainSize)
			}
		})
	}
}

// An upstream that stops sending does not delay a replaced reply.
func TestReplacedBodyIsCutInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := load(t, onResponse(respond551), "")
		start := time.Now()
		resp, _, err := testkit.Get(t, h, "/", func(w http.ResponseWriter, r *http.Request) error {
			w.WriteHeader(200)
			<-r.Context().Done()
			return r.Context().Err()
		})
		if err != nil || resp.StatusCode != 551 {
			t.Errorf("got %d, %v", resp.StatusCode, err)
		}
		if took := time.Since(start); took != drainTime {
			t.Errorf("took %v, want %v", took, drainTime)
		}
	})
}

// The client's context is not canceled.
func TestReplacedLeavesTheRequestAlone(t *testing.T) {
	h := load(t, onResponse(respond551), "")
	w := httptest.NewRecorder()
	r := testkit.Request(http.MethodGet, "/", w)
	if err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream)); err != nil || r.Context().Err() != nil {
		t.Errorf("got %v, context %v", err, r.Context().Err())
	}
}

func TestReplacedOtherPanicsGoOn(t *testing.T) {
	h := load(t, onResponse(respond551), "")
	defer func() {
		if p := recover(); p != "bug" {
			t.Errorf("got panic %v, want the upstream's own", p)
		}
	}()
	_, _, _ = testkit.Get(t, h, "/", func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(200)
		panic("bug")
	})
}

// An error from the upstream counts as a reply with the status of the error.
func TestErrorCountsAsReply(t *testing.T) {
	const config = `{"rules": [{"match_response": {"status_code": [502]}, "faults": [` + respond551 + `]}]}`
	h := load(t, config, "")
	tests := []struct {
		name   string
		err    error
		status int
	}{
		{"dead upstream", caddyhttp.Error(502, errors.New("dial")), 551},
		{"other status", caddyhttp.Error(404, errors.New("not found")), 0},
		{"plain error", errors.New("plain"), 0},
		{"wrapped", fmt.Errorf("wrapped: %w", caddyhttp.Error(502, errors.New("dial"))), 551},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, _, err := testkit.Get(t, h, "/", func(http.ResponseWriter, *http.Request) error { return tt.err })
			if tt.status != 0 && (err != nil || resp.StatusCode != tt.status) {
				t.Errorf("got %d, %v, want %d", resp.StatusCode, err, tt.status)
			}
			if tt.status == 0 && err != tt.err {
				t.Errorf("got error %v, want %v", err, tt.err)
			}
		})
	}
}

// A delayed error is still an error.
func TestDelayedError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := load(t, onResponse(`{"fault": "delay", "duration": "1h"}`), "")
		want := caddyhttp.Error(502, errors.New("dial"))
		start := time.Now()
		_, _, err := testkit.Get(t, h, "/", func(http.ResponseWriter, *http.Request) error { return want })
		if err != error(want) || time.Since(start) != time.Hour {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// The error fault leaves the reply to the error routes.
func TestHeldError(t *testing.T) {
	h := load(t, onResponse(`{"fault": "error", "status_code": 504}`), "")
	resp, body, err := testkit.Get(t, h, "/", testkit.Upstream)
	he, ok := errors.AsType[caddyhttp.HandlerError](err)
	if !ok || he.StatusCode != 504 || body != "" || resp.Header.Get("Content-Length") != "" {
		t.Errorf("got %v, body %q, header %v", err, body, resp.Header)
	}
}

// close and reset end the request with the server's panic, from within the upstream's
// WriteHeader.
func TestHeldAbort(t *testing.T) {
	for _, kind := range []string{"close", "reset"} {
		h := load(t, onResponse(`{"fault": "`+kind+`"}`), "")
		func() {
			defer func() {
				if p := recover(); p != http.ErrAbortHandler {
					t.Errorf("%s: got panic %v", kind, p)
				}
			}()
			_, _, err := testkit.Get(t, h, "/", testkit.Upstream)
			t.Errorf("%s: returned %v", kind, err)
		}()
	}
}

func TestInterimRepliesPass(t *testing.T) {
	h := load(t, onResponse(respond551), "")
	var interim []int
	w := &codes{ResponseRecorder: httptest.NewRecorder(), seen: &interim}
	err := h.ServeHTTP(w, testkit.Request(http.MethodGet, "/", w), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(103)
		w.WriteHeader(102)
		w.WriteHeader(200)
		return nil
	}))
	if got, want := fmt.Sprint(interim), "[103 102 551]"; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// codes records every WriteHeader.
type codes struct {
	*httptest.ResponseRecorder
	seen *[]int
}

func (c *codes) WriteHeader(code int) { *c.seen = append(*c.seen, code) }

func TestReplacedCannotBeHijacked(t *testing.T) {
	h := load(t, onResponse(respond551), "")
	_, _, err := testkit.Get(t, h, "/", func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(101)
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, errReplaced) {
			t.Errorf("got %v, want %v", err, errReplaced)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// If a connection cannot be taken over, the reply is still sent.
func TestHeldHijackFails(t *testing.T) {
	h := load(t, onResponse(respond551), "")
	resp, _, err := testkit.Get(t, h, "/", func(w http.ResponseWriter, _ *http.Request) error {
		if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
			t.Error("the recorder was hijacked")
		}
		w.WriteHeader(200)
		return nil
	})
	if err != nil || resp.StatusCode != 551 {
		t.Errorf("got %d, %v; want 551", resp.StatusCode, err)
	}
}

// A client that leaves while the reply is delayed ends the request.
func TestHeldClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := load(t, onResponse(`{"fault": "delay", "duration": "1h"}`), "")
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		w := httptest.NewRecorder()
		start := time.Now()
		err := h.ServeHTTP(w, testkit.Request(http.MethodGet, "/", w).WithContext(ctx), caddyhttp.HandlerFunc(testkit.Upstream))
		if time.Since(start) != time.Second {
			t.Errorf("took %v, want 1s", time.Since(start))
		}
		if he, ok := errors.AsType[caddyhttp.HandlerError](err); !ok || he.StatusCode != 499 {
			t.Errorf("got %v, want status 499", err)
		}
	})
}
