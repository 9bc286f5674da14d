package inject

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/recent"
)

func anywhere(string, bool) bool { return true }

// A point keeps a request only while somebody looks, and as its rules have seen it.
func TestKeep(t *testing.T) {
	const point = `{"point": "keep", "match": [{"path": ["/api/*"]}], "triggers": [{"source": "header"}], "rules": [{"faults": [{"fault": "respond", "status_code": 503}]}]}`
	for _, tt := range []struct {
		name, method, target string
		header               http.Header
		app                  string
		look                 bool
		want                 string // header fields of the kept request, "" for no request
	}{
		{"nobody looks", "GET", "/api/x", nil, "", false, ""},
		{"somebody looks", "GET", "/api/x", nil, "", true, "GET /api/x"},
		{"not at the point", "GET", "/other", nil, "", true, ""},
		{"halted", "GET", "/api/x", nil, `{"halted": true}`, true, "GET /api/x"},
		{"exempt", "GET", "/api/x", nil, `{"exempt": [{"path": ["/api/x"]}]}`, true, ""},
		{"credentials", "GET", "/api/x", http.Header{"Cookie": {"sid=1"}, "X-A": {"1"}}, "", true, "GET /api/x Cookie= X-A=1"},
		{"the field of a trigger", "GET", "/api/x", http.Header{"X-Fault": {"551"}, "X-A": {"1"}}, "", true, "GET /api/x X-A=1"},
		{"a preflight", "OPTIONS", "/api/x", http.Header{"Origin": {"https://a"}, "Access-Control-Request-Method": {"PUT"}}, "", true, "OPTIONS /api/x Origin=https://a Access-Control-Request-Method=PUT preflight"},
		{"too large", "GET", "/api/" + strings.Repeat("x", 9<<10), nil, "", true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := load(t, point, tt.app)
			if tt.look {
				h.ctl.Recent.Look(anywhere)
			}
			w := httptest.NewRecorder()
			r := testkit.Request(tt.method, tt.target, w)
			maps.Copy(r.Header, tt.header)
			_ = h.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream))
			var got string
			for _, visits := range h.ctl.Recent.Look(anywhere).Requests {
				got += described(visits[0])
			}
			if got != tt.want {
				t.Errorf("kept %q, want %q", got, tt.want)
			}
		})
	}
}

// described returns what is kept of a request.
func described(v recent.Visit) string {
	text := v.Request.Method + " " + v.Request.URL.Path
	for _, name := range []string{"Cookie", "Origin", "Access-Control-Request-Method", "X-Fault", "X-A"} {
		if values, has := v.Request.Header[name]; has {
			text += " " + name + "=" + strings.Join(values, ",")
		}
	}
	if v.Preflight {
		text += " preflight"
	}
	return text
}

// A request has the same number at all points, and each request has another one.
func TestKeepNumbers(t *testing.T) {
	inner := load(t, `{"point": "inner"}`, "")
	outer := load(t, `{"point": "outer"}`, "")
	outer.ctl = inner.ctl
	inner.ctl.Recent.Look(anywhere)
	for range 2 {
		w := httptest.NewRecorder()
		r := testkit.Request("GET", "/", w)
		err := outer.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			return inner.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream))
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	look := inner.ctl.Recent.Look(anywhere)
	if len(look.Requests) != 2 {
		t.Fatalf("got %d requests, want 2", len(look.Requests))
	}
	for _, visits := range look.Requests {
		if len(visits) != 2 || visits[0].Point != "outer" || visits[1].Point != "inner" {
			t.Errorf("got the visits %+v, want outer and inner", visits)
		}
	}
}

// While nobody looks, a request that passes allocates nothing for previews.
func TestKeepCostsNothing(t *testing.T) {
	h := load(t, `{}`, "")
	w := &testkit.Discard{Fields: make(http.Header)}
	r := testkit.Request(http.MethodGet, "/", w)
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	pass := func() { _ = h.ServeHTTP(w, r, next) }
	if got := testing.AllocsPerRun(100, pass); got != 0 {
		t.Errorf("a request allocates %v times, want 0", got)
	}
	h.ctl.Recent.Look(anywhere)
	if got := testing.AllocsPerRun(100, pass); got == 0 {
		t.Error("a request that is kept allocates nothing, so the test above shows nothing")
	}
}
