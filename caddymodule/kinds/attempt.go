package kinds

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// newResponse returns a whole reply, as a transport returns it.
func newResponse(r *http.Request, code int, reason string, header http.Header, body []byte) *http.Response {
	resp := newHead(r, code, reason, header)
	if !(status.Code{Code: code}).BodyAllowed() {
		return resp
	}
	resp.ContentLength = int64(len(body))
	if len(body) > 0 {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if r.Method != http.MethodHead {
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	return resp
}

// newHead returns a reply without a body.
func newHead(r *http.Request, code int, reason string, header http.Header) *http.Response {
	return &http.Response{
		Status:     strconv.Itoa(code) + " " + reason,
		StatusCode: code,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     header,
		Body:       http.NoBody,
		Request:    r,
	}
}

// failSent fails an attempt like an upstream that has received the whole request. It
// reads the request's body first. The proxy can then try again only if it has kept the
// body.
func failSent(r *http.Request, failure error) error {
	if err := readBody(r); err != nil {
		return err
	}
	return injected(failure)
}

// readBody reads and drops the body of a request. It takes as long as the client takes
// to send the body.
func readBody(r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return fmt.Errorf("reading the request's body: %w", err)
	}
	return r.Context().Err()
}

// injected marks the error of a fault, to distinguish it from a real error in the logs.
func injected(err error) error { return fmt.Errorf("injected fault: %w", err) }
