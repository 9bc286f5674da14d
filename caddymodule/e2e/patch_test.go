package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

const order = `{"id": 7, "price": 12.5, "lines": [{"sku": "a"}]}`

// shop is an upstream that speaks JSON.
func shop(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Etag", `"v1"`)
	h.Set("Last-Modified", "Tue, 25 Feb 2025 12:00:00 GMT")
	h.Set("Content-Digest", "sha-256=:AAAA:")
	h.Set("X-Upstream", "shop")
	switch r.URL.Query().Get("as") {
	case "gzip":
		var buf bytes.Buffer
		zw := gzip.NewWriter(&buf)
		_, _ = io.WriteString(zw, order)
		_ = zw.Close()
		h.Set("Content-Encoding", "gzip")
		_, _ = w.Write(buf.Bytes())
	case "chunked":
		for _, part := range strings.SplitAfter(order, ",") {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
	case "trailer":
		h.Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, order)
		h.Set("X-Sum", "announced")
	case "text":
		h.Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, order)
	case "large":
		_, _ = io.WriteString(w, `"`+strings.Repeat("x", large)+`"`)
	case "endless":
		for {
			if _, err := io.WriteString(w, strings.Repeat(" ", 1<<10)); err != nil {
				return
			}
		}
	default:
		_, _ = io.WriteString(w, order)
	}
}

// TestPatch changes the upstream's reply.
func TestPatch(t *testing.T) {
	const fault = "patch {\njson `{\"price\": null, \"lines\": [], \"note\": \"gone\"}`\nstatus 551\nheader X-Patched yes\nheader -X-Upstream\npad 1KiB\nmax_size 100KiB\n}"
	eachPhase(t, fault, func(t *testing.T, _, directive string) {
		up := serve(t, shop)
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			for _, as := range []string{"plain", "gzip", "chunked", "trailer"} {
				got := c.get(t, "/f?as="+as)
				h := got.Header
				if want := `{"id": 7, "lines": [], "note":"gone"}`; strings.TrimRight(got.body, " ") != want {
					t.Errorf("%s: got %.300q, want %s", as, got.body, want)
				}
				if got.StatusCode != 551 || len(got.body) != 1024 || h.Get("X-Patched") != "yes" || h.Get("X-Upstream") != "" || h.Get("Vary") != "Accept-Encoding" {
					t.Errorf("%s: got %d, %d bytes, header %v", as, got.StatusCode, len(got.body), h)
				}
				for _, name := range []string{"Etag", "Last-Modified", "Content-Digest", "Content-Encoding"} {
					if h.Get(name) != "" {
						t.Errorf("%s: field %s of the old body remains: %v", as, name, h)
					}
				}
				if length := h.Get("Content-Length"); as != "trailer" && length != "1024" {
					t.Errorf("%s: Content-Length: got %q, want 1024", as, length)
				}
				if sum := got.Trailer.Get("X-Sum"); as == "trailer" && sum != "announced" {
					t.Errorf("trailer: got %v", got.Trailer)
				}
				if c.wrapper && c.proto == h1 && got.Status != "551 User Not Local" {
					t.Errorf("status line: got %q", got.Status)
				}
			}
			if got := c.do(t, c.request(t, "HEAD", "/f", nil)); got.StatusCode != 551 || got.Header.Get("Etag") != "" {
				t.Errorf("HEAD: got %d, header %v", got.StatusCode, got.Header)
			}
			if got := c.dials.get(); got != 1 {
				t.Errorf("connections opened: got %d, want 1", got)
			}
		})
	})
}

// TestPatchWays changes a body in each of the other ways.
func TestPatchWays(t *testing.T) {
	const typ = "application/json"
	for _, tt := range []struct{ options, want, contentType string }{
		{"set /lines/0/sku null\nset /lines/- 1\nremove /id", `{ "price": 12.5, "lines": [{"sku": null},1]}`, typ},
		{"json `[{\"op\": \"move\", \"from\": \"/lines/0/sku\", \"path\": \"/id\"}]`", `{"id": "a", "price": 12.5, "lines": [{}]}`, typ},
		{"replace `([0-9]+)[.]5` `\"$1\"`", `{"id": 7, "price": "12", "lines": [{"sku": "a"}]}`, typ},
		{"body `{\"path\": \"{http.request.uri.path}\"}`", `{"path": "/f"}`, typ},
		{"body gone\ncontent_type text/plain", "gone", "text/plain"},
	} {
		eachPhase(t, "patch {\n"+tt.options+"\n}", func(t *testing.T, _, directive string) {
			up := serve(t, shop)
			everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
				for _, as := range []string{"plain", "gzip", "chunked", "trailer"} {
					got := c.get(t, "/f?as="+as)
					length := strconv.Itoa(len(tt.want))
					if as == "trailer" {
						length = ""
					}
					if h := got.Header; got.StatusCode != 200 || got.body != tt.want || h.Get("Content-Length") != length || h.Get("Content-Type") != tt.contentType || h.Get("Etag") != "" {
						t.Errorf("%s: got %d %s, header %v, want %s", as, got.StatusCode, got.body, h, tt.want)
					}
				}
				if got := c.dials.get(); got != 1 {
					t.Errorf("connections opened: got %d, want 1", got)
				}
			})
		})
	}
}

// TestPatchPasses does not change replies that it cannot patch, and counts them.
func TestPatchPasses(t *testing.T) {
	const fault = "patch {\njson `{}`\nstatus 551\nheader X-Patched yes\nmax_size 100KiB\n}"
	eachPhase(t, fault, func(t *testing.T, _, directive string) {
		up := serve(t, shop)
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			for as, reason := range map[string]string{"text": "not_json", "large": "too_large"} {
				before := max(passed(t, "fault1", "rule1", reason), 0)
				got := c.get(t, "/f?as="+as)
				want := c.get(t, "/?as="+as)
				if got.StatusCode != 200 || got.body != want.body || got.Header.Get("Etag") != `"v1"` || got.Header.Get("X-Patched") != "" {
					t.Errorf("%s: got %d, %d bytes, header %v, want the upstream's reply", as, got.StatusCode, len(got.body), got.Header)
				}
				if after := passed(t, "fault1", "rule1", reason); after != before+1 {
					t.Errorf("%s: counted %v as %s, want %v", as, after, reason, before+1)
				}
				if !strings.Contains(c.caddyLog(t), `"reason":"`+reason+`"`) {
					t.Errorf("%s: no line in the log", as)
				}
			}
			resp, err := c.Do(c.request(t, "GET", "/f?as=endless", nil))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.CopyN(io.Discard, resp.Body, 200<<10); err != nil {
				t.Errorf("endless: got %d bytes, error %v, want 200 KiB and more", n, err)
			}
			_ = resp.Body.Close()
		})
	})
}

// TestPatchCut passes on the beginning of a reply that another fault, of the same rule
// or of another point, breaks off before it is complete. Such a reply cannot be
// patched.
func TestPatchCut(t *testing.T) {
	const patch = "patch {\njson `{}`\nheader X-Patched yes\n}" // with json alone it would be refused before malformed
	for _, tt := range []struct {
		fault, body string
		status      int
	}{
		{"truncate 10B", order[:10], 200},
		{"truncate 50% reset", order[:24], 200},
		{"hang 1ms {\nafter 10B\n}", order[:10], 200},
		{"malformed 503", "", 503},
	} {
		check := func(t *testing.T, _, directives string) {
			up := serve(t, shop)
			everywhere(t, config{site: directives + up.proxy()}, func(t *testing.T, c *client) {
				got, err := c.try(c.request(t, "GET", "/f", nil))
				if err != nil {
					if c.proto != h3 || !streamEnded(err) { // the reset may overtake the head
						t.Errorf("got error %v, want the head", err)
					}
					return
				}
				if got.StatusCode != tt.status || got.body != tt.body || got.bodyErr == nil {
					t.Errorf("got %d %q, error %v, want %d %q, broken off", got.StatusCode, got.body, got.bodyErr, tt.status, tt.body)
				}
			})
		}
		t.Run(oneLine(tt.fault), func(t *testing.T) {
			eachPhase(t, patch+"\n"+tt.fault, check)
		})
		t.Run(oneLine(tt.fault)+" further in", func(t *testing.T) {
			eachPhase(t, patch, func(t *testing.T, phase, directive string) {
				check(t, phase, directive+"fault /f {\n"+tt.fault+"\n}\n")
			})
		})
	}
}

// TestPatchStream changes the head of a stream and passes on its events one at a time.
// The padding comes at the end.
func TestPatchStream(t *testing.T) {
	next := make(chan struct{})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	})
	eachPhase(t, "patch {\nstatus 202\npad 30B\n}", func(t *testing.T, _, directive string) {
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			resp, err := c.Do(c.request(t, "GET", "/f", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			buf := make([]byte, 100)
			for i := range 3 {
				n, err := resp.Body.Read(buf)
				if want := fmt.Sprintf("data: %d\n\n", i); err != nil || string(buf[:n]) != want || resp.StatusCode != 202 {
					t.Fatalf("event %d: got %d %q, error %v, want 202 %q", i, resp.StatusCode, buf[:n], err, want)
				}
				next <- struct{}{}
			}
			if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "   " {
				t.Errorf("end: got %q, error %v, want three spaces", rest, err)
			}
		})
	})
}

// TestPatchPad makes replies longer without holding them.
func TestPatchPad(t *testing.T) {
	eachPhase(t, "patch {\npad 500KiB\n}", func(t *testing.T, _, directive string) {
		up := serve(t, shop)
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			for _, as := range []string{"plain", "gzip", "chunked", "large"} {
				got := c.get(t, "/f?as="+as)
				if length := got.Header.Get("Content-Length"); len(got.body) != 500<<10 || length != "" && length != strconv.Itoa(500<<10) {
					t.Errorf("%s: got %d bytes, Content-Length %q, want 500 KiB", as, len(got.body), length)
				}
				if as != "large" && strings.TrimRight(got.body, " ") != order {
					t.Errorf("%s: got %.300q, want %s", as, got.body, order)
				}
			}
		})
	})
}

// TestPatchBodyless changes the head of replies that have no body, and passes on
// interim replies.
func TestPatchBodyless(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		w.WriteHeader(code)
	})
	eachPhase(t, "patch {\njson `{}`\npad 10B\nheader X-Patched yes\n}", func(t *testing.T, _, directive string) {
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			for _, code := range []int{204, 304} {
				got := c.get(t, "/f?code="+strconv.Itoa(code))
				wantReply(t, got, code, "")
				plain := c.get(t, "/?code="+strconv.Itoa(code)) // over HTTP/3 the server adds a length of 0
				if got.Header.Get("X-Patched") != "yes" || got.Header.Get("Content-Length") != plain.Header.Get("Content-Length") {
					t.Errorf("%d: got header %v, want that of %v and X-Patched", code, got.Header, plain.Header)
				}
			}
			if c.proto != h1 {
				return
			}
			if got := c.dial(t).roundTrip(get("/f?code=204")); !strings.HasPrefix(got.head, "HTTP/1.1 103 ") || !strings.Contains(got.head, "HTTP/1.1 204 ") {
				t.Errorf("got head %q, want a 103 and a 204", got.head)
			}
		})
	})
}

// TestPatchUpgraded does not change a connection that is no longer HTTP.
func TestPatchUpgraded(t *testing.T) {
	up := listen(t, switches("hello"))
	eachPhase(t, "patch {\njson `{}`\npad 1KiB\nstatus 551\n}", func(t *testing.T, _, directive string) {
		transports(t, config{site: directive + up.proxy()}, func(t *testing.T, s *site) {
			conn := s.dial(t)
			conn.upgrade()
			conn.send(" to all")
			got := make([]byte, len("hello to all"))
			if _, err := io.ReadFull(conn.in, got); err != nil || string(got) != "hello to all" {
				t.Errorf("got %q, error %v, want what was sent", got, err)
			}
		})
	})
}
