package routes

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// The address in the URL selects the server.
func TestServerFor(t *testing.T) {
	secure := caddytls.ConnectionPolicies{new(caddytls.ConnectionPolicy)}
	app := &caddyhttp.App{Servers: map[string]*caddyhttp.Server{
		"plain":  {Listen: []string{":80", "127.0.0.1:8080-8082"}},
		"secure": {Listen: []string{":443", ":8443"}, TLSConnPolicies: secure},
		"other":  {Listen: []string{"10.0.0.1:8080", "unix//run/x.sock"}},
		"six":    {Listen: []string{"[::1]:8083"}},
	}}
	for _, tt := range []struct{ target, servers, why string }{
		{"http://a.test/", "plain", ""},
		{"https://a.test/", "secure", ""},
		{"http://a.test:8081/", "plain", ""},
		{"http://a.test:8080/", "other plain", ""},
		{"http://127.0.0.1:8080/", "plain", ""},
		{"http://localhost:8080/", "plain", ""},
		{"http://localhost:8083/", "six", ""},
		{"http://10.0.0.1:8080/", "other", ""},
		{"http://[::1]:8083/", "six", ""},
		{"http://192.0.2.1:80/", "plain", ""},
		{"http://192.0.2.1:8080/", "", "servers listen on 10.0.0.1:8080"},
		{"https://a.test:8080/", "", "10.0.0.1:8080 does not use TLS"},
		{"http://a.test:8443/", "", ":8443 uses TLS"},
		{"http://a.test:81/", "", "servers listen on"},
		{"http://a.test:99999/", "", "servers listen on"},
		{"/", "other plain secure six", ""},
	} {
		names, why := serversFor(app, askFor(t, http.MethodGet, tt.target, nil).URL)
		if got := strings.Join(names, " "); got != tt.servers || !strings.HasPrefix(why, tt.why) || (why == "") != (tt.why == "") {
			t.Errorf("%s: got %q, %q, want %q, %q", tt.target, got, why, tt.servers, tt.why)
		}
	}
	app.HTTPPort = 8443
	if names, why := serversFor(app, askFor(t, http.MethodGet, "http://a.test:8443/", nil).URL); !slices.Equal(names, []string{"secure"}) {
		t.Errorf("the port for HTTP: got %q, %q", names, why)
	}
	for _, target := range []string{"/", "http://a.test/"} {
		if names, why := serversFor(new(caddyhttp.App), askFor(t, http.MethodGet, target, nil).URL); len(names) > 0 || why != "no server is configured" {
			t.Errorf("%s: without servers: got %q, %q", target, names, why)
		}
	}
}

const twoSites = `
	http://a.test:8080 {
		handle /in/* {
			respond "point" 200
		}
		handle {
			reverse_proxy 127.0.0.1:1
		}
		handle_errors {
			respond "point" 201
		}
	}
	http://b.test:8080 {
		respond "point" 202
	}
	http://a.test:8081 {
		respond "point" 203
	}`

// A module that the request does not reach has a reason.
func TestWhyNot(t *testing.T) {
	app := provision(t, twoSites)
	for target, want := range map[string][]string{
		"http://a.test:8080/in/x": {
			"the request does not get here: static_response ends it, at a.test",
			"the point is in an error route, and there is no error",
			"the point is at another site",
			"the point is at another server, which listens on :8081",
		},
		"http://a.test:8080/out": {
			"its route does not match the request: the matcher 'path' does not match",
			"the point is in an error route, and there is no error",
			"the point is at another site",
			"the point is at another server, which listens on :8081",
		},
		"http://a.test:8081/": {
			"the point is at another server, which listens on :8080",
			"the point is at another server, which listens on :8080",
			"the point is at another server, which listens on :8080",
			"the request does not get here: static_response ends it, at a.test",
		},
		"http://a.test:1/": {
			"the point is at another server, which listens on :8080",
			"the point is at another server, which listens on :8080",
			"the point is at another server, which listens on :8080",
			"the point is at another server, which listens on :8081",
		},
	} {
		a, _ := follow(app, askFor(t, http.MethodGet, target, nil), nil)
		var got []string
		for module, at := range Walk(app) {
			if _, ok := module.(*caddyhttp.StaticResponse); ok {
				got = append(got, a.WhyNot(at))
			}
		}
		if target == "http://a.test:8080/out" { // a proxy may fail
			got[2], want[1] = "", ""
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", target, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if a, told := follow(app, askFor(t, http.MethodGet, "http://c.test:8080/", nil), nil); !a.NoSite {
		t.Errorf("there is a site for c.test: %q", told)
	}
	a, _ := follow(provision(t, ":8080 {\nheader A b\n}"), askFor(t, http.MethodGet, "http://a.test:8080/", nil), nil)
	if got := a.WhyNot(Place{Server: "srv0", Listen: []string{":8080"}}); got != "the request does not get here" {
		t.Errorf("nothing replies: got %q", got)
	}
}

// A path without a host may reach any server and any site.
func TestFollowAnyHost(t *testing.T) {
	app := provision(t, twoSites)
	_, got := follow(app, askFor(t, http.MethodGet, "/in/x", nil), nil)
	want := []string{
		"the request reaches :8080; the host is a.test; static_response 200",
		"the request reaches :8080; the host is b.test; static_response 202",
		"the request reaches :8080; the last route 200",
		"the request reaches :8081; the host is a.test; static_response 203",
		"the request reaches :8081; the last route 200",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Modules after a site know its host, unless the site has several.
func TestFollowSupposesHost(t *testing.T) {
	app := provision(t, `
		http://a.test:8080 {
			@a host a.test
			respond @a 201
		}
		http://b.test:8080, http://c.test:8080 {
			@b host b.test
			respond @b 202
		}
		http://*.d.test:8080 {
			@not not host x.d.test
			respond @not {host} 203
		}`)
	_, got := follow(app, askFor(t, http.MethodGet, "/", nil), nil)
	want := []string{
		"the host is *.d.test; it is false that the host is x.d.test; static_response 203",
		"the host is *.d.test; the last route 200",
		"the host is a.test; static_response 201",
		"the host is b.test or c.test; the host is b.test; static_response 202",
		"the host is b.test or c.test; the last route 200",
		"the last route 200",
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Requests that Caddy refuses before any route.
func TestEnforce(t *testing.T) {
	app := provision(t, ":8080 {\n@a header_regexp A_.* x\nrespond 200\n}")
	if _, got := follow(app, askFor(t, strings.Repeat("M", 33), "http://a.test:8080/", nil), nil); !slices.Equal(got, []string{"the server 405"}) {
		t.Errorf("a long method: got %q", got)
	}
}

// The header fields that Caddy removes because they could be mistaken for others.
func TestDropAliases(t *testing.T) {
	for _, tt := range []struct {
		underscore, dot []string
		header, want    string
	}{
		{nil, nil, "A A-B A_b A.b A_b.c", "A A-B"},
		{[]string{"A_b"}, nil, "A A-B A_b A_c A.b", "A A_b"},
		{[]string{"A_*"}, nil, "A A-B A_b A_c B_c", "A A_b A_c"},
		{nil, []string{"a.b"}, "A A-B A.b A_b", "A A.b"},
		{[]string{"A_b"}, nil, "A_b C A_b", "C"},
	} {
		header := make(http.Header)
		for name := range strings.FieldsSeq(tt.header) {
			header.Add(name, "x")
		}
		dropAliases(&caddyhttp.Server{ExpectedUnderscoreHeaders: tt.underscore, ExpectedDotHeaders: tt.dot}, header)
		var got []string
		for name := range header {
			got = append(got, name)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
}
