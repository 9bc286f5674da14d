package match

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// post returns a request with a JSON body, as Caddy prepares it.
func post(body io.Reader, fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	return r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddy.NewEmptyReplacer()))
}

// parse parses the lines of a matcher.
func parse(lines string) (JSONBody, error) {
	var m JSONBody
	err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser(lines))
	return m, err
}

// TestJSONBody checks that a request matches, and that its body is whole afterwards.
func TestJSONBody(t *testing.T) {
	const call = `{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "a*b", "list": [1.50, null, true, {"x": []}]}, "": "e", "a/b": "s"}`
	for _, tt := range []struct {
		name, lines, body string
		want              bool
	}{
		{"text", "json_body /method tools/call", call, true},
		{"other text", "json_body /method tools/list", call, false},
		{"one of several", "json_body /method tools/list tools/call", call, true},
		{"several lines", "json_body /method tools/list\njson_body /method tools/call", call, true},
		{"several pointers", "json_body /method tools/call\njson_body /id 7", call, true},
		{"one of the pointers differs", "json_body /method tools/call\njson_body /id 8", call, false},
		{"exists", "json_body /params/name", call, true},
		{"does not exist", "json_body /params/none", call, false},
		{"exists as null", "json_body /params/list/1", call, true},
		{"null", "json_body /params/list/1 null", call, true},
		{"boolean", "json_body /params/list/2 true", call, true},
		{"digits", "json_body /params/list/0 1.50", call, true},
		{"other digits", "json_body /params/list/0 1.5", call, false},
		{"object", "json_body /params/list/3 `{\"x\":[]}`", call, true},
		{"object with signs of HTML", "json_body /a `{\"<b>\":\"&\"}`", `{"a": {"<b>": "&"}}`, true},
		{"beyond the list", "json_body /params/list/4", call, false},
		{"within a text", "json_body /method/x", call, false},
		{"empty name", "json_body / e", call, true},
		{"escaped name", "json_body /a~1b s", call, true},
		{"whole document", "json_body \"\"", `7`, true},
		{"whole document, value", "json_body \"\" 7", ` 7 `, true},
		{"prefix", "json_body /method tools/*", call, true},
		{"other prefix", "json_body /method ools/*", call, false},
		{"suffix", "json_body /method */call", call, true},
		{"middle", "json_body /method *s/c*", call, true},
		{"other middle", "json_body /method *x*", call, false},
		{"anything", "json_body /method *", call, true},
		{"star inside is a star", "json_body /params/name a*b", call, true},
		{"batch", "json_body /0/method b", `[{"method": "b"}]`, true},
		{"last of a name", "json_body /a 2", `{"a": 1, "a": 2}`, true},
		{"no JSON", "json_body \"\"", `{"a": `, false},
		{"nothing", "json_body \"\"", ``, false},
		{"text after the document", "json_body /a 1", `{"a": 1} x`, true},
		{"as large as allowed", "json_body /a 1", `{"a": 1, "b": "` + strings.Repeat("x", maxBody-17) + `"}`, true},
		{"too large", "json_body /a 1", `{"a": 1, "b": "` + strings.Repeat("x", maxBody-16) + `"}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := parse(tt.lines)
			if err != nil {
				t.Fatal(err)
			}
			for _, known := range []bool{true, false} {
				r := post(strings.NewReader(tt.body))
				if !known {
					r.ContentLength = -1
				}
				got, err := m.MatchWithError(r)
				if again := m.Match(r); got != tt.want || again != got || err != nil {
					t.Errorf("length known %v: got %v, then %v, error %v, want %v", known, got, again, err, tt.want)
				}
				if body, err := io.ReadAll(r.Body); string(body) != tt.body || err != nil {
					t.Errorf("length known %v: the body has %d bytes, error %v, want %d", known, len(body), err, len(tt.body))
				}
			}
		})
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (b unread) Read([]byte) (int, error) {
	b.t.Error("the body was read")
	return 0, io.EOF
}

func (unread) Close() error { return nil }

// A body is not read if it is too large, compressed, of another type, or may be endless.
func TestBodyIsNotRead(t *testing.T) {
	m := JSONBody{"/a": nil}
	for name, change := range map[string]func(r *http.Request){
		"large":      func(r *http.Request) { r.ContentLength = maxBody + 1 },
		"gzip":       func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
		"form":       func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
		"no type":    func(r *http.Request) { r.Header.Del("Content-Type") },
		"two types":  func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") },
		"gRPC":       func(r *http.Request) { r.Header.Set("Content-Type", "application/grpc+json") },
		"gRPC-Web":   func(r *http.Request) { r.Header.Set("Content-Type", "application/grpc-web+json") },
		"a stream":   func(r *http.Request) { r.Header.Set("Content-Type", "application/x-ndjson") },
		"an upgrade": func(r *http.Request) { r.Header.Set("Upgrade", "websocket") },
	} {
		r := post(nil)
		r.Body, r.ContentLength = unread{t}, -1
		change(r)
		if m.Match(r) {
			t.Errorf("%s: matches", name)
		}
		if _, same := r.Body.(unread); !same {
			t.Errorf("%s: the body was replaced", name)
		}
	}
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		r := post(nil)
		r.Body = body
		if m.Match(r) || r.Body != body {
			t.Errorf("%v: matches or is replaced", body)
		}
	}
}

// A client that sends a document and waits for the reply is not kept waiting.
func TestOpenBody(t *testing.T) {
	client, server := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.WriteString(server, `{"a": 1}`)
		_, _ = io.WriteString(server, ` and more`)
		_ = server.Close()
	}()
	r := post(client)
	r.ContentLength = -1
	if !(JSONBody{"/a": {"1"}}).Match(r) {
		t.Error("does not match")
	}
	if body, err := io.ReadAll(r.Body); string(body) != `{"a": 1} and more` || err != nil {
		t.Errorf("got %s, error %v", body, err)
	}
	<-done
}

var errBroken = errors.New("broken")

// broken is a body that fails after some bytes.
type broken struct{ io.Reader }

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}

func (*broken) Close() error { return errBroken }

// An error of the body reaches its reader after the bytes before it.
func TestBrokenBody(t *testing.T) {
	r := post(nil)
	r.Body, r.ContentLength = &broken{strings.NewReader(`{"a": `)}, -1
	if (JSONBody{"/a": nil}).Match(r) {
		t.Error("matches")
	}
	if body, err := io.ReadAll(r.Body); string(body) != `{"a": ` || !errors.Is(err, errBroken) {
		t.Errorf("got %s, error %v", body, err)
	}
}

// The body is read once, and again if a handler has replaced it. If a proxy makes another
// attempt with the body from before, it gets what has been read.
func TestReadOnce(t *testing.T) {
	m := JSONBody{"/a": {"1"}}
	r := post(strings.NewReader(`{"a": 1}`))
	before := r.Body
	if !m.Match(r) {
		t.Fatal("does not match")
	}
	own := r.Body
	r.Body = before
	if err := own.Close(); err != nil {
		t.Error(err)
	}
	if !m.Match(r) || r.Body != own {
		t.Error("the body of the second attempt is another one")
	}
	wrapped := struct{ io.ReadCloser }{r.Body}
	r.Body = wrapped
	if !m.Match(r) {
		t.Error("a wrapped body does not match")
	}
	if body, _ := io.ReadAll(r.Body); string(body) != `{"a": 1}` {
		t.Errorf("got %s", body)
	}
	r.Body = io.NopCloser(strings.NewReader(`{"a": 2}`))
	if m.Match(r) {
		t.Error("another body is not read")
	}
	r.Body = struct {
		io.ReadCloser
		_ []int
	}{ReadCloser: io.NopCloser(strings.NewReader(`{"a": 1}`))}
	if first, again := m.Match(r), m.Match(r); !first || !again {
		t.Error("a body that cannot be compared does not match")
	}
}

// After something has been taken, Close closes the body.
func TestCloseAfterReading(t *testing.T) {
	r := post(nil)
	r.Body, r.ContentLength = &broken{strings.NewReader(`{"a": 1}`)}, -1
	if !(JSONBody{"/a": nil}).Match(r) {
		t.Fatal("does not match")
	}
	if err := r.Body.Close(); err != nil {
		t.Errorf("closed before: %v", err)
	}
	_, _ = r.Body.Read(make([]byte, 1))
	if err := r.Body.Close(); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the error of the body", err)
	}
}

func TestJSONBodyRefused(t *testing.T) {
	for lines, want := range map[string]string{
		"json_body":                    "a JSON pointer is missing, such as /method",
		"json_body method x":           "bad pointer 'method': must begin with a slash; write /method",
		"json_body params.name x":      "write /params/name",
		"json_body /a~x":               "after ~ want 0",
		"json_body /a {\nb\n}":         "json_body has no block, and 'b' is in one: write json_body /a b",
		"json_body /a\njson_body /a b": "json_body /a is repeated",
		"json_body /a b\njson_body /a": "json_body /a is repeated",
	} {
		if m, err := parse(lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, error %v, want %q", lines, m, err, want)
		}
	}
	if err := (JSONBody{}).Validate(); err == nil || !strings.Contains(err.Error(), "no pointer") {
		t.Errorf("got %v", err)
	}
}

// The Caddyfile and JSON are the same.
func TestJSONBodyAdapts(t *testing.T) {
	m, err := parse("json_body /method a b\njson_body /id\njson_body /method c")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(m)
	if want := `{"/id":[],"/method":["a","b","c"]}`; err != nil || string(text) != want {
		t.Errorf("got %s, error %v, want %s", text, err, want)
	}
}
