package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// bodyServer replies with the size, the begin and the trailer of what it receives.
func bodyServer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = fmt.Fprintf(w, "%d %.20s %s", len(body), body, r.Trailer.Get("X-Sum"))
}

// TestJSONBody matches by a member of the body. The upstream gets the same bytes, also with
// faults that wait for the reply, a chunked body, trailers and 100 Continue.
func TestJSONBody(t *testing.T) {
	testJSONBody(t, func(pointer, value string) string { return "json_body " + pointer + " " + value })
}

// TestJSONBodyExpression is TestJSONBody with the function of an expression.
func TestJSONBodyExpression(t *testing.T) {
	testJSONBody(t, func(pointer, value string) string {
		return fmt.Sprintf("expression `method('POST') && json_body({'%s': '%s'})`", pointer, value)
	})
}

// testJSONBody is TestJSONBody with the lines of a matcher.
func testJSONBody(t *testing.T, member func(pointer, value string) string) {
	t.Helper()
	up := serve(t, bodyServer)
	const call = `{"method": "tools/call", "id": 7}`
	large := `{"method": "tools/call", "x": "` + strings.Repeat("x", 200<<10) + `"}`
	called, listed, never, seven := member("/method", "tools/call"), member("/method", "tools/list"), member("/method", "never"), member("/id", "7")
	site := "@call " + called + "\n" +
		"fault {\nrule call {\nmatch " + called + "\nmatch " + listed + "\nrespond 551\n}\n}\n"
	passing := "fault {\nrule one {\nmatch " + never + "\nrespond 551\n}\nrule two {\nmatch " + seven + "\nphase response\nmatch_response status 999\nrespond 552\n}\n}\n" +
		"fault {\nmatch " + seven + "\ndelay 1ms\n}\n"
	site = "handle /hit {\n" + site + up.proxy() + "\n}\nhandle /pass {\n" + passing +
		"reverse_proxy {\nto " + up.addr + "\ntransport fault {\nmatch " + seven + "\ndelay 1ms\n}\n}\n}\n"
	site += "handle /plain {\n" + up.proxy() + "\n}\n"
	everywhere(t, config{site: site}, func(t *testing.T, c *client) {
		post := func(path, contentType, body string, change func(r *http.Request)) *reply {
			t.Helper()
			r := c.request(t, "POST", path, strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			if change != nil {
				change(r)
			}
			return c.do(t, r)
		}
		chunked := func(r *http.Request) { r.ContentLength, r.Body = -1, io.NopCloser(r.Body) }
		for _, tt := range []struct {
			contentType, body string
			hit               bool
		}{
			{"application/json", call, true},
			{"application/json; charset=utf-8", strings.Replace(call, "call", "list", 1), true},
			{"application/json", strings.Replace(call, "call", "get", 1), false},
			{"text/plain", call, false},
			{"application/json", large, false},
		} {
			for _, change := range []func(*http.Request){nil, chunked} {
				got := post("/hit", tt.contentType, tt.body, change)
				if hit := got.StatusCode == 551; hit != tt.hit || !hit && !strings.HasPrefix(got.body, fmt.Sprint(len(tt.body))+" ") {
					t.Errorf("%s %.40s: got %d %s, want a hit: %v", tt.contentType, tt.body, got.StatusCode, got.body, tt.hit)
				}
			}
		}
		for _, change := range []func(*http.Request){nil, chunked, func(r *http.Request) { r.Header.Set("Expect", "100-continue") }} {
			for _, body := range []string{call, large} {
				got := post("/pass", "application/json", body, change)
				want := fmt.Sprintf("%d %.20s ", len(body), body)
				if got.StatusCode != 200 || got.body != want {
					t.Errorf("got %d %s, want %s", got.StatusCode, got.body, want)
				}
				if hits := got.Header.Values("X-Fault-Injected"); body == call && len(hits) != 2 {
					t.Errorf("got the hits %q, want two", hits)
				}
			}
		}
		trailer := func(r *http.Request) {
			r.ContentLength, r.Trailer = -1, http.Header{"X-Sum": nil}
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader([]byte(call)), atEOF(func() { r.Trailer.Set("X-Sum", "7") })))
		}
		got, want := post("/pass", "application/json", call, trailer), post("/plain", "application/json", call, trailer)
		if got.body != want.body || c.proto != h3 && !strings.HasSuffix(got.body, " 7") {
			t.Errorf("with a trailer: got %s, want %s", got.body, want.body)
		}
	})
}

// atEOF is an empty reader that calls a function.
type atEOF func()

func (f atEOF) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// TestJSONBodyRetries sends the whole body to the second upstream after the first one
// could not be reached.
func TestJSONBodyRetries(t *testing.T) {
	up := serve(t, bodyServer)
	const call = `{"id": 7}`
	site := "reverse_proxy {\nto " + up.addr + "\nlb_retries 3\nlb_retry_match {\nmethod POST\n}\ntransport fault {\nrule first {\nmatch json_body /id 7\ntimes 1\nper {http.request.uri}\nrefuse\n}\n}\n}\n"
	overEach(t, config{site: site}, func(t *testing.T, c *client) {
		r := c.request(t, "POST", "/"+c.proto.String(), strings.NewReader(call))
		r.Header.Set("Content-Type", "application/json")
		got := c.do(t, r)
		if want := fmt.Sprintf("%d %s ", len(call), call); got.StatusCode != 200 || got.body != want {
			t.Errorf("got %d %s, want %s", got.StatusCode, got.body, want)
		}
		if n := up.hits.get(); n == 0 {
			t.Error("nothing was sent")
		}
	})
}
