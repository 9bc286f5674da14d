package routes

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// waysTo returns the ways to the replies of an app, by their bodies.
func waysTo(app *caddyhttp.App) map[string][]Approach {
	found := make(map[string][]Approach)
	for _, a := range Approaches(app) {
		if reply, ok := a.Module.(*caddyhttp.StaticResponse); ok {
			found[reply.Body] = append(found[reply.Body], a.Ways...)
		}
	}
	return found
}

// brief describes a way.
func brief(way Approach) string {
	var before []string
	for _, h := range way.Before {
		before = append(before, h.(caddy.Module).CaddyModule().ID.Name())
	}
	text := fmt.Sprintf("within %d of %d, after %s", len(way.Within), len(way.All), strings.Join(before, "+"))
	if way.Ended != "" {
		text += ", ended by " + way.Ended
	}
	if way.Stripped != "" {
		text += ", without " + way.Stripped
	}
	if len(way.Sorted) > 0 {
		text += fmt.Sprintf(", sorted by %d", len(way.Sorted))
	}
	return text
}

func TestApproaches(t *testing.T) {
	ways := waysTo(provision(t, `
		&(common) {
			respond /common "common"
			invoke common
		}
		http://a.example.com:8080 {
			route {
				respond /x "first"
				vars a b
				respond "second"
				respond "third"
				invoke common
			}
		}
		http://b.example.com:8080 {
			handle_path /api/* {
				respond /y "stripped"
			}
			handle {
				respond "rest"
			}
			route {
				invoke common
				respond "last"
			}
			handle_errors {
				respond "errors"
			}
		}
		http://c.example.com:8080 {
			route {
				uri /api/* strip_prefix /api
				intercept {
					handle_response {
						respond "intercepted"
					}
				}
				respond "sometimes"
			}
		}
		:8081 {
			route {
				rewrite * /z
				uri strip_prefix /z
				request_header X-A b
				respond /y "rewritten"
				request_header Host d.example.com
				respond /y "hosted"
			}
		}
		:8082 {
			route {
				reverse_proxy 127.0.0.1:1 {
					handle_response {
						respond "handled"
					}
				}
				respond "proxied"
			}
		}`))
	for body, want := range map[string][]string{
		"first":       {"within 2 of 2, after "},
		"second":      {"within 1 of 1, after vars, sorted by 1"},
		"third":       {"within 1 of 1, after vars+static_response, ended by static_response, sorted by 1"},
		"common":      {"within 1 of 2, after invoke, sorted by 2", "within 2 of 2, after vars+static_response+static_response+invoke, ended by static_response, sorted by 1"},
		"stripped":    {"within 1 of 3, after rewrite, without /api, sorted by 1"},
		"rest":        {"within 1 of 1, after , sorted by 1"},
		"last":        {"within 0 of 1, after invoke+subroute+invoke, sorted by 3"},
		"errors":      {"within 1 of 1, after "},
		"sometimes":   {"within 0 of 1, after intercept, sorted by 2"},
		"intercepted": {"within 0 of 1, after , sorted by 2"},
		"rewritten":   {"within 1 of 1, after rewrite+headers, without /z"},
		"hosted":      {"within 1 of 1, after rewrite+headers+headers, sorted by 1"},
		"handled":     {"within 0 of 0, after "},
		"proxied":     {"within 0 of 0, after reverse_proxy"},
	} {
		var got []string
		for _, way := range ways[body] {
			got = append(got, brief(way))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got\n\t%s\nwant\n\t%s", body, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
}

// A handler that is said to end every request calls no other handler.
func TestEndsAll(t *testing.T) {
	app := provision(t, `
		:8080 {
			respond /a "a"
			error /b 404
			abort /c
			redir /d /e
			file_server /e
			file_server /f {
				pass_thru
			}
			vars a b
			rewrite /a /b
			header X-A b
		}`)
	said := make(map[bool]int)
	for _, found := range Approaches(app) {
		h, ok := found.Module.(caddyhttp.MiddlewareHandler)
		if _, leads := h.(*caddyhttp.Subroute); !ok || leads {
			continue
		}
		passed := false
		func() {
			defer func() { _ = recover() }() // as abort does
			w := httptest.NewRecorder()
			r := caddyhttp.PrepareRequest(httptest.NewRequest("GET", "/nothing", nil), caddy.NewReplacer(), w, app.Servers["srv0"])
			_ = h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { passed = true; return nil }))
		}()
		said[endsAll(h)]++
		if endsAll(h) == passed {
			t.Errorf("%T: ends all: %v, calls the next: %v", h, endsAll(h), passed)
		}
	}
	if said[true] != 5 || said[false] != 4 {
		t.Errorf("looked at %v handlers, want 5 that end and 4 that do not", said)
	}
}
