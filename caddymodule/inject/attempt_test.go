package inject

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// checkAttempts runs a fault in a transport, in one of the phases.
func checkAttempts(t *testing.T, fault faults.Fault, phase string) {
	t.Run("left alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			newAttempt(fault, phase).run(t.Context()).check(t)
		})
	})
	t.Run("client leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, leave := context.WithTimeout(t.Context(), time.Millisecond)
			defer leave()
			got := newAttempt(fault, phase).run(ctx)
			if got.took > time.Millisecond {
				t.Errorf("the fault went on for %v after the client had left", got.took-time.Millisecond)
			}
			got.check(t)
		})
	})
	t.Run("ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newAttempt(fault, phase)
			ended := make(chan struct{})
			a.hit.Ended = ended
			time.AfterFunc(time.Millisecond, func() { close(ended) })
			if a.run(t.Context()); a.took > time.Millisecond {
				t.Errorf("the fault went on for %v after it had ended", a.took-time.Millisecond)
			}
			a.check(t)
		})
	})
	t.Run("concurrent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() { newAttempt(fault, phase).run(t.Context()).check(t) })
			}
			wg.Wait()
		})
	})
}

// attemptTrial is an attempt that is hit by one fault.
type attemptTrial struct {
	fault faults.Fault
	phase string
	hit   *faults.Hit

	sent  *watchedBody   // body of the request
	reply *http.Response // body of the upstream's reply
	nexts int
	took  time.Duration
	resp  *http.Response
	err   error
}

func newAttempt(fault faults.Fault, phase string) *attemptTrial {
	return &attemptTrial{fault: fault, phase: phase, hit: newHit(), sent: newWatchedBody("sent"), reply: upstreamReply()}
}

// watchedBody is a body that remembers whether it has been closed.
type watchedBody struct {
	io.Reader
	closed bool
}

func newWatchedBody(content string) *watchedBody {
	return &watchedBody{Reader: strings.NewReader(content)}
}

func (b *watchedBody) Close() error {
	b.closed = true
	return nil
}

// upstreamReply is the reply that a transport returns for [upstream].
func upstreamReply() *http.Response {
	return &http.Response{
		StatusCode:    http.StatusOK,
		Header:        http.Header{"Content-Length": {strconv.Itoa(len(testkit.UpstreamBody))}, "X-Upstream": {"1"}},
		ContentLength: int64(len(testkit.UpstreamBody)),
		Body:          newWatchedBody(testkit.UpstreamBody),
	}
}

func (a *attemptTrial) run(ctx context.Context) *attemptTrial {
	r := httptest.NewRequest(http.MethodPost, "/", a.sent)
	r = r.WithContext(ctx)
	ask := func(r *http.Request) (*http.Response, error) {
		a.nexts++
		closeBody(r)
		return a.reply, nil
	}
	drop := func() { closeBody(r) }
	if a.phase == rules.PhaseResponse {
		r.Body = nil
		drop = func() { _ = a.reply.Body.Close() }
	}
	start := time.Now()
	a.resp, a.err = attempt(faults.Chain{a.fault}, a.hit, r, ask, drop)
	a.took = time.Since(start)
	return a
}

// check checks what a proxy gets from a fault.
func (a *attemptTrial) check(t *testing.T) {
	t.Helper()
	if a.nexts > 1 {
		t.Errorf("next was called %d times", a.nexts)
	}
	if a.nexts > 0 && faults.Ends(a.fault) {
		t.Error("a terminal fault has called next")
	}
	if a.phase == rules.PhaseRequest && !a.sent.closed {
		t.Error("the body of the request has not been closed")
	}
	if a.phase == rules.PhaseResponse && a.resp != a.reply && !a.reply.Body.(*watchedBody).closed {
		t.Error("the reply of the upstream is lost and has not been closed")
	}
	switch {
	case (a.resp == nil) == (a.err == nil):
		t.Errorf("got reply %v and error %v, want one of them", a.resp, a.err)
	case a.resp != nil:
		a.checkReply(t)
	}
}

func (a *attemptTrial) checkReply(t *testing.T) {
	t.Helper()
	if a.resp.Body == nil || a.resp.Header == nil {
		t.Fatalf("a reply without body or header: %+v", a.resp)
	}
	body, err := io.ReadAll(a.resp.Body)
	if err != nil {
		if a.resp.ContentLength >= 0 {
			t.Errorf("a body of %d bytes breaks off: %v", a.resp.ContentLength, err)
		}
		return
	}
	declared := a.resp.Header.Get("Content-Length")
	if a.resp.ContentLength != int64(len(body)) || declared != "" && declared != strconv.Itoa(len(body)) {
		t.Errorf("the length is %d, Content-Length %q, and the body has %d bytes", a.resp.ContentLength, declared, len(body))
	}
	if a.resp != a.reply && len(body) > 0 && a.resp.Header.Get("Content-Type") == "" {
		t.Errorf("a body of %d bytes has no type", len(body))
	}
}
