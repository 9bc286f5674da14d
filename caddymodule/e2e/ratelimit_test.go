package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Over each protocol, a client sees the quota shrink, and then 429 with the time left.
func TestRateLimit(t *testing.T) {
	up := serve(t, zoo)
	site := "fault {\nper {header.X-Client}\nratelimit 2 1h\n}\n" + up.proxy()
	everywhere(t, config{site: site}, func(t *testing.T, c *client) {
		for _, user := range []string{"ann", "bob"} {
			for i, page := range []string{"/text", "/chunked", "/text", "/204"} {
				r := c.request(t, "GET", page, nil)
				r.Header.Set("X-Client", user+t.Name())
				got := c.do(t, r)
				left, above := []string{"1", "0", "0", "0"}[i], i > 1
				if want := `"default";r=` + left + ";t=3"; !strings.HasPrefix(got.Header.Get("RateLimit"), want) || got.Header.Get("RateLimit-Policy") != `"default";q=2;w=3600` {
					t.Errorf("%s, request %d: got header %v, want %s…", user, i+1, got.Header, want)
				}
				if (got.StatusCode == 429) != above || (got.Header.Get("Retry-After") != "") != above || (got.Header.Get("X-Fault-Injected") != "") != above {
					t.Errorf("%s, request %d: got %d, header %v", user, i+1, got.StatusCode, got.Header)
				}
			}
		}
		if got := c.dials.get(); got != 1 {
			t.Errorf("connections opened: got %d, want 1", got)
		}
	})
}

// An error page has the limit fields as well, and an upgrade, a HEAD and an interim reply
// keep what they are.
func TestRateLimitReplies(t *testing.T) {
	up := serve(t, zoo)
	for _, tt := range []struct {
		name, site, method, page string
		status                   int
	}{
		{"error page", "fault {\nratelimit 1 1h x\n}\nerror * 502\nhandle_errors {\nrespond oops 502\n}", "GET", "/", 502},
		{"error page without routes", "fault {\nratelimit 1 1h x\n}\nerror * 502", "GET", "/", 502},
		{"empty", "fault {\nratelimit 1 1h x\n}", "GET", "/", 200},
		{"HEAD", "fault {\nratelimit 1 1h x\n}\n" + up.proxy(), "HEAD", "/text", 200},
		{"interim", "fault {\nratelimit 1 1h x\n}\n" + up.proxy(), "GET", "/hints", 200},
		{"trailer", "fault {\nratelimit 1 1h x\n}\n" + up.proxy(), "GET", "/trailer", 200},
		{"phase response", "fault {\nphase response\nratelimit 1 1h x\n}\n" + up.proxy(), "GET", "/gzip", 200},
		{"under encode", "encode gzip\nfault {\nratelimit 1 1h x\n}\n" + up.proxy(), "GET", "/text", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, config{site: tt.site}).client(t, h1)
			for _, want := range []int{tt.status, 429} {
				got := c.do(t, c.request(t, tt.method, tt.page, nil))
				if got.StatusCode != want || got.Header.Get("X-RateLimit-Limit") != "1" || got.Header.Get("X-RateLimit-Remaining") != "0" || got.Header.Get("X-RateLimit-Reset") == "" {
					t.Errorf("got %d, header %v, want %d with limit fields", got.StatusCode, got.Header, want)
				}
			}
			if got := c.dials.get(); got != 1 {
				t.Errorf("connections opened: got %d, want 1", got)
			}
		})
	}
}

// In a transport, each upstream can have a quota. The proxy passes the 429 on, or tries
// another upstream.
func TestRateLimitOfUpstreams(t *testing.T) {
	const rule = "per {http.reverse_proxy.upstream.hostport}\nratelimit 2 1h"
	for _, tt := range []struct {
		name, options string
		want          string
		hits          int // of each upstream
	}{
		{"passed on", "lb_policy first", "200 200 429 429 429 429", 2},
		{"tried again", "lb_policy round_robin\nlb_retries 1\nlb_retry_match {\nexpression `{http.reverse_proxy.status_code} == 429`\n}", "200 200 200 200 429 429", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := serve(t, echo), serve(t, echo)
			c := start(t, config{site: proxied(a.addr+" "+b.addr, tt.options, rule)}).client(t, h1)
			var statuses []string
			for range 6 {
				got := c.get(t, "/")
				statuses = append(statuses, strconv.Itoa(got.StatusCode))
				failed := got.StatusCode == 429 && tt.name == "tried again" // the proxy has dropped the last reply
				if (got.Header.Get("RateLimit-Policy") == "") != failed {
					t.Errorf("got %d, header %v, want limit fields: %v", got.StatusCode, got.Header, !failed)
				}
				if hit := got.Header.Get("X-Fault-Injected") != ""; hit != (got.StatusCode == 429 && !failed) {
					t.Errorf("got %d, disclosed: %v", got.StatusCode, hit)
				}
			}
			if got := strings.Join(statuses, " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			a.wantHits(t, tt.hits)
		})
	}
}

// Two downloads of one user share the rate, over one connection or two. Another user is
// not slower.
func TestThrottleShared(t *testing.T) {
	const size = 20 << 10
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) })
	site := "fault {\nper {header.X-User}\nthrottle 100KiB/s {\nshared\n}\n}\n" + up.proxy()
	everywhere(t, config{site: site}, func(t *testing.T, c *client) {
		began := time.Now()
		var wg sync.WaitGroup
		for i, least := range []time.Duration{300 * time.Millisecond, 300 * time.Millisecond, 150 * time.Millisecond} {
			wg.Go(func() {
				r := c.request(t, "GET", "/", nil)
				r.Header.Set("X-User", t.Name()+[]string{"ann", "ann", "bob"}[i])
				got, err := c.try(r)
				if err != nil || len(got.body) != size {
					t.Errorf("download %d: got %v, error %v", i+1, got, err)
				}
				if took := time.Since(began); took < least {
					t.Errorf("download %d: took %v, want %v or more", i+1, took, least)
				}
			})
		}
		wg.Wait()
	})
}
