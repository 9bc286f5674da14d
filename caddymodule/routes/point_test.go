package routes

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// The possible effects of a point decide where the request goes.
func TestPointTurns(t *testing.T) {
	on5xx := &caddyhttp.ResponseMatcher{StatusCode: []int{5}}
	ends, goesOn := Turn{Hit: "A", Ends: true}, Turn{Hit: "B", Continues: true}
	late := func(t Turn, m *caddyhttp.ResponseMatcher) Turn {
		t.OnReply, t.Match = true, m
		return t
	}
	certain := func(t Turn) Turn {
		t.Certain = true
		return t
	}
	status := func(t Turn, status int, isError bool) Turn {
		t.Status, t.Error = status, isError
		return t
	}
	aborts := ends
	aborts.Aborts = true
	either := Turn{Hit: "C", Ends: true, Continues: true}
	for _, tt := range []struct {
		name   string
		passes bool
		turns  []Turn
		reply  string
		want   string
	}{
		{"none", true, nil, "respond 200", "static_response 200"},
		{"may end", true, []Turn{ends}, "respond 200", "A|static_response 200"},
		{"ends", false, []Turn{ends}, "respond 200", "A"},
		{"goes on", true, []Turn{goesOn}, "respond 200", "B, static_response 200"},
		{"one of two", true, []Turn{ends, goesOn}, "respond 200", "A|B, static_response 200|static_response 200"},
		{"certainly one of two", false, []Turn{goesOn, ends}, "respond 200", "B, static_response 200|A"},
		{"either", true, []Turn{either}, "respond 200", "C|C, static_response 200|static_response 200"},
		{"late", true, []Turn{late(ends, nil)}, "respond 200", "A|static_response 200"},
		{"late, certain", true, []Turn{certain(late(ends, nil))}, "respond 200", "A"},
		{"late, other status", true, []Turn{late(ends, on5xx)}, "respond 200", "static_response 200"},
		{"late, same status", true, []Turn{certain(late(ends, on5xx))}, "respond 500", "A"},
		{"late, on an error", true, []Turn{certain(late(ends, on5xx))}, "error 500", "A"},
		{"late, on another error", true, []Turn{certain(late(ends, on5xx))}, "error 404", "error 404"},
		{"late, unknown status", true, []Turn{certain(late(ends, on5xx))}, "reverse_proxy 127.0.0.1:1", "A|reverse_proxy|the upstream fails with 502; A|the upstream fails with 503; A|the upstream fails with 504; A"},
		{"late after an early one", true, []Turn{goesOn, certain(late(ends, nil))}, "respond 200", "B, static_response 200|A"},
		{"late, goes on", true, []Turn{late(goesOn, nil)}, "respond 200", "B, static_response 200"},
		{"late, goes on, other status", true, []Turn{late(goesOn, on5xx)}, "respond 200", "static_response 200"},
		{"error", false, []Turn{status(ends, 418, true)}, "respond 200", "A, static_response 299"},
		{"status", false, []Turn{status(ends, 503, false)}, "respond 200", "A 503"},
		{"aborts", false, []Turn{aborts}, "respond 200", "A"},
		{"no reply to abort", true, []Turn{certain(late(ends, nil))}, "abort", "static_response"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := provision(t, ":8080 {\nroute {\nrespond point\n"+tt.reply+"\n}\nhandle_errors 418 {\nrespond 299\n}\nhandle_errors 404 {\nerror 404\n}\n}")
			_, got := follow(app, askFor(t, http.MethodGet, "http://a.test:8080/", nil), &Turns{Passes: tt.passes, Turns: tt.turns})
			if text := strings.Join(got, "|"); text != tt.want {
				t.Errorf("got\n%s\nwant\n%s", text, tt.want)
			}
		})
	}
}

// A hit remains a hit if a handler further out replaces its reply.
func TestReplacedHit(t *testing.T) {
	turns := &Turns{Turns: []Turn{{Hit: "A", Ends: true, Status: 503}}}
	for _, tt := range []struct{ name, intercept, want string }{
		{"by a reply", "@e status 5xx\nhandle_response @e {\nrespond 231\n}", "A, static_response 231"},
		{"by a status", "@e status 5xx\nreplace_status @e 232", "A, intercept 232"},
		{"perhaps", "@e header A b\nreplace_status @e 232", "it replies with certain header fields; A, intercept 232|A 503"},
		{"not this status", "@e status 4xx\nreplace_status @e 232", "A 503"},
		{"by another hit", "@e status 5xx\nhandle_response @e {\nrespond point\n}", "A 503"},
	} {
		app := provision(t, ":8080 {\nintercept {\n"+tt.intercept+"\n}\nrespond point\n}")
		_, got := follow(app, askFor(t, http.MethodGet, "http://a.test:8080/", nil), turns)
		if text := strings.Join(got, "|"); text != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, text, tt.want)
		}
	}
}

// A module that answers takes the place of the handlers after it. Its turns come first.
func TestPointAnswers(t *testing.T) {
	ends, goesOn := Turn{Hit: "A", Ends: true}, Turn{Hit: "B", Continues: true}
	late := Turn{Hit: "L", Ends: true, OnReply: true, Certain: true, Match: &caddyhttp.ResponseMatcher{StatusCode: []int{2}}}
	for _, tt := range []struct {
		name  string
		turns Turns
		want  string
	}{
		{"no turn", Turns{Passes: true, Answer: 204}, "fault 204"},
		{"may end", Turns{Passes: true, Answer: 204, Turns: []Turn{ends}}, "A|fault 204"},
		{"ends", Turns{Answer: 204, Turns: []Turn{ends}}, "A"},
		{"goes on", Turns{Passes: true, Answer: 204, Turns: []Turn{goesOn}}, "B, fault 204"},
		{"on the reply", Turns{Passes: true, Answer: 204, Turns: []Turn{late}}, "L"},
		{"on another reply", Turns{Passes: true, Answer: 301, Turns: []Turn{late}}, "fault 301"},
		{"does not answer", Turns{Passes: true}, "static_response 200"},
	} {
		app := provision(t, ":8080 {\nroute {\nrespond point\nrespond 200\n}\n}")
		_, got := follow(app, askFor(t, http.MethodGet, "http://a.test:8080/", nil), &tt.turns)
		if text := strings.Join(got, "|"); text != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, text, tt.want)
		}
	}
}

// proxied is a proxy with a transport inside another transport.
func proxied(t *testing.T, site string) (*caddyhttp.App, *reverseproxy.Handler) {
	t.Helper()
	app := provision(t, ":8080 {\n"+site+"\n}")
	for module := range Walk(app) {
		if h, ok := module.(*reverseproxy.Handler); ok {
			h.Transport = &named{name: "outer", RoundTripper: &named{name: "inner"}}
			return app, h
		}
	}
	t.Fatal("no proxy")
	return nil, nil
}

// The transports of a proxy are visited in their order, and see the request as it is
// sent.
func TestFollowTransports(t *testing.T) {
	app, _ := proxied(t, `
		rewrite /a/* {uri}/b
		reverse_proxy 127.0.0.1:9 {
			method PUT
			rewrite /sent{uri}
			header_up X-Host {http.reverse_proxy.upstream.hostport}
			header_up -X-Drop
		}`)
	var seen []string
	ask := askFor(t, http.MethodGet, "http://a.test:8080/a/x", http.Header{"X-Drop": {"1"}, "Connection": {"close"}, "X-Kept": {"1"}})
	a := Follow(app, ask, func(v *Visit) *Turns {
		transport, ok := v.Module.(*named)
		if !ok {
			return nil
		}
		r := v.Request
		seen = append(seen, transport.name, r.Method, r.URL.Path, r.Header.Get("X-Host"), r.Header.Get("X-Forwarded-For"),
			r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Kept"), r.Header.Get("X-Drop")+r.Header.Get("Connection"))
		return &Turns{Passes: true}
	})
	each := []string{"PUT", "/sent/a/x/b", "127.0.0.1:9", "127.0.0.1", "http", "a.test:8080", "1", ""}
	want := slices.Concat([]string{"outer"}, each, []string{"inner"}, each)
	if !slices.Equal(seen, want) || len(a.Ways) != 1 || !slices.Equal(a.Ways[0].End.Upstreams, []string{"127.0.0.1:9"}) {
		t.Errorf("got %q, want %q; ways %+v", seen, want, a.Ways)
	}
}

// An attempt that fails is an error of the proxy, unless the fault writes a reply.
func TestFollowFailingAttempt(t *testing.T) {
	for _, tt := range []struct {
		name string
		site string
		turn Turn
		want string
	}{
		{"a reply", "reverse_proxy 127.0.0.1:9", Turn{Hit: "A", Ends: true, Status: 503}, "A 503"},
		{"an error", "reverse_proxy 127.0.0.1:9", Turn{Hit: "A", Ends: true, Status: 502, Error: true}, "A 502"},
		{"an error that is handled", "reverse_proxy 127.0.0.1:9\nhandle_errors {\nrespond 299\n}", Turn{Hit: "A", Ends: true, Status: 502, Error: true}, "A, static_response 299"},
		{"unknown", "reverse_proxy 127.0.0.1:9", Turn{Hit: "A", Ends: true}, "A"},
		{"unknown, perhaps handled", "reverse_proxy 127.0.0.1:9\nhandle_errors {\nrespond 299\n}", Turn{Hit: "A", Ends: true}, "A|A, static_response 299"},
		{"a handled reply", "reverse_proxy 127.0.0.1:9 {\n@e status 5xx\nhandle_response @e {\nrespond 299\n}\n}", Turn{Hit: "A", Ends: true, Status: 503}, "A, static_response 299"},
		{"a copied reply", "reverse_proxy 127.0.0.1:9 {\nhandle_response {\ncopy_response\n}\n}", Turn{Hit: "A", Ends: true, Status: 503}, "A 503"},
		{"a replaced status", "reverse_proxy 127.0.0.1:9 {\n@e status 503\nreplace_status @e 298\n}", Turn{Hit: "A", Ends: true, Status: 503}, "A, reverse_proxy 298"},
		{"perhaps handled", "reverse_proxy 127.0.0.1:9 {\n@e header A b\nreplace_status @e 298\n}", Turn{Hit: "A", Ends: true, Status: 503}, "the upstream replies with certain header fields; A, reverse_proxy 298|A 503"},
		{"not handled", "reverse_proxy 127.0.0.1:9 {\n@e status 4xx\nreplace_status @e 298\n}", Turn{Hit: "A", Ends: true, Status: 503}, "A 503"},
		{"a handled error", "reverse_proxy 127.0.0.1:9 {\nhandle_response {\nrespond 299\n}\n}", Turn{Hit: "A", Ends: true, Status: 502, Error: true}, "A 502"},
		{"tried again", "reverse_proxy 127.0.0.1:9 {\nlb_retries 1\n}", Turn{Hit: "A", Ends: true, Status: 502, Error: true}, "A 502|reverse_proxy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app, _ := proxied(t, tt.site)
			a := Follow(app, askFor(t, http.MethodGet, "http://a.test:8080/", nil), func(v *Visit) *Turns {
				if n, ok := v.Module.(*named); ok && n.name == "outer" {
					return &Turns{Turns: []Turn{tt.turn}}
				}
				return nil
			})
			if got := strings.Join(waysOf(a), "|"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Following leaves no trace: each way has its own request, and no handler with
// effects runs.
func TestFollowLeavesNoTrace(t *testing.T) {
	app := provision(t, `:8080 {
		vars a {http.vars.a}x
		request_header +A x
		rewrite * {uri}x
		@once {
			protocol http/2+
			vars a x
			header A x
			path /x
		}
		respond @once 201
	}`)
	ask := askFor(t, http.MethodGet, "http://a.test:8080/", nil)
	for range 3 {
		if _, got := follow(app, ask, nil); !slices.Equal(got, []string{"the request arrives over http/2+; static_response 201", "the last route 200"}) {
			t.Errorf("got %q", got)
		}
	}
}

// The number of ways is bounded.
func TestFollowTooMany(t *testing.T) {
	app := provision(t, ":8080 {\n@x protocol http/2+\n@y protocol http/3\nroute {\n"+strings.Repeat("request_header @x A b\nrequest_header @y A b\n", 6)+"}\n}")
	a, got := follow(app, askFor(t, http.MethodGet, "http://a.test:8080/", nil), nil)
	if !a.Cut || len(got) != maxWays {
		t.Errorf("got %d ways, cut %v", len(got), a.Cut)
	}
}

// Each assumption is reported once.
func TestNotes(t *testing.T) {
	app := provision(t, `:8080 {
		@r remote_ip 192.0.2.1
		@c client_ip 192.0.2.1
		@b vars {http.request.body} x
		@h vars {http.request.remote.host} x
		respond @r 201
		respond @c 201
		respond @b 201
		respond @h 201
	}`)
	ask := askFor(t, http.MethodPost, "http://a.test:8080/", nil)
	ask.AnyBody = true
	a, got := follow(app, ask, nil)
	if len(a.Notes) != 2 || !strings.Contains(strings.Join(a.Notes, ""), "no body") || !slices.Equal(got, []string{"the last route 200"}) {
		t.Errorf("got %q, %q", a.Notes, got)
	}
	ask.AnyBody, ask.AnyClient = false, false
	if a, _ := follow(app, ask, nil); len(a.Notes) != 0 {
		t.Errorf("with a client and a body: got %q", a.Notes)
	}
}

// A guide learns which placeholder has a value only in a real request.
func TestVisitUnknown(t *testing.T) {
	app := provision(t, ":8080 {\nrespond point\n}")
	var got []string
	Follow(app, askFor(t, http.MethodGet, "http://a.test:8080/", nil), func(v *Visit) *Turns {
		repl := v.Request.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		for _, text := range []string{"{http.request.uri.path}", "{http.auth.user.id}", "{http.request.method}"} {
			got = append(got, v.Unknown(func() { repl.ReplaceAll(text, "") }))
		}
		return nil
	})
	if want := []string{"", "http.auth.user.id", ""}; !slices.Equal(got[:3], want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
