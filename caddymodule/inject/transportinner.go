package inject

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// Inner returns the transport that makes the attempts.
func (t *Transport) Inner() http.RoundTripper { return t.inner }

// The following methods forward reverse_proxy's optional interfaces to the inner
// transport.

// TLSEnabled reports whether the attempts use TLS.
func (t *Transport) TLSEnabled() bool {
	inner, ok := t.inner.(reverseproxy.TLSTransport)
	return ok && inner.TLSEnabled()
}

// EnableTLS makes the attempts use TLS. The Caddyfile adapter calls it for upstreams
// with https.
func (t *Transport) EnableTLS(base *reverseproxy.TLSConfig) error {
	inner, ok := t.inner.(reverseproxy.TLSTransport)
	if !ok {
		return errors.New("upstreams are configured for HTTPS, but the transport inside fault does not support TLS")
	}
	if err := inner.EnableTLS(base); err != nil {
		return err
	}
	t.encodeInner()
	return nil
}

// EnableH2C makes the attempts use HTTP/2 without TLS, if the inner transport can. The
// Caddyfile adapter calls it for upstreams with h2c.
func (t *Transport) EnableH2C() error {
	inner, ok := t.inner.(reverseproxy.H2CTransport)
	if !ok {
		return nil
	}
	if err := inner.EnableH2C(); err != nil {
		return err
	}
	t.encodeInner()
	return nil
}

// ProxyProtocolEnabled reports whether the attempts use the PROXY protocol.
func (t *Transport) ProxyProtocolEnabled() bool {
	inner, ok := t.inner.(reverseproxy.ProxyProtocolTransport)
	return ok && inner.ProxyProtocolEnabled()
}

// OverrideHealthCheckScheme sets the scheme of an active health check.
func (t *Transport) OverrideHealthCheckScheme(base *url.URL, port string) {
	if inner, ok := t.inner.(reverseproxy.HealthCheckSchemeOverriderTransport); ok {
		inner.OverrideHealthCheckScheme(base, port)
	}
}

// DefaultBufferSizes returns the default buffer sizes for requests and replies.
func (t *Transport) DefaultBufferSizes() (int64, int64) {
	if inner, ok := t.inner.(reverseproxy.BufferedTransport); ok {
		return inner.DefaultBufferSizes()
	}
	return 0, 0
}

// RequestHeaderOps returns the changes to make to the header of each request.
func (t *Transport) RequestHeaderOps() *headers.HeaderOps {
	if inner, ok := t.inner.(reverseproxy.RequestHeaderOpsTransport); ok {
		return inner.RequestHeaderOps()
	}
	return nil
}

// RequiresContentLength reports whether the length of a body must be known.
func (t *Transport) RequiresContentLength() bool {
	inner, ok := t.inner.(reverseproxy.ContentLengthRequiredTransport)
	return ok && inner.RequiresContentLength()
}

// Interface guards
var (
	_ reverseproxy.TLSTransport                        = (*Transport)(nil)
	_ reverseproxy.H2CTransport                        = (*Transport)(nil)
	_ reverseproxy.ProxyProtocolTransport              = (*Transport)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*Transport)(nil)
	_ reverseproxy.BufferedTransport                   = (*Transport)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*Transport)(nil)
	_ reverseproxy.ContentLengthRequiredTransport      = (*Transport)(nil)
)
