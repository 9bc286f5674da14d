package routes

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Ask is a request that nobody sends.
type Ask struct {
	// New makes the request, anew for each way that it may take. It is nothing but
	// what a client says: no server has prepared it.
	New func() *http.Request

	// URL is where the client sends it. Without a host it may be any server.
	URL *url.URL

	// AnyHost says that nobody knows its host, AnyClient that nobody knows its
	// client, and AnyBody its body.
	AnyHost, AnyClient, AnyBody bool
}

// unknowable are the placeholders that only a real request has a value for.
var unknowable = []string{
	"http.request.tls.", "http.request.local", "http.request.remote.port", "http.request.uuid", "http.request.duration", "http.request.proto",
	"http.response.", "http.reverse_proxy.", "http.intercept.", "http.auth.", "http.time_until_shutdown", "time.",
}

// aside are the placeholders of what may have been set aside, see taint.
var aside = []struct {
	prefix string
	reads  reads
}{
	{"http.request.uri", readsURI},
	{"http.request.method", readsURI},
	{"http.request.header.", readsHeader},
	{"http.request.cookie.", readsHeader},
	{"http.vars.", readsVars},
	{"http.request.host", readsHost},
	{"http.request.port", readsHost},
	{"http.request.scheme", readsHost},
}

// prepare makes the request what the server makes of it, with placeholders that
// tell which of them nobody knows.
func (w *run) prepare(srv *caddyhttp.Server) *http.Request {
	r := w.ask.New()
	// Caddy's placeholder of the local address panics without one
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, new(net.UnixAddr)))
	repl := caddy.NewEmptyReplacer() // which asks what has been set first
	repl.Map(func(key string) (any, bool) {
		w.see(key)
		return nil, false
	})
	repl.Map(caddy.NewReplacer().Get)
	r = caddyhttp.PrepareRequest(r, repl, w.reply, srv)
	w.request = r
	probing := false
	repl.Map(func(key string) (any, bool) {
		if probing {
			return nil, false
		}
		probing = true
		if _, known := repl.Get(key); !known { // by what a handler has added
			w.unknown = key
		}
		probing = false
		return nil, false
	})
	return r
}

// see takes notice of a placeholder that somebody reads.
func (w *run) see(key string) {
	for _, a := range aside {
		if strings.HasPrefix(key, a.prefix) && w.taint[a.reads] != "" {
			w.unknown = key
		}
	}
	switch {
	case w.ask.AnyHost && strings.HasPrefix(key, "http.request.host") && w.request.Host == "",
		w.ask.URL.Host == "" && (key == "http.request.scheme" || key == "http.request.port" || key == "http.request.hostport"):
		w.unknown = key
	case key == "http.request.tls.server_name" || key == "http.request.tls.resumed":
	case slices.ContainsFunc(unknowable, func(prefix string) bool { return strings.HasPrefix(key, prefix) }):
		w.unknown = key
	case strings.HasPrefix(key, "http.request.remote"):
		w.lookAtClient()
	case strings.HasPrefix(key, "http.request.body"):
		w.lookAtBody()
	}
}

func (w *run) lookAtClient() {
	if w.ask.AnyClient {
		w.note("the request is taken to come from 127.0.0.1: give its client, since a matcher looks at it")
	}
}

func (w *run) lookAtBody() {
	if w.ask.AnyBody {
		w.note("the request is taken to have no body: give it, since a matcher looks at it")
	}
}

func (w *run) note(text string) {
	if !slices.Contains(w.answer.Notes, text) {
		w.answer.Notes = append(w.answer.Notes, text)
	}
}

// dropAliases drops the header fields that Caddy drops before any handler, since
// they could be taken for others.
func dropAliases(srv *caddyhttp.Server, header http.Header) {
	for name, values := range header {
		if isAlias(name, values, "_", srv.ExpectedUnderscoreHeaders) || isAlias(name, values, ".", srv.ExpectedDotHeaders) {
			delete(header, name)
		}
	}
}

func isAlias(name string, values []string, sep string, expected []string) bool {
	for _, e := range expected {
		e, glob := strings.CutSuffix(e, "*")
		is := func(other string) bool { return name == other || glob && strings.HasPrefix(name, other) }
		switch {
		case is(http.CanonicalHeaderKey(e)):
			return len(values) > 1
		case is(http.CanonicalHeaderKey(strings.ReplaceAll(e, sep, "-"))):
			return true
		}
	}
	return strings.Contains(name, sep)
}
