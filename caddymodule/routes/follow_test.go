package routes

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(new(stranger))
	caddy.RegisterModule(new(strangeMatcher))
	httpcaddyfile.RegisterHandlerDirective("friend", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return new(friend), nil
	})
	caddy.RegisterModule(new(friend))
	httpcaddyfile.RegisterHandlerDirective("stranger", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return new(stranger), nil
	})
}

// stranger is a handler of another module, and strangeMatcher a matcher. Following must
// not call them.
type (
	stranger       struct{}
	strangeMatcher struct{}
)

func (*stranger) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.stranger", New: func() caddy.Module { return new(stranger) }}
}

func (*stranger) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	panic("a stranger was called")
}

func (*strangeMatcher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.strange", New: func() caddy.Module { return new(strangeMatcher) }}
}

func (*strangeMatcher) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (*strangeMatcher) MatchWithError(*http.Request) (bool, error) {
	panic("a stranger was called")
}

// friend is a handler of another module that says what it does.
type friend struct{ stranger }

func (*friend) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.friend", New: func() caddy.Module { return new(friend) }}
}

func (*friend) AlwaysReplies() {}

// askFor returns a request to follow.
func askFor(t *testing.T, method, target string, header http.Header) Ask {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return Ask{
		URL: u, AnyHost: u.Host == "" && header.Get("Host") == "", AnyClient: true,
		New: func() *http.Request {
			r := httptest.NewRequest(method, u.RequestURI(), nil)
			r.Host, r.RemoteAddr, r.Header = u.Host, "127.0.0.1:0", header.Clone()
			if r.Header == nil {
				r.Header = make(http.Header)
			}
			return r
		},
	}
}

// follow returns the ways of a request. A reply with the body "point" represents a
// module that the guide knows.
func follow(app *caddyhttp.App, ask Ask, turns *Turns) (*Answer, []string) {
	a := Follow(app, ask, func(v *Visit) *Turns {
		if reply, ok := v.Module.(*caddyhttp.StaticResponse); ok && reply.Body == "point" {
			return turns
		}
		return nil
	})
	return a, waysOf(a)
}

// waysOf describes each way as text.
func waysOf(a *Answer) (told []string) {
	for _, way := range a.Ways {
		text := strings.Join(append(slices.Clone(way.If), texts(way.Hits)+cmp.Or(way.End.String(), "the last route")), "; ")
		if way.End.Status != 0 {
			text += fmt.Sprint(" ", way.End.Status)
		}
		told = append(told, text)
	}
	return told
}

func texts(hits []any) (text string) {
	for _, hit := range hits {
		text += fmt.Sprint(hit) + ", "
	}
	return text
}

// Where a request goes in a site, and the answer where only a real request could tell.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "page.txt"), []byte("page"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, site, target string
		want               string // the ways, with bars between
	}{
		{"nothing", "", "/", "the last route 200"},
		{"respond", "respond 404", "/", "static_response 404"},
		{"abort", "abort", "/", "static_response"},
		{"redir", "redir * /x 302", "/", "static_response 302"},
		{"proxy", "reverse_proxy 127.0.0.1:1", "/", "reverse_proxy"},
		{"passing", "encode gzip\ntemplates\nlog_append a b\nrequest_body {\nmax_size 1\n}\ntracing\nheader A b\nrespond 201", "/", "static_response 201"},
		{"file", "root * " + dir + "\nfile_server", "/page.txt", "file_server 200"},
		{"no file", "root * " + dir + "\nfile_server", "/other", "file_server 404"},
		{"no file, passed on", "root * " + dir + "\nfile_server {\npass_thru\n}\nrespond 202", "/other", "static_response 202"},
		{"error", "error 410", "/", "error 410"},
		{"error routes", "error /gone 410\nhandle_errors 410 {\nrespond gone 200\n}", "/gone", "static_response 200"},
		{"other error", "error /gone 411\nhandle_errors 410 {\nrespond gone 200\n}", "/gone", "error 411"},
		{"error routes fail", "error 410\nhandle_errors {\nerror 412\n}", "/", "error 410"},
		{"rewrite", "rewrite /a /b\nrespond /b 203", "/a", "static_response 203"},
		{"prefix", "handle_path /a/* {\nrespond /b 204\n}", "/a/b", "static_response 204"},
		{"group", "handle /a {\nrespond 205\n}\nhandle {\nrespond 206\n}", "/a", "static_response 205"},
		{"password", "basic_auth {\nme $2a$04$GUWAx2xNfJYwdZwmFAeWxuwBuP2.jC0Xpmks3MyFKHKN1pbmGDnAe\n}\nrespond 207", "/", "authentication 401"},
		{"environment", "@e vars {env.HOME} none\nrespond @e 200\nrespond 208", "/", "static_response 208"},
		{"metrics", "metrics", "/", "metrics"},
		// what only a real request can tell
		{"stranger", "route {\nstranger\nrespond 210\n}", "/", "http.handlers.stranger|static_response 210"},
		{"friend", "route {\nfriend\nrespond 210\n}", "/", "http.handlers.friend"},
		{"strange matcher", "@s strange\nrespond @s 211\nrespond 212", "/", "the matcher 'strange', which is not part of Caddy, matches; static_response 211|static_response 212"},
		{"certificate", "@c vars {tls_client_subject} me\nrespond @c 213\nrespond 214", "/", "the matcher 'vars', which reads {http.request.tls.client.subject}, matches; static_response 213|static_response 214"},
		{"unknown", "@c expression `{unknown.value} == \"1\"`\nrespond @c 215\nrespond 216", "/", "the matcher 'expression', which reads {unknown.value}, matches; static_response 215|static_response 216"},
		{"not", "@c not vars {http.auth.user.id} me\nrespond @c 217\nrespond 218", "/", "it is false that the matcher 'vars', which reads {http.auth.user.id}, matches; static_response 217|static_response 218"},
		{"time", "@c expression `{time.now.year} == \"1\"`\nrespond @c 219", "/", "the matcher 'expression', which reads {time.now.year}, matches; static_response 219|the last route 200"},
		{"version", "@c protocol http/2+\nrespond @c 220", "/", "the request arrives over http/2+; static_response 220|the last route 200"},
		{"a sure no beside", "@c {\nprotocol http/2+\npath /no\n}\nrespond @c 221", "/", "the last route 200"},
		{"rewritten by a stranger", "rewrite /{http.auth.user.id}\nrespond /x 222", "/", "the matcher 'path', which reads {http.auth.user.id}, matches; static_response 222|the last route 200"},
		{"set by a stranger", "request_header A {http.auth.user.id}\n@a header A 1\nrespond @a 223\nrespond /x 224", "/", "the matcher 'header', which reads {http.auth.user.id}, matches; static_response 223|the last route 200"},
		{"var of a stranger", "vars a {http.auth.user.id}\n@a vars a 1\nrespond @a 225\nrespond /x 224", "/", "the matcher 'vars', which reads {http.auth.user.id}, matches; static_response 225|the last route 200"},
		{"map", "map {path} {m} {\n/a 1\n}\n@m vars {m} 1\nrespond @m 226", "/a", "static_response 226"},
		{"authentication", "basic_auth {\nme $2a$04$GUWAx2xNfJYwdZwmFAeWxuwBuP2.jC0Xpmks3MyFKHKN1pbmGDnAe\n}\nrespond 227", "/?auth", "authentication refuses the request; authentication 401|static_response 227"},
		{"upstream fails", "reverse_proxy 127.0.0.1:1\nhandle_errors 502 {\nrespond 228\n}", "/", "reverse_proxy|the upstream fails with 502; static_response 228|the upstream fails with 503; reverse_proxy 503|the upstream fails with 504; reverse_proxy 504"},
		{"reply", "reverse_proxy 127.0.0.1:1 {\n@no {\nstatus 4xx 500\nheader A b\n}\nhandle_response @no {\ncopy_response_headers\nrespond 229\n}\nhandle_response {\ncopy_response\n}\n}", "/", "the upstream replies 4xx or 500 with certain header fields; static_response 229|reverse_proxy"},
		{"replaced", "reverse_proxy 127.0.0.1:1 {\n@no status 4xx\nreplace_status @no 230\n}", "/", "the upstream replies 4xx; reverse_proxy 230|reverse_proxy"},
		{"intercepted", "intercept {\n@no status 4xx\nhandle_response @no {\nrespond 231\n}\n}\nrespond 404", "/", "static_response 231"},
		{"not intercepted", "intercept {\n@no status 5xx\nhandle_response @no {\nrespond 231\n}\n}\nrespond 404", "/", "static_response 404"},
		{"perhaps intercepted", "intercept {\n@no header A b\nreplace_status @no 232\n}\nrespond 404", "/", "it replies with certain header fields; static_response 232|static_response 404"},
		{"before it", "forward_auth 127.0.0.1:1 {\nuri /auth\n}\nrespond 233", "/", "the upstream replies 2xx; static_response 233|reverse_proxy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := provision(t, "http://a.test:8080 {\n"+tt.site+"\n}")
			header := http.Header{}
			if strings.HasSuffix(tt.target, "?auth") {
				header.Set("Authorization", "Basic bWU6bWU=")
			}
			_, got := follow(app, askFor(t, http.MethodGet, "http://a.test:8080"+tt.target, header), nil)
			if strings.Join(got, "|") != tt.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "|"), tt.want)
			}
		})
	}
}
