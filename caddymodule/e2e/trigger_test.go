package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestTrigger lets requests ask for faults, over every protocol. The upstream does not
// get the trigger's header field, but it gets baggage.
func TestTrigger(t *testing.T) {
	const key = "0123456789abcdef"
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Seen-Fault"] = r.Header["X-Fault"]
		w.Header()["X-Seen-Baggage"] = r.Header["Baggage"]
	})
	site := "fault {\npoint edge\ntrigger header {\nkey " + key + "\n}\ntrigger baggage\n}\n" + up.proxy()
	everywhere(t, config{site: site}, func(t *testing.T, c *client) {
		ask := func(name, value string) *reply {
			r := c.request(t, "GET", "/", nil)
			r.Header.Set(name, value)
			return c.do(t, r)
		}
		want551(t, ask("X-Fault", "key "+key+"; 551"))
		want551(t, ask("X-Fault", "key "+key+"; phase response; 551"))
		want551(t, ask("Baggage", "user=anna,fault.edge=551"))
		for value, refused := range map[string]string{"551": "key", "key " + key + "; delay 1": "bad duration '1': want one such as 250ms or 2s", "key " + key + "; pass": ""} {
			got := ask("X-Fault", value)
			if seen := got.Header.Get("X-Seen-Fault"); got.StatusCode != 200 || seen != "" {
				t.Errorf("X-Fault %q: got %d, the upstream saw %q", value, got.StatusCode, seen)
			}
			if told := got.Header.Get("X-Fault-Refused"); told != refused {
				t.Errorf("X-Fault %q: told %q, want %q", value, told, refused)
			}
		}
		for _, value := range []string{"fault.other=551", "fault=nonsense"} {
			got := ask("Baggage", value)
			if seen := got.Header.Get("X-Seen-Baggage"); got.StatusCode != 200 || seen != value {
				t.Errorf("baggage %q: got %d, the upstream saw %q", value, got.StatusCode, seen)
			}
		}
	})
}

// A client cannot fill the log by asking for delays that reach the server's timeout.
// Caddy warns only about delays of the configuration.
func TestTriggerLinesDoNotWarn(t *testing.T) {
	for _, tt := range []struct {
		fault string
		warns bool
	}{
		{"trigger header", false},
		{"rule slow {\nmatch path /slow\ndelay 2s\n}", true},
	} {
		up := serve(t, echo)
		c := config{servers: "timeouts {\nwrite 1s\n}", site: "fault {\npoint edge\n" + tt.fault + "\n}\n" + up.proxy()}
		overEach(t, c, func(t *testing.T, c *client) {
			r := c.request(t, "GET", "/", nil)
			r.Header.Set("X-Fault", "percent 0; delay 2s")
			wantReply(t, c.do(t, r), 200, "GET /")
			if warned := strings.Contains(c.caddyLog(t), "write timeout"); warned != tt.warns {
				t.Errorf("%s: warned: %v, want %v", tt.fault, warned, tt.warns)
			}
		})
	}
}

// Every point on the way sees a trigger, including the points of error routes. The
// upstream does not.
func TestTriggerAtSeveralPoints(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Seen-Fault"] = r.Header["X-Fault"]
		w.Header()["X-Seen-Envoy"] = r.Header["X-Envoy-Fault-Delay-Request"]
	})
	site := `fault {
	point outer
	trigger header {
		allow delay error
	}
	trigger envoy
}
handle /inner {
	fault {
		point inner
		trigger header
		trigger envoy
		respond 418
	}
	` + up.proxy() + `
}
handle {
	` + up.proxy() + `
}
handle_errors {
	fault {
		point sorry
		trigger header {
			allow error respond
		}
		respond 419
	}
	respond "{err.status_code}, sorry"
}`
	overEach(t, config{site: site}, func(t *testing.T, c *client) {
		for _, tt := range []struct {
			target, value string
			status        int
		}{
			{"/inner", "", 418},
			{"/inner", "pass", 200},
			{"/inner", "551", 551}, // the first point refuses it
			{"/inner", "phase response; delay 1ms", 200},
			{"/inner", "error 503; pass", 418}, // malformed
			{"/inner", "error 503", 419},       // by the first point; then the rule of the error route, after the trigger has ended
			{"/other", "551", 200},
			{"/other", "pass", 200},
		} {
			r := c.request(t, "GET", tt.target, nil)
			if tt.value != "" {
				r.Header.Set("X-Fault", tt.value)
			}
			got := c.do(t, r)
			if seen := got.Header.Get("X-Seen-Fault"); got.StatusCode != tt.status || seen != "" {
				t.Errorf("%s %q: got %d, the upstream saw %q, want %d and nothing", tt.target, tt.value, got.StatusCode, seen, tt.status)
			}
		}
		r := c.request(t, "GET", "/inner", nil)
		r.Header.Set("X-Envoy-Fault-Delay-Request", "1")
		if got := c.do(t, r); got.StatusCode != 200 || got.Header["X-Seen-Envoy"] != nil {
			t.Errorf("envoy: got %d, the upstream saw %v, want a delay at both points", got.StatusCode, got.Header["X-Seen-Envoy"])
		}
	})
}

// Every point removes the fields of all points of its server from requests to
// upstreams: from requests that its matcher leaves out, from those of another point's
// block, and from those that only a transport sees. Cookies and baggage remain.
func TestTriggerFieldsOfTheServer(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if strings.Contains(name, "Fault") || name == "Baggage" || name == "Cookie" {
				w.Header().Add("X-Seen", name+"="+strings.Join(values, ","))
			}
		}
	})
	site := `handle /api/* {
	fault /api/inner/* {
		trigger header {
			key 0123456789abcdef
		}
		trigger cookie
		trigger baggage
	}
	` + up.proxy() + `
}
handle /admin/* {
	fault /admin/inner/* {
		trigger header X-Admin-Fault
		trigger envoy
	}
	` + up.proxy() + `
}
handle /plain/* {
	fault
	` + up.proxy() + `
}
handle /transport/* {
	reverse_proxy ` + up.addr + ` {
		transport fault
	}
}
handle /unseen/* {
	request_header -X-Fault
	` + up.proxy() + `
}
handle {
	error 404
}
handle_errors {
	fault /admin/*
	` + up.proxy() + `
}`
	percent := "X-Envoy-Fault-Abort-Request-Percentage"
	everywhere(t, config{site: site}, func(t *testing.T, c *client) {
		ask := func(target string) *reply {
			r := c.request(t, "GET", target, nil)
			r.Header = http.Header{
				"X-Fault": {"key 0123456789abcdef; 551", "552"}, "X-Admin-Fault": {"553"}, percent: {"100"},
				"X-Envoy-Fault-Delay-Request": {"1"}, "Baggage": {"fault=pass"}, "Cookie": {"fault=pass"},
			}
			return c.do(t, r)
		}
		for _, target := range []string{"/api/other", "/api/inner/x", "/admin/other", "/plain/x", "/transport/x", "/sorry"} {
			got := ask(target)
			seen := got.Header["X-Seen"]
			slices.Sort(seen)
			if got.StatusCode != 200 && target != "/api/inner/x" {
				t.Errorf("%s: got %d, want the upstream's reply", target, got.StatusCode)
			}
			if want := []string{"Baggage=fault=pass", "Cookie=fault=pass"}; got.StatusCode == 200 && !slices.Equal(seen, want) {
				t.Errorf("%s: the upstream saw %v, want %v", target, seen, want)
			}
		}
		if got := ask("/admin/inner/x"); got.StatusCode != 553 {
			t.Errorf("/admin/inner/x: got %d, want 553", got.StatusCode)
		}
		if seen := strings.Join(ask("/unseen/x").Header["X-Seen"], " "); strings.Contains(seen, "X-Fault=") || !strings.Contains(seen, "X-Admin-Fault=") {
			t.Errorf("/unseen/x: the upstream saw %s, want all but X-Fault", seen)
		}
	})
}

// A trigger is also removed while all faults are halted.
func TestTriggerHalted(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Header()["X-Seen-Fault"] = r.Header["X-Fault"] })
	overEach(t, config{global: "fault {\nhalted\n}", site: "fault {\ntrigger header\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
		r := c.request(t, "GET", "/", nil)
		r.Header.Set("X-Fault", "551")
		if got := c.do(t, r); got.StatusCode != 200 || got.Header.Get("X-Seen-Fault") != "" {
			t.Errorf("got %d, the upstream saw %q", got.StatusCode, got.Header.Get("X-Seen-Fault"))
		}
	})
}
