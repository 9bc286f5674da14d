package e2e

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestEncode compresses an injected reply like any other if the reply passes through
// encode: with the listener wrapper, and over HTTP/2 and HTTP/3. Otherwise the reply is
// uncompressed.
func TestEncode(t *testing.T) {
	long := `{"text": "` + strings.Repeat("long enough ", 100) + `"}`
	up := serve(t, zoo)
	for _, phase := range phases {
		t.Run("phase "+phase, func(t *testing.T) {
			directives := "encode gzip\nfault /gzip {\nphase " + phase + "\nrespond 551 `" + long + "`\n}\n" + up.proxy()
			everywhere(t, config{site: directives}, func(t *testing.T, c *client) {
				r := c.request(t, "GET", "/gzip", nil)
				r.Header.Set("Accept-Encoding", "gzip")
				got := c.do(t, r)
				if got.StatusCode != 551 || got.ProtoMajor == 1 && got.Status != "551 User Not Local" {
					t.Errorf("status: got %q, want 551 User Not Local", got.Status)
				}
				encoded := c.wrapper || c.proto != h1
				if encoding := got.Header.Get("Content-Encoding"); (encoding == "gzip") != encoded {
					t.Errorf("Content-Encoding: got %q, want gzip: %v", encoding, encoded)
				}
				body := got.body
				if encoded {
					body = gunzip(t, body)
				}
				if body != long {
					t.Errorf("body: got %.100q, want %.100q", body, long)
				}
				wantReply(t, c.get(t, "/"), 200, "GET /")
			})
		})
	}
}

// TestEncodeBrokenOff sends the head of a reply that breaks off before its body, which
// encode would keep.
func TestEncodeBrokenOff(t *testing.T) {
	up := serve(t, zoo)
	for fault, status := range map[string]int{"malformed 503": 503, "truncate 0B": 200, "hang 1ms {\nafter 0B\n}": 200} {
		t.Run(oneLine(fault), func(t *testing.T) {
			eachPhase(t, fault, func(t *testing.T, _, directive string) {
				everywhere(t, config{site: "encode\n" + directive + up.proxy()}, func(t *testing.T, c *client) {
					got, err := c.try(c.request(t, "GET", "/f", nil))
					if err != nil {
						if c.proto != h3 || !streamEnded(err) { // the reset may overtake the head
							t.Errorf("got error %v, want the head", err)
						}
						return
					}
					if got.StatusCode != status || got.body != "" || got.bodyErr == nil {
						t.Errorf("got %d %q, error %v, want %d and a broken body", got.StatusCode, got.body, got.bodyErr, status)
					}
				})
			})
		})
	}
}

func gunzip(t *testing.T, packed string) string {
	t.Helper()
	zr, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Errorf("unpacking %.50q: %v", packed, err)
		return ""
	}
	text, err := io.ReadAll(zr)
	if err != nil {
		t.Errorf("unpacking: %v", err)
	}
	return string(text)
}

// TestHeaderDirective changes the header of an injected reply, immediately and
// deferred.
func TestHeaderDirective(t *testing.T) {
	up := serve(t, zoo)
	for _, phase := range phases {
		t.Run("phase "+phase, func(t *testing.T) {
			directives := `header {
				X-Early yes
				>X-Late yes
				>X-Fault-Injected changed
				-X-Remove
				-Server
			}
			fault /text {
				phase ` + phase + `
				respond 551 {
					header X-Remove me
				}
			}
			` + up.proxy()
			everywhere(t, config{site: directives}, func(t *testing.T, c *client) {
				got := c.get(t, "/text")
				want551(t, got)
				for name, want := range map[string]string{
					"X-Early": "yes", "X-Late": "yes", "X-Fault-Injected": "changed", "X-Remove": "", "Server": "",
				} {
					if value := got.Header.Get(name); value != want {
						t.Errorf("%s: got %q, want %q", name, value, want)
					}
				}
			})
		})
	}
}

// TestIntercept replaces injected replies like those of an upstream.
func TestIntercept(t *testing.T) {
	up := serve(t, shapes)
	for name, tt := range map[string]struct {
		intercept string
		status    int
		body      string
	}{
		"another reply":  {"@e status 5xx\nhandle_response @e {\nrespond \"seen {resp.status_code}\" 200\n}", 200, "seen 551"},
		"another status": {"@e status 5xx\nreplace_status @e 200", 200, body551},
		"no reply":       {"@e status 4xx\nreplace_status @e 200", 551, body551},
	} {
		t.Run(name, func(t *testing.T) {
			eachPhase(t, "respond 551", func(t *testing.T, _, directive string) {
				everywhere(t, config{site: "intercept {\n" + tt.intercept + "\n}\n" + directive + up.proxy()}, func(t *testing.T, c *client) {
					wantReply(t, c.get(t, "/f"), tt.status, tt.body)
					c.wantOneConnection(t)
				})
			})
		})
	}
}

// TestInterceptBrokenOff sends the head of a reply that breaks off, and the beginning
// of its body, although intercept records the reply to replace it.
func TestInterceptBrokenOff(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "0123456789")
	})
	for _, tt := range []struct {
		fault  string
		status int
		body   string
	}{
		{"malformed 551", 551, ""},
		{"truncate 0B", 500, ""},
		{"truncate 4B", 500, "0123"},
		{"hang 1ms {\nafter 0B\n}", 500, ""},
		{"hang 1ms {\nafter 4B\n}", 500, "0123"},
	} {
		t.Run(oneLine(tt.fault), func(t *testing.T) {
			eachPhase(t, tt.fault, func(t *testing.T, _, directive string) {
				site := "encode\nintercept {\n@s status 5xx\nhandle_response @s {\nheader X-Int 1\ncopy_response\n}\n}\n" + directive + up.proxy()
				everywhere(t, config{site: site}, func(t *testing.T, c *client) {
					got, err := c.try(c.request(t, "GET", "/f", nil))
					if err != nil {
						if c.proto != h3 || !streamEnded(err) { // the reset may overtake the head
							t.Errorf("got error %v, want the head", err)
						}
						return
					}
					if got.StatusCode != tt.status || got.body != tt.body || got.bodyErr == nil || got.Header.Get("X-Int") != "" {
						t.Errorf("got %d %q, error %v, header %v, want %d %q, broken off as it came", got.StatusCode, got.body, got.bodyErr, got.Header, tt.status, tt.body)
					}
				})
			})
		})
	}
}

// TestHandleBlocks injects a fault of the site into requests that handle blocks would
// handle, and a fault of a block into the requests of the block.
func TestHandleBlocks(t *testing.T) {
	up := serve(t, echo)
	directives := `
	handle /mail/* {
		fault /mail/down 552
		` + up.proxy() + `
	}
	handle_path /api/* {
		respond "api {uri}"
	}
	handle {
		respond rest
	}
	route /route/* {
		respond route
	}
	fault /mail/inbox 551
	fault /api/inbox 551
	fault /route/inbox 551
	fault /rest 551
	`
	overEach(t, config{site: directives}, func(t *testing.T, c *client) {
		for _, path := range []string{"/mail/inbox", "/api/inbox", "/route/inbox", "/rest"} {
			want551(t, c.get(t, path))
		}
		if got := c.get(t, "/mail/down"); got.StatusCode != 552 {
			t.Errorf("/mail/down: got %s, want 552", got.Status)
		}
		wantReply(t, c.get(t, "/mail/other"), 200, "GET /mail/other")
		wantReply(t, c.get(t, "/api/other"), 200, "api /other")
		wantReply(t, c.get(t, "/other"), 200, "rest")
	})
}

// TestHandleErrors does not change an injected reply, because it is not an error.
func TestHandleErrors(t *testing.T) {
	up := serve(t, zoo)
	eachPhase(t, "respond 551", func(t *testing.T, _, directive string) {
		everywhere(t, config{site: directive + "handle_errors {\nrespond handled\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
			want551(t, c.get(t, "/f"))
			if strings.Contains(c.caddyLog(t), `"logger":"http.log.error`) {
				t.Error("an injected reply was logged as an error")
			}
		})
	})
}

// TestMatchers matches requests by other properties than their path.
func TestMatchers(t *testing.T) {
	up := serve(t, echo)
	directives := `
	@asked header X-Chaos *551*
	fault @asked 551
	fault {
		rule block {
			match {
				method POST
				path /orders
			}
			respond 551
		}
		rule cel {
			match ` + "`{query.mode} == 'cel' || header({'X-Mode': 'cel'})`" + `
			respond 551
		}
		rule either {
			match path /either /or
			match query either=1
			respond 551
		}
	}
	` + up.proxy()
	tests := []struct {
		method, path, field string
		hit                 bool
	}{
		{"GET", "/", "", false},
		{"GET", "/", "X-Chaos: please 551", true},
		{"GET", "/", "X-Chaos: please 552", false},
		{"POST", "/orders", "", true},
		{"GET", "/orders", "", false},
		{"POST", "/other", "", false},
		{"GET", "/?mode=cel", "", true},
		{"GET", "/", "X-Mode: cel", true},
		{"GET", "/?mode=other", "", false},
		{"GET", "/or", "", true},
		{"GET", "/?either=1", "", true},
	}
	overEach(t, config{site: directives}, func(t *testing.T, c *client) {
		for _, tt := range tests {
			r := c.request(t, tt.method, tt.path, nil)
			if name, value, ok := strings.Cut(tt.field, ": "); ok {
				r.Header.Set(name, value)
			}
			if got := c.do(t, r); (got.StatusCode == 551) != tt.hit {
				t.Errorf("%s %s with %q: got %s, want a fault: %v", tt.method, tt.path, tt.field, got.Status, tt.hit)
			}
		}
	})
}

// TestRewritten matches the request as changed by rewrite and uri.
func TestRewritten(t *testing.T) {
	up := serve(t, echo)
	directives := "rewrite /old /new\nfault /new 551\n" + up.proxy()
	overEach(t, config{site: directives}, func(t *testing.T, c *client) { want551(t, c.get(t, "/old")) })
}

// hits sends n requests and reports which of them were hit.
func hits(t *testing.T, c *client, path string, n int) []bool {
	t.Helper()
	all := make([]bool, n)
	for i := range all {
		all[i] = c.get(t, path).StatusCode == 551
	}
	return all
}

func count(all []bool) (n int) {
	for _, hit := range all {
		if hit {
			n++
		}
	}
	return n
}

// TestSeed repeats its draws. Two points with the same seed hit the same requests, and
// about the configured percentage of them.
func TestSeed(t *testing.T) {
	rule := "seed 7\npercent 30\nrespond 551\n}\n"
	c := start(t, config{wrapper: true, site: "fault /a {\npoint a\n" + rule + "fault /b {\npoint b\n" + rule +
		"fault /c {\npercent 0\nrespond 551\n}\nfault /d {\npercent 100\nrespond 551\n}\nrespond ok"}).client(t, h1)
	a, b := hits(t, c, "/a", 300), hits(t, c, "/b", 300)
	if !slices.Equal(a, b) {
		t.Errorf("two points of one seed differ: %v and %v", a, b)
	}
	if n := count(a); n < 60 || n > 120 { // the seed is fixed, so the result is not random
		t.Errorf("30 percent of 300: got %d", n)
	}
	if n := count(hits(t, c, "/c", 50)); n != 0 {
		t.Errorf("0 percent of 50: got %d", n)
	}
	if n := count(hits(t, c, "/d", 50)); n != 50 {
		t.Errorf("100 percent of 50: got %d", n)
	}
}

// TestSticky gives the same user the same result, over every protocol.
func TestSticky(t *testing.T) {
	s := start(t, config{tls: true, site: "fault {\nsticky {http.request.header.X-User}\npercent 50\nrespond 551\n}\nrespond ok"})
	answers := make(map[string]int)
	n := 0
	for _, proto := range s.protocols() {
		c := s.client(t, proto)
		for range 2 {
			for user := range strings.SplitSeq("ann bob cem dan eve fay gus hal ida jon kim lea max ned oda pia", " ") {
				r := c.request(t, "GET", "/", nil)
				r.Header.Set("X-User", user)
				status := c.do(t, r).StatusCode
				if before, ok := answers[user]; ok && before != status {
					t.Errorf("%s over %s: got %d, before %d", user, proto, status, before)
				} else if !ok && status == 551 {
					n++
				}
				answers[user] = status
			}
		}
	}
	if n == 0 || n == len(answers) {
		t.Errorf("hit users: got %d of %d, want some", n, len(answers))
	}
}

// TestShares gives two rules their percentages, and never hits a request with both.
func TestShares(t *testing.T) {
	c := start(t, config{wrapper: true, site: "fault {\nseed 1\nrule a {\npercent 10\nrespond 551\n}\nrule b {\npercent 20\nrespond 552\n}\n}\nrespond ok"}).client(t, h1)
	got := make(map[int]int)
	for range 1000 {
		got[c.get(t, "/").StatusCode]++
	}
	if a, b := got[551], got[552]; a < 70 || a > 130 || b < 160 || b > 240 || a+b+got[200] != 1000 {
		t.Errorf("10, 20 and 70 percent of 1000: got %v", got)
	}
}
