package faulttest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faulttest"
)

// get sends a request and returns the status line and the body of the reply.
func get(t testing.TB, p *faulttest.Point, path string) (status, body string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.Client().Do(r)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.Status, string(text), err
}

// want sends a request and checks the status line.
func want(t testing.TB, p *faulttest.Point, path, status string) {
	t.Helper()
	if got, _, err := get(t, p, path); err != nil || got != status {
		t.Errorf("%s: got %q, %v, want %q", path, got, err, status)
	}
}

// A fault hits what it matches, as often as its line says, and ends with its test.
func TestFault(t *testing.T) {
	p := faulttest.Start(t)
	t.Run("fault", func(t *testing.T) {
		failed := p.Fault(t, "match path /orders; times 2; respond 551")
		want(t, p, "/orders", "551 User Not Local")
		want(t, p, "/other", "200 OK")
		want(t, p, "/orders", "551 User Not Local")
		want(t, p, "/orders", "200 OK")
		failed.Hits(t, faulttest.Exactly(2))
		failed.Hits(t, faulttest.AtLeast(1))
		failed.Hits(t, faulttest.AtMost(2))
		hits := p.Journal(t)
		if len(hits) != 2 || hits[0].Path != "/orders" || hits[0].Kind != "respond" || !hits[1].Done {
			t.Errorf("the journal has %+v", hits)
		}
		p.Fault(t, "match path /orders; error 503")
		want(t, p, "/orders", "503 Service Unavailable")
	})
	want(t, p, "/orders", "200 OK")
}

// Faults end before the test if it says so.
func TestEnd(t *testing.T) {
	p := faulttest.Start(t)
	failed := p.Fault(t, "503")
	want(t, p, "/", "503 Service Unavailable")
	failed.End()
	failed.End()
	want(t, p, "/", "200 OK")
	p.Fault(t, "503")
	p.Halt()
	want(t, p, "/", "200 OK")
}

// Faults of the connection need the listener wrapper.
func TestWire(t *testing.T) {
	body := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	for line, want := range map[string]string{
		"reset":       "connection reset by peer",
		"close":       "EOF",
		"truncate 1B": "unexpected EOF",
		"garbage":     "malformed HTTP",
	} {
		p := faulttest.Start(t, faulttest.Upstream(body))
		failed := p.Fault(t, line)
		if _, _, err := get(t, p, "/"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %s", line, err, want)
		}
		failed.Hits(t, faulttest.Exactly(1))
	}
}

// A request that a fault holds does not keep the test from ending.
func TestHeld(t *testing.T) {
	began := time.Now()
	left := make(chan error)
	t.Run("held", func(t *testing.T) {
		p := faulttest.Start(t)
		held := p.Fault(t, "hang")
		client, address := p.Client(), p.URL
		go func() {
			resp, err := client.Get(address) //nolint:noctx // the context of the test ends too early
			if err == nil {
				_ = resp.Body.Close()
			}
			left <- err
		}()
		held.Hits(t, faulttest.Exactly(1))
	})
	<-left
	if took := time.Since(began); took > time.Minute {
		t.Errorf("the test took %v", took)
	}
}

// Every kind of upstream gets the requests that pass.
func TestUpstream(t *testing.T) {
	shop := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		_, _ = fmt.Fprintf(w, "%s %s", scheme, r.URL)
	})
	plain, secure := httptest.NewServer(shop), httptest.NewTLSServer(shop)
	defer plain.Close()
	defer secure.Close()
	at, err := url.Parse(plain.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		upstream any
		want     string
	}{
		"handler":    {shop, "http /a?b=c"},
		"server":     {plain, "http /a?b=c"},
		"TLS server": {secure, "https /a?b=c"},
		"text":       {plain.URL, "http /a?b=c"},
		"slash":      {plain.URL + "/", "http /a?b=c"},
		"URL":        {at, "http /a?b=c"},
		"none":       {nil, ""},
	} {
		p := faulttest.Start(t, faulttest.Upstream(test.upstream))
		if status, body, err := get(t, p, "/a?b=c"); err != nil || status != "200 OK" || body != test.want {
			t.Errorf("%s: got %q, %q, %v, want %q", name, status, body, err, test.want)
		}
	}
}

// Clients reports what a client did.
func TestClients(t *testing.T) {
	p := faulttest.Start(t)
	p.Fault(t, "match path /polite; times 1; respond 429; retry_after 1s")
	want(t, p, "/polite", "429 Too Many Requests")
	time.Sleep(1100 * time.Millisecond) // what the client does is the subject
	want(t, p, "/polite", "200 OK")
	report := p.Clients(t, faulttest.NoFindings("first_retry_at_once"), faulttest.NoFinding("retry_after_ignored"), faulttest.Recovered(), faulttest.MinCalls(1))
	if report.Calls != 1 || report.Clients[0].Attempts != 2 {
		t.Errorf("got %+v, want one call with two attempts", report)
	}

	rude := faulttest.Start(t)
	rude.Fault(t, "times 1; respond 429; retry_after 10s")
	want(t, rude, "/", "429 Too Many Requests")
	want(t, rude, "/", "200 OK")
	if got := rude.Clients(t); len(got.Clients) != 1 || len(got.Clients[0].Findings) == 0 {
		t.Errorf("got %+v, want findings", got)
	}
	failing(t, "retry_after_ignored", func(t testing.TB) { rude.Clients(t, faulttest.NoFindings()) })
}

// Too little evidence fails an assertion, and so does a wrong count.
func TestAssertionsFail(t *testing.T) {
	t.Parallel()
	for message, assert := range map[string]func(testing.TB, *faulttest.Point, *faulttest.Fault){
		"has hit 1 time, want exactly 2":  func(t testing.TB, _ *faulttest.Point, f *faulttest.Fault) { f.Hits(t, faulttest.Exactly(2)) },
		"has hit 1 time, want at least 2": func(t testing.TB, _ *faulttest.Point, f *faulttest.Fault) { f.Hits(t, faulttest.AtLeast(2)) },
		"has hit 1 time, want at most 0":  func(t testing.TB, _ *faulttest.Point, f *faulttest.Fault) { f.Hits(t, faulttest.AtMost(0)) },
		"exactly: '-1' is not a count":    func(t testing.TB, _ *faulttest.Point, f *faulttest.Fault) { f.Hits(t, faulttest.Exactly(-1)) },
		"saw 0 calls, needs 1":            func(t testing.TB, p *faulttest.Point, _ *faulttest.Fault) { p.Clients(t, faulttest.NoFindings()) },
		"fail_on: 'slow' is not a level":  func(t testing.TB, p *faulttest.Point, _ *faulttest.Fault) { p.Clients(t, faulttest.NoFinding("slow")) },
	} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			p := faulttest.Start(t)
			failed := p.Fault(t, "503")
			want(t, p, "/", "503 Service Unavailable")
			failing(t, message, func(t testing.TB) { assert(t, p, failed) })
		})
	}
}

// An upstream that cannot be one is refused.
func TestBadUpstream(t *testing.T) {
	for message, upstream := range map[string]any{
		"the upstream is a int; want an http.Handler":                          3,
		"want a scheme and a host, such as http:":                              "localhost:80",
		"write http://a, and send the path":                                    "http://a/b",
		"'http://me:xxxxx@a', with credentials; write http://a, and send them": "http://me:secret@a",
		"'http://me@a/b', with credentials":                                    &url.URL{Scheme: "http", User: url.User("me"), Host: "a", Path: "/b"},
		"an httptest.Server that has not started":                              httptest.NewUnstartedServer(nil),
		"reading the URL of the upstream":                                      "http://[",
		"the upstream is a nil *url.URL":                                       (*url.URL)(nil),
		"the upstream is a nil *httptest.Server":                               (*httptest.Server)(nil),
	} {
		failing(t, message, func(t testing.TB) { faulttest.Start(t, faulttest.Upstream(upstream)) })
	}
}

// A program may replace the default transport, as packages for tracing do.
func TestOtherDefaultTransport(t *testing.T) {
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	http.DefaultTransport = struct{ http.RoundTripper }{before}
	want(t, faulttest.Start(t), "/", "200 OK")
}

// A wrong line fails the test and shows the place.
func TestBadLine(t *testing.T) {
	p := faulttest.Start(t)
	failing(t, "match path /a; respnd 503\n              ^^^^^^^^^^^", func(t testing.TB) { p.Fault(t, "match path /a; respnd 503") })
	failing(t, "adding the fault", func(t testing.TB) { p.Fault(t, "respond 503 {env.HOME}") })
}

// 100 parallel tests with the same line do not see each other's hits.
func TestParallel(t *testing.T) {
	t.Parallel()
	for i := range 100 {
		t.Run("parallel", func(t *testing.T) {
			t.Parallel()
			var passed atomic.Int64
			p := faulttest.Start(t, faulttest.Upstream(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed.Add(1) })))
			times := i%3 + 1
			failed := p.Fault(t, fmt.Sprintf("times %d; respond 503", times))
			for n := range 4 {
				status := "503 Service Unavailable"
				if n >= times {
					status = "200 OK"
				}
				want(t, p, "/", status)
			}
			failed.Hits(t, faulttest.Exactly(times))
			if got := len(p.Journal(t)); got != times || passed.Load() != int64(4-times) {
				t.Errorf("the journal has %d hits and %d requests passed, want %d and %d", got, passed.Load(), times, 4-times)
			}
			if i%10 == 0 {
				p.Halt() // of this point only
			}
		})
	}
}

// scoped is a test that may fail, and ends before the test that it is part of.
type scoped struct {
	testing.TB
	messages strings.Builder
	cleanups []func()
}

func (s *scoped) Helper() {}

func (s *scoped) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *scoped) Errorf(format string, args ...any) {
	_, _ = fmt.Fprintf(&s.messages, format+"\n", args...)
}

func (s *scoped) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	panic(s)
}

func (s *scoped) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

// failing runs an assertion and checks that it fails with a message.
func failing(t *testing.T, message string, assert func(testing.TB)) {
	t.Helper()
	s := &scoped{TB: t}
	func() {
		defer s.end()
		defer func() {
			if stopped := recover(); stopped != nil && stopped != any(s) {
				panic(stopped)
			}
		}()
		assert(s)
	}()
	if got := s.messages.String(); !strings.Contains(got, message) {
		t.Errorf("got the message %q, want %q", got, message)
	}
}

// BenchmarkStart measures a start and its end. The first start is reported separately: it
// loads what all others share.
func BenchmarkStart(b *testing.B) {
	first := time.Now()
	for n := 0; b.Loop(); n++ {
		s := &scoped{TB: b}
		faulttest.Start(s)
		if n == 0 {
			b.ReportMetric(time.Since(first).Seconds()*1000, "first-ms")
		}
		s.end()
	}
}
