package kinds

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// transportFunc is a function as a transport.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNewResponse(t *testing.T) {
	tests := []struct {
		method string
		code   int
		body   string
		length int64
		sent   string
		field  string // Content-Length
	}{
		{"GET", 551, "text", 4, "text", "4"},
		{"HEAD", 551, "text", 4, "", "4"},
		{"GET", 551, "", 0, "", ""},
		{"GET", 204, "", 0, "", ""},
		{"GET", 304, "", 0, "", ""},
	}
	for _, tt := range tests {
		resp := newResponse(request(tt.method), tt.code, "Reason", make(http.Header), []byte(tt.body))
		sent, err := io.ReadAll(resp.Body)
		if err != nil || string(sent) != tt.sent || resp.ContentLength != tt.length || resp.Header.Get("Content-Length") != tt.field {
			t.Errorf("%s %d: got %q, length %d, field %q, error %v", tt.method, tt.code, sent, resp.ContentLength, resp.Header.Get("Content-Length"), err)
		}
	}
}

// A fault that fails after the request has read its body. Its error names the fault.
func TestFailSent(t *testing.T) {
	tests := []struct {
		fault faults.RoundTripper
		want  error
	}{{new(Close), io.EOF}, {new(Reset), syscall.ECONNRESET}, {new(Garbage), errGarbage}}
	for _, tt := range tests {
		body := strings.NewReader("body")
		r := request(http.MethodPost)
		r.Body = io.NopCloser(body)
		_, err := tt.fault.RoundTrip(hitOf(r), r, nil)
		if !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "injected fault: ") {
			t.Errorf("%T: got error %v, want %v", tt.fault, err, tt.want)
		}
		if body.Len() > 0 {
			t.Errorf("%T has not read the body", tt.fault)
		}
	}
}

// If the client cannot send its body, the error is not one of the fault.
func TestFailSentClientGone(t *testing.T) {
	gone := errors.New("gone")
	r := request(http.MethodPost)
	r.Body = io.NopCloser(failingReader{gone})
	_, err := new(Close).RoundTrip(hitOf(r), r, nil)
	if !errors.Is(err, gone) || strings.Contains(err.Error(), "injected") {
		t.Errorf("got error %v, want %v", err, gone)
	}
}

// choose and sequence take the same branches in a round trip as in a request.
func TestBranchesInTransport(t *testing.T) {
	passed := errors.New("passed")
	pass := transportFunc(func(*http.Request) (*http.Response, error) { return nil, passed })
	choose := parseChoose(t, "1 refuse\n1 pass\n2 {\n delay 1ns\n reset\n}")
	sequence := reload(t, unmarshal(t, new(Sequence), "sequence {\n refuse\n pass\n reset\n}"), new(Sequence))
	tests := []struct {
		fault faults.RoundTripper
		hit   faults.Hit
		want  error
	}{
		{choose, faults.Hit{U: 0.1}, errRefused},
		{choose, faults.Hit{U: 0.3}, passed},
		{choose, faults.Hit{U: 0.8}, syscall.ECONNRESET},
		{sequence, faults.Hit{N: 1}, errRefused},
		{sequence, faults.Hit{N: 2}, passed},
		{sequence, faults.Hit{N: 3}, syscall.ECONNRESET},
		{sequence, faults.Hit{N: 4}, passed},
	}
	for _, tt := range tests {
		r := request(http.MethodGet)
		_, err := tt.fault.RoundTrip(&tt.hit, r, pass)
		if !errors.Is(err, tt.want) {
			t.Errorf("%T, hit %+v: got error %v, want %v", tt.fault, tt.hit, err, tt.want)
		}
	}
}
