package api

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// ExplainRequest is the request to explain.
type ExplainRequest struct {
	// Method is GET unless given.
	Method string `json:"method,omitempty"`

	// URL is absolute, or a path.
	URL string `json:"url"`

	// Header has one value or a list of them for each field.
	Header map[string]HeaderValues `json:"header,omitempty"`

	// Client is the address that the request comes from, such as 192.0.2.1.
	// Default: 127.0.0.1.
	Client string `json:"client,omitempty"`
}

// HeaderValues is one text or several in JSON.
type HeaderValues []string

// UnmarshalJSON reads both.
func (v *HeaderValues) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte(`"`)) {
		*v = []string{""}
		return json.Unmarshal(data, &(*v)[0])
	}
	return json.Unmarshal(data, (*[]string)(v))
}

// ExplainView is what would become of the request, point by point. The matchers
// see it as it is written: a rewrite that comes before a point is not known.
type ExplainView struct {
	Halted bool           `json:"halted"`
	Points []explainPoint `json:"points"`
}

type explainPoint struct {
	Point string `json:"point"`
	whereView

	// Match says whether the request comes to the point at all.
	Match bool `json:"match"`

	// Rules are in the order in which they are asked: what the request asks for
	// itself; experiments, then rules of phase request; then both of phase
	// response.
	Rules []rules.Verdict `json:"rules"`

	// Error is that of a matcher of the point, to which the request does not come
	// then.
	Error string `json:"error,omitempty"`
}

// explain tells for a request each rule, whether it would match, and why not.
func (a *service) explain(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	var asked ExplainRequest
	if err := strictjson.Decode(body, &asked); err != nil {
		return Refuse(http.StatusBadRequest, "%v", err)
	}
	request, err := asked.request()
	if err != nil {
		return Refuse(http.StatusBadRequest, "%v", err)
	}
	view := ExplainView{Halted: a.ctl.Switch.Halted(), Points: []explainPoint{}}
	app := a.ctl.Current()
	if app == nil {
		return Answer(w, http.StatusOK, view)
	}
	for _, p := range app.Points() {
		at := a.explainAt(app, p, request())
		for i := range at.Rules {
			if app.DryRun {
				at.Rules[i].OnlyTell()
			}
		}
		view.Points = append(view.Points, at)
	}
	return Answer(w, http.StatusOK, view)
}

// explainAt tells what would become of r at a point.
func (a *service) explainAt(app *control.App, p *rules.Point, r *http.Request) explainPoint {
	at := explainPoint{Point: p.Name, whereView: whereView(app.Where(p)), Rules: []rules.Verdict{}}
	at.Rules = append(at.Rules, trigger.Explain(app.Triggers(p), r, p)...)
	match, verdicts, err := p.Explain(r, a.ctl.Store.Snapshot().Guests(experiments.PlaceOf(p)))
	at.Match = match || len(at.Rules) > 0
	at.Rules = append(at.Rules, verdicts...)
	rules.Settle(at.Rules)
	if err != nil {
		at.Error = err.Error()
	}
	return at
}

// request makes the request, anew each time, for matchers may change it.
func (e *ExplainRequest) request() (func() *http.Request, error) {
	if e.URL == "" {
		return nil, Refuse(http.StatusBadRequest, "url: say which")
	}
	target, err := url.Parse(e.URL)
	if err != nil {
		return nil, Refuse(http.StatusBadRequest, "url: %v; want a path, such as /api/orders, or all of it, such as https://example.com/api/orders", err)
	}
	if target.Opaque != "" || target.Host == "" && !strings.HasPrefix(target.Path, "/") {
		return nil, Refuse(http.StatusBadRequest, "url: '%s' is neither a path, such as /api/orders, nor whole, such as https://example.com/api/orders", e.URL)
	}
	if _, err := http.NewRequest(e.Method, target.RequestURI(), nil); err != nil { //nolint:noctx // only to see whether it can be made
		return nil, Refuse(http.StatusBadRequest, "method: %v", err)
	}
	if err := e.checkHeader(); err != nil {
		return nil, err
	}
	if e.Client = cmp.Or(e.Client, "127.0.0.1"); net.ParseIP(e.Client) == nil {
		return nil, Refuse(http.StatusBadRequest, "client: '%s' is no IP address", e.Client)
	}
	return func() *http.Request { return e.build(target) }, nil
}

// checkHeader refuses header fields that no server would take. It does not show
// their values: there may be a key in one.
func (e *ExplainRequest) checkHeader() error {
	hosts := 0
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		if !httpguts.ValidHeaderFieldName(name) {
			if trigger.MayHoldKey(name) {
				name = "..."
			}
			return Refuse(http.StatusBadRequest, "header: '%s' is no name of a field", name)
		}
		for _, value := range e.Header[name] {
			if !httpguts.ValidHeaderFieldValue(value) || strings.EqualFold(name, "Host") && !httpguts.ValidHostHeader(value) {
				return Refuse(http.StatusBadRequest, "header: the value of %s has a character that cannot stand there", name)
			}
		}
		if strings.EqualFold(name, "Host") {
			hosts += len(e.Header[name])
		}
	}
	if hosts > 1 {
		return Refuse(http.StatusBadRequest, "header: Host is there %d times: give it once", hosts)
	}
	return nil
}

func (e *ExplainRequest) build(target *url.URL) *http.Request {
	r, _ := http.NewRequest(e.Method, target.RequestURI(), http.NoBody) //nolint:noctx // it has been made before
	r.Host, r.RequestURI = target.Host, target.RequestURI()
	r.URL, _ = url.ParseRequestURI(r.RequestURI) // as servers do: NewRequest takes a host out of //a/b
	for name, values := range e.Header {
		for _, value := range values {
			r.Header.Add(name, value)
		}
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	if target.Scheme == "https" {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true} // matchers of addresses want it
	}
	r.RemoteAddr = net.JoinHostPort(e.Client, "0")
	r = inject.ToMatch(r, caddy.NewReplacer(), &discarded{header: make(http.Header)})
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, e.Client)
	return r
}

// discarded is a reply that nobody reads.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarded) WriteHeader(int)             {}
