package faults

import (
	"io"
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
