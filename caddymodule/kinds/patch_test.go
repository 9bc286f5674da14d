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
		{"whole body", "patch {\n json `[]`\n}", answer(200, typ, object), 200, "[]", ""},
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
			changed := reason == "" && (strings.Contains(tt.line, "json") || strings.Contains(tt.line, "pad")) && !strings.Contains(tt.name, "no body")
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

// A reply to HEAD has the head of the patched reply.
func TestPatchHead(t *testing.T) {
	head := func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "16")
		w.Header().Set("Etag", `"v1"`)
		w.WriteHeader(http.StatusOK)
		return nil
	}
	for line, length := range map[string]string{"json `{}`": "", "pad 20B": "20", "pad 5B": "16"} {
		resp, body, reason := patched(t, "patch {\n"+line+"\nstatus 503\n}", request(http.MethodHead), head)
		if resp.StatusCode != 503 || body != "" || reason != "" || resp.Header.Get("Etag") != "" || resp.Header.Get("Content-Length") != length {
			t.Errorf("%s: got %d %q, passed %q, header %v, want 503 and Content-Length %q", line, resp.StatusCode, body, reason, resp.Header, length)
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
