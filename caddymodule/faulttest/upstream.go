package faulttest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// Option changes what [Start] starts.
type Option func(*settings)

type settings struct{ upstream any }

// Upstream says what answers the requests that pass: an [http.Handler], an
// [*httptest.Server], or a URL without a path and credentials, such as
// "http://127.0.0.1:9000". Default: an empty 200.
func Upstream(of any) Option { return func(s *settings) { s.upstream = of } }

// upstream is where requests go that pass.
type upstream struct {
	*url.URL
	local bool // its certificate need not be valid
}

// dial returns the upstream. It serves a handler until the test ends.
func (s *settings) dial(t testing.TB) (upstream, error) {
	switch of := s.upstream.(type) {
	case nil:
		return serveHandler(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), nil
	case http.Handler:
		return serveHandler(t, of), nil
	case *httptest.Server:
		if of == nil {
			return upstream{}, errors.New("the upstream is a nil *httptest.Server; write httptest.NewServer(handler)")
		}
		at, err := url.Parse(of.URL)
		if err != nil || at.Host == "" {
			return upstream{}, errors.New("the upstream is an httptest.Server that has not started; write httptest.NewServer(handler)")
		}
		return upstream{at, true}, nil
	case *url.URL:
		if of == nil {
			return upstream{}, errors.New("the upstream is a nil *url.URL; the error of url.Parse says why")
		}
		return remote(of)
	case string:
		at, err := url.Parse(of)
		if err != nil {
			return upstream{}, fmt.Errorf("reading the URL of the upstream: %w", err)
		}
		return remote(at)
	default:
		return upstream{}, fmt.Errorf("the upstream is a %T; want an http.Handler, an *httptest.Server, or a URL such as \"http://127.0.0.1:9000\"", of)
	}
}

func serveHandler(t testing.TB, h http.Handler) upstream {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return upstream{&url.URL{Scheme: "http", Host: srv.Listener.Addr().String()}, true}
}

// remote returns the upstream at a URL.
func remote(at *url.URL) (upstream, error) {
	switch {
	case at.Scheme != "http" && at.Scheme != "https", at.Host == "":
		return upstream{}, fmt.Errorf("the upstream is '%s'; want a scheme and a host, such as http://127.0.0.1:9000", at.Redacted())
	case at.User != nil: // reverse_proxy sends none
		return upstream{}, fmt.Errorf("the upstream is '%s', with credentials; write %s://%s, and send them with the requests, as with Request.SetBasicAuth", at.Redacted(), at.Scheme, at.Host)
	case at.Path != "" && at.Path != "/" || at.RawQuery != "":
		return upstream{}, fmt.Errorf("the upstream is '%s', with a path or a query; write %s://%s, and send the path with the requests", at, at.Scheme, at.Host)
	}
	return upstream{at, false}, nil
}

// proxy returns the configuration of Caddy's reverse_proxy.
func (u upstream) proxy() map[string]any {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	config := map[string]any{"upstreams": []any{map[string]string{"dial": net.JoinHostPort(u.Hostname(), port)}}}
	if u.Scheme == "https" {
		config["transport"] = map[string]any{"protocol": "http", "tls": map[string]any{"insecure_skip_verify": u.local}}
	}
	if !u.local { // such as a virtual host
		config["headers"] = map[string]any{"request": map[string]any{"set": map[string]any{"Host": []string{u.Host}}}}
	}
	return config
}
