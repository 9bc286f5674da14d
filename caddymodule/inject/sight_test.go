package inject

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

// replies is a handler that ends as told.
func replies(status int, err error, panics bool) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) error {
		if status != 0 {
			w.WriteHeader(status)
		}
		if panics {
			panic(http.ErrAbortHandler)
		}
		return err
	}
}

// serveAndRecover serves a request as Caddy does, with or without the recorder of the
// access log.
func serveAndRecover(h caddyhttp.MiddlewareHandler, r *http.Request, w http.ResponseWriter, next caddyhttp.Handler) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}()
	_ = h.ServeHTTP(w, r, next) // the error is part of the case
}

// want checks what a point has seen.
type want struct{ count, hits, failed, real uint64 }

func (w want) check(t *testing.T, p *seen.Point) {
	t.Helper()
	s := p.Summarize(time.Minute)
	failed := uint64(0)
	if s.All.Success != nil {
		failed = uint64((1-*s.All.Success)*float64(s.All.Count) + 0.5)
	}
	if got := (want{s.All.Count, s.Hit.Count, failed, s.RealErrors}); got != w {
		t.Errorf("got %+v, want %+v", got, w)
	}
}

// TestSeenResults checks how the end of a request counts.
func TestSeenResults(t *testing.T) {
	const missed = `{"rules": [{"percent": 0, "faults": [{"fault": "close"}]}]}`
	const teapot = `{"rules": [{"faults": [{"fault": "respond", "status_code": 418}]}]}`
	for _, tt := range []struct {
		name, config string
		next         caddyhttp.Handler
		want         want
	}{
		{"nothing written", missed, replies(0, nil, false), want{1, 0, 0, 0}},
		{"200", missed, replies(200, nil, false), want{1, 0, 0, 0}},
		{"404", missed, replies(404, nil, false), want{1, 0, 0, 0}},
		{"429", missed, replies(429, nil, false), want{1, 0, 1, 0}},
		{"503", missed, replies(503, nil, false), want{1, 0, 1, 1}},
		{"error 502", missed, replies(0, caddyhttp.Error(502, errors.New("no upstream")), false), want{1, 0, 1, 1}},
		{"error 404", missed, replies(0, caddyhttp.Error(404, errors.New("not there")), false), want{1, 0, 0, 0}},
		{"cut", missed, replies(200, nil, true), want{1, 0, 1, 0}},
		{"no rule", `{}`, replies(503, nil, false), want{1, 0, 1, 1}},
		{"not for the point", `{"match": [{"path": ["/api/*"]}], "rules": [{"faults": [{"fault": "close"}]}]}`, replies(503, nil, false), want{}},
		{"not for a point without rules", `{"match": [{"path": ["/api/*"]}]}`, replies(503, nil, false), want{}},
		{"hit", teapot, replies(0, nil, false), want{1, 1, 0, 0}},
		{"hit with 551", `{"rules": [{"faults": [` + respond551 + `]}]}`, replies(200, nil, false), want{1, 1, 1, 0}},
		{"hit without a reply", `{"rules": [{"faults": [{"fault": "close"}]}]}`, replies(200, nil, false), want{1, 1, 1, 0}},
		{"hit by error", `{"rules": [{"faults": [{"fault": "error", "status_code": 500}]}]}`, replies(200, nil, false), want{1, 1, 1, 0}},
		{"delayed, then 503", `{"rules": [{"faults": [{"fault": "delay", "duration": "1ms"}]}]}`, replies(503, nil, false), want{1, 1, 1, 0}},
		{"hit on the reply", onResponse(respond551), replies(200, nil, false), want{1, 1, 1, 0}},
		{"no fault has an effect", `{"rules": [{"faults": [{"fault": "truncate", "percent": 50}]}]}`, replies(503, nil, false), want{1, 0, 1, 1}},
		{"dry run", `{"rules": [{"dry_run": true, "faults": [{"fault": "close"}]}]}`, replies(200, nil, false), want{1, 0, 0, 0}},
	} {
		for _, recorded := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, recorded %v", tt.name, recorded), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := load(t, tt.config, "")
					defer h.ctl.BeginExit()
					h.ctl.Seen.Wake()
					var w http.ResponseWriter = httptest.NewRecorder()
					if recorded {
						w = caddyhttp.NewResponseRecorder(w, nil, nil)
					}
					serveAndRecover(h, testkit.Request(http.MethodGet, "/x", w), w, tt.next)
					tt.want.check(t, h.seen)
				})
			})
		}
	}
}

// A point at which nobody looks counts hits only.
func TestSeenIdle(t *testing.T) {
	h := load(t, `{"rules": [{"match": [{"path": ["/hit"]}], "faults": [`+respond551+`]}]}`, "")
	serve := func(path string) {
		w := httptest.NewRecorder()
		serveAndRecover(h, testkit.Request(http.MethodGet, path, w), w, replies(200, nil, false))
	}
	serve("/other")
	if h.seen.Counts() {
		t.Error("the point counts although nothing has woken it")
	}
	serve("/hit")
	serve("/other")
	want{2, 1, 0, 0}.check(t, h.seen) // the hit had begun to count before its end
}

// Two points hit the same request: it is not a real error at either. An outer point that
// does not hit it sees a failure, which is not real.
func TestSeenNested(t *testing.T) {
	const rule = `{"point": "%s", "rules": [{"match": [{"path": ["%s"]}], "faults": [{"fault": "%s"}]}]}`
	outer := load(t, fmt.Sprintf(rule, "outer", "/both", `delay", "duration": "1ns`), "")
	inner := load(t, fmt.Sprintf(rule, "inner", "*", `respond", "status_code": 503, "reason": "`), "")
	outer.ctl.Seen.Wake()
	inner.ctl.Seen.Wake()
	for _, path := range []string{"/both", "/inner"} {
		w := httptest.NewRecorder()
		serveAndRecover(outer, testkit.Request(http.MethodGet, path, w), w, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			return inner.ServeHTTP(w, r, replies(200, nil, false))
		}))
	}
	want{2, 1, 2, 0}.check(t, outer.seen)
	want{2, 2, 2, 0}.check(t, inner.seen)
}

func TestSeenAttempts(t *testing.T) {
	for _, tt := range []struct {
		name, config string
		inner        roundTripFunc
		want         want
	}{
		{"passes", `{}`, func(*http.Request) (*http.Response, error) { return upstreamReply(), nil }, want{1, 0, 0, 0}},
		{"fails", `{}`, func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }, want{1, 0, 1, 1}},
		{"503", `{}`, func(*http.Request) (*http.Response, error) {
			resp := upstreamReply()
			resp.StatusCode = 503
			return resp, nil
		}, want{1, 0, 1, 1}},
		{"hit", `{"rules": [{"faults": [` + respond551 + `]}]}`, nil, want{1, 1, 1, 0}},
		{"refused", `{"rules": [{"faults": [{"fault": "refuse"}]}]}`, nil, want{1, 1, 1, 0}},
		{"hit on the reply", onResponse(respond551), func(*http.Request) (*http.Response, error) { return upstreamReply(), nil }, want{1, 1, 1, 0}},
		{"not for the point", `{"match": [{"path": ["/api/*"]}]}`, func(*http.Request) (*http.Response, error) { return upstreamReply(), nil }, want{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := loadTransport(t, tt.config)
			tr.inner = tt.inner
			tr.ctl.Seen.Wake()
			resp, err := tr.RoundTrip(testkit.Request(http.MethodGet, "/x", httptest.NewRecorder()))
			if err == nil {
				_ = resp.Body.Close()
			}
			tt.want.check(t, tr.seen)
		})
	}
}

// A health check is not a request of a client.
func TestSeenHealthCheck(t *testing.T) {
	tr := loadTransport(t, `{}`)
	tr.ctl.Seen.Wake()
	roundTrip(t, tr, testkit.HealthCheck("/health"))
	want{}.check(t, tr.seen)
}

// Of many requests, no two get the same writer.
func TestSightsAreNew(t *testing.T) {
	var all sights
	known := make(map[*sight]bool)
	for range 1000 {
		s := all.take()
		if known[s] || s.ResponseWriter != nil || s.hit {
			t.Fatal("a sight is used twice")
		}
		s.hit = true
		known[s] = true
	}
}
