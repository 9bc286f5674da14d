package inject

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/private"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// upstreamStatusKey is the placeholder in which reverse_proxy stores the upstream's
// status.
const upstreamStatusKey = "http.reverse_proxy.status_code"

// errorSeen marks a request whose error a point has counted.
const errorSeen private.Slot[bool] = "upstream_error"

// seeReply counts an upstream's error at the end of a request, for [HaltWhen].
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
	if !errorSeen.Get(r) { // not counted by a later point
		in.countError(r)
	}
}

// seeAttempt counts an upstream's error at the end of an attempt. Each attempt counts,
// whatever the result of the request. A client that leaves is not an upstream error.
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

// countError counts an error, unless a point has injected a fault into the request.
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
