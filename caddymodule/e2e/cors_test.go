package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// A page of another origin can read an injected reply over every protocol, even one with
// a reason phrase that the point writes to the connection itself. Its preflight reaches
// the upstream and uses up no turn.
func TestCORS(t *testing.T) {
	const page = "https://app.example.com"
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("X-Seen", r.Method+" "+r.Header.Get("Access-Control-Request-Headers"))
	})
	site := `header /open/* Access-Control-Allow-Origin *
	fault /mail {
		cors ` + page + `
		per {http.request.header.X-Protocol}
		times 1
		respond 551 {
			header Retry-After 5
		}
	}
	fault /error {
		cors
		error 502
	}
	fault /open/* {
		cors
		respond 503
	}
	fault {
		cors
		trigger header
	}
	handle_errors {
		respond "sorry"
	}
	` + up.proxy()
	everywhere(t, config{site: site}, func(t *testing.T, c *client) {
		ask := func(method, path string, fields ...string) *reply {
			r := c.request(t, method, path, nil)
			r.Header.Set("Origin", page)
			r.Header.Set("X-Protocol", t.Name())
			for i := 0; i < len(fields); i += 2 {
				r.Header.Set(fields[i], fields[i+1])
			}
			return c.do(t, r)
		}
		check := func(got *reply, status int, origin, exposed string) {
			t.Helper()
			h := got.Header
			if got.StatusCode != status || h.Get("Access-Control-Allow-Origin") != origin || len(h["Access-Control-Allow-Origin"]) > 1 || h.Get("Access-Control-Expose-Headers") != exposed {
				t.Errorf("got %d %v, want %d for %s with %s", got.StatusCode, h, status, origin, exposed)
			}
		}
		preflight := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-fault"}
		asked := ask("OPTIONS", "/mail", preflight...)
		check(asked, 200, "*", "")
		if got := asked.Header.Get("X-Seen"); got != "OPTIONS content-type" {
			t.Errorf("the upstream has seen %q", got)
		}
		if got := asked.Header.Get("Access-Control-Allow-Headers"); got != "x-fault" {
			t.Errorf("the preflight allows %q", got)
		}
		check(ask("POST", "/mail"), 551, page, "Retry-After, X-Fault-Injected")
		check(ask("POST", "/mail"), 200, "*", "")
		check(ask("GET", "/error"), 502, page, "X-Fault-Injected")
		check(ask("GET", "/open/x"), 503, "*", "Retry-After, X-Fault-Injected")
		answered := ask("OPTIONS", "/x", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "x-fault")
		check(answered, 204, page, "")
		check(ask("GET", "/x", "X-Fault", "551"), 551, page, "X-Content-Type-Options, X-Fault-Injected")
	})
}

// explain says which preflights a point answers, even while faults are halted.
func TestExplainPreflight(t *testing.T) {
	up := serve(t, echo)
	const answered = "204 by fault: a point with cors answers the preflight"
	const options = "rule r {\nmatch method OPTIONS\nrespond 551\n}"
	for _, tt := range []struct {
		name, point, origin, method, fields string
		halted                              bool
		answer                              string
	}{
		{"answered", "cors", "https://a.example", "GET", "x-fault", false, answered + "; no fault can hit"},
		{"halted", "cors", "https://a.example", "GET", "x-fault", true, answered + "; faults are halted"},
		{"another field", "cors", "https://a.example", "GET", "content-type,x-fault", false, "UP; no fault can hit"},
		{"another method", "cors", "https://a.example", "PUT", "x-fault", false, "UP; no fault can hit"},
		{"no trigger's field", "cors", "https://a.example", "GET", "content-type", false, "UP; no fault can hit"},
		{"another origin", "cors https://b.example", "https://a.example", "GET", "x-fault", false, "UP; no fault can hit"},
		{"no cors", "", "https://a.example", "GET", "x-fault", false, "UP; no fault can hit"},
		{"a rule hits it", "cors\n" + options, "https://a.example", "GET", "x-fault", false, "551 by p/r"},
		{"a rule may hit it", "cors\nrule r {\nmatch method OPTIONS\npercent 30\nrespond 551\n}", "https://a.example", "GET", "x-fault", false, "551 by p/r, 30 %; else " + answered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, config{admin: true, site: "fault {\npoint p\ntrigger header\n" + tt.point + "\n}\n" + up.proxy()})
			if tt.halted {
				s.wantAdmin(t, http.StatusOK, http.MethodPost, "/halt", "", "")
				defer s.resume(t)
			}
			got := s.askExplain(t, `{"url": "SITE/", "method": "OPTIONS", "header": {"Origin": "`+tt.origin+`",
				"Access-Control-Request-Method": "`+tt.method+`", "Access-Control-Request-Headers": "`+tt.fields+`"}}`)
			if want := strings.ReplaceAll(tt.answer, "UP", "the upstream "+up.addr); got.Answer != want {
				t.Errorf("got %q, want %q", got.Answer, want)
			}
		})
	}
}
