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

// Ask is a request to follow. It is never sent.
type Ask struct {
	// New makes the request, once for each way. The request has only what a client
	// sends; no server has prepared it.
	New func() *http.Request

	// URL is where the client sends the request. Without a host it may reach any
	// server.
	URL *url.URL

	// AnyHost reports that the host is unknown, AnyClient that the client is unknown,
	// and AnyBody that the body is unknown.
	AnyHost, AnyClient, AnyBody bool
}

// unknowable are the placeholders that have a value only in a real request.
var unknowable = []string{
	"http.request.tls.", "http.request.local", "http.request.remote.port", "http.request.uuid", "http.request.duration", "http.request.proto",
	"http.response.", "http.reverse_proxy.", "http.intercept.", "http.auth.", "http.time_until_shutdown", "time.",
}

// aside are the placeholders whose values may have been set to unknown ones; see taint.
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

// prepare prepares the request as the server does, with placeholders that report which
// of them are unknown.
func (w *run) prepare(srv *caddyhttp.Server) *http.Request {
	r := w.ask.New()
	// Without an address, Caddy's placeholder of the local address panics.
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, new(net.UnixAddr)))
	repl := caddy.NewEmptyReplacer() // reads values that have been set first
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
		if _, known := repl.Get(key); !known { // by a provider that a handler has added
			w.unknown = key
		}
		probing = false
		return nil, false
	})
	return r
}

// see records that a placeholder is read.
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
	case strings.HasPrefix(key, "http.request.remote"), key == "http.vars."+caddyhttp.ClientIPVarKey:
		w.lookAtClient()
	case strings.HasPrefix(key, "http.request.body"):
		w.lookAtBody()
	}
}

func (w *run) lookAtClient() {
	if w.ask.AnyClient {
		w.note("assuming that the request comes from 127.0.0.1: a matcher or a key reads the client's address, so specify it")
	}
}

func (w *run) lookAtBody() {
	if w.ask.AnyBody {
		w.note("assuming that the request has no body: a matcher reads the body, so specify it")
	}
}

func (w *run) note(text string) {
	if !slices.Contains(w.answer.Notes, text) {
		w.answer.Notes = append(w.answer.Notes, text)
	}
}

// dropAliases removes the header fields that Caddy removes before any handler runs,
// because they could be mistaken for others.
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
