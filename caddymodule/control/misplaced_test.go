package control

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/routes"
)

// A stripped path is only suggested if all paths have the stripped prefix.
func TestStrippedPath(t *testing.T) {
	for _, tt := range []struct{ match, prefix, want string }{
		{`[{"path": ["/api/users"]}]`, "/api", "/users"},
		{`[{"path": ["/API/users/*"]}]`, "/api", "/users/*"},
		{`[{"path": ["/api*"]}]`, "/api", "/*"},
		{`[{"path": ["/api"]}]`, "/api", "/"},
		{`[{"path": ["/api/a"]}, {"path": ["/api/b"]}]`, "/api", "/a"},
		{`[{"path": ["/apis"]}]`, "/api", ""},
		{`[{"path": ["/api/a", "/b"]}]`, "/api", ""},
		{`[{"path": ["/api/a"]}, {"host": ["a.example"]}]`, "/api", ""},
		{`[{"path": ["/api/a"]}]`, "", ""},
		{`[{"path": ["/api/a"]}]`, "/", ""},
		{`[{"path": ["{http.vars.a}/a"]}]`, "{http.vars.a}", ""},
		{`[]`, "/api", ""},
		{`[{"path": 7}]`, "/api", ""},
	} {
		var match caddyhttp.RawMatcherSets
		if err := json.Unmarshal([]byte(tt.match), &match); err != nil {
			t.Fatal(err)
		}
		if got := strippedPath(match, tt.prefix); got != tt.want {
			t.Errorf("%s without %q: got %q, want %q", tt.match, tt.prefix, got, tt.want)
		}
	}
}

// A point is excluded if it is excluded on all ways to it.
func TestExcluded(t *testing.T) {
	within := func(paths ...string) routes.Approach {
		matcher := caddyhttp.MatchPath(paths)
		return routes.Approach{Within: []caddyhttp.MatcherSets{{{&matcher, new(caddyhttp.MatchHeader)}}}}
	}
	stripped := routes.Approach{Stripped: "/api"}
	users := caddyhttp.RawMatcherSets{caddy.ModuleMap{"path": json.RawMessage(`["/api/users"]`)}}
	const (
		never  = "can never fire: the routes around it exclude its matcher, path /app/* and /api/users"
		hardly = "rarely fires: '/api' has already been stripped from the path; write path /users"
	)
	for _, tt := range []struct {
		name string
		ways []routes.Approach
		want string
	}{
		{"another path", []routes.Approach{within("/app/*")}, never},
		{"the path", []routes.Approach{within("/api/*")}, ""},
		{"another path twice", []routes.Approach{within("/b"), within("/app/*")}, never},
		{"two ways", []routes.Approach{within("/app/*"), within("/api/*")}, ""},
		{"routes within routes", []routes.Approach{{Within: append(within("/api/*").Within, within("/app/*").Within...)}}, never},
		{"without the prefix", []routes.Approach{stripped}, hardly},
		{"sometimes without the prefix", []routes.Approach{stripped, {}}, ""},
		{"no routes", []routes.Approach{{}}, ""},
	} {
		if got := excluded(users, tt.ways); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if got := excluded(nil, tt.ways); got != "" {
			t.Errorf("%s: got %q for a point without a matcher", tt.name, got)
		}
	}
}
