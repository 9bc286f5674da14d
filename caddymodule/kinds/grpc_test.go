package kinds

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestGRPC(t *testing.T) {
	tests := []struct{ line, status, message string }{
		{"grpc UNAVAILABLE", "14", ""},
		{"grpc unavailable", "14", ""},
		{"grpc 16", "16", ""},
		{"grpc 1 cancelled", "1", "cancelled"},
		{"grpc 8 \"100 % of {http.request.method}\"", "8", "100 %25 of GET"},
		{"grpc 2 {http.request.header.X-Evil}", "2", "a%0D%0Ab%C3%A9%7F"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			resp, err := runFault(t, parse(t, new(GRPC), tt.line), request(http.MethodGet, "X-Evil", "a\r\nbé\x7f"), notCalled(t))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 200 || len(body) > 0 || resp.Header.Get("Content-Type") != "application/grpc" {
				t.Errorf("got %d %v %q", resp.StatusCode, resp.Header, body)
			}
			if got := resp.Header.Get("Grpc-Status"); got != tt.status {
				t.Errorf("got Grpc-Status %q, want %q", got, tt.status)
			}
			if got := resp.Header.Get("Grpc-Message"); got != tt.message {
				t.Errorf("got Grpc-Message %q, want %q", got, tt.message)
			}
		})
	}
}

// TestGRPCForms compares the replies for each protocol with its documentation, byte for
// byte, in a handler and in a transport.
func TestGRPCForms(t *testing.T) {
	const (
		web     = "\x80\x00\x00\x00\x2e" + "grpc-status: 14\r\ngrpc-message: a\"b %C3%A9%25\r\n"
		webText = "gAAAAC5ncnBjLXN0YXR1czogMTQNCmdycGMtbWVzc2FnZTogYSJiICVDMyVBOSUyNQ0K"
		stream  = "\x02\x00\x00\x00\x35" + `{"error":{"code":"unavailable","message":"a\"b é%"}}`
		unary   = `{"code":"unavailable","message":"a\"b é%"}`
	)
	tests := []struct {
		name, target string
		header       []string
		status       int
		contentType  string
		body         string // none: the status is in the header
	}{
		{"nothing", "", nil, 200, "application/grpc", ""},
		{"gRPC", "", []string{"Content-Type", "application/grpc"}, 200, "application/grpc", ""},
		{"gRPC, JSON", "", []string{"Content-Type", "application/grpc+json"}, 200, "application/grpc+json", ""},
		{"gRPC, a longer word", "", []string{"Content-Type", "application/grpcx"}, 200, "application/grpc", ""},
		{"gRPC-Web", "", []string{"Content-Type", "application/grpc-web"}, 200, "application/grpc-web", web},
		{"gRPC-Web, proto", "", []string{"Content-Type", "Application/gRPC-web+proto; charset=utf-8"}, 200, "application/grpc-web+proto", web},
		{"gRPC-Web, text", "", []string{"Content-Type", "application/grpc-web-text"}, 200, "application/grpc-web-text", webText},
		{"gRPC-Web, text, proto", "", []string{"Content-Type", "application/grpc-web-text+proto"}, 200, "application/grpc-web-text+proto", webText},
		{
			"gRPC-Web, text accepted", "",
			[]string{"Content-Type", "application/grpc-web+proto", "Accept", "text/plain", "Accept", "*/*, application/grpc-web-text+proto;q=1"},
			200, "application/grpc-web-text+proto", webText,
		},
		{"gRPC, text accepted", "", []string{"Content-Type", "application/grpc", "Accept", "application/grpc-web-text"}, 200, "application/grpc", ""},
		{"Connect, stream", "", []string{"Content-Type", "application/connect+json"}, 200, "application/connect+json", stream},
		{"Connect, proto", "", []string{"Content-Type", "application/proto"}, 503, "application/json", unary},
		{"Connect, JSON", "", []string{"Content-Type", "application/json", "Connect-Protocol-Version", "1"}, 503, "application/json", unary},
		{"Connect, GET", "?connect=v1&encoding=json&message=%7B%7D", nil, 503, "application/json", unary},
		{"Connect of another version", "", []string{"Content-Type", "application/json", "Connect-Protocol-Version", "2"}, 200, "application/grpc", ""},
		{"GET of another version", "?connect=v2", nil, 200, "application/grpc", ""},
		{"JSON", "", []string{"Content-Type", "application/json"}, 200, "application/grpc", ""},
		{"two types", "", []string{"Content-Type", "application/grpc-web", "Content-Type", "application/proto"}, 200, "application/grpc", ""},
		{"malformed type", "", []string{"Content-Type", "application/grpc-web+<b>"}, 200, "application/grpc", ""},
	}
	f := parse(t, new(GRPC), "grpc UNAVAILABLE `a\"b é%`")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(http.MethodGet, tt.header...)
			r.URL.RawQuery = strings.TrimPrefix(tt.target, "?")
			handled, err := runFault(t, f, r, notCalled(t))
			if err != nil {
				t.Fatal(err)
			}
			attempted, err := f.RoundTrip(hitOf(r), r, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []*http.Response{handled, attempted} {
				body, _ := io.ReadAll(got.Body)
				if got.StatusCode != tt.status || got.Header.Get("Content-Type") != tt.contentType || string(body) != tt.body {
					t.Errorf("got %d %q\n%q, want %d %q\n%q", got.StatusCode, got.Header.Get("Content-Type"), body, tt.status, tt.contentType, tt.body)
				}
				if inHeader := got.Header.Get("Grpc-Status") == "14"; inHeader != (tt.body == "") {
					t.Errorf("got header %v, want a status there: %t", got.Header, tt.body == "")
				}
				if got.ContentLength != int64(len(tt.body)) && tt.body != "" {
					t.Errorf("got a length of %d, want %d", got.ContentLength, len(tt.body))
				}
			}
		})
	}
}

// TestGRPCRetry compares the pushback and the detail with their documentation, in each
// form. The bytes of the detail are those that Go's library for protocol buffers writes.
func TestGRPCRetry(t *testing.T) {
	const (
		bin   = "CA4SAm5vGjYKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SCgoICAIQgMq17gE"
		unary = `{"code":"unavailable","message":"no","details":[{"type":"google.rpc.RetryInfo","value":"CggIAhCAyrXuAQ"}]}`
	)
	f := parse(t, new(GRPC), "grpc UNAVAILABLE no {\npushback 1500ms\nretry_info 2500ms\n}")
	header := make(http.Header)
	code, _ := f.reply(header, request(http.MethodPost, "Content-Type", "application/grpc"))
	if code != 200 || header.Get("Grpc-Retry-Pushback-Ms") != "1500" || header.Get("Grpc-Status-Details-Bin") != bin {
		t.Errorf("gRPC: got %d %v", code, header)
	}
	header = make(http.Header)
	_, body := f.reply(header, request(http.MethodPost, "Content-Type", "application/grpc-web"))
	lines := "grpc-status: 14\r\ngrpc-message: no\r\ngrpc-status-details-bin: " + bin + "\r\ngrpc-retry-pushback-ms: 1500\r\n"
	if string(body[5:]) != lines {
		t.Errorf("gRPC-Web: got %q, want %q", body[5:], lines)
	}
	if _, body = f.reply(make(http.Header), request(http.MethodPost, "Content-Type", "application/proto")); string(body) != unary {
		t.Errorf("Connect: got %s, want %s", body, unary)
	}
	never := parse(t, new(GRPC), "grpc UNAVAILABLE {\npushback off\n}")
	header = make(http.Header)
	if never.reply(header, request(http.MethodPost)); header.Get("Grpc-Retry-Pushback-Ms") != "-1" {
		t.Errorf("off: got %v", header)
	}
}

// TestGRPCConnectCodes checks the names and statuses of Connect's protocol reference.
func TestGRPCConnectCodes(t *testing.T) {
	want := map[string]int{
		"canceled": 499, "unknown": 500, "invalid_argument": 400, "deadline_exceeded": 504, "not_found": 404, "already_exists": 409,
		"permission_denied": 403, "resource_exhausted": 429, "failed_precondition": 400, "aborted": 409, "out_of_range": 400,
		"unimplemented": 501, "internal": 500, "unavailable": 503, "data_loss": 500, "unauthenticated": 401,
	}
	got := make(map[string]int)
	for code := 1; code < len(grpcNames); code++ {
		resp, err := runFault(t, parse(t, new(GRPC), "grpc "+grpcNames[code]), request(http.MethodPost, "Content-Type", "application/proto"), notCalled(t))
		if err != nil {
			t.Fatal(err)
		}
		var failure map[string]string
		if err := json.NewDecoder(resp.Body).Decode(&failure); err != nil || len(failure) != 1 {
			t.Errorf("code %d: got %v, error %v, want a code alone", code, failure, err)
		}
		got[failure["code"]] = resp.StatusCode
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGRPCCodeInJSON(t *testing.T) {
	tests := []struct {
		config string
		code   GRPCCode
		err    string
	}{
		{`{"code": 14}`, 14, ""},
		{`{"code": "14"}`, 14, ""},
		{`{"code": "UNAVAILABLE"}`, 14, ""},
		{`{"code": 17}`, 0, "bad grpc code '17'"},
		{`{"code": "AWAY"}`, 0, "bad grpc code 'AWAY'"},
		{`{"code": 1.5}`, 0, "bad grpc code '1.5'"},
		{`{"code": true}`, 0, "bad grpc code 'true'"},
		{`{"code": "OK"}`, 0, "bad grpc code '0'"},
		{`{}`, 0, "bad grpc code '0'"},
	}
	for _, tt := range tests {
		f := new(GRPC)
		err := caddy.StrictUnmarshalJSON([]byte(tt.config), f)
		if err == nil {
			err = f.Validate()
		}
		if tt.err == "" && (err != nil || f.Code != tt.code) {
			t.Errorf("%s: got %d, %v, want %d", tt.config, f.Code, err, tt.code)
		}
		if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: got error %v, want %q", tt.config, err, tt.err)
		}
	}
}
