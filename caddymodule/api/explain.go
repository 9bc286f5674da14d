package api

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
	caddyroutes "github.com/caddyfault/caddyfault/caddymodule/routes"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// ExplainRequest is the request to explain.
type ExplainRequest struct {
	// Method is the HTTP method. Default: GET.
	Method string `json:"method,omitempty"`

	// URL is an absolute URL or a path. Required.
	URL string `json:"url"`

	// Header has one value, or a list of values, for each header field.
	Header map[string]HeaderValues `json:"header,omitempty"`

	// Client is the IP address that the request comes from, such as 192.0.2.1. Default:
	// 127.0.0.1.
	Client string `json:"client,omitempty"`

	// Body is the body as text. Default: no body.
	Body *string `json:"body,omitempty"`
}

// HeaderValues is a string or a list of strings in JSON.
type HeaderValues []string

// UnmarshalJSON reads a string or a list of strings.
func (v *HeaderValues) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte(`"`)) {
		*v = []string{""}
		return json.Unmarshal(data, &(*v)[0])
	}
	if json.Unmarshal(data, (*[]string)(v)) != nil {
		return errors.New(`want a string or a list of strings, such as "7"`)
	}
	return nil
}

// explain answers what would happen to a request: where it goes, and at each point
// which rule would hit it, or why not.
func (a *service) explain(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	var asked ExplainRequest
	if err := strictjson.Decode(body, &asked); err != nil {
		return Refuse(http.StatusBadRequest, "%v", err)
	}
	ask, err := asked.ask()
	if err != nil {
		return Refuse(http.StatusBadRequest, "%v", err)
	}
	return Answer(w, http.StatusOK, a.answer(ask))
}

// wholeURL returns what to write instead of an address without a scheme, such as
// localhost:8080/api, or a path without its slash.
func wholeURL(text string) string {
	whole, err := url.Parse("http://" + text)
	switch {
	case strings.Contains(text, "://"), strings.HasPrefix(text, "/"):
	case err == nil && (whole.Port() != "" || whole.Hostname() == "localhost" || strings.Contains(whole.Hostname(), ".")):
		return "http://" + text
	case !strings.Contains(text, ":"):
		return "/" + text
	}
	return "a path such as /api/orders, or a whole URL such as https://example.com/api/orders"
}

// ask checks e and returns the request to follow. The request is built again for each
// way, because handlers and matchers may change it.
func (e *ExplainRequest) ask() (*caddyroutes.Ask, error) {
	if e.URL == "" {
		return nil, Refuse(http.StatusBadRequest, "url: required")
	}
	target, err := url.Parse(e.URL)
	if err != nil {
		return nil, Refuse(http.StatusBadRequest, "url: %v: write %s", err, wholeURL(e.URL))
	}
	if target.Opaque != "" || target.Host == "" && !strings.HasPrefix(target.EscapedPath(), "/") {
		return nil, Refuse(http.StatusBadRequest, "url: '%s' is neither a path nor a whole URL: write %s", e.URL, wholeURL(e.URL))
	}
	if _, err := http.NewRequest(e.Method, "/", nil); err != nil { //nolint:noctx // only checks that it can be built
		return nil, Refuse(http.StatusBadRequest, "method: '%s' is not a method: write one such as GET", e.Method)
	}
	if err := e.checkHeader(); err != nil {
		return nil, err
	}
	noClient := e.Client == ""
	if e.Client = cmp.Or(e.Client, "127.0.0.1"); net.ParseIP(e.Client) == nil {
		return nil, Refuse(http.StatusBadRequest, "client: '%s' is not an IP address", e.Client)
	}
	return &caddyroutes.Ask{
		New:       func() *http.Request { return e.build(target) },
		URL:       target,
		AnyHost:   e.build(target).Host == "",
		AnyClient: noClient,
		AnyBody:   e.Body == nil && e.Method != "" && e.Method != http.MethodGet && e.Method != http.MethodHead,
	}, nil
}

// checkHeader refuses header fields that no server accepts. The errors do not show the
// values, because a value may be a key.
func (e *ExplainRequest) checkHeader() error {
	hosts := 0
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		if !httpguts.ValidHeaderFieldName(name) {
			if trigger.MayHoldKey(name) {
				name = "..."
			}
			return Refuse(http.StatusBadRequest, "header: '%s' is not a valid field name", name)
		}
		for _, value := range e.Header[name] {
			if !httpguts.ValidHeaderFieldValue(value) || strings.EqualFold(name, "Host") && !httpguts.ValidHostHeader(value) {
				return Refuse(http.StatusBadRequest, "header: the value of %s has an invalid character", name)
			}
		}
		if strings.EqualFold(name, "Host") {
			hosts += len(e.Header[name])
		}
	}
	if hosts > 1 {
		return Refuse(http.StatusBadRequest, "header: Host is given %d times; give it once", hosts)
	}
	return nil
}

// build returns the request as a server receives it from a client.
func (e *ExplainRequest) build(target *url.URL) *http.Request {
	body := io.Reader(http.NoBody)
	if e.Body != nil {
		body = strings.NewReader(*e.Body)
	}
	r, _ := http.NewRequest(e.Method, "/", body) //nolint:noctx // ask has built it before
	r.Host, r.RequestURI = target.Host, target.RequestURI()
	r.URL, _ = url.ParseRequestURI(r.RequestURI) // as servers parse it, with all of //a/b in the path
	for name, values := range e.Header {
		for _, value := range values {
			r.Header.Add(name, value)
		}
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	if target.Scheme == "https" { // some matchers read it
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: target.Hostname()}
	}
	r.RemoteAddr = net.JoinHostPort(e.Client, "0")
	return r
}
