package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
	"github.com/caddyfault/caddyfault/caddymodule/recent"
)

const everyRequest = `{"rule": "percent 10; respond 503", "points": ["*"]}`

// serve passes a request to handlers, one after the other, as routes do.
func serve(t *testing.T, method, target string, header http.Header, handlers ...*inject.Handler) {
	t.Helper()
	w := httptest.NewRecorder()
	r := testkit.Request(method, target, w)
	maps.Copy(r.Header, header)
	for _, h := range handlers {
		if err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream)); err != nil {
			t.Fatal(err)
		}
	}
}

// A preview says which of the last requests a draft matches.
func TestDraftPreview(t *testing.T) {
	n := testnode.Start(t, `{"point": "shop", "match": [{"path": ["/shop/*"]}]}`, `{"exempt": [{"path": ["/shop/healthz"]}]}`)
	mail := n.Beside(`{"point": "mail"}`)
	draftOf(t, n, everyRequest) // from now on
	for i := range 20 {
		serve(t, []string{"GET", "POST"}[i%2], fmt.Sprintf("http://shop.example.com/shop/%d?page=%d", i%4, i%5),
			http.Header{"X-Test": {fmt.Sprint(i % 10)}, "Authorization": {"Bearer secret"}}, n.Handler, mail)
	}
	serve(t, "GET", "/shop/healthz", nil, n.Handler)
	serve(t, "GET", "/elsewhere", nil, n.Handler) // not at the point
	serve(t, "GET", "/mail", nil, mail)
	serve(t, "OPTIONS", "/mail", http.Header{"Origin": {"https://x.example.com"}, "Access-Control-Request-Method": {"PUT"}}, mail)
	for _, tt := range []struct {
		rule, points      string
		requests, matched int
		expected          float64
		ignored           []string
	}{
		{"percent 10; close", `["*"]`, 22, 21, 2.1, nil},
		{"percent 10; close", `["shop"]`, 20, 20, 2, nil},
		{"close", `["mail"]`, 22, 21, 21, nil},
		{"match path /shop/1; percent 15; close", `["*"]`, 22, 5, 0.8, nil},
		{"match method POST; close", `["shop", "mail"]`, 22, 10, 10, nil},
		{"match method OPTIONS; close", `["*"]`, 22, 1, 1, nil},
		{"match query page=1; close", `["*"]`, 22, 4, 4, nil},
		{"match host shop.example.com; close", `["*"]`, 22, 20, 20, nil},
		{"match header X-Test 1; close", `["*"]`, 22, 2, 2, nil},
		{"match expression `{http.request.header.X-Test} == '3'`; close", `["*"]`, 22, 2, 2, nil},
		{"match expression `path('/shop/2') && header({'X-Test': '2'})`; close", `["*"]`, 22, 1, 1, nil},
		{"match remote_ip 192.0.2.0/24; close", `["*"]`, 22, 21, 21, nil},
		{"match client_ip 192.0.2.0/24; close", `["*"]`, 22, 21, 21, nil},
		{"match header Authorization *; close", `["*"]`, 22, 20, 20, nil},
		{"match header Authorization *secret*; close", `["*"]`, 22, 21, 21, []string{"header Authorization"}},
		{"match header_regexp cookie secret; close", `["*"]`, 22, 21, 21, []string{"header_regexp Cookie"}},
		{"match vars a b; close", `["*"]`, 22, 21, 21, []string{"vars"}},
		{"match not vars a b; close", `["*"]`, 22, 21, 21, []string{"not vars"}},
		{"match expression `{http.auth.user.id} == 'ada'`; close", `["*"]`, 22, 21, 21, []string{"expression"}},
		{"match path /shop/1; times 2; every 3; close", `["*"]`, 22, 5, 5, []string{"every", "times"}},
		{"percent 0; close", `["*"]`, 22, 21, 0, nil},
	} {
		got := draftOf(t, n, fmt.Sprintf(`{"rule": %q, "points": %s}`, tt.rule, tt.points)).Preview
		if got.Requests != tt.requests || got.Matched != tt.matched || got.Expected != tt.expected || !slices.Equal(got.Ignored, tt.ignored) {
			t.Errorf("%s at %s: got %+v, want %+v", tt.rule, tt.points, got, tt)
		}
	}
}

// The preview agrees with the experiment that starts with the same requests.
func TestDraftPreviewAgrees(t *testing.T) {
	for _, rule := range []string{"match path /a*; respond 418", "match expression `{path}.endsWith('b')`; respond 418", "respond 418"} {
		n := testnode.Start(t, `{"point": "shop"}`, "")
		draft := fmt.Sprintf(`{"rule": %q, "points": ["shop"], "name": "new"}`, rule)
		draftOf(t, n, draft)
		ask := func() (hits int) {
			for _, target := range []string{"/a", "/ab", "/b", "/c"} {
				if n.Hit(target) == http.StatusTeapot {
					hits++
				}
			}
			return hits
		}
		if ask() != 0 {
			t.Fatal("something has started")
		}
		view := draftOf(t, n, draft)
		n.Put("new", string(view.Experiment))
		if got := ask(); got != view.Preview.Matched || got == 0 {
			t.Errorf("%s: the experiment hits %d requests, the preview said %d", rule, got, view.Preview.Matched)
		}
	}
}

// Requests are kept while somebody previews, and for some minutes after that.
func TestDraftPreviewEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, `{"point": "shop"}`, "")
		wantRequests := func(when string, want int) {
			t.Helper()
			if got := draftOf(t, n, everyRequest).Preview; got.Requests != want {
				t.Errorf("%s: got %+v, want %d requests", when, got, want)
			}
		}
		n.Hit("/before")
		wantRequests("at first", 0)
		n.Hit("/a")
		time.Sleep(recent.Keep - time.Second)
		n.Hit("/b")
		wantRequests("at the end", 2)
		time.Sleep(recent.Keep)
		synctest.Wait()
		n.Hit("/c")
		wantRequests("after the end", 0)
		time.Sleep(recent.Keep)
	})
}

// A preview counts the attempts at a transport.
func TestDraftPreviewAtTransport(t *testing.T) {
	n := startTransport(t)
	draftOf(t, n, `{"rule": "refuse", "points": ["up"]}`)
	tr := loadTransport(t, n)
	for range 3 {
		r := testkit.Request("GET", "http://"+refusedAddress+"/", httptest.NewRecorder())
		r.RequestURI = ""
		if resp, err := tr.RoundTrip(r); err == nil {
			_ = resp.Body.Close()
		}
	}
	if resp, err := tr.RoundTrip(testkit.HealthCheck("http://" + refusedAddress + "/")); err == nil {
		_ = resp.Body.Close()
	}
	n.Hit("/")
	if got := draftOf(t, n, `{"rule": "refuse", "points": ["up"]}`).Preview; got.Requests != 3 || got.Matched != 3 {
		t.Errorf("at the transport: got %+v, want 3 attempts", got)
	}
	if got := draftOf(t, n, everyRequest).Preview; got.Requests != 1 {
		t.Errorf("at the handlers: got %+v, want 1 request", got)
	}
}

// refusedAddress is an address at which nothing listens.
const refusedAddress = "127.0.0.1:1"

// startTransport starts a configuration with a handler and the transport up.
func startTransport(t *testing.T) *testnode.Node {
	t.Helper()
	n := testnode.Start(t, `{"point": "shop"}`, "")
	loadTransport(t, n)
	return n
}

func loadTransport(t *testing.T, n *testnode.Node) *inject.Transport {
	t.Helper()
	tr, err := testkit.Load[*inject.Transport](t, n.App.Context(), "http.reverse_proxy.transport.fault", `{"point": "up"}`)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// No answer has a header field of a request.
func TestDraftPreviewIsPrivate(t *testing.T) {
	n := testnode.Start(t, `{"point": "shop"}`, "")
	draftOf(t, n, everyRequest)
	serve(t, "GET", "/private?token=private", http.Header{"X-Key": {"private"}}, n.Handler)
	if w := n.Do("POST", "/draft", everyRequest); strings.Contains(w.Body.String(), "private") {
		t.Errorf("the answer has what a request had: %s", w.Body)
	}
	look := n.Ctl.Recent.Look(func(string, bool) bool { return true })
	if len(look.Requests) != 1 {
		t.Fatalf("kept %d requests, want 1", len(look.Requests))
	}
}
