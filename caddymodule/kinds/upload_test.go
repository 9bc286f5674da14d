package kinds

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// upload is what the next handler gets of a request.
type upload struct {
	body, field string
	length      int64
	err         error
	told        string
}

// runUpload runs a fault on an upload. A negative length hides the length of the body.
func runUpload(t *testing.T, line, body string, length int64, ended chan struct{}) (got upload) {
	t.Helper()
	r, told := request(http.MethodPost, "Content-Length", "set"), new(heard)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), length
	hit := &faults.Hit{N: 1, Listener: told, Ended: ended}
	err := parse(t, new(Truncate), line).Inject(hit, nil, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		text, err := io.ReadAll(r.Body)
		got = upload{body: string(text), field: r.Header.Get("Content-Length"), length: r.ContentLength, err: err}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
	if r.ContentLength != length || r.Header.Get("Content-Length") != "set" {
		t.Errorf("%s: the request of the client has changed", line)
	}
	got.told = told.told
	return got
}

func TestTruncateRequest(t *testing.T) {
	long := strings.Repeat("x", 10000)
	for _, tt := range []struct {
		line, body string
		length     int64
		want       upload
		cut        bool // with an error
	}{
		{"truncate 4B {\nrequest\n}", "0123456789", 10, upload{body: "0123", field: "set", length: 10, told: "hit"}, true},
		{"truncate 50% {\nrequest\n}", "0123456789", 10, upload{body: "01234", field: "set", length: 10, told: "hit"}, true},
		{"truncate 0B {\nrequest\n}", "0123456789", 10, upload{field: "set", length: 10, told: "hit"}, true},
		{"truncate 4B {\nrequest\n}", "0123456789", -1, upload{body: "0123", field: "set", length: -1, told: "hit"}, true},
		{"truncate 5000B {\nrequest\n}", long, 10000, upload{body: long[:5000], field: "set", length: 10000, told: "hit"}, true},
		{"truncate 4B clean {\nrequest\n}", "0123456789", 10, upload{body: "0123", field: "4", length: 4, told: "hit"}, false},
		{"truncate 4B clean {\nrequest\n}", "0123456789", -1, upload{body: "0123", field: "set", length: -1, told: "hit"}, false},
		{"truncate 10B {\nrequest\n}", "0123456789", -1, upload{body: "0123456789", field: "set", length: -1, told: "hit short"}, false},
		{"truncate 10B {\nrequest\n}", "0123456789", 10, upload{body: "0123456789", field: "set", length: 10, told: "short"}, false},
		{"truncate 50% {\nrequest\n}", "0123456789", -1, upload{body: "0123456789", field: "set", length: -1, told: "no_length"}, false},
		{"truncate 4B {\nrequest\n}", "", 0, upload{field: "set", told: "no_body"}, false},
	} {
		got := runUpload(t, tt.line, tt.body, tt.length, nil)
		if cut := errors.Is(got.err, io.ErrUnexpectedEOF); cut != tt.cut {
			t.Errorf("%s: got error %v, want one: %t", tt.line, got.err, tt.cut)
		}
		if got.err = nil; got != tt.want {
			t.Errorf("%s, length %d: got %.200v, want %.200v", tt.line, tt.length, got, tt.want)
		}
	}
}

// An upload that is not cut yet when the fault ends passes whole, unless its new length
// has been announced.
func TestTruncateRequestEnded(t *testing.T) {
	ended := make(chan struct{})
	close(ended)
	if got := runUpload(t, "truncate 4B {\nrequest\n}", "0123456789", 10, ended); got.body != "0123456789" || got.err != nil || got.told != "hit" {
		t.Errorf("got %+v, want the whole body", got)
	}
	if got := runUpload(t, "truncate 4B clean {\nrequest\n}", "0123456789", 10, ended); got.body != "0123" || got.length != 4 || got.err != nil {
		t.Errorf("clean: got %+v, want the announced length", got)
	}
}
