package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// TestKeepAlive uses one connection for many requests, with and without faults.
func TestKeepAlive(t *testing.T) {
	up := serve(t, echo)
	transports(t, config{site: "fault /f 551\n" + up.proxy()}, func(t *testing.T, s *site) {
		conn := s.dial(t)
		for range 5 {
			conn.roundTrip(get("/f")).want551(t)
			conn.roundTrip(request("POST", "/f", strings.Repeat("x", 20<<10))).want551(t)
			conn.roundTrip(request("DELETE", "/f", "")).want551(t)
			conn.wantAlive()
		}
		conn.roundTrip(get("/f", "Connection: close")).want551(t)
		conn.wantEnd()
	})
}

// TestKeepAliveClient does the same with common clients. They must not open a second
// connection.
func TestKeepAliveClient(t *testing.T) {
	up := serve(t, echo)
	everywhere(t, config{site: "fault /f 551\n" + up.proxy()}, func(t *testing.T, c *client) {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "QUERY"} {
			var body io.Reader
			if method == "POST" || method == "PUT" {
				body = strings.NewReader(strings.Repeat("x", 20<<10))
			}
			want551(t, c.do(t, c.request(t, method, "/f", body)))
			wantReply(t, c.get(t, "/"), 200, "GET /")
		}
		if got := c.dials.get(); got != 1 {
			t.Errorf("connections opened: got %d, want 1", got)
		}
	})
}

// TestPipelined sends several requests before it reads the first reply.
func TestPipelined(t *testing.T) {
	up := serve(t, echo)
	const fault, pass, post = "/f", "/p", "POST"
	tests := []struct {
		name  string
		paths []string
	}{
		{"fault, pass", []string{fault, pass}},
		{"pass, fault", []string{pass, fault}},
		{"two faults", []string{fault, fault}},
		{"fault with a body, pass", []string{post, pass}},
		{"many", []string{fault, pass, post, post, fault, fault, pass, pass, post, fault, pass}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			transports(t, config{site: "fault /f 551\n" + up.proxy()}, func(t *testing.T, s *site) {
				conn := s.dial(t)
				var all string
				for _, path := range tt.paths {
					if path == post {
						all += request(post, fault, "GET /p HTTP/1.1\r\nHost: smuggled\r\n\r\n")
					} else {
						all += get(path)
					}
				}
				conn.send(all)
				for i, path := range tt.paths {
					got := conn.reply("GET")
					if path != pass {
						got.want551(t)
					} else if got.body != "GET /p" {
						t.Errorf("reply %d: got %q, want the upstream's", i, got)
					}
				}
				conn.wantAlive()
			})
		})
	}
}

// TestRequestBody leaves bodies of several sizes unread. The reply always arrives. If a
// body is larger than what the server reads to keep the connection, the connection is
// closed.
func TestRequestBody(t *testing.T) {
	tests := []struct {
		name       string
		size, sent int
		alive      bool
	}{
		{"20 KB", 20 << 10, 20 << 10, true},
		{"300 KB", 300 << 10, 300 << 10, false},
		{"4 MB", 4 << 20, 4 << 20, false},
		{"4 MB, the rest withheld", 4 << 20, 300 << 10, false},
	}
	up := serve(t, echo)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			transports(t, config{site: "fault /f 551\n" + up.proxy()}, func(t *testing.T, s *site) {
				conn := s.dial(t)
				conn.send("POST /f HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: " + strconv.Itoa(tt.size) + "\r\n\r\n")
				sent := make(chan struct{})
				go func() { // the server may stop reading
					defer close(sent)
					_, _ = conn.Write(bytes.Repeat([]byte("x"), tt.sent))
				}()
				conn.reply("POST").want551(t)
				if tt.alive {
					<-sent
					conn.wantAlive()
				}
				_ = conn.Close()
				<-sent
			})
			if tt.sent < tt.size {
				return
			}
			everywhere(t, config{site: "fault /f 551\n" + up.proxy()}, func(t *testing.T, c *client) {
				if c.proto == h1 && !tt.alive {
					return // Go's client reports the broken write and loses the reply
				}
				want551(t, c.do(t, c.request(t, "POST", "/f", bytes.NewReader(make([]byte, tt.size)))))
				wantReply(t, c.get(t, "/"), 200, "GET /")
			})
		})
	}
}

// TestChunkedRequestBody leaves a body without a declared length unread.
func TestChunkedRequestBody(t *testing.T) {
	up := serve(t, echo)
	transports(t, config{site: "fault /f 551\n" + up.proxy()}, func(t *testing.T, s *site) {
		conn := s.dial(t)
		conn.roundTrip("POST /f HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").want551(t)
		conn.wantAlive()
	})
}

// TestHead gets the head of the reply to GET without a body, even if the site rewrites
// HEAD to GET.
func TestHead(t *testing.T) {
	up := serve(t, echo)
	long := strings.Repeat("x", 5000)
	directives := "method /made-get GET\nfault /f 551\nfault /made-get 551\nfault /long {\nrespond 551 " + long + "\n}\n" + up.proxy()
	transports(t, config{site: directives}, func(t *testing.T, s *site) {
		for _, path := range []string{"/f", "/long", "/made-get"} {
			conn := s.dial(t)
			want := conn.roundTrip(get(path))
			got := conn.roundTrip(request("HEAD", path, ""))
			if got.head != want.head {
				t.Errorf("HEAD %s: got %q, want GET's %q", path, got.head, want.head)
			}
			conn.wantAlive()
		}
	})
}

// TestHTTP10 speaks HTTP/1.0, whose connections end by default.
func TestHTTP10(t *testing.T) {
	up := serve(t, echo)
	transports(t, config{site: "fault /f 551\n" + up.proxy()}, func(t *testing.T, s *site) {
		conn := s.dial(t)
		got := conn.roundTrip("GET /f HTTP/1.0\r\nHost: " + host + "\r\n\r\n")
		got.wantLine(t, "HTTP/1.0 551 User Not Local\r\n")
		if got.body != body551 {
			t.Errorf("body: got %q, want %q", got.body, body551)
		}
		conn.wantEnd()

		conn = s.dial(t)
		for range 2 {
			got := conn.roundTrip("GET /f HTTP/1.0\r\nHost: " + host + "\r\nConnection: keep-alive\r\n\r\n")
			got.wantLine(t, "HTTP/1.0 551 User Not Local\r\n")
			if !strings.Contains(got.head, "\r\nConnection: keep-alive\r\n") || got.body != body551 {
				t.Errorf("kept connection: got %q", got)
			}
		}
	})
}

// TestExpect sends Expect: 100-continue. The client gets the final reply immediately,
// and the server does not wait for a body that never comes.
func TestExpect(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	for _, phase := range phases {
		t.Run(phase, func(t *testing.T) {
			c := config{site: "fault /f {\nphase " + phase + "\nrespond 551\n}\n" + up.proxy()}
			transports(t, c, func(t *testing.T, s *site) {
				conn := s.dial(t)
				got := conn.roundTrip("POST /f HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
				if phase == "request" {
					got.want551(t)
					if !strings.Contains(got.head, "\r\nConnection: close\r\n") {
						t.Errorf("head: got %q, want it to close the connection, because it is unknown whether the body follows", got.head)
					}
					return
				}
				got.final().want551(t) // reverse_proxy reads the body, which may send a 100
			})
			everywhere(t, c, func(t *testing.T, c *client) {
				if phase == "response" {
					return
				}
				body, w := io.Pipe()
				defer w.Close()
				r := c.request(t, "POST", "/f", body)
				r.Header.Set("Expect", "100-continue")
				want551(t, c.do(t, r))
			})
		})
	}
}

// TestExpectMalformed also breaks off immediately.
func TestExpectMalformed(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	eachPhase(t, "malformed 503", func(t *testing.T, _, directive string) {
		transports(t, config{site: directive + up.proxy()}, func(t *testing.T, s *site) {
			conn := s.dial(t)
			conn.send("POST /f HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n\r\n")
			got, err := conn.readReply(http.MethodPost)
			if !strings.Contains(got.head, "HTTP/1.1 503 Service Unavailable\r\n") || err == nil || isTimeout(err) {
				t.Errorf("got %q, error %v, want a head and a broken chunk", got, err)
			}
		})
	})
}

// TestNoBody uses the statuses whose replies end with the head.
func TestNoBody(t *testing.T) {
	tests := []struct {
		status int
		line   string
		length string
	}{
		{204, "HTTP/1.1 204 No Content\r\n", ""},
		{205, "HTTP/1.1 205 Reset Content\r\n", "0"},
		{304, "HTTP/1.1 304 Not Modified\r\n", ""},
	}
	up := serve(t, zoo)
	for _, tt := range tests {
		for _, phase := range phases {
			t.Run(strconv.Itoa(tt.status)+" in phase "+phase, func(t *testing.T) {
				c := config{site: "fault /text {\nphase " + phase + "\nrespond " + strconv.Itoa(tt.status) + "\n}\n" + up.proxy()}
				transports(t, c, func(t *testing.T, s *site) {
					conn := s.dial(t)
					for range 2 {
						got := conn.roundTrip(get("/text"))
						got.wantLine(t, tt.line)
						header := headerOf(got.head)
						for name, want := range map[string]string{"Content-Length": tt.length, "Content-Type": "", "Transfer-Encoding": ""} {
							if got := header.Get(name); got != want {
								t.Errorf("%s: got %q, want %q", name, got, want)
							}
						}
					}
				})
				everywhere(t, c, func(t *testing.T, c *client) {
					wantReply(t, c.get(t, "/text"), tt.status, "")
					wantReply(t, c.get(t, "/"), 200, "GET /")
				})
			})
		}
	}
}

// TestSplitting puts line ends into every text that accepts a placeholder. The reply
// must not have additional lines, and additional replies must not appear.
func TestSplitting(t *testing.T) {
	const hostile = "x\r\nX-Split: 1\r\n\r\nHTTP/1.1 200 OK\r\n\x00\x7f\"<&{}"
	const value = "{http.request.uri.query.in}"
	up := serve(t, echo)
	faults := map[string]string{
		"reason":  "respond 551 no {\nreason \"a " + value + " b\"\n}",
		"header":  "respond 551 no {\nheader X-Out \"a " + value + " b\"\nheader +X-Out \"" + value + "\"\n}",
		"text":    "respond 551 \"" + value + "\"",
		"JSON":    "respond 551 `{\"in\": \"" + value + "\"}`",
		"error":   "error 551 \"" + value + "\"",
		"HTML":    "respond 551 \"<p>" + value + "</p>\" {\ncontent_type text/html\n}",
		"unknown": "respond 551 \"{http.no.such}\" {\nheader X-Out {http.no.such}\nreason {http.no.such}\n}",
	}
	bodies := map[string]string{
		"reason": "no", "header": "no", "text": hostile, "error": "",
		"HTML":    "<p>" + strings.NewReplacer("\"", "&#34;", "<", "&lt;", "&", "&amp;").Replace(hostile) + "</p>",
		"unknown": "{http.no.such}",
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			everywhere(t, config{site: "fault /f {\n" + fault + "\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
				got := c.get(t, "/f?in="+url.QueryEscape(hostile))
				if got.StatusCode != 551 || got.Header.Get("X-Split") != "" {
					t.Errorf("got %s %v, want 551 without X-Split", got.Status, got.Header)
				}
				if strings.ContainsAny(got.Status, "\r\n\x00\x7f") {
					t.Errorf("status line: got %q, with control characters", got.Status)
				}
				if name == "header" {
					for _, out := range got.Header.Values("X-Out") {
						if strings.ContainsAny(out, "\r\n\x00\x7f") || !strings.Contains(out, "HTTP/1.1 200 OK") {
							t.Errorf("X-Out: got %q, want the text without control characters", out)
						}
					}
				}
				if name == "JSON" {
					wantJSON(t, got.body, "in", hostile)
				} else if want := bodies[name]; got.body != want {
					t.Errorf("body: got %q, want %q", got.body, want)
				}
				wantReply(t, c.get(t, "/"), 200, "GET /")
				if dials := c.dials.get(); dials != 1 {
					t.Errorf("connections opened: got %d, want 1", dials)
				}
			})
		})
	}
}

// TestHostileHeader puts a header field of the request, which may contain quotes, into
// a JSON body.
func TestHostileHeader(t *testing.T) {
	const hostile = `","admin":true,"x":"\u0000 {http.request.uri} é`
	up := serve(t, echo)
	c := config{site: "fault /f {\nrespond 551 `{\"id\": \"{http.request.header.X-Id}\"}`\n}\n" + up.proxy()}
	everywhere(t, c, func(t *testing.T, c *client) {
		r := c.request(t, "GET", "/f", nil)
		r.Header.Set("X-Id", hostile)
		got := c.do(t, r)
		if ct := got.Header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("Content-Type: got %q, want application/json", ct)
		}
		wantJSON(t, got.body, "id", hostile)
	})
}

// wantJSON checks that body is a JSON object with only this member.
func wantJSON(t *testing.T, body, name, value string) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Errorf("body %q: %v", body, err)
	}
	if len(got) != 1 || got[name] != value {
		t.Errorf("body: got %q, want only %q: %q", body, name, value)
	}
}
