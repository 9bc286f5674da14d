package routes

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// step is the rest of the way.
type step func(r *http.Request) error

// run follows one way through a server.
type run struct {
	*search

	ask     *Ask
	guide   Guide
	answer  *Answer
	server  *caddyhttp.Server
	request *http.Request // as the server has prepared it
	reply   *reply
	way     Way
	groups  map[string]bool
	unknown string             // the last unknown placeholder that was read
	taint   [readsParts]string // values set from such a placeholder
	failing End                // the module that returned the last error
	proxied End                // the last reply of an upstream
	at      Place              // of the last handler
	caught  int                // number of enclosing error routes
	inner   int                // named routes within named routes
	site    []string           // the hosts of matchers that did not match
}

// reply is a discarded reply.
type reply struct {
	header http.Header
	status int
}

func (w *reply) Header() http.Header         { return w.header }
func (w *reply) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader records the status, unless it is informational.
func (w *reply) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
}

// serve follows the request through the server as Caddy routes it, until the way ends.
func (w *run) serve(name string) {
	r := w.prepare(w.server)
	at := Place{Server: name, Listen: w.server.Listen}
	if w.server.Errors != nil {
		w.caught++
	}
	err := w.enforce(r)
	if err == nil {
		err = w.routes(w.server.Routes, at, w.nothing)(r)
	}
	if err == nil || err == errAborted { //nolint:errorlint // never wrapped
		return
	}
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		r.Method, r.RemoteAddr, r.RequestURI = original.Method, original.RemoteAddr, original.RequestURI
		*r.URL = *original.URL
	}
	failing := w.failing
	failing.Status = statusOf(err)
	if w.server.Errors != nil && len(w.server.Errors.Routes) > 0 {
		w.caught = 0
		if err := w.handleError(w.server.Errors, at, w.unhandled, r, err); err == nil || err == errAborted { //nolint:errorlint // never wrapped
			return
		}
	}
	w.end(failing)
}

// enforce makes the checks before all routes.
func (w *run) enforce(r *http.Request) error {
	w.failing = End{Module: "the server"}
	switch {
	case len(r.Method) > 32:
		return caddyhttp.HandlerError{StatusCode: http.StatusMethodNotAllowed}
	case r.Host == "" && !w.ask.AnyHost:
		return caddyhttp.HandlerError{StatusCode: http.StatusBadRequest}
	}
	dropAliases(w.server, r.Header)
	return nil
}

func statusOf(err error) int {
	if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		return he.StatusCode
	}
	return http.StatusInternalServerError
}

// errAborted skips everything that could write a reply, as a panic does.
var errAborted = errors.New("no reply")

// abort ends the way without a reply.
func (w *run) abort(end End) error {
	end.Aborts = true
	w.end(end)
	return errAborted
}

// end ends the way. A hit whose reply is replaced has happened all the same.
func (w *run) end(end End) {
	if hit := w.way.End.Hit; hit != nil && hit != end.Hit {
		w.way.Hits = append(w.way.Hits, hit)
	}
	end.At = w.at
	w.way.End = end
}

// nothing runs after the last route.
func (w *run) nothing(*http.Request) error {
	w.end(End{Status: http.StatusOK})
	return nil
}

// unhandled runs after the last error route.
func (w *run) unhandled(r *http.Request) error {
	err, _ := r.Context().Value(caddyhttp.ErrorCtxKey).(error)
	status := http.StatusInternalServerError
	if he, ok := err.(caddyhttp.HandlerError); ok { //nolint:errorlint // as Caddy does
		status = he.StatusCode
	}
	end := w.failing
	end.Status = status
	w.end(end)
	return nil
}

// suppose adds a condition to the way.
func (w *run) suppose(format string, args ...any) {
	w.way.If = append(w.way.If, fmt.Sprintf(format, args...))
}

// refuse records why a route is not taken.
func (w *run) refuse(route *caddyhttp.Route, why string) {
	if w.answer.refused[route] == "" {
		w.answer.refused[route] = why
	}
}

// routes follows a list of routes.
func (w *run) routes(list caddyhttp.RouteList, at Place, next step) step {
	for i := len(list) - 1; i >= 0; i-- {
		next = w.route(&list[i], at, next)
	}
	return next
}

// route follows a route if it matches the request, and otherwise skips the route.
func (w *run) route(route *caddyhttp.Route, at Place, next step) step {
	return func(r *http.Request) error {
		if route.Group != "" && w.groups[route.Group] {
			w.refuse(route, "an earlier route is taken instead")
			return next(r)
		}
		matches, err := w.matches(route, r)
		if err != nil {
			w.failing = End{Module: "a matcher"}
			return err
		}
		if !matches {
			return next(r)
		}
		w.answer.entered[route] = true
		if route.Group != "" {
			w.groups[route.Group] = true
		}
		after := next
		if route.Terminal {
			after = w.nothing
			if _, failed := r.Context().Value(caddyhttp.ErrorCtxKey).(error); failed {
				after = w.unhandled
			}
		}
		at := at.within(route)
		for _, h := range slices.Backward(route.Handlers) {
			after = w.handler(h, at, after)
		}
		return after(r)
	}
}

// subroute follows routes, and the error routes if these fail.
func (w *run) subroute(s *caddyhttp.Subroute, at Place, next step, r *http.Request) error {
	if s.Errors == nil {
		return w.routes(s.Routes, at, next)(r)
	}
	w.caught++
	err := w.routes(s.Routes, at, next)(r)
	w.caught--
	if err == nil || err == errAborted { //nolint:errorlint // never wrapped
		return err
	}
	return w.handleError(s.Errors, at, next, r, err)
}

// handleError follows error routes. The hit that led to the error no longer ends the
// way.
func (w *run) handleError(config *caddyhttp.HTTPErrorConfig, at Place, next step, r *http.Request, err error) error {
	w.answer.failed = true
	if w.failing.Hit != nil {
		w.way.Hits = append(w.way.Hits, w.failing.Hit)
		w.failing = End{Module: "handle_errors"}
	}
	at.Errors = true
	return w.routes(config.Routes, at, next)(config.WithError(r, err))
}

// maxInvoked is the maximum depth of named routes that invoke each other.
const maxInvoked = 100

// invoke follows a named route.
func (w *run) invoke(name string, at Place, next step, r *http.Request) error {
	route, ok := w.server.NamedRoutes[name]
	if w.inner++; !ok || w.inner > maxInvoked {
		w.failing = End{Module: "invoke"}
		return fmt.Errorf("invoke: route '%s' not found", name)
	}
	defer func() { w.inner-- }()
	at.Named = name
	return w.route(route, at, next)(r)
}
