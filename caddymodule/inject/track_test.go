package inject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// oneFault is a point with one rule of one fault.
func oneFault(settings, fault string) string {
	return fmt.Sprintf(`{"point": "api", "rules": [{"name": "bad"%s, "faults": [%s]}]}`, settings, fault)
}

func text200(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, strings.Repeat("text ", 100))
	return err
}

// outcomeOfAttempt writes an attempt for a comparison.
func outcomeOfAttempt(a clients.Attempt) string {
	text := string(a.Outcome)
	if a.Outcome == clients.Reply {
		text += fmt.Sprint(" ", a.Status)
	}
	if a.RetryAfter != nil {
		text += fmt.Sprint(" after ", *a.RetryAfter)
	}
	return text
}

// TestTrackOutcomes holds what the recorder of clients learns about the end of a request,
// in both phases.
func TestTrackOutcomes(t *testing.T) {
	onResponse := `, "phase": "response"`
	for _, tt := range []struct{ settings, fault, want string }{
		{"", `{"fault": "respond", "status_code": 503, "headers": {"set": {"Retry-After": ["2"]}}}`, "reply 503 after 2"},
		{"", `{"fault": "respond", "status_code": 551}`, "reply 551"},
		{"", `{"fault": "error", "status_code": 502}`, "reply 502"},
		{"", `{"fault": "close"}`, "no_reply"},
		{"", `{"fault": "reset"}`, "no_reply"},
		{"", `{"fault": "garbage"}`, "no_reply"},
		{"", `{"fault": "malformed"}`, "cut"},
		{"", `{"fault": "truncate", "bytes": 10}`, "cut"},
		{"", `{"fault": "delay", "duration": "1ms"}`, "reply 200"},
		{"", `{"fault": "grpc", "code": "UNAVAILABLE"}`, "reply 503"},
		{onResponse, `{"fault": "respond", "status_code": 503, "headers": {"set": {"Retry-After": ["2"]}}}`, "reply 503 after 2"},
		{onResponse, `{"fault": "close"}`, "no_reply"},
		{onResponse, `{"fault": "truncate", "bytes": 10}`, "cut"},
		{onResponse, `{"fault": "delay", "duration": "1ms"}`, "reply 200"},
	} {
		t.Run(tt.settings+tt.fault, func(t *testing.T) {
			h, err := tryLoad(t, oneFault(tt.settings, tt.fault), "")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server))
				if err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(text200)); err != nil {
					w.WriteHeader(statusOf(err))
				}
			}))
			if resp, err := srv.Client().Get(srv.URL + "/orders"); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			srv.Close()
			<-done
			calls := h.ctl.Clients.Evidence().Calls
			if len(calls) != 1 || len(calls[0].Attempts) != 1 {
				t.Fatalf("got %+v, want one call", calls)
			}
			if got := outcomeOfAttempt(calls[0].Attempts[0]); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if a := calls[0].Attempts[0]; a.Rule != "bad" || a.Hit == "" || calls[0].Path != "/orders" || calls[0].Point != "api" {
				t.Errorf("got %+v", calls[0])
			}
		})
	}
}

// TestTrackFollowUps holds that requests after a hit are part of its call.
func TestTrackFollowUps(t *testing.T) {
	upstream := http.StatusBadGateway
	next := func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(upstream)
		return nil
	}
	h := load(t, oneFault(`, "times": 2`, `{"fault": "respond", "status_code": 503}`), "")
	h.watch.Watch(time.Minute)
	for _, upstream = range []int{503, 503, 502, 502, 200, 200} {
		if _, _, err := testkit.Get(t, h, "/", next); err != nil {
			t.Fatal(err)
		}
	}
	ev := h.ctl.Clients.Evidence()
	if len(ev.Calls) != 1 {
		t.Fatalf("got %d calls, want 1", len(ev.Calls))
	}
	got := []string{}
	for _, a := range ev.Calls[0].Attempts {
		got = append(got, a.Rule+" "+string(a.Outcome))
	}
	if want := []string{"bad reply", "bad reply", " reply", " reply", " passed"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if ev.Calls[0].Outcome != clients.Recovered {
		t.Errorf("got %s, want recovered", ev.Calls[0].Outcome)
	}
	if len(ev.Clients[0].Passed) != 2 {
		t.Errorf("got %d requests that passed, want 2", len(ev.Clients[0].Passed))
	}
}

// TestTrackLeft holds that a client which leaves is noticed.
func TestTrackLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := load(t, oneFault("", `{"fault": "delay", "duration": "1h"}`), "")
		w := httptest.NewRecorder()
		r := testkit.Request(http.MethodGet, "/", w)
		ctx, leave := context.WithTimeout(r.Context(), 5*time.Second)
		defer leave()
		if err := h.ServeHTTP(w, r.WithContext(ctx), caddyhttp.HandlerFunc(text200)); err == nil {
			t.Fatal("no error")
		}
		a := h.ctl.Clients.Evidence().Calls[0].Attempts[0]
		if a.Outcome != clients.Left || a.Late || a.End.Sub(a.Start) != 5*time.Second {
			t.Errorf("got %+v", a)
		}
		h.ctl.BeginExit()
	})
}

// TestTrackOff holds that nothing is recorded if the configuration says so.
func TestTrackOff(t *testing.T) {
	h := load(t, mail, `{"clients": {"off": true}}`)
	if _, _, err := testkit.Get(t, h, "/mail/", text200); err != nil {
		t.Fatal(err)
	}
	if calls := h.ctl.Clients.Evidence().Calls; len(calls) != 0 || h.watch != nil {
		t.Errorf("got %+v, want nothing", calls)
	}
}

// TestTrackNames holds what the settings say of a request.
func TestTrackNames(t *testing.T) {
	h := load(t, oneFault("", `{"fault": "respond", "status_code": 503}`), `{"clients": {
		"call": "{http.request.header.X-Request-Id}", "client": "{http.request.header.X-Client}",
		"idempotent": [{"path": ["/graphql"]}, {"method": ["PATCH"]}]
	}}`)
	ask := func(method, path string, fields ...string) {
		w := httptest.NewRecorder()
		r := testkit.Request(method, path, w)
		for i := 0; i < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
		if err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(text200)); err != nil {
			t.Fatal(err)
		}
	}
	ask(http.MethodPost, "/graphql", "X-Client", "a", "X-Request-Id", "1")
	ask(http.MethodPost, "/graphql", "X-Client", "a", "X-Request-Id", "1")
	ask(http.MethodPost, "/other", "X-Client", "b")
	ask(http.MethodPatch, "/other", "X-Client", "c")
	got := []string{}
	for _, c := range h.ctl.Clients.Evidence().Calls {
		got = append(got, fmt.Sprint(c.Client, " ", c.By, " ", c.Count, " ", c.MayRepeat))
	}
	if want := "a call 2 true, b guess 1 false, c guess 1 true"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", strings.Join(got, ", "), want)
	}
}

// TestTrackAttempts holds that the retries of a proxy are judged at a transport.
func TestTrackAttempts(t *testing.T) {
	ctx, err := testkit.Provision(t, control.New(), "")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := testkit.Load[*Transport](t, ctx, "http.reverse_proxy.transport.fault",
		oneFault(`, "times": 2`, `{"fault": "respond", "status_code": 503}`))
	if err != nil {
		t.Fatal(err)
	}
	tr.inner = roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, nil
	})
	r := testkit.Request(http.MethodGet, "/", httptest.NewRecorder())
	for range 4 {
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	calls := tr.ctl.Clients.Evidence().Calls
	if len(calls) != 1 || calls[0].Count != 3 || calls[0].Outcome != clients.Recovered || calls[0].By != clients.ByCall || calls[0].Client != "Caddy" {
		t.Errorf("got %+v, want one call with three attempts", calls)
	}
}

// TestTrackSparedAttempts holds that an attempt is part of its call if a rule fires on it
// and has no effect.
func TestTrackSparedAttempts(t *testing.T) {
	for _, tt := range []struct{ name, settings, step string }{
		{"passes", "", ""},
		{"passes on the reply", `, "phase": "response"`, ""},
		{"has no effect", "", `{"fault": "delay", "duration": "1ms", "hold": true}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := loadTransport(t, oneFault(tt.settings, `{"fault": "sequence", "steps": [[{"fault": "respond", "status_code": 503}], [`+tt.step+`]]}`))
				tr.inner = roundTripFunc(func(*http.Request) (*http.Response, error) {
					time.Sleep(time.Second)
					return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, nil
				})
				r := testkit.Request(http.MethodGet, "/", httptest.NewRecorder())
				for range 2 {
					resp, err := tr.RoundTrip(r)
					if err != nil {
						t.Fatal(err)
					}
					_ = resp.Body.Close()
				}
				calls := tr.ctl.Clients.Evidence().Calls
				if len(calls) != 1 || calls[0].Count != 2 || calls[0].Outcome != clients.Recovered {
					t.Errorf("got %+v, want one call with two attempts", calls)
				}
			})
		})
	}
}

// TestGRPCResult holds what becomes of a gRPC status.
func TestGRPCResult(t *testing.T) {
	for _, tt := range []struct {
		code, pushback string
		status         int
		wait           time.Duration
	}{
		{"0", "", 200, -1},
		{"14", "", 503, -1},
		{"14", "250", 503, 250 * time.Millisecond},
		{"14", "-1", 503, -1},
		{"8", "0", 429, 0},
		{"4", "", 504, -1},
		{"13", "", 500, -1},
		{"5", "", 400, -1},
		{"nonsense", "nonsense", 400, -1},
	} {
		if status, wait := grpcResult(tt.code, tt.pushback); status != tt.status || wait != tt.wait {
			t.Errorf("%s, %q: got %d, %v, want %d, %v", tt.code, tt.pushback, status, wait, tt.status, tt.wait)
		}
	}
}

// TestRetryAfter holds how Retry-After is read.
func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		value, date string
		want        time.Duration
	}{
		{"2", "", 2 * time.Second},
		{"0", "", 0},
		{"-1", "", -1},
		{"soon", "", -1},
		{"99999999999999999999", "", -1},
		{"9999999999", "", (1 << 30) * time.Second},
		{"Mon, 30 Nov 2026 10:00:09 GMT", "Mon, 30 Nov 2026 10:00:00 GMT", 9 * time.Second},
		{"Mon, 30 Nov 2026 10:00:00 GMT", "Mon, 30 Nov 2026 10:00:09 GMT", 0},
	} {
		header := http.Header{"Retry-After": {tt.value}}
		if tt.date != "" {
			header.Set("Date", tt.date)
		}
		if got := retryAfter(header); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.value, got, tt.want)
		}
	}
	if got := retryAfter(http.Header{}); got >= 0 {
		t.Errorf("no field: got %v", got)
	}
}

var errTrack = errors.New("failed")

// TestAttemptOutcomes holds what the recorder learns about attempts that fail.
func TestAttemptOutcomes(t *testing.T) {
	h := load(t, mail, "")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errTrack, "no_reply"},
		{caddyhttp.Error(http.StatusBadGateway, errTrack), "no_reply"},
		{caddyhttp.Error(http.StatusGatewayTimeout, errTrack), "reply 504"},
	} {
		h.ctl.Clients.Forget()
		r := testkit.Request(http.MethodGet, "/", httptest.NewRecorder())
		q := h.arrival(r)
		seen := &track{visit: h.watch.HitAt(time.Now().UnixNano(), clients.Visit{}, &q, "bad", 1)}
		seen.visit.End(attemptResult(r, nil, tt.err))
		if got := outcomeOfAttempt(h.ctl.Clients.Evidence().Calls[0].Attempts[0]); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
		}
	}
}

// BenchmarkTracked is what a request costs that passes a point while clients are watched:
// one of a client that no fault has hit, and one of a client that a fault has hit.
func BenchmarkTracked(b *testing.B) {
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	for _, bench := range []struct {
		name  string
		watch func(h *Handler, r *http.Request)
	}{
		{"idle", func(*Handler, *http.Request) {}},
		{"counted", func(h *Handler, _ *http.Request) { h.watch.Watch(time.Hour) }},
		{"another client", func(h *Handler, r *http.Request) {
			q := h.arrival(r)
			q.Client = "another"
			h.watch.HitAt(time.Now().UnixNano(), clients.Visit{}, &q, "bad", 1)
		}},
		{"this client", func(h *Handler, r *http.Request) {
			q := h.arrival(r)
			q.Path = "/another"
			h.watch.HitAt(time.Now().UnixNano(), clients.Visit{}, &q, "bad", 1)
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			h := load(b, mail, "")
			w := &testkit.Discard{Fields: make(http.Header)}
			r := testkit.Request(http.MethodGet, "/other", w)
			bench.watch(h, r)
			b.ReportAllocs()
			for b.Loop() {
				if err := h.ServeHTTP(w, r, next); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The status and the pushback of a gRPC reply count, in the header and in trailers.
func TestAddHeader(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		status       int
		want         clients.Result
	}{
		{"plain", "Retry-After: 5", 503, clients.Result{Status: 503, RetryAfter: 5 * time.Second}},
		{"failed at once", "Grpc-Status: 14|Grpc-Retry-Pushback-Ms: 1500", 200, clients.Result{Status: 503, RetryAfter: 1500 * time.Millisecond}},
		{"trailers", "Trailer:Grpc-Status: 8|Trailer:Grpc-Retry-Pushback-Ms: 20", 200, clients.Result{Status: 429, RetryAfter: 20 * time.Millisecond}},
		{"never again", "Grpc-Status: 14|Grpc-Retry-Pushback-Ms: -1", 200, clients.Result{Status: 503, RetryAfter: -1}},
		{"not gRPC", "Grpc-Status: 14", 404, clients.Result{Status: 404, RetryAfter: -1}},
	} {
		header := make(http.Header)
		for line := range strings.SplitSeq(tt.header, "|") {
			i := strings.LastIndex(line, ": ")
			header[line[:i]] = []string{line[i+2:]}
		}
		got := clients.Result{Status: tt.status}
		if addHeader(&got, header); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
