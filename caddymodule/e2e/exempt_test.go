package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// explain follows an exempt request, and says so if only a real request shows whether it
// is exempt.
func TestExplainExempt(t *testing.T) {
	up := serve(t, echo)
	const certificate = "vars {http.request.tls.client.subject} me"
	for _, tt := range []struct {
		name, exempt, rule, path string
		mayHit                   bool
		answer                   string
	}{
		{"exempt", "path /api/healthz", "", "/api/healthz", false, "UP; no fault can hit"},
		{"not exempt", "path /api/healthz", "", "/api/x", true, "551 by p/r"},
		{"exempt, whatever the rule reads", "path /api/healthz", "match " + certificate, "/api/healthz", false, "UP; no fault can hit"},
		{"unsure", certificate, "", "/api/x", true, "551 by p/r if it matches, which depends on {http.request.tls.client.subject} of the real request; else UP"},
		{"unsure, exempt if not", "not " + certificate, "", "/api/x", true, "551 by p/r if it matches, which depends on {http.request.tls.client.subject} of the real request; else UP"},
		{"unsure, and no rule matches", certificate, "match path /no", "/api/x", false, "UP; no fault can hit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, config{
				admin: true, global: "fault {\nexempt " + tt.exempt + "\n}",
				site: "handle_path /api/* {\nfault {\npoint p\nrule r {\n" + tt.rule + "\nrespond 551\n}\n}\n" + up.proxy() + "\n}",
			})
			got := s.askExplain(t, `{"url": "SITE`+tt.path+`"}`)
			if want := strings.ReplaceAll(tt.answer, "UP", "the upstream "+up.addr); got.Answer != want || got.MayHit != tt.mayHit {
				t.Errorf("got %q, may hit %v, want %q", got.Answer, got.MayHit, want)
			}
		})
	}
}

// An exempt request is never hit over any protocol: by no rule, no experiment and no
// trigger, and at no transport, even if handle_path strips the path that exempts it.
func TestExempt(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", r.URL.Path+r.Header.Get("X-Fault"))
	})
	site := `handle_path /api/* {
		fault {
			point front
			trigger header
			rule {
				match header X-Busy *
				respond 551
			}
		}
		reverse_proxy ` + up.addr + ` {
			transport fault {
				point back
				match header X-Late *
				respond 552
			}
		}
	}`
	global := `fault {
		exempt path /api/healthz
		exempt header User-Agent kube-probe/*
	}`
	everywhere(t, config{global: global, site: site}, func(t *testing.T, c *client) {
		for _, tt := range []struct {
			path, field, value, agent string
			want                      int
		}{
			{"/api/x", "X-Busy", "1", "curl", 551},
			{"/api/x", "X-Late", "1", "curl", 552},
			{"/api/x", "X-Fault", "553", "curl", 553},
			{"/api/healthz", "X-Busy", "1", "curl", 200},
			{"/api/healthz", "X-Late", "1", "curl", 200},
			{"/api/healthz", "X-Fault", "553", "curl", 200},
			{"/api/x", "X-Busy", "1", "kube-probe/1.30", 200},
			{"/api/x", "X-Late", "1", "kube-probe/1.30", 200},
			{"/api/x", "X-Fault", "553", "kube-probe/1.30", 200},
		} {
			r := c.request(t, "GET", tt.path, nil)
			r.Header.Set(tt.field, tt.value)
			r.Header.Set("User-Agent", tt.agent)
			got := c.do(t, r)
			if got.StatusCode != tt.want {
				t.Errorf("%+v: got %d", tt, got.StatusCode)
			}
			if seen := got.Header.Get("X-Seen"); tt.want == 200 && seen != strings.TrimPrefix(tt.path, "/api") {
				t.Errorf("%+v: the upstream has seen %q", tt, seen)
			}
		}
	})
}
