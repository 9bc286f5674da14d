package routes

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// does is the effect of a handler on the way of a request.
type does int

const (
	// ends: it replies, and calls no other handler.
	ends does = iota + 1

	// passes: it looks at the request or at the reply, and calls next.
	passes

	// runs: it changes only the request, so Follow runs it.
	runs

	// replies: it only writes the reply, so Follow runs it and discards the reply.
	repliesItself

	// leads: it has further routes, which Follow follows.
	leads
)

// handlers are the handlers of Caddy by name. Other handlers may end any request.
var handlers = map[string]does{
	"authentication":        leads,         // see authenticate
	"copy_response":         ends,          // the reply of an upstream
	"copy_response_headers": passes,        // on the reply
	"encode":                passes,        // on the reply
	"error":                 repliesItself, // returns the error
	"file_server":           repliesItself, // reads the disk
	"headers":               leads,         // see headers
	"intercept":             leads,
	"invoke":                leads,
	"log_append":            passes,
	"map":                   runs,
	"metrics":               ends,
	"push":                  passes, // sends further requests, not this one
	"request_body":          runs,   // bounds or replaces the body
	"reverse_proxy":         leads,
	"rewrite":               runs,
	"static_response":       repliesItself,
	"subroute":              leads,
	"templates":             passes, // on the reply
	"timeouts":              passes,
	"tracing":               passes,
	"vars":                  runs,
}

// sets lists what a handler sets.
var sets = map[string]reads{"rewrite": readsURI, "vars": readsVars}

// handler follows a request through a handler.
func (w *run) handler(h caddyhttp.MiddlewareHandler, at Place, next step) step {
	return func(r *http.Request) error {
		w.at = at
		if turns := w.visit(h, at, r); turns != nil {
			return w.point(turns, next, r)
		}
		name := moduleName(h)
		switch handlers[name] {
		case ends:
			end := End{Module: name}
			if name == "copy_response" {
				end = w.proxied
			}
			w.end(end)
			return nil
		case passes:
			return next(r)
		case runs:
			return w.runHandler(h, name, next, r)
		case repliesItself:
			return w.replying(h, name, next, r)
		case leads:
			return w.lead(h, at, next, r)
		default:
			if _, always := h.(Replier); always {
				w.end(End{Module: moduleID(h)})
				return nil
			}
			if w.choose(2) == 0 {
				w.end(End{Module: moduleID(h), Unknown: true})
				return nil
			}
			return next(r)
		}
	}
}

// visit asks the guide about a module.
func (w *run) visit(module any, at Place, r *http.Request) *Turns {
	return w.guide(&Visit{Module: module, At: at, Request: r, run: w})
}

// lead follows the routes of a handler.
func (w *run) lead(h caddyhttp.MiddlewareHandler, at Place, next step, r *http.Request) error {
	switch h := h.(type) {
	case *caddyhttp.Subroute:
		return w.subroute(h, at, next, r)
	case *caddyhttp.Invoke:
		return w.invoke(h.Name, at, next, r)
	case *reverseproxy.Handler:
		return w.proxy(h, at, next, r)
	case *intercept.Intercept:
		return w.intercept(h, at, next, r)
	case *headers.Handler:
		if h.Request != nil {
			w.unknown = ""
			h.Request.ApplyToRequest(r)
			w.spoil(readsHeader)
		}
		return next(r)
	case *caddyauth.Authentication:
		return w.authenticate(h, next, r)
	default:
		return next(r)
	}
}

// spoil marks a part of the request as unknown if it has been set to an unknown value.
func (w *run) spoil(part reads) {
	if w.unknown != "" {
		w.taint[part], w.unknown = w.unknown, ""
	}
}

// runHandler runs a handler that changes the request.
func (w *run) runHandler(h caddyhttp.MiddlewareHandler, name string, next step, r *http.Request) error {
	w.unknown = ""
	passed := false
	err := h.ServeHTTP(w.reply, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		passed = true
		if part, ok := sets[name]; ok {
			w.spoil(part)
		}
		return next(r)
	}))
	if !passed {
		w.failing = End{Module: name}
	}
	return err
}

// replying runs a handler whose reply is discarded.
func (w *run) replying(h caddyhttp.MiddlewareHandler, name string, next step, r *http.Request) error {
	if static, ok := h.(*caddyhttp.StaticResponse); ok && static.Abort {
		return w.abort(End{Module: name})
	}
	asked := r
	if name == "file_server" && r.Method == http.MethodGet {
		asked = r.WithContext(r.Context()) // placeholders read the original request
		asked.Method = http.MethodHead     // reads no more than it must
	}
	passed := false
	w.unknown, w.reply.status = "", 0
	err := h.ServeHTTP(w.reply, asked, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		passed = true
		return next(r)
	}))
	if passed {
		return err
	}
	if w.failing = (End{Module: name}); err != nil {
		return err
	}
	status := w.reply.status
	if status == 0 {
		status = http.StatusOK
	}
	w.end(End{Module: name, Status: status})
	return nil
}

// authenticate models one fact: without a password no request passes basic_auth.
func (w *run) authenticate(h *caddyauth.Authentication, next step, r *http.Request) error {
	refused := r.Header.Get("Authorization") == "" && w.taint[readsHeader] == ""
	for _, provider := range h.Providers {
		if _, ok := provider.(*caddyauth.HTTPBasicAuth); !ok {
			refused = false
		}
	}
	if !refused && w.choose(2) == 1 {
		return next(r)
	}
	if !refused {
		w.suppose("authentication refuses the request")
	}
	w.failing = End{Module: "authentication"}
	return caddyhttp.Error(http.StatusUnauthorized, fmt.Errorf("not authenticated"))
}

// intercept follows the routes for the reply.
func (w *run) intercept(h *intercept.Intercept, at Place, next step, r *http.Request) error {
	if err := next(r); err != nil || w.way.End.Module == "" && w.way.End.Hit == nil {
		return err // nothing has been written
	}
	for i := range h.HandleResponse {
		rh := &h.HandleResponse[i]
		switch answer := matchesStatus(rh.Match, w.way.End.Status); {
		case answer == saysNo:
			continue
		case answer == saysMaybe && w.choose(2) == 1:
			continue
		case answer == saysMaybe:
			w.suppose("it %s", Replies(rh.Match))
		}
		if status := rh.StatusCode.Int(); rh.StatusCode != "" {
			if w.way.End.Status = status; w.way.End.Hit != nil {
				w.end(End{Module: "intercept", Status: status})
			}
			return nil
		}
		return w.routes(rh.Routes, at, func(*http.Request) error { return nil })(r)
	}
	return nil
}

// moduleID returns the ID of a module that is not part of Caddy.
func moduleID(module any) string {
	if m, ok := module.(caddy.Module); ok {
		return string(m.CaddyModule().ID)
	}
	return fmt.Sprintf("%T", module)
}
