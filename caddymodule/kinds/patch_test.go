package kinds

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// answer is an upstream that replies with a body of a media type. The fields are names
// and values of more header fields.
func answer(code int, contentType, body string, fields ...string) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) error {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Content-Length", strconv.Itoa(len(body)))
		h.Set("Etag", `"v1"`)
		h.Set("Vary", "Accept-Encoding")
		for i := 0; i < len(fields); i += 2 {
			h.Set(fields[i], fields[i+1])
		}
		w.WriteHeader(code)
		if body == "" {
			return nil
		}
		_, err := io.WriteString(w, body)
		return err
	}
}

func packed(text string) string {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	_, _ = io.WriteString(zw, text)
	_ = zw.Close()
	return buf.String()
}

// patched runs a fault and returns why the reply passed unchanged, if it did.
func patched(t *testing.T, line string, r *http.Request, next caddyhttp.HandlerFunc) (resp *http.Response, body, reason string) {
	t.Helper()
	var told heard
	hit := &faults.Hit{Listener: &told}
	resp, err := runFault(t, parse(t, new(Patch), line), r.WithContext(withHit(r.Context(), hit)), next)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if told.told == "hit" {
		return resp, string(all), ""
	}
	return resp, string(all), told.told
}

// TestPatch checks each way in which a body can change or pass.
func TestPatch(t *testing.T) {
	const (
		typ    = "application/json"
		merge  = "patch {\n json `{\"a\": 2}`\n}"
		object = `{"a": 1, "b": 1}`
		want   = `{"a": 2, "b": 1}`
	)
	typed := func(types ...string) caddyhttp.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) error {
			w.Header()["Content-Type"] = types
			w.Header().Set("Etag", `"v1"`)
			_, err := io.WriteString(w, object)
			return err
		}
	}
	tests := []struct {
		name, line string
		next       caddyhttp.HandlerFunc
		status     int
		body       string
		reason     string
	}{
		{"json", merge, answer(200, typ, object), 200, want, ""},
		{"json of an error", merge, answer(500, "application/problem+json; charset=utf-8", object), 500, want, ""},
		{"json in gzip", merge, answer(200, typ, packed(object), "Content-Encoding", "gzip"), 200, want, ""},
		{"set", "patch {\n set /b null\n}", answer(200, typ, object), 200, `{"a": 1, "b": null}`, ""},
		{"set and remove", "patch {\n remove /a\n set /c `[1]`\n set /c/0 `\"x\"`\n}", answer(200, typ, object), 200, `{ "b": 1, "c": ["x"]}`, ""},
		{"JSON Patch", "patch {\n json `[{\"op\": \"move\", \"from\": \"/a\", \"path\": \"/b\"}]`\n}", answer(200, typ, object), 200, `{ "b": 1}`, ""},
		{"JSON Patch in gzip", "patch {\n set /a 2\n}", answer(200, typ, packed(object), "Content-Encoding", "gzip"), 200, want, ""},
		{"set nothing", "patch {\n set /c/d 2\n status 500\n}", answer(200, typ, object), 200, object, passNoMember},
		{"test fails", "patch {\n json `[{\"op\": \"test\", \"path\": \"/a\", \"value\": 2}, {\"op\": \"remove\", \"path\": \"/a\"}]`\n}", answer(200, typ, object), 200, object, passNoMember},
		{"set the same", "patch {\n set /a 2\n}", answer(200, typ, want), 200, want, passNoChange},
		{"set in no JSON", "patch {\n set /a 2\n}", answer(200, typ, `{"a": `), 200, `{"a": `, passNotJSON},
		{"replace", "patch {\n replace `\"(.)\": 1` `\"$1$1\": $$`\n}", answer(200, typ, object), 200, `{"aa": $, "bb": $}`, ""},
		{"replace twice", "patch {\n replace a b\n replace b c\n}", answer(200, "text/css", "a b"), 200, "c c", ""},
		{"replace a named group", "patch {\n replace `(?P<one>[a-z])=` ${one}0\n}", answer(200, "text/plain", "a=b"), 200, "a0b", ""},
		{"replace at borders", "patch {\n replace (?m)^ >\n}", answer(200, "text/plain", "a\nb"), 200, ">a\n>b", ""},
		{"replace in gzip", "patch {\n replace 1 2\n}", answer(200, typ, packed(object), "Content-Encoding", "gzip"), 200, `{"a": 2, "b": 2}`, ""},
		{"replace nothing", "patch {\n replace x y\n}", answer(200, typ, object), 200, object, passNoChange},
		{"replace nothing, but a field", "patch {\n replace x y\n header X-A a\n}", answer(200, typ, object), 200, object, ""},
		{"replace by too much", "patch {\n replace 1 12345678\n max_size 20B\n}", answer(200, typ, object), 200, object, passTooLarge},
		{"replace too often", "patch {\n replace x y\n}", answer(200, "text/plain", strings.Repeat("x", maxReplaced+1)), 200, strings.Repeat("x", maxReplaced+1), passTooLarge},
		{"replace as often as allowed", "patch {\n replace x y\n}", answer(200, "text/plain", strings.Repeat("x", maxReplaced)), 200, strings.Repeat("y", maxReplaced), ""},
		{"replace in bytes", "patch {\n replace a b\n}", answer(200, "image/png", "a\xff"), 200, "a\xff", passNotText},
		{"replace in a stream", "patch {\n replace a b\n}", answer(200, "text/event-stream", "data: a\n\n"), 200, "data: a\n\n", passStream},
		{"set in a stream", "patch {\n set /a 2\n}", answer(200, "application/stream+json", object), 200, object, passStream},
		{"replace in nothing", "patch {\n replace a b\n}", answer(200, "text/plain", ""), 200, "", passNoBody},
		{"body", "patch {\n body gone\n}", answer(418, "text/plain", object), 418, "gone", ""},
		{"no body", "patch {\n body \"\"\n}", answer(200, typ, object), 200, "", ""},
		{"body of nothing", "patch {\n body gone\n}", answer(200, "text/plain", ""), 200, "gone", ""},
		{"body of br", "patch {\n body gone\n}", answer(200, typ, object, "Content-Encoding", "br"), 200, "gone", ""},
		{"body and pad", "patch {\n body gone\n pad 6B\n}", answer(200, typ, object), 200, "gone  ", ""},
		{"body and status", "patch {\n body gone\n status 503\n}", answer(200, typ, object), 503, "gone", ""},
		{"body of a part", "patch {\n body gone\n}", answer(206, typ, object), 206, object, passPartial},
		{"body of no body", "patch {\n body gone\n}", answer(304, typ, ""), 304, "", passNoBody},
		{"type", "patch {\n content_type text/css\n}", answer(200, typ, object), 200, object, ""},
		{"text", merge, answer(200, "text/plain", object), 200, object, passNotJSON},
		{"two types", merge, typed(typ, "text/html"), 200, object, passNotJSON},
		{"two types, JSON last", merge, typed("text/html", "application/vnd.a+json"), 200, object, passNotJSON},
		{"no JSON", merge, answer(200, typ, `{"a": `), 200, `{"a": `, passNotJSON},
		{"nothing", merge, answer(200, typ, ""), 200, "", passNoBody},
		{"nothing, of unknown length", merge, answer(200, typ, "", "Content-Length", ""), 200, "", passNotJSON},
		{"no change", merge, answer(200, typ, want), 200, want, passNoChange},
		{"no change of JSON, but a field", "patch {\n json `{\"a\": 2}`\n header X-A a\n}", answer(200, typ, want), 200, want, ""},
		{"no change of JSON, but spaces", "patch {\n json `{\"a\": 2}`\n pad 18B\n}", answer(200, typ, want), 200, want + "  ", ""},
		{"no gzip", merge, answer(200, typ, object, "Content-Encoding", "gzip"), 200, object, passEncoded},
		{"two encodings", merge, answer(200, typ, object, "Content-Encoding", "gzip, br"), 200, object, passEncoded},
		{"identity", merge, answer(200, typ, object, "Content-Encoding", "identity"), 200, want, ""},
		{"br", merge, answer(200, typ, object, "Content-Encoding", "br"), 200, object, passEncoded},
		{"part", merge, answer(206, typ, object), 206, object, passPartial},
		{"no body", "patch {\n json `{}`\n header X-A a\n}", answer(304, typ, ""), 304, "", ""},
		{"status of no body", "patch {\n json `{}`\n status 503\n}", answer(304, typ, "", "Content-Length", "100"), 503, "", ""},
		{"too large", "patch {\n json `{}`\n max_size 15B\n status 500\n header X-A a\n}", answer(200, typ, object), 200, object, passTooLarge},
		{"as large as allowed", "patch {\n json `{\"a\": 2}`\n max_size 16B\n}", answer(200, typ, object), 200, want, ""},
		{"too large unpacked", "patch {\n json `{}`\n max_size 100B\n}", answer(200, typ, packed(`"`+strings.Repeat("x", 1000)+`"`), "Content-Encoding", "gzip"), 200, packed(`"` + strings.Repeat("x", 1000) + `"`), passTooLarge},
		{"status", "patch {\n status 503\n}", answer(200, typ, object), 503, object, ""},
		{"header", "patch {\n header X-A a\n}", answer(200, "text/plain", "text"), 200, "text", ""},
		{"pad", "patch {\n pad 20B\n}", answer(200, typ, object), 200, object + "    ", ""},
		{"pad text", "patch {\n pad 5B\n}", answer(200, "text/plain", "text"), 200, "text ", ""},
		{"pad a long one", "patch {\n pad 5B\n}", answer(200, typ, object), 200, object, passNoChange},
		{"pad gzip", "patch {\n pad 20B\n}", answer(200, typ, packed(object), "Content-Encoding", "gzip"), 200, object + "    ", ""},
		{"pad br", "patch {\n pad 20B\n}", answer(200, typ, object, "Content-Encoding", "br"), 200, object, passEncoded},
		{"pad nothing", "patch {\n pad 5B\n}", func(http.ResponseWriter, *http.Request) error { return nil }, 200, "     ", ""},
		{"pad no body", "patch {\n pad 5B\n}", answer(204, typ, ""), 204, "", passNoBody},
		{"json and pad", "patch {\n json `{\"a\": 2}`\n pad 100KiB\n}", answer(200, typ, object), 200, want + strings.Repeat(" ", 100<<10-len(want)), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body, reason := patched(t, tt.line, request(http.MethodGet), tt.next)
			if resp.StatusCode != tt.status || body != tt.body || reason != tt.reason {
				t.Errorf("got %d %.300q, passed %q, want %d %q, %q", resp.StatusCode, body, reason, tt.status, tt.body, tt.reason)
			}
			if length := resp.Header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(body)) {
				t.Errorf("Content-Length: got %s, want %d", length, len(body))
			}
			changed := reason == "" && (strings.Contains(tt.line, "json") || strings.Contains(tt.line, "pad") || strings.Contains(tt.line, "body")) && !strings.Contains(tt.name, "no body")
			if etag := resp.Header.Get("Etag"); changed && etag != "" || reason != "" && etag == "" {
				t.Errorf("Etag: got %q, body changed %v", etag, changed)
			}
			if changed && resp.Header.Get("Content-Encoding") != "" {
				t.Error("a plain body has Content-Encoding")
			}
			if reason != "" && resp.Header.Get("X-A") != "" {
				t.Error("a reply that passes has a changed header")
			}
		})
	}
}

// A body is escaped for its media type: the configured one, the upstream's, or a guess.
func TestPatchBodyType(t *testing.T) {
	for _, tt := range []struct{ options, upstream, body, contentType string }{
		{"", "application/json", `{"q": "\"\u003c"}`, "application/json"},
		{"", "text/html; charset=utf-8", `{"q": "&#34;&lt;"}`, "text/html; charset=utf-8"},
		{"content_type application/problem+json", "text/html", `{"q": "\"\u003c"}`, "application/problem+json"},
		{"content_type text/plain", "text/html", `{"q": ""<"}`, "text/plain"},
		{"", "", `{"q": "\"\u003c"}`, "application/json"},
	} {
		r := request(http.MethodGet, "X-Q", `"<`)
		text.Replacer(r).Set("q", `"<`)
		resp, body, reason := patched(t, "patch {\n body `{\"q\": \"{q}\"}`\n"+tt.options+"\n}", r, func(w http.ResponseWriter, r *http.Request) error {
			if tt.upstream != "" {
				w.Header().Set("Content-Type", tt.upstream)
			}
			_, err := io.WriteString(w, "old")
			return err
		})
		if got := resp.Header.Get("Content-Type"); body != tt.body || got != tt.contentType || reason != "" {
			t.Errorf("%q of %q: got %s, %s, passed %q, want %s, %s", tt.options, tt.upstream, body, got, reason, tt.body, tt.contentType)
		}
	}
}

// A body is sent before the old one has come. The old one is dropped.
func TestPatchBodyIsSentAtOnce(t *testing.T) {
	w := httptest.NewRecorder()
	f := parse(t, new(Patch), "patch {\n body gone\n}")
	err := f.Inject(firstHit(), w, request(http.MethodGet), caddyhttp.HandlerFunc(func(pw http.ResponseWriter, _ *http.Request) error {
		pw.Header().Set("Content-Length", "3")
		pw.WriteHeader(http.StatusOK)
		if w.Body.String() != "gone" || w.Header().Get("Content-Length") != "4" {
			t.Errorf("got %q, header %v", w.Body, w.Header())
		}
		n, err := io.WriteString(pw, "old")
		if n != 3 {
			t.Errorf("%d bytes were written", n)
		}
		return err
	}))
	if err != nil || w.Body.String() != "gone" {
		t.Errorf("got %q, error %v", w.Body, err)
	}
}

// A reply to HEAD has the head of the patched reply.
func TestPatchHead(t *testing.T) {
	head := func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "16")
		w.Header().Set("Etag", `"v1"`)
		w.WriteHeader(http.StatusOK)
		return nil
	}
	for line, length := range map[string]string{"json `{}`": "", "pad 20B": "20", "pad 5B": "16", "body gone": "4", "replace a b": ""} {
		resp, body, reason := patched(t, "patch {\n"+line+"\nstatus 503\n}", request(http.MethodHead), head)
		if resp.StatusCode != 503 || body != "" || reason != "" || resp.Header.Get("Etag") != "" || resp.Header.Get("Content-Length") != length {
			t.Errorf("%s: got %d %q, passed %q, header %v, want 503 and Content-Length %q", line, resp.StatusCode, body, reason, resp.Header, length)
		}
	}
}

// With another status, a part of a whole (206) no longer says which part it is.
func TestPatchStatusOfPart(t *testing.T) {
	part := func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Range", "bytes 0-3/16")
		w.WriteHeader(http.StatusPartialContent)
		_, err := w.Write([]byte("part"))
		return err
	}
	for line, want := range map[string]string{
		"status 404":     "",
		"status 206":     "bytes 0-3/16",
		"header X-A yes": "bytes 0-3/16",
		"status 404\nheader Content-Range \"bytes 1-2/3\"": "bytes 1-2/3",
	} {
		resp, body, reason := patched(t, "patch {\n"+line+"\n}", request(http.MethodGet), part)
		if got := resp.Header.Get("Content-Range"); got != want || body != "part" || reason != "" {
			t.Errorf("%s: got Content-Range %q, body %q, passed %q, want Content-Range %q", line, got, body, reason, want)
		}
	}
}

// If the body is not held, flushed bytes are sent at once.
func TestPatchStreams(t *testing.T) {
	w := httptest.NewRecorder()
	f := parse(t, new(Patch), "patch {\n status 202\n header X-A a\n pad 20B\n}")
	err := f.Inject(firstHit(), w, request(http.MethodGet), caddyhttp.HandlerFunc(func(pw http.ResponseWriter, _ *http.Request) error {
		for _, part := range []string{"one ", "two "} {
			before := w.Body.String()
			if _, err := io.WriteString(pw, part); err != nil {
				return err
			}
			if err := http.NewResponseController(pw).Flush(); err != nil {
				return err
			}
			if w.Body.String() != before+part || w.Code != 202 || w.Header().Get("X-A") != "a" {
				t.Errorf("after %q: got %d %q, header %v", part, w.Code, w.Body, w.Header())
			}
		}
		return nil
	}))
	if want := "one two " + strings.Repeat(" ", 12); err != nil || w.Body.String() != want {
		t.Errorf("got %q, error %v, want %q", w.Body, err, want)
	}
}

// Trailers are sent after the body and not in the head.
func TestPatchTrailers(t *testing.T) {
	for _, pad := range []string{"", "pad 1KiB\n"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f := parse(t, new(Patch), "patch {\n json `{\"a\": 2}`\n"+pad+"}")
			next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("Trailer", "X-Sum")
				err := answer(200, "application/json", `{"a": 1}`)(w, nil)
				w.Header().Set("X-Sum", "announced")
				w.Header().Set(http.TrailerPrefix+"X-Late", "not announced")
				return err
			})
			if err := f.Inject(hitOf(r), w, r, next); err != nil {
				t.Error(err)
			}
		}))
		resp, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || strings.TrimRight(string(body), " ") != `{"a": 2}` || pad != "" && len(body) != 1024 {
			t.Errorf("got %.100q of %d bytes, error %v", body, len(body), err)
		}
		want := http.Header{"X-Sum": {"announced"}, "X-Late": {"not announced"}}
		if !maps.EqualFunc(resp.Trailer, want, func(a, b []string) bool { return a[0] == b[0] }) || resp.Header.Get("X-Sum") != "" {
			t.Errorf("got trailer %v, header %v, want trailer %v", resp.Trailer, resp.Header, want)
		}
		_ = resp.Body.Close()
		srv.Close()
	}
}

// A reply that breaks off is the same as without the fault.
func TestPatchUpstreamDies(t *testing.T) {
	w := httptest.NewRecorder()
	f := parse(t, new(Patch), "patch {\n json `{}`\n status 503\n}")
	got := endingOf(f, w, request(http.MethodGet), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		_ = answer(200, "application/json", `{"a": `)(w, r)
		panic(http.ErrAbortHandler)
	}))
	if !got.aborted || w.Code != 200 || w.Body.String() != `{"a": ` || w.Header().Get("Etag") == "" {
		t.Errorf("got %+v, %d %q, want the abort and what came before", got, w.Code, w.Body)
	}
}

// A client that leaves while its reply is held gets nothing of it.
func TestPatchClientLeaves(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	w := httptest.NewRecorder()
	f := parse(t, new(Patch), "patch {\n json `{}`\n}")
	err := f.Inject(hitIn(ctx), w, request(http.MethodGet).WithContext(ctx), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		defer leave()
		if !wire.HoldsReply(w) {
			t.Error("a hijacked reply may bypass the writer before the head")
		}
		return answer(200, "application/json", `{"a": 1}`)(w, r)
	}))
	if err != nil || w.Body.Len() > 0 {
		t.Errorf("got %q, error %v, want nothing", w.Body, err)
	}
}

func TestPatchRefused(t *testing.T) {
	for _, tt := range []struct {
		f    Patch
		want string
	}{
		{Patch{}, "patch changes nothing"},
		{Patch{MaxSize: 5}, "patch changes nothing"},
		{Patch{JSON: json.RawMessage("5")}, "bad patch json '5': want an object or a list of operations; to send this as the whole body, use body"},
		{Patch{JSON: json.RawMessage("null")}, "bad patch json 'null': want an object or a list"},
		{Patch{JSON: json.RawMessage("[]")}, "bad patch json '[]': want an object or a list"},
		{Patch{JSON: json.RawMessage("[5]")}, "bad patch json '[5]': want an object or a list"},
		{Patch{JSON: json.RawMessage(`[{"op": "set", "path": "a", "value": 1}]`)}, "operation 1: bad pointer 'a': must begin with a slash; write /a"},
		{Patch{JSON: json.RawMessage("{}"), Body: new(string)}, "patch has both json and body"},
		{Patch{Replace: []Replacement{{Pattern: "a"}}, Body: new(string)}, "patch has both replace and body"},
		{Patch{Replace: []Replacement{{}}}, "replace '' has no pattern"},
		{Patch{Replace: []Replacement{{Pattern: "("}}}, "bad replace '(': error parsing regexp"},
		{Patch{Replace: []Replacement{{Pattern: "(a)", With: "$10"}}}, "the pattern has no group '10'; write $$10 for a dollar sign"},
		{Patch{Replace: []Replacement{{Pattern: "(a)", With: "$1x"}}}, "the pattern has no group '1x'; write ${1}x"},
		{Patch{Replace: []Replacement{{Pattern: "(a)", With: "${b}"}}}, "the pattern has no group 'b'"},
		{Patch{ContentType: "text"}, "bad content_type 'text': a media type has a slash"},
		{Patch{Headers: &HeaderOps{Set: http.Header{"content-type": {"text/css"}}}}, "use content_type"},
		{Patch{JSON: json.RawMessage("{")}, "bad patch json '{': unexpected end of JSON input"},
		{Patch{Pad: -1}, "bad patch pad '-1': must not be negative"},
		{Patch{Pad: 1, MaxSize: -1}, "bad patch max_size '-1': must not be negative"},
		{Patch{StatusCode: 199}, "bad status '199'"},
		{Patch{StatusCode: 204}, "bad status '204': a reply with this status has no body"},
		{Patch{Headers: &HeaderOps{Delete: []string{"Connection"}}}, "header 'Connection' frames the message"},
	} {
		if err := tt.f.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.f, err, tt.want)
		}
	}
}

// A halt releases a held reply unchanged.
func TestPatchHalted(t *testing.T) {
	halt := make(chan struct{})
	r := request(http.MethodGet)
	r = r.WithContext(withHit(r.Context(), &faults.Hit{Ended: halt}))
	resp, err := runFault(t, parse(t, new(Patch), "patch {\n json {\"a\":2}\n}"), r, func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"a":`)
		close(halt)
		_, err := io.WriteString(w, `1}`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != `{"a":1}` {
		t.Errorf("got %s", body)
	}
}

// After a halt, a body is not replaced any more.
func TestPatchBodyHalted(t *testing.T) {
	halt := make(chan struct{})
	close(halt)
	r := request(http.MethodGet)
	r = r.WithContext(withHit(r.Context(), &faults.Hit{Ended: halt}))
	resp, err := runFault(t, parse(t, new(Patch), "patch {\n body gone\n}"), r, answer(200, "text/plain", "old"))
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != "old" || resp.Header.Get("Etag") == "" {
		t.Errorf("got %s, header %v", body, resp.Header)
	}
}

// A replaced body of an upstream that breaks off is whole. The error remains.
func TestPatchBodyOfDyingUpstream(t *testing.T) {
	w := httptest.NewRecorder()
	f := parse(t, new(Patch), "patch {\n body gone\n}")
	got := endingOf(f, w, request(http.MethodGet), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		_ = answer(200, "text/plain", "ol")(w, r)
		panic(http.ErrAbortHandler)
	}))
	if !got.aborted || w.Code != 200 || w.Body.String() != "gone" {
		t.Errorf("got %+v, %d %q, want the abort after the body", got, w.Code, w.Body)
	}
}
