package routes

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// failures are the statuses of a proxy whose upstream fails.
var failures = [...]int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// fail returns an error, as the module would.
func (w *run) fail(by End, status int) error {
	w.failing = by
	return caddyhttp.Error(status, errors.New(http.StatusText(status)))
}

// proxy follows a request through a proxy: its transports, and then the possible
// replies of its upstream.
func (w *run) proxy(h *reverseproxy.Handler, at Place, next step, r *http.Request) error {
	end := End{Module: "reverse_proxy", Upstreams: w.upstreams(h, r)}
	later, turn := w.attempt(h, at, r, end)
	var err error
	switch {
	case turn == nil:
		err = w.upstream(h, at, next, r, end)
	case turn.Status != 0 && !turn.Error && !turn.Aborts:
		end = End{Hit: turn.Hit, Status: turn.Status}
		w.end(end)
		_, err = w.handleResponse(h, at, next, r, end)
	default:
		err = w.failAttempt(turn)
	}
	for _, waiting := range later {
		err = w.onReply(waiting, err)
	}
	return err
}

// attempt follows an attempt through the transports of a proxy. It returns the turn that
// ends the attempt, if any, and the turns that wait for the reply, those of the innermost
// transport first.
func (w *run) attempt(h *reverseproxy.Handler, at Place, r *http.Request, end End) (later []waiting, ending *Turn) {
	var sent *http.Request
	for transport := h.Transport; transport != nil; {
		if sent == nil {
			sent = w.sent(h, r, end.Upstreams)
		}
		if turns := w.visit(transport, at, sent); turns != nil {
			turn, waiting := w.before(turns, turns.Passes || triesAgain(h))
			if turn != nil {
				return later, turn
			}
			later = slices.Insert(later, 0, waiting)
		}
		wrapper, ok := transport.(Wrapper)
		if !ok {
			break
		}
		transport = wrapper.Inner()
	}
	return later, nil
}

// failAttempt ends an attempt by a turn without a known reply, or by an error of the
// proxy.
func (w *run) failAttempt(turn *Turn) error {
	if turn.Error || w.caught == 0 || w.choose(2) == 0 {
		return w.hit(turn)
	}
	return w.fail(End{Hit: turn.Hit}, http.StatusBadGateway)
}

// triesAgain reports whether an attempt that fails may not be the last one.
func triesAgain(h *reverseproxy.Handler) bool {
	return h.LoadBalancing != nil && (h.LoadBalancing.Retries > 0 || h.LoadBalancing.TryDuration > 0)
}

// upstream follows the possible replies of the upstream.
func (w *run) upstream(h *reverseproxy.Handler, at Place, next step, r *http.Request, end End) error {
	if handled, err := w.handleResponse(h, at, next, r, end); handled {
		return err
	}
	if w.caught > 0 {
		if i := w.choose(1 + len(failures)); i > 0 {
			w.way.Unlikely = true
			w.suppose("the upstream fails with %d", failures[i-1])
			return w.fail(end, failures[i-1])
		}
	}
	w.end(end)
	return nil
}

// handleResponse follows what the proxy does with a reply instead of sending it, and
// reports whether it does anything. A transport or the upstream has sent the reply.
func (w *run) handleResponse(h *reverseproxy.Handler, at Place, next step, r *http.Request, end End) (handled bool, err error) {
	for i := range h.HandleResponse {
		rh := &h.HandleResponse[i]
		switch answer := matchesStatus(rh.Match, end.Status); {
		case answer == saysNo, answer == saysMaybe && w.choose(2) == 1:
			continue
		case answer == saysMaybe:
			w.suppose("the upstream %s", Replies(rh.Match))
		}
		if rh.StatusCode != "" {
			w.end(End{Module: "reverse_proxy", Upstreams: w.upstreams(h, r), Status: rh.StatusCode.Int()})
			return true, nil
		}
		w.proxied = end
		return true, w.routes(rh.Routes, at, next)(r)
	}
	return false, nil
}

// upstreams returns the addresses to which a proxy may send the request.
func (w *run) upstreams(h *reverseproxy.Handler, r *http.Request) []string {
	if h.DynamicUpstreamsRaw != nil || h.DynamicUpstreams != nil {
		return nil
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	var found []string
	for _, upstream := range h.Upstreams {
		found = append(found, repl.ReplaceKnown(upstream.Dial, ""))
	}
	return found
}

// hopHeaders are the header fields for a single connection.
var hopHeaders = []string{
	"Alt-Svc", "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// sent returns the request as the proxy sends it.
func (w *run) sent(h *reverseproxy.Handler, r *http.Request, upstreams []string) *http.Request {
	w.unknown = ""
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if len(upstreams) == 1 && !strings.Contains(upstreams[0], "{") {
		repl.Set("http.reverse_proxy.upstream.hostport", upstreams[0])
		repl.Set("http.reverse_proxy.upstream.address", upstreams[0])
		if host, port, err := net.SplitHostPort(upstreams[0]); err == nil {
			repl.Set("http.reverse_proxy.upstream.host", host)
			repl.Set("http.reverse_proxy.upstream.port", port)
		}
	}
	client := r
	r = r.Clone(r.Context())
	if h.Rewrite != nil {
		h.Rewrite.Rewrite(r, repl)
	}
	for _, name := range hopHeaders {
		delete(r.Header, name)
	}
	forward(r, client)
	r.Header["Via"] = append(r.Header["Via"], "1.1 Caddy")
	if h.Headers != nil && h.Headers.Request != nil {
		h.Headers.Request.ApplyToRequest(r)
	}
	if len(upstreams) == 1 {
		r.URL.Host = upstreams[0]
	}
	return r
}

// forward adds the header fields in which the proxy describes the client. A trusted
// client may have set them already.
func forward(r, client *http.Request) {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	proto := "http"
	if client.TLS != nil {
		proto = "https"
	}
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	prior := strings.Join(r.Header["X-Forwarded-For"], ", ")
	if trusted && prior != "" {
		ip = prior + ", " + ip
	}
	r.Header.Set("X-Forwarded-For", ip)
	for name, value := range map[string]string{"X-Forwarded-Proto": proto, "X-Forwarded-Host": client.Host} {
		if !trusted || r.Header.Get(name) == "" {
			r.Header.Set(name, value)
		}
	}
}
