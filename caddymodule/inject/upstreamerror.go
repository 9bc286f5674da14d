package inject

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/private"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// upstreamStatusKey is the placeholder that reverse_proxy sets.
const upstreamStatusKey = "http.reverse_proxy.status_code"

// errorSeen tells that a point has counted the error of a request.
const errorSeen private.Slot[bool] = "upstream_error"

// seeReply looks for an upstream's error when a request has ended, for
// [HaltWhen].
func (in *injector) seeReply(r *http.Request, err error) {
	if in.app.HaltWhen == nil {
		return
	}
	status := 0
	if value, ok := text.Replacer(r).Get(upstreamStatusKey); ok {
		status, _ = value.(int)
	}
	if err != nil {
		status = statusOf(err)
	}
	if status < http.StatusInternalServerError {
		return
	}
	if !errorSeen.Get(r) { // by a point further in
		in.countError(r)
	}
}

// seeAttempt looks for an upstream's error when an attempt has ended. An attempt
// counts by itself, whatever becomes of the request. A client that has left is no
// error of the upstream.
func (in *injector) seeAttempt(r *http.Request, resp *http.Response, err error) {
	status := 0
	switch {
	case in.app.HaltWhen == nil:
		return
	case err == nil:
		status = resp.StatusCode
	case r.Context().Err() == nil:
		status = statusOf(err)
	}
	if status >= http.StatusInternalServerError && fromClient(r) {
		in.countError(r)
	}
}

// countError counts an error, unless any point has injected a fault into its
// request.
func (in *injector) countError(r *http.Request) {
	if lastInjection(text.Replacer(r)) != nil {
		return
	}
	errorSeen.Set(r, true)
	in.app.HaltWhen.Count()
}

// statusOf returns the status with which Caddy's server answers an error.
func statusOf(err error) int {
	if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok && he.StatusCode != 0 {
		return he.StatusCode
	}
	return http.StatusInternalServerError
}
