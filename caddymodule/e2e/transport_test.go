package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// proxied is a reverse_proxy with these options and a fault transport.
func proxied(upstreams, options, transport string) string {
	return "reverse_proxy " + upstreams + " {\n" + options + "\ntransport fault {\n" + transport + "\n}\n}\n"
}

// firstAttempt is a rule that hits the first attempt of each request.
func firstAttempt(fault string) string {
	return "rule first {\ntimes 1\nper {http.request.uuid}\n" + fault + "\n}"
}

// TestRetries shows which failed attempts Caddy retries. It retries a POST only if
// nothing was sent, or if the configuration allows it and Caddy has kept the body.
func TestRetries(t *testing.T) {
	const (
		anyMethod = "lb_retry_match {\nmethod GET POST\n}"
		on503     = "lb_retry_match {\nexpression `{http.reverse_proxy.status_code} == 503`\n}"
	)
	tests := []struct {
		name, fault, options, method string
		status                       int
	}{
		{"reset, GET", "reset", "", "GET", 200},
		{"close, GET", "close", "", "GET", 200},
		{"garbage, GET", "garbage", "", "GET", 200},
		{"hang, GET", "hang 1ms", "", "GET", 200},
		{"error, GET", "error 504", "", "GET", 200},
		{"refuse, GET", "refuse", "", "GET", 200},
		{"delay and refuse, GET", "delay 1ms\nrefuse", "", "GET", 200},
		{"reset, POST", "reset", "", "POST", 502},
		{"close, POST", "close", "", "POST", 502},
		{"error, POST", "error 504", "", "POST", 504},
		{"refuse, POST", "refuse", "", "POST", 200},
		{"reset, POST that may be retried", "reset", anyMethod, "POST", 502},
		{"reset, POST that may and can be retried", "reset", anyMethod + "\nrequest_buffers 1MiB", "POST", 200},
		{"respond, GET", "respond 503", "", "GET", 503},
		{"respond, GET, retried by status", "respond 503", on503, "GET", 200},
		{"respond, POST, retried by status", "respond 503", on503, "POST", 200},
		{"on the reply, GET", "match_response {\nstatus 200\n}\nclose", "", "GET", 200},
		{"on the reply, POST", "match_response {\nstatus 200\n}\nclose", "", "POST", 502},
	}
	a, b := serve(t, echo), serve(t, echo)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, config{site: proxied(a.addr+" "+b.addr, "lb_retries 2\n"+tt.options, firstAttempt(tt.fault)) + accessLog})
			for range 2 { // the rule hits each request again
				client := c.client(t, h1)
				body, want := io.Reader(nil), "GET /"
				if tt.method == http.MethodPost {
					body, want = strings.NewReader("12345"), "POST / 5"
				}
				got := client.do(t, client.request(t, tt.method, "/", body))
				if got.StatusCode != tt.status || tt.status == http.StatusOK && got.body != want {
					t.Errorf("got %d %q, want %d %q", got.StatusCode, got.body, tt.status, want)
				}
			}
			c.wantAccess(t, func(line map[string]any) bool {
				return line["status"] == float64(tt.status) && line["fault_rule"] == "first"
			})
		})
	}
}

// With lb_try_duration Caddy retries until the duration has passed.
func TestTryDuration(t *testing.T) {
	up := serve(t, echo)
	const interval = "\nlb_try_interval 1ms"
	c := start(t, config{site: proxied(up.addr, "lb_try_duration 10s"+interval, "times 5\nrefuse")}).client(t, h1)
	wantReply(t, c.get(t, "/"), http.StatusOK, "GET /")
	up.wantHits(t, 1)

	c = start(t, config{site: proxied(up.addr, "lb_try_duration 20ms"+interval, "refuse")}).client(t, h1)
	wantReply(t, c.get(t, "/"), http.StatusBadGateway, "")
	up.wantHits(t, 1)
}

// Passive health checks count injected failures, and a matcher selects one of the
// upstreams.
func TestPassiveHealthChecks(t *testing.T) {
	for _, tt := range []struct {
		fault  string
		status int
	}{{"respond 503", 503}, {"refuse", 502}, {"reset", 502}} {
		t.Run(tt.fault, func(t *testing.T) {
			bad, good := serve(t, echo), serve(t, echo)
			c := start(t, config{site: proxied(bad.addr+" "+good.addr,
				"lb_policy first\nfail_duration 1m\nmax_fails 2\nunhealthy_status 503",
				"match vars {upstream_hostport} "+bad.addr+"\n"+tt.fault)}).client(t, h1)
			for i, want := range []int{tt.status, tt.status, 200, 200} {
				if got := c.get(t, "/"); got.StatusCode != want {
					t.Errorf("request %d: got %d, want %d", i+1, got.StatusCode, want)
				}
			}
			bad.wantHits(t, 0)
			good.wantHits(t, 2)
		})
	}
}

// Active health checks pass unless a rule applies to them.
func TestActiveHealthChecks(t *testing.T) {
	const options = "health_uri /health\nhealth_interval 5ms"
	t.Run("pass", func(t *testing.T) {
		up := serve(t, echo)
		c := start(t, config{site: proxied(up.addr, options, "match path /health\nrespond 500")}).client(t, h1)
		eventually(t, func() error {
			if up.hits.get() < 3 {
				return errors.New("the upstream got no health check")
			}
			return nil
		})
		wantReply(t, c.get(t, "/"), http.StatusOK, "GET /")
		if got := c.get(t, "/health"); got.StatusCode != http.StatusInternalServerError {
			t.Errorf("a client's request: got %d, want 500", got.StatusCode)
		}
	})
	for _, fault := range []string{"respond 500", "refuse", "reset"} {
		t.Run(fault, func(t *testing.T) {
			up := serve(t, echo)
			c := start(t, config{site: proxied(up.addr, options, "match path /health\nhealth_checks\n"+fault)}).client(t, h1)
			eventually(t, func() error {
				if got := c.get(t, "/"); got.StatusCode != http.StatusServiceUnavailable {
					return fmt.Errorf("got %d: the upstream is still up", got.StatusCode)
				}
				return nil
			})
		})
	}
}

// The health checks of one of two upstreams fail. A matcher selects them by the
// placeholder that also selects clients' requests.
func TestHealthChecksOfOneUpstream(t *testing.T) {
	says := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }
	}
	ill, well := serve(t, says("ill")), serve(t, says("well"))
	c := start(t, config{site: proxied(ill.addr+" "+well.addr, "lb_policy first\nhealth_uri /health\nhealth_interval 5ms",
		"match {\nvars {upstream_hostport} "+ill.addr+"\nexpression `{path} == \"/health\"`\n}\nhealth_checks\nrefuse")}).client(t, h1)
	eventually(t, func() error {
		if got := c.get(t, "/"); got.body != "well" {
			return fmt.Errorf("got %d %q: the first upstream is still up, or both are down", got.StatusCode, got.body)
		}
		return nil
	})
}

// TestEarlyReplyH2C has an upstream that replies before the client has ended its
// upload. Its transport closes the body while it reads the body.
func TestEarlyReplyH2C(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 4))
		w.WriteHeader(http.StatusAccepted)
	}))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	for _, fault := range []string{"match_response status 599\nrespond 503", "phase response\ndelay 1ms", "hang {\nafter 1MiB\n}"} {
		c := config{site: "fault /f {\n" + fault + "\n}\nreverse_proxy h2c://" + srv.Listener.Addr().String()}
		overEach(t, c, func(t *testing.T, c *client) {
			if c.proto == h1 {
				return // net/http waits for the body before it sends a reply
			}
			for range 10 {
				body, half := io.Pipe()
				go func() { _, _ = io.WriteString(half, "half of it") }()
				r := c.request(t, "POST", "/f", body)
				if got, err := c.try(r); err != nil || got.StatusCode != http.StatusAccepted {
					t.Errorf("%s: got %+v, error %v", fault, got, err)
				}
				_ = half.Close()
			}
		})
	}
}

// The transport inside speaks TLS and h2c if the upstreams do.
func TestTransportSchemes(t *testing.T) {
	tests := []struct {
		name, scheme, inner string
		start               func(*httptest.Server)
		want                string
	}{
		{"https", "https", "transport http {\ntls_insecure_skip_verify\n}", (*httptest.Server).StartTLS, "HTTP/1.1 TLS"},
		{"https, HTTP/2", "https", "transport http {\ntls_insecure_skip_verify\n}", startTLS2, "HTTP/2.0 TLS"},
		{"h2c", "h2c", "", startH2C, "HTTP/2.0 plain"},
		{"h2c, configured", "h2c", "transport http {\ndial_timeout 5s\n}", startH2C, "HTTP/2.0 plain"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				security := "plain"
				if r.TLS != nil {
					security = "TLS"
				}
				fmt.Fprint(w, r.Proto, " ", security)
			}))
			tt.start(srv)
			t.Cleanup(srv.Close)
			upstream := tt.scheme + "://" + srv.Listener.Addr().String()
			c := start(t, config{site: proxied(upstream, "lb_retries 1", tt.inner+"\n"+firstAttempt("refuse"))}).client(t, h1)
			wantReply(t, c.get(t, "/"), http.StatusOK, tt.want)
		})
	}
}

func startTLS2(srv *httptest.Server) {
	srv.EnableHTTP2 = true
	srv.StartTLS()
}

func startH2C(srv *httptest.Server) {
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
}

// The error routes get the error of the last attempt.
func TestTransportErrorRoutes(t *testing.T) {
	up := serve(t, echo)
	c := start(t, config{site: proxied(up.addr, "lb_retries 2", "rule down {\nrefuse\n}") + `
		handle_errors {
			respond "{err.status_code} {http.fault.rule} {http.reverse_proxy.retries}"
		}
		` + accessLog}).client(t, h1)
	wantReply(t, c.get(t, "/"), http.StatusBadGateway, "502 down 2")
	up.wantHits(t, 0)
	c.wantAccess(t, func(line map[string]any) bool {
		return line["fault_rule"] == "down,down,down" && line["fault_kind"] == "refuse,refuse,refuse"
	})
}

// TestTransportReplies checks what a client sees of the replies that a transport
// injects.
func TestTransportReplies(t *testing.T) {
	up := serve(t, echo)
	site := proxied(up.addr, "", `
		rule gone {
			match /respond
			respond 551
		}
		rule call {
			match /grpc
			grpc UNAVAILABLE
		}
		rule slow {
			match /delay
			delay 1ms
		}
		rule broken {
			match /malformed
			malformed
		}`)
	overEach(t, config{site: site}, func(t *testing.T, c *client) {
		got := c.get(t, "/respond")
		wantReply(t, got, 551, body551)
		if rule := got.Header.Get("X-Fault-Injected"); rule != "gone" {
			t.Errorf("X-Fault-Injected: got %q, want gone", rule)
		}
		head := c.do(t, c.request(t, http.MethodHead, "/respond", nil))
		if head.StatusCode != 551 || head.ContentLength != int64(len(body551)) {
			t.Errorf("HEAD: got %d with length %d, want 551 with %d", head.StatusCode, head.ContentLength, len(body551))
		}
		if got := c.get(t, "/grpc"); got.StatusCode != http.StatusOK || got.Header.Get("Grpc-Status") != "14" {
			t.Errorf("grpc: got %d %v, want 200 and status 14", got.StatusCode, got.Header)
		}
		got = c.get(t, "/delay")
		wantReply(t, got, http.StatusOK, "GET /delay")
		if timing := got.Header.Get("Server-Timing"); timing != "fault;dur=1" {
			t.Errorf("Server-Timing: got %q, want fault;dur=1", timing)
		}
		if got, err := c.try(c.request(t, http.MethodGet, "/malformed", nil)); err == nil && got.bodyErr == nil {
			t.Errorf("malformed: got %d %q, want a broken body", got.StatusCode, got.body)
		}
		wantReply(t, c.get(t, "/"), http.StatusOK, "GET /")
	})
}

// A client that leaves ends a waiting attempt, and the attempt is not retried.
func TestTransportClientLeaves(t *testing.T) {
	up := serve(t, echo)
	c := start(t, config{site: proxied(up.addr, "lb_retries 2", `
		rule hang {
			match /hang
			hang
		}
		rule slow {
			match /delay
			delay 1h
		}`) + accessLog}).client(t, h1)
	for _, r := range []*http.Request{
		c.request(t, http.MethodPost, "/hang", strings.NewReader("12345")),
		c.request(t, http.MethodGet, "/delay", nil),
	} {
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := c.try(r.WithContext(ctx))
			done <- err
		}()
		kind := strings.TrimPrefix(r.URL.Path, "/")
		eventually(t, func() error {
			if !strings.Contains(c.caddyLog(t), `"kind":"`+kind+`"`) {
				return errors.New("the request was not hit")
			}
			return nil
		})
		leave()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want one that says that the client has left", err)
		}
		c.wantAccess(t, func(line map[string]any) bool {
			return line["status"] == float64(499) && line["fault_kind"] == kind
		})
	}
	up.wantHits(t, 0)
}

// TestTransportPassing compares a transport where nothing fires with no transport. The
// replies must be equal byte for byte.
func TestTransportPassing(t *testing.T) {
	up := serve(t, zoo)
	for name, rules := range map[string]string{
		"no rule":           "",
		"no match":          "match /other\nrefuse",
		"percent 0":         "percent 0\nrefuse",
		"dry run":           "dry_run\nrefuse",
		"reply not matched": "match_response {\nstatus 599\n}\nreset",
		"reply, dry run":    "phase response\ndry_run\nreset",
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, config{site: proxied(up.addr, "", rules), other: up.proxy()})
			faulty, plain := s.dial(t), s.dial(t)
			for _, line := range []string{
				"GET /text", "HEAD /text", "GET /chunked", "GET /204", "GET /304", "GET /404", "GET /gzip",
				"GET /range", "GET /hints", "GET /trailer", "GET /grpc", "GET /large", "POST /post",
			} {
				method, path, _ := strings.Cut(line, " ")
				body := ""
				if method == http.MethodPost {
					body = strings.Repeat("x", 20<<10)
				}
				text := request(method, path, body, "Accept-Encoding: gzip", "Te: trailers")
				got, want := faulty.roundTrip(text), plain.roundTrip(strings.Replace(text, host, other, 1))
				if got != want {
					t.Errorf("%s: got %.1000q, want %.1000q", line, got, want)
				}
			}
		})
	}
}

// A WebSocket passes through faults that let requests continue.
func TestTransportUpgrade(t *testing.T) {
	up := listen(t, switches("hello"))
	for _, rules := range []string{"delay 1ms", "phase response\ndelay 1ms"} {
		conn := start(t, config{site: proxied(up.addr, "", rules)}).dial(t)
		conn.upgrade()
		conn.send(" to all")
		got := make([]byte, len("hello to all"))
		if _, err := io.ReadFull(conn.in, got); err != nil || string(got) != "hello to all" {
			t.Errorf("%s: got %q, error %v, want hello to all", rules, got, err)
		}
	}
}

// An attempt that hangs fails when a reload removes its rule.
func TestTransportHangEndsWithItsRule(t *testing.T) {
	up := serve(t, echo)
	c := start(t, config{site: proxied(up.addr, "", "point removed\nhang")}).client(t, h1)
	before := max(injected(t, "removed", "rule1", "hang"), 0)
	done := make(chan *reply, 1)
	go func() {
		defer close(done)
		got, err := c.try(c.request(t, http.MethodGet, "/", nil))
		if err != nil {
			t.Errorf("held request: %v", err)
			return
		}
		done <- got
	}()
	eventually(t, func() error {
		if injected(t, "removed", "rule1", "hang") == before {
			return errors.New("the request is not held")
		}
		return nil
	})
	c.site.site = up.proxy()
	c.load(t)
	if got := <-done; got != nil {
		wantReply(t, got, http.StatusBadGateway, "")
	}
}
