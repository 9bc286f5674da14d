package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// replace is the directive that sends the request to the upstream and drops its reply.
const replace = "fault {\nphase response\nrespond 551\n}\n"

// describing are the fields of the zoo that describe or frame a body. They must not
// appear with another body.
var describing = []string{
	"Accept-Ranges", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language",
	"Content-Location", "Content-Md5", "Content-Range", "Digest", "Etag", "Grpc-Encoding", "Grpc-Message",
	"Grpc-Status", "Last-Modified", "Repr-Digest", "Sec-Websocket-Accept", "Trailer", "Transfer-Encoding", "Upgrade",
}

// TestReplaced replaces every kind of reply with the same reply. The fields that
// describe the upstream's body are removed, its other fields remain, and the connection
// remains open.
func TestReplaced(t *testing.T) {
	pages := []string{
		"/text", "/chunked", "/gzip", "/204", "/304", "/404", "/redirect", "/range", "/hints",
		"/trailer", "/grpc", "/large", "/post",
	}
	up := serve(t, zoo)
	everywhere(t, config{site: replace + up.proxy()}, func(t *testing.T, c *client) {
		for _, page := range pages {
			for _, method := range []string{"GET", "HEAD", "POST"} {
				t.Run(method+" "+page, func(t *testing.T) {
					before := up.hits.get()
					var body io.Reader
					if method == "POST" {
						body = strings.NewReader(strings.Repeat("x", 20<<10))
					}
					r := c.request(t, method, page, body)
					r.Header.Set("Range", "bytes=2-5")
					r.Header.Set("Accept-Encoding", "gzip")
					got := c.do(t, r)
					want551(t, got)
					wantReplacedHeader(t, got)
					up.wantHits(t, before+1)
				})
			}
		}
		if got := c.dials.get(); got != 1 {
			t.Errorf("connections opened: got %d, want 1", got)
		}
	})
}

func wantReplacedHeader(t *testing.T, got *reply) {
	t.Helper()
	for _, field := range describing {
		if values := got.Header.Values(field); len(values) > 0 {
			t.Errorf("%s of the upstream's body: got %q, want none", field, values)
		}
	}
	if len(got.Trailer) > 0 {
		t.Errorf("trailer: got %v, want none", got.Trailer)
	}
	for field, want := range map[string]string{"Set-Cookie": "session=1", "X-Upstream": "zoo", "X-Fault-Injected": "fault1/rule1"} {
		if values := got.Header.Values(field); !slices.Equal(values, []string{want}) {
			t.Errorf("%s: got %q, want %q", field, values, want)
		}
	}
}

// TestReplacedBytes checks the bytes on the wire, of which a client library may hide
// some.
func TestReplacedBytes(t *testing.T) {
	up := serve(t, zoo)
	transports(t, config{site: replace + up.proxy(), global: "fault {\ndisclose off\n}"}, func(t *testing.T, s *site) {
		conn := s.dial(t)
		for _, page := range []string{"/text", "/grpc", "/trailer", "/chunked", "/large"} {
			got := conn.roundTrip(get(page)).withoutAltSvc()
			want := line551 + "Cache-Control: no-store\r\nContent-Type: application/json\r\nDate: *\r\nSet-Cookie: session=1\r\n" +
				"Via: 1.1 Caddy\r\nX-Upstream: zoo\r\nContent-Length: 54\r\n\r\n" // the upstream's Date, at its position
			if got.head != want || got.body != body551 {
				t.Errorf("%s: got %q %q, want %q", page, got.head, got.body, want)
			}
		}
	})
}

// TestHintsThenReplaced passes on the interim reply.
func TestHintsThenReplaced(t *testing.T) {
	up := serve(t, zoo)
	everywhere(t, config{site: replace + up.proxy()}, func(t *testing.T, c *client) {
		var mu sync.Mutex
		var interim []string
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			mu.Lock()
			defer mu.Unlock()
			interim = append(interim, fmt.Sprint(code, " ", header.Get("Link")))
			return nil
		}}
		r := c.request(t, "GET", "/hints", nil)
		want551(t, c.do(t, r.WithContext(httptrace.WithClientTrace(r.Context(), trace))))
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"103 </style.css>; rel=preload"}; !slices.Equal(interim, want) {
			t.Errorf("interim replies: got %q, want %q", interim, want)
		}
	})
}

// TestReplacedEndless replaces an endless reply. The replacement must come promptly,
// and the upstream must be released.
func TestReplacedEndless(t *testing.T) {
	gone := make(chan struct{}, 1)
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/events" {
			echo(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	})
	directives := "fault /events {\nphase response\nrespond 551\n}\n" + up.proxy()
	everywhere(t, config{site: directives}, func(t *testing.T, c *client) {
		want551(t, c.get(t, "/events"))
		select {
		case <-gone:
		case <-time.After(patience):
			t.Error("the upstream is still held")
		}
		wantReply(t, c.get(t, "/"), 200, "GET /")
		if got := c.dials.get(); got != 1 {
			t.Errorf("connections opened: got %d, want 1", got)
		}
	})
}

// TestReplacedHuge counts how much an upstream with a huge body can send before it is
// cut off.
func TestReplacedHuge(t *testing.T) {
	const limit = 16 << 20 // 1 MiB that is read, and the buffers of two sockets
	tests := []struct{ name, framing, chunkStart, chunkEnd string }{
		{"64 MB", "Content-Length: 67108864", "", ""},
		{"1 GB", "Content-Length: 1073741824", "", ""},
		{"endless", "Transfer-Encoding: chunked", "10000\r\n", "\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			written := make(chan int, 1)
			chunk := tt.chunkStart + strings.Repeat("x", 1<<16) + tt.chunkEnd
			up := listen(t, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 4096))
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%s\r\n\r\n", tt.framing)
				total := 0
				for total < 60<<20 {
					n, err := io.WriteString(conn, chunk)
					total += n
					if err != nil {
						break
					}
				}
				written <- total
			})
			overEach(t, config{site: replace + up.proxy()}, func(t *testing.T, c *client) {
				for range 2 {
					want551(t, c.get(t, "/"))
					if got := <-written; got > limit {
						t.Errorf("the upstream could write %d bytes, want at most %d", got, limit)
					}
				}
				if got := c.dials.get(); got != 1 {
					t.Errorf("connections opened: got %d, want 1", got)
				}
			})
		})
	}
}

// TestUpstreamDown replaces Caddy's 502, which is a reply like any other.
func TestUpstreamDown(t *testing.T) {
	up := deadUpstream(t)
	tests := []struct {
		name, rule string
		status     int
		body       string
		logged     bool // an error in http.log.error
	}{
		{"replaced", "phase response\nrespond 551", 551, body551, false},
		{"replaced by its status", "match_response {\nstatus 502\n}\nrespond 551", 551, body551, false},
		{"replaced by its class", "match_response {\nstatus 5xx\n}\nrespond 551", 551, body551, false},
		{"not matched", "match_response {\nstatus 503 504\n}\nrespond 551", 502, "", true},
		{"delayed", "phase response\ndelay 1ms", 502, "", true},
		{"another error", "phase response\nerror 503", 503, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			everywhere(t, config{site: "fault {\n" + tt.rule + "\n}\n" + up.proxy() + "\n" + accessLog}, func(t *testing.T, c *client) {
				wantReply(t, c.get(t, "/"), tt.status, tt.body)
				wantReply(t, c.get(t, "/"), tt.status, tt.body)
				c.wantAccess(t, func(line map[string]any) bool { return line["status"] == float64(tt.status) })
				if logged := strings.Contains(c.caddyLog(t), `"logger":"http.log.error`); logged != tt.logged {
					t.Errorf("error logged: got %v, want %v", logged, tt.logged)
				}
				if got := c.dials.get(); got != 1 {
					t.Errorf("connections opened: got %d, want 1", got)
				}
			})
		})
	}
	for _, kind := range []string{"close", "reset"} {
		t.Run(kind, func(t *testing.T) {
			everywhere(t, config{site: "fault {\nphase response\n" + kind + "\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
				if got, err := c.try(c.request(t, "GET", "/", nil)); err == nil {
					t.Errorf("got %s, want no reply", got.Status)
				}
			})
		})
	}
}

// TestUpstreamDies breaks off in the middle of the body. A rule that lets the reply
// pass must pass on the break. A rule that replaces the reply is not affected.
func TestUpstreamDies(t *testing.T) {
	before := goroutines()
	tests := []struct {
		name, framing, body string
	}{
		{"declared length", "Content-Length: 1000", "part of it"},
		{"chunked", "Transfer-Encoding: chunked", "a\r\npart of it\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			read := make(chan struct{})
			up := listen(t, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 4096))
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%s\r\nTrailer: X-Sum\r\n\r\n%s", tt.framing, tt.body)
				<-read
			})
			directives := "fault /delayed {\nphase response\ndelay 1ms\n}\nfault /replaced {\nphase response\nrespond 551\n}\n" + up.proxy() + " {\nflush_interval -1\n}"
			overEach(t, config{site: directives}, func(t *testing.T, c *client) {
				for _, path := range []string{"/plain", "/delayed"} {
					resp, err := c.Do(c.request(t, "GET", path, nil))
					if err != nil {
						t.Fatalf("%s: %v", path, err)
					}
					head := make([]byte, len("part of it"))
					if _, err := io.ReadFull(resp.Body, head); err != nil || resp.StatusCode != 200 || string(head) != "part of it" {
						t.Errorf("%s: got %s %q, error %v, want 200 and the part", path, resp.Status, head, err)
					}
					read <- struct{}{}
					if rest, err := io.ReadAll(resp.Body); err == nil || len(rest) > 0 {
						t.Errorf("%s: got %q and a proper end, want an error", path, rest)
					}
					resp.Body.Close()
				}
				got := make(chan *reply, 1)
				go func() {
					defer close(got)
					if reply, err := c.try(c.request(t, "GET", "/replaced", nil)); err == nil {
						got <- reply
					} else {
						t.Errorf("/replaced: %v", err)
					}
				}()
				read <- struct{}{}
				if reply := <-got; reply != nil {
					want551(t, reply)
				}
			})
		})
	}
	wantGoroutines(t, before)
}

// TestMatchResponse selects a rule by the header of the upstream's reply.
func TestMatchResponse(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil {
			status = 200
		}
		if kind := r.URL.Query().Get("kind"); kind != "" {
			w.Header().Set("X-Kind", kind)
		}
		w.WriteHeader(status)
	})
	directives := `fault {
		rule gone {
			match_response {
				status 404
			}
			respond 410 gone
		}
		rule down {
			match_response {
				status 5xx
			}
			respond 551
		}
		rule tea {
			match_response {
				header X-Kind tea*
			}
			respond 418 tea
		}
		rule late {
			match method PUT
			match_response {
				status 2xx
				header X-Kind slow
			}
			delay 1ms
		}
	}
	` + up.proxy()
	tests := []struct {
		method, path string
		status       int
		body, rule   string
	}{
		{"GET", "/200", 200, "", ""},
		{"GET", "/404", 410, "gone", "gone"},
		{"GET", "/404?kind=teapot", 410, "gone", "gone"},
		{"GET", "/500", 551, body551, "down"},
		{"GET", "/599", 551, body551, "down"},
		{"GET", "/200?kind=teapot", 418, "tea", "tea"},
		{"GET", "/301?kind=coffee", 301, "", ""},
		{"PUT", "/201?kind=slow", 201, "", "late"},
		{"POST", "/201?kind=slow", 201, "", ""},
		{"PUT", "/301?kind=slow", 301, "", ""},
	}
	overEach(t, config{site: directives}, func(t *testing.T, c *client) {
		for _, tt := range tests {
			t.Run(tt.method+" "+tt.path, func(t *testing.T) {
				got := c.do(t, c.request(t, tt.method, tt.path, nil))
				wantReply(t, got, tt.status, tt.body)
				if rule := got.Header.Get("X-Fault-Injected"); rule != tt.rule {
					t.Errorf("rule: got %q, want %q", rule, tt.rule)
				}
			})
		}
		if got := c.dials.get(); got != 1 {
			t.Errorf("connections opened: got %d, want 1", got)
		}
	})
}

// switcher is an upstream that switches protocols, sends first, and then echoes what it
// receives in capitals.
func switcher(t *testing.T) *upstream {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			echo(w, r)
			return
		}
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", r.Header.Get("Upgrade"))
		w.Header().Set("Sec-Websocket-Accept", "accepted")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, brw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("upstream: %v", err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "hello\n")
		for {
			line, err := brw.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, strings.ToUpper(line))
		}
	})
}

// TestSwitchingProtocols passes a WebSocket unharmed if nothing fires, also through a
// chain that continues, and replaces its 101 like any other reply.
func TestSwitchingProtocols(t *testing.T) {
	const upgrade = "GET /f HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	tests := []struct {
		name, fault string
		switched    bool
	}{
		{"phase request, no match", "fault /other 551", true},
		{"phase response, no match", "fault {\nmatch_response {\nstatus 599\n}\nrespond 551\n}", true},
		{"delayed", "fault {\ndelay 1ms\n}", true},
		{"delayed in phase response", "fault {\nphase response\ndelay 1ms\n}", true},
		{"replaced", "fault /f {\nphase response\nrespond 551\n}", false},
		{"replaced by its status", "fault {\nmatch_response {\nstatus 101\n}\nrespond 551\n}", false},
	}
	up := switcher(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			transports(t, config{site: tt.fault + "\n" + up.proxy()}, func(t *testing.T, s *site) {
				conn := s.dial(t)
				got := conn.roundTrip(upgrade)
				if !tt.switched {
					got.wantLine(t, line551)
					header := headerOf(got.head)
					if got.body != body551 || header.Get("Upgrade") != "" || header.Get("Sec-Websocket-Accept") != "" {
						t.Errorf("got %q, want the fault without Upgrade", got)
					}
					conn.wantAlive()
					return
				}
				got.wantLine(t, "HTTP/1.1 101 Switching Protocols\r\n")
				for _, word := range []string{"", "one", "two"} {
					want := "hello\n"
					if word != "" {
						conn.send(word + "\n")
						want = strings.ToUpper(word) + "\n"
					}
					if line, err := conn.in.ReadString('\n'); err != nil || line != want {
						t.Fatalf("got %q, error %v, want %q", line, err, want)
					}
				}
			})
		})
	}
}

// TestFileServer serves a large file and replaces it.
func TestFileServer(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 1<<16)
	dir := t.TempDir()
	writeFile(t, dir+"/file.bin", []byte(content))
	directives := `
	fault {
		rule never {
			match path /file.bin
			match query pass=*
			match_response {
				status 599
			}
			respond 551
		}
		rule delayed {
			match query delay=*
			phase response
			delay 1ms
		}
		rule replaced {
			match query replace=*
			phase response
			respond 551
		}
	}
	root ` + dir + `
	file_server`
	overEach(t, config{site: directives}, func(t *testing.T, c *client) {
		for _, query := range []string{"", "?pass=1", "?delay=1"} {
			got := c.get(t, "/file.bin"+query)
			if got.StatusCode != 200 || got.body != content || got.ContentLength != int64(len(content)) {
				t.Errorf("%q: got %s, %d bytes of %d, want the file", query, got.Status, len(got.body), got.ContentLength)
			}
			r := c.request(t, "GET", "/file.bin"+query, nil)
			r.Header.Set("Range", "bytes=16-31")
			wantReply(t, c.do(t, r), 206, "0123456789abcdef")
		}
		want551(t, c.get(t, "/file.bin?replace=1"))
		want551(t, c.get(t, "/missing?replace=1"))
		if got := c.dials.get(); got != 1 {
			t.Errorf("connections opened: got %d, want 1", got)
		}
	})
}

// TestReplacedWhileSending uses an upstream that replies without waiting for the
// request's body. The body is still on its way through reverse_proxy when the fault
// takes the connection over.
func TestReplacedWhileSending(t *testing.T) {
	const rounds, size = 10, 1 << 20
	up := serve(t, func(http.ResponseWriter, *http.Request) {})
	for _, kind := range []string{"respond 551", "close", "reset"} {
		t.Run(kind, func(t *testing.T) {
			transports(t, config{site: "fault {\nphase response\n" + kind + "\n}\n" + up.proxy()}, func(t *testing.T, s *site) {
				for range rounds {
					conn := s.dial(t)
					sent := make(chan struct{})
					go func() { // the server may stop reading
						defer close(sent)
						_, _ = io.WriteString(conn, request("POST", "/", strings.Repeat("x", size)))
					}()
					got, err := conn.readReply("POST")
					_ = conn.Close()
					<-sent
					switch {
					case isTimeout(err):
						t.Fatalf("got %q, then nothing more", got)
					case kind != "respond 551" && (err == nil || got.head != ""):
						t.Errorf("got %q, error %v, want no reply", got, err)
					case kind == "respond 551" && err != nil:
						t.Errorf("got %q, then %v", got, err)
					case kind == "respond 551":
						got.want551(t)
					}
				}
			})
		})
	}
}

// TestReplacedWhileClientLeaves ends with the client. Nothing remains of a request
// whose upstream has not replied.
func TestReplacedWhileClientLeaves(t *testing.T) {
	asked, gone := make(chan struct{}), make(chan struct{})
	up := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	overEach(t, config{site: replace + up.proxy()}, func(t *testing.T, c *client) {
		r := c.request(t, "GET", "/", nil)
		failed := make(chan error, 1)
		ctx, leave := context.WithCancel(r.Context())
		defer leave()
		go func() {
			_, err := c.try(r.WithContext(ctx))
			failed <- err
		}()
		for _, step := range []<-chan struct{}{asked, gone} {
			select {
			case <-step:
				leave()
			case <-time.After(patience):
				t.Fatal("the upstream did not get the request, or was not released")
			}
		}
		if err := <-failed; err == nil {
			t.Error("got a reply, want an error")
		}
	})
}
