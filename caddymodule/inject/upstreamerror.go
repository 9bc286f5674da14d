package inject

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// The placeholders that reverse_proxy and a point leave in a request's replacer.
const (
	upstreamStatusKey = "http.reverse_proxy.status_code"
	errorSeenKey      = "http.fault.upstream_error"
)

// seeReply looks for an upstream's error when a request has ended, for
// [HaltWhen].
func (in *injector) seeReply(r *http.Request, err error) {
	if in.app.HaltWhen == nil {
		return
	}
	repl := text.Replacer(r)
	status := 0
	if value, ok := repl.Get(upstreamStatusKey); ok {
		status, _ = value.(int)
	}
	if err != nil {
		status = statusOf(err)
	}
	if status < http.StatusInternalServerError {
		return
	}
	if _, seen := repl.Get(errorSeenKey); !seen { // by a point further in
		in.countError(repl)
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
		in.countError(text.Replacer(r))
	}
}

// countError counts an error, unless any point has injected a fault into its
// request.
func (in *injector) countError(repl *caddy.Replacer) {
	if lastInjection(repl) != nil {
		return
	}
	repl.Set(errorSeenKey, true)
	in.app.HaltWhen.Count()
}

// statusOf returns the status with which Caddy's server answers an error.
func statusOf(err error) int {
	if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok && he.StatusCode != 0 {
		return he.StatusCode
	}
	return http.StatusInternalServerError
}
