package routes

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// provision adapts a Caddyfile and returns the http app of its configuration, which is
// not started.
func provision(t *testing.T, caddyfile string) *caddyhttp.App {
	t.Helper()
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte("{\nauto_https off\n}\n"+caddyfile), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := new(caddy.Config)
	empty, err := caddy.ProvisionContext(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(adapted, cfg); err != nil { // Caddy loads an app on demand
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(empty) // one that can be cancelled
	t.Cleanup(cancel)
	app, err := ctx.App("http")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*caddyhttp.App)
}

// responses returns the replies that a walk visits, each by its body and its place.
func responses(app *caddyhttp.App) (found []string) {
	for module, at := range Walk(app) {
		if reply, ok := module.(*caddyhttp.StaticResponse); ok {
			found = append(found, reply.Body+" at "+told(at))
		}
	}
	return found
}

func told(at Place) string {
	text := at.Site()
	if at.Named != "" {
		text += " named " + at.Named
	}
	if at.Errors {
		text += " errors"
	}
	return text
}

// The walk visits servers, sites, nested routes, named routes and error routes, in
// their order.
func TestWalk(t *testing.T) {
	app := provision(t, `
		&(common) {
			respond /common "common"
			invoke common
		}
		(snippet) {
			handle_path /snippet/* {
				respond "snippet {args[0]}"
			}
		}
		http://b.example.com:8080 {
			respond "b"
			invoke common
		}
		http://a.example.com:8080, http://*.a.example.com:8080 {
			import snippet 1
			route /route {
				@deep host deep.a.example.com
				handle @deep {
					respond "deep"
				}
				respond "route"
			}
			handle {
				import snippet 2
				invoke common
			}
			handle_errors 404 {
				respond "errors"
			}
			reverse_proxy /proxy 127.0.0.1:1 {
				@down status 5xx
				handle_response @down {
					respond "down"
				}
			}
			intercept /proxy {
				handle_response {
					respond "intercepted"
				}
			}
		}
		:8081 {
			respond "any"
		}
		:8082, 127.0.0.1:8083 {
			handle_errors {
				respond "only errors"
			}
		}`)
	const a = "a.example.com, *.a.example.com"
	want := []string{
		"common at b.example.com named common",
		"b at b.example.com",
		"intercepted at " + a,
		"snippet 1 at " + a,
		"common at " + a + " named common",
		"snippet 2 at " + a,
		"deep at deep.a.example.com",
		"route at " + a,
		"down at " + a,
		"errors at " + a + " errors",
		"any at :8081",
		"only errors at :8082 errors",
		"only errors at 127.0.0.1 errors",
	}
	got := responses(app)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for range 20 {
		if again := responses(app); !slices.Equal(again, got) {
			t.Fatalf("another walk has another order: %q", again)
		}
	}
}

// srv2 comes before srv10.
func TestOrderOfServers(t *testing.T) {
	app := &caddyhttp.App{Servers: make(map[string]*caddyhttp.Server)}
	want := []string{"", "007", "7", "10", "a", "a2", "a10", "b1x", "srv0", "srv2", "srv10", "srv99999999999999999999"}
	for _, name := range want {
		app.Servers[name] = &caddyhttp.Server{Routes: caddyhttp.RouteList{{Handlers: []caddyhttp.MiddlewareHandler{new(caddyhttp.Invoke)}}}}
	}
	var got []string
	for _, at := range Walk(app) {
		got = append(got, at.Server)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// named is a transport with a name and an inner transport.
type named struct {
	http.RoundTripper

	name string
}

func (n *named) Inner() http.RoundTripper { return n.RoundTripper }

// holder is a transport of another module with a transport in a field.
type holder struct {
	Further   http.RoundTripper
	Transport *http.Transport // how it connects
	named
}

// Inner hides the method of the embedded transport.
func (*holder) Inner() {}

// A transport comes after its proxy and before the handlers of the reply. An inner
// transport comes after the outer one.
func TestWalkTransports(t *testing.T) {
	reply := func(body string) []caddyhttp.ResponseHandler {
		return []caddyhttp.ResponseHandler{{Routes: caddyhttp.RouteList{{Handlers: []caddyhttp.MiddlewareHandler{caddyhttp.StaticResponse{Body: body}}}}}}
	}
	held := &holder{Further: &named{name: "inner"}, Transport: new(http.Transport)}
	proxy := &reverseproxy.Handler{HandleResponse: reply("handled"), Transport: &named{name: "outer", RoundTripper: held}}
	srv := &caddyhttp.Server{Routes: caddyhttp.RouteList{{Handlers: []caddyhttp.MiddlewareHandler{
		&intercept.Intercept{HandleResponse: reply("intercepted")}, proxy, new(reverseproxy.Handler),
	}}}}
	var got []string
	for module := range WalkServer("", srv) {
		switch module := module.(type) {
		case *named:
			got = append(got, module.name)
		case caddyhttp.StaticResponse:
			got = append(got, module.Body)
		default:
			got = append(got, fmt.Sprintf("%T", module))
		}
	}
	want := []string{
		"*intercept.Intercept", "intercepted",
		"*reverseproxy.Handler", "outer", "*routes.holder", "inner", "handled",
		"*reverseproxy.Handler",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A walk ends when its caller has seen enough.
func TestWalkEnds(t *testing.T) {
	app := provision(t, `
		&(x) {
			respond "x"
		}
		:8080 {
			handle {
				invoke x
			}
			reverse_proxy 127.0.0.1:1 {
				handle_response {
					respond "y"
				}
			}
			handle_errors {
				respond "z"
			}
		}
		:8081 {
			respond "other"
		}`)
	all := 0
	for range Walk(app) {
		all++
	}
	if all < 9 {
		t.Fatalf("only %d modules", all)
	}
	for enough := 1; enough <= all; enough++ {
		seen := 0
		for range Walk(app) {
			if seen++; seen == enough {
				break
			}
		}
		if seen != enough {
			t.Errorf("got %d modules, want %d", seen, enough)
		}
	}
	for range WalkServer("none", nil) {
		t.Error("there is something without a server")
	}
}

// loop is a handler of another module that contains itself.
type loop struct {
	caddyhttp.MiddlewareHandler

	Routes caddyhttp.RouteList
}

// The walk ends even if handlers form a circle.
func TestWalkCircle(t *testing.T) {
	circle := new(loop)
	circle.Routes = caddyhttp.RouteList{{Handlers: []caddyhttp.MiddlewareHandler{circle}}}
	seen := 0
	for range WalkServer("", &caddyhttp.Server{Routes: circle.Routes}) {
		seen++
	}
	if seen != maxDepth {
		t.Errorf("got %d, want %d", seen, maxDepth)
	}
}

// Two named routes that invoke each other twice are walked once for each site.
func TestWalkInvokes(t *testing.T) {
	var sites, routes strings.Builder
	for i := range 30 {
		fmt.Fprintf(&routes, "&(r%d) {\nroute {\ninvoke r%d\ninvoke r%d\n}\n}\n", i, i+1, i+1)
		fmt.Fprintf(&sites, "http://s%d.example.com:8080 {\ninvoke r0\n}\n", i)
	}
	app := provision(t, routes.String()+"&(r30) {\nrespond end\n}\n"+sites.String())
	if got := responses(app); len(got) != 30 {
		t.Errorf("got %q, want the reply once for each site", got)
	}
}

// A route that is never invoked comes last.
func TestWalkNeverInvoked(t *testing.T) {
	handlers := func(handlers ...caddyhttp.MiddlewareHandler) caddyhttp.Route {
		return caddyhttp.Route{Handlers: handlers}
	}
	lonely, used := handlers(caddyhttp.StaticResponse{Body: "lonely"}), handlers(caddyhttp.StaticResponse{Body: "used"})
	app := &caddyhttp.App{Servers: map[string]*caddyhttp.Server{"srv0": {
		Listen:      []string{":80"},
		Routes:      caddyhttp.RouteList{handlers(&caddyhttp.Invoke{Name: "used"}, &caddyhttp.Invoke{Name: "missing"})},
		NamedRoutes: map[string]*caddyhttp.Route{"lonely": &lonely, "used": &used, "nothing": {}},
	}}}
	var got []string
	for module, at := range Walk(app) {
		if reply, ok := module.(caddyhttp.StaticResponse); ok {
			got = append(got, reply.Body+" at "+told(at))
		}
	}
	if want := []string{"used at :80 named used", "lonely at :80 named lonely"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The name of a site consists of its hosts or its address, and is short.
func TestSite(t *testing.T) {
	for _, tt := range []struct {
		Place

		want string
	}{
		{Place{Server: "srv0"}, "srv0"},
		{Place{Server: "srv0", Listen: []string{":80", ":443"}}, ":80, :443"},
		{Place{Listen: []string{"tcp4/:80", "try/127.0.0.1:81", "unix//run/x.sock"}}, ":80, 127.0.0.1:81, unix//run/x.sock"},
		{Place{Listen: []string{":80"}, Hosts: []string{"a", "b", "c"}}, "a, b, c"},
		{Place{Listen: []string{":80"}, Hosts: []string{"a", "b", "c", "d", "e"}}, "a, b, c and 2 more"},
	} {
		if got := tt.Site(); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.Place, got, tt.want)
		}
	}
}

// A route for some hosts or anything else is a site for any host. The hosts of an inner
// route count, those of an outer route do not.
func TestHostsOfRoutes(t *testing.T) {
	host := func(names ...string) any { m := caddyhttp.MatchHost(names); return &m }
	path := &caddyhttp.MatchPath{"/x"}
	for _, tt := range []struct {
		sets caddyhttp.MatcherSets
		want []string
	}{
		{nil, []string{"outer"}},
		{caddyhttp.MatcherSets{{path}}, []string{"outer"}},
		{caddyhttp.MatcherSets{{path, host("a")}}, []string{"a"}},
		{caddyhttp.MatcherSets{{host("a", "b")}, {caddyhttp.MatchHost{"c"}}}, []string{"a", "b", "c"}},
		{caddyhttp.MatcherSets{{host("a")}, {path}}, []string{"outer"}},
	} {
		at := Place{Hosts: []string{"outer"}}.within(&caddyhttp.Route{MatcherSets: tt.sets})
		if !slices.Equal(at.Hosts, tt.want) {
			t.Errorf("%v: got %q, want %q", tt.sets, at.Hosts, tt.want)
		}
	}
}
