package inject

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// loadTransport provisions a transport from its JSON, with an inner transport that
// answers as [upstream] does.
func loadTransport(t testing.TB, config string) *Transport {
	t.Helper()
	tr, err := tryLoadTransport(t, config)
	if err != nil {
		t.Fatalf("loading %s: %v", config, err)
	}
	tr.inner = roundTripFunc(func(r *http.Request) (*http.Response, error) {
		closeBody(r)
		return upstreamReply(), nil
	})
	return tr
}

func tryLoadTransport(t testing.TB, config string) (*Transport, error) {
	t.Helper()
	ctx, err := testkit.Provision(t, control.New(), "")
	if err != nil {
		return nil, err
	}
	return testkit.Load[*Transport](t, ctx, "http.reverse_proxy.transport.fault", config)
}

// roundTrip makes an attempt and reads the reply.
func roundTrip(t *testing.T, tr *Transport, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestTransportRefused(t *testing.T) {
	tests := []struct{ name, config, want string }{
		{"kind", `{"rules": [{"faults": [{"fault": "corrupt", "percent": 1}]}]}`, "corrupt cannot be used in a transport"},
		{"branch", `{"rules": [{"faults": [{"fault": "choose", "branches": [{"weight": 1, "faults": [{"fault": "corrupt", "percent": 1}]}]}]}]}`, "corrupt cannot be used in a transport"},
		{"step", `{"rules": [{"faults": [{"fault": "sequence", "steps": [[{"fault": "corrupt", "percent": 1}]]}]}]}`, "corrupt cannot be used in a transport"},
		{"hang", `{"rules": [{"faults": [{"fault": "hang", "after": "1KiB"}]}]}`, "hang with after cannot be used in a transport"},
		{"triggers", `{"triggers": [{"source": "header"}]}`, `unknown field "triggers"`},
		{"transport", `{"transport": {"protocol": "pigeon"}}`, "transport.protocol: unknown name 'pigeon': want one of fastcgi, fault, http"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tryLoadTransport(t, tt.config); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

// If a snippet is imported twice, both of its transports get the name of one line. If
// they differ, the error says how to name them, and doing so works.
func TestTransportInSnippet(t *testing.T) {
	const help = "give the transport another name with point, in a snippet for example point {args[0]}"
	for _, tt := range []struct{ point, rule, want string }{
		{"", "respond 503", ""},
		{"", "respond {args[0]}", "rule 'rule1' of point 'transport4' is configured twice, with different settings; " + help},
		{"seed {args[0]}", "respond 503", "point 'transport4' is configured twice, with different sticky or seed"},
		{"seed {args[0]}", "respond 503", help},
		{"point mine", "respond {args[0]}", "point 'mine' is configured twice, with different settings; give the rules or the points different names"},
		{"point up{args[0]}", "respond {args[0]}", ""},
	} {
		config, err := testkit.Adapt(t, `
(up) {
	reverse_proxy localhost:1 {
		transport fault {
			`+tt.point+`
			`+tt.rule+`
		}
	}
}

http://localhost:0 {
	handle /a {
		import up 503
	}
	import up 504
}`)
		if err != nil {
			t.Fatal(err)
		}
		err = testkit.ValidateConfig(t, config)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s, %s: got error %v, want %q", tt.point, tt.rule, err, tt.want)
		}
	}
}

func TestHandlerRefusesWhatIsForTransports(t *testing.T) {
	for _, tt := range []struct{ config, want string }{
		{`{"rules": [{"faults": [{"fault": "refuse"}]}]}`, "refuse is only allowed in a transport"},
		{`{"rules": [{"health_checks": true, "faults": [{"fault": "close"}]}]}`, "health_checks is only allowed in a transport"},
	} {
		if _, err := tryLoad(t, tt.config, ""); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q", tt.config, err, tt.want)
		}
	}
}

func TestTransportTellsOfAHit(t *testing.T) {
	tr := loadTransport(t, `{"point": "tp", "rules": [{"name": "lost", "match": [{"path": ["/lost"]}], "faults": [{"fault": "respond", "status_code": 551}]}]}`)
	testkit.Grows(t, metrics.InjectedTotal.WithLabelValues("tp", "lost", "respond"), 1)
	core, logs := observer.New(zapcore.DebugLevel)
	tr.logger = zap.New(core)

	r := testkit.Request(http.MethodGet, "/lost", nil)
	resp, body := roundTrip(t, tr, r)
	if resp.StatusCode != 551 || resp.Status != "551 User Not Local" || resp.ContentLength != 54 || len(body) != 54 {
		t.Errorf("got %s, length %d, %s, want 551 and 54 bytes", resp.Status, resp.ContentLength, body)
	}
	if got := resp.Header.Get("X-Fault-Injected"); got != "lost" {
		t.Errorf("got X-Fault-Injected %q, want lost", got)
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if got := repl.ReplaceAll("{http.fault.rule} {http.fault.kind}", ""); got != "lost respond" {
		t.Errorf("placeholders: got %q", got)
	}
	if n := logs.FilterMessage("injected a fault").Len(); n != 1 {
		t.Errorf("got %d debug lines, want 1", n)
	}

	resp, body = roundTrip(t, tr, testkit.Request(http.MethodGet, "/", nil))
	if resp.StatusCode != http.StatusOK || body != testkit.UpstreamBody || resp.Header["X-Fault-Injected"] != nil {
		t.Errorf("got %d %s %v, want the upstream's reply", resp.StatusCode, body, resp.Header)
	}
}

func TestTransportPhaseResponse(t *testing.T) {
	tr := loadTransport(t, `{"point": "tpr", "rules": [
		{"name": "missing", "match_response": {"status_code": [404]}, "faults": [{"fault": "reset"}]},
		{"name": "lost", "match_response": {"status_code": [200]}, "faults": [{"fault": "respond", "status_code": 503}]}
	]}`)
	var reply *http.Response
	inner := tr.inner
	tr.inner = roundTripFunc(func(r *http.Request) (resp *http.Response, err error) {
		reply, err = inner.RoundTrip(r)
		return reply, err
	})
	resp, _ := roundTrip(t, tr, testkit.Request(http.MethodPost, "/", nil))
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header["X-Upstream"] != nil {
		t.Errorf("got %d %v, want a 503 without anything of the upstream's", resp.StatusCode, resp.Header)
	}
	if reply == nil || !reply.Body.(*watchedBody).closed {
		t.Error("the request did not reach the upstream, or the reply was not closed")
	}

	down := errors.New("down")
	tr.inner = roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, down })
	if resp, err := tr.RoundTrip(testkit.Request(http.MethodGet, "/", nil)); resp != nil || err != down {
		t.Errorf("got %v, %v, want the upstream's error", resp, err)
	}
}

func TestTransportDryRun(t *testing.T) {
	tr := loadTransport(t, `{"point": "tdry", "rules": [{"dry_run": true, "faults": [{"fault": "refuse"}]}]}`)
	testkit.Grows(t, metrics.InjectedTotal.WithLabelValues("tdry", "rule1", "refuse"), 0)
	core, logs := observer.New(zapcore.DebugLevel)
	tr.logger = zap.New(core)
	if _, body := roundTrip(t, tr, testkit.Request(http.MethodGet, "/", nil)); body != testkit.UpstreamBody {
		t.Errorf("got %q, want the upstream's reply", body)
	}
	if n := logs.FilterMessage("would have injected a fault").Len(); n != 1 {
		t.Errorf("got %d debug lines, want 1", n)
	}
}

func TestTransportHealthChecks(t *testing.T) {
	const choosy = `"match": [{"client_ip": {"ranges": ["10.0.0.0/8"]}}, {"vars": {"a": ["b"]}}, {"path": ["/health"]}], "per": "{http.request.uuid}", "times": 1`
	tests := []struct{ name, rule string }{
		{"pass", `"name": "pass", ` + choosy},
		{"hit", `"name": "hit", "health_checks": true, ` + choosy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := loadTransport(t, `{"point": "checks", "rules": [{`+tt.rule+`, "faults": [{"fault": "respond", "status_code": 503}]}]}`)
			want := http.StatusOK
			if tt.name == "hit" {
				want = http.StatusServiceUnavailable
			}
			if resp, _ := roundTrip(t, tr, testkit.HealthCheck("/health")); resp.StatusCode != want {
				t.Errorf("got %d, want %d", resp.StatusCode, want)
			}
			if resp, _ := roundTrip(t, tr, testkit.HealthCheck("/other")); resp.StatusCode != http.StatusOK {
				t.Errorf("a health check that does not match: got %d, want 200", resp.StatusCode)
			}
			if resp, _ := roundTrip(t, tr, testkit.Request(http.MethodGet, "/health", nil)); resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("a client's request: got %d, want 503", resp.StatusCode)
			}
		})
	}
}

// A health check has separate placeholders and those of the upstream. Unknown ones are
// empty.
func TestTransportHealthCheckPlaceholders(t *testing.T) {
	for _, tt := range []struct {
		match string
		hit   bool
	}{
		{`"vars": {"{http.reverse_proxy.upstream.hostport}": ["app:80"]}`, true},
		{`"vars": {"{http.reverse_proxy.upstream.host}": ["app"]}`, true},
		{`"vars": {"{http.reverse_proxy.upstream.port}": ["80"]}`, true},
		{`"vars": {"{http.reverse_proxy.upstream.address}": ["tcp/app:80"]}`, true},
		{`"vars": {"{http.reverse_proxy.upstream.hostport}": ["other:80"]}`, false},
		{`"expression": "{http.request.uri.path} == '/health'"`, true},
		{`"expression": "{http.request.uri.path} == '/other'"`, false},
		{`"expression": "{http.request.header.X-Check} == '1'"`, true},
		{`"vars": {"{http.request.local.host}": [""]}`, true},
		{`"vars": {"{http.request.remote.host}": [""]}`, true},
	} {
		tr := loadTransport(t, `{"point": "checked", "rules": [{"match": [{`+tt.match+`}], "health_checks": true, "faults": [{"fault": "respond", "status_code": 503}]}]}`)
		r := testkit.HealthCheck("/health")
		r.RemoteAddr = ""
		r.Header.Set("X-Check", "1")
		info := reverseproxy.DialInfo{Network: "tcp", Address: "app:80", Host: "app", Port: "80"}
		r = r.WithContext(context.WithValue(r.Context(), caddy.CtxKey("reverse_proxy.dial_info"), info))
		resp, _ := roundTrip(t, tr, r)
		if hit := resp.StatusCode == http.StatusServiceUnavailable; hit != tt.hit {
			t.Errorf("%s: hit %v, want %v", tt.match, hit, tt.hit)
		}
	}
}

// Keys belong to the client's request, however they are written. The request to the
// upstream may have other fields.
func TestTransportKeysAreOfTheClient(t *testing.T) {
	attempts := func(point string) (hits int) {
		tr := loadTransport(t, point)
		client := testkit.Request(http.MethodGet, "/", nil)
		client.Header.Set("X-Sent", "by the client")
		for i := range 20 {
			sent := client.Clone(client.Context())
			sent.Header.Set("X-Sent", strconv.Itoa(i))
			if resp, _ := roundTrip(t, tr, sent); resp.StatusCode == http.StatusServiceUnavailable {
				hits++
			}
		}
		return hits
	}
	const respond = `"faults": [{"fault": "respond", "status_code": 503}]`
	for _, key := range []string{"{http.request.header.X-Sent}", "k-{http.request.header.X-Sent}"} {
		if hits := attempts(`{"point": "tper", "rules": [{"per": "` + key + `", "times": 1, ` + respond + `}]}`); hits != 1 {
			t.Errorf("per %s: got %d hits of one client, want 1", key, hits)
		}
		if hits := attempts(`{"point": "tsticky", "sticky": "` + key + `", "rules": [{"percent": 50, ` + respond + `}]}`); hits != 0 && hits != 20 {
			t.Errorf("sticky %s: got %d hits of 20, want the same answer for one client", key, hits)
		}
	}
}

// A matcher that fails does not match. The attempt is made, and so is a health check.
func TestTransportMatcherErrors(t *testing.T) {
	tr := loadTransport(t, `{"point": "terr", "rules": [{`+failing+`, "health_checks": true, "faults": [{"fault": "refuse"}]}]}`)
	testkit.Grows(t, metrics.PassedTotal.WithLabelValues("terr", "rule1", "match_error"), 2)
	check := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, r := range []*http.Request{testkit.Request(http.MethodPost, "/", nil), check} {
		resp, err := tr.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("got %v, %v, want the upstream's reply", resp, err)
		}
		_ = resp.Body.Close()
	}
}

// An attempt is active until it has a result.
func TestTransportReleases(t *testing.T) {
	tr := loadTransport(t, `{"point": "tmax", "rules": [{"max_active": 1, "faults": [{"fault": "reset"}]}]}`)
	for range 3 {
		if _, err := tr.RoundTrip(testkit.Request(http.MethodGet, "/", nil)); err == nil {
			t.Fatal("an attempt passes while the one before is active")
		}
	}
}

// If no rule fires, the attempt allocates nothing more.
func TestTransportAllocatesNothing(t *testing.T) {
	tr := loadTransport(t, `{"point": "talloc", "rules": [{"match": [{"header": {"X-Chaos": ["1"]}}], "faults": [{"fault": "reset"}]}]}`)
	reply := upstreamReply()
	tr.inner = roundTripFunc(func(*http.Request) (*http.Response, error) { return reply, nil })
	r := testkit.Request(http.MethodGet, "/", nil)
	if got := testing.AllocsPerRun(100, func() { _, _ = tr.RoundTrip(r) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

// askable implements all that reverse_proxy may use in a transport.
type askable struct {
	http.RoundTripper
	tls, h2c bool
}

func (a *askable) TLSEnabled() bool                             { return a.tls }
func (a *askable) EnableTLS(*reverseproxy.TLSConfig) error      { a.tls = true; return nil }
func (a *askable) EnableH2C() error                             { a.h2c = true; return nil }
func (*askable) ProxyProtocolEnabled() bool                     { return true }
func (*askable) OverrideHealthCheckScheme(u *url.URL, _ string) { u.Scheme = "https" }
func (*askable) DefaultBufferSizes() (int64, int64)             { return 1, 2 }
func (*askable) RequestHeaderOps() *headers.HeaderOps           { return new(headers.HeaderOps) }
func (*askable) RequiresContentLength() bool                    { return true }
func (*askable) CaddyModule() caddy.ModuleInfo                  { return caddy.ModuleInfo{ID: "x.askable"} }

func TestTransportAsksTheOneInside(t *testing.T) {
	inner := new(askable)
	tr := &Transport{inner: inner}
	u := new(url.URL)
	tr.OverrideHealthCheckScheme(u, "")
	in, out := tr.DefaultBufferSizes()
	if tr.TLSEnabled() || tr.EnableTLS(nil) != nil || !tr.TLSEnabled() || tr.EnableH2C() != nil || !inner.h2c ||
		!tr.ProxyProtocolEnabled() || u.Scheme != "https" || in != 1 || out != 2 || tr.RequestHeaderOps() == nil || !tr.RequiresContentLength() {
		t.Error("the inner transport is not used")
	}

	tr.inner = http.DefaultTransport
	u = new(url.URL)
	tr.OverrideHealthCheckScheme(u, "")
	in, out = tr.DefaultBufferSizes()
	if tr.TLSEnabled() || tr.EnableTLS(nil) == nil || tr.EnableH2C() != nil || tr.ProxyProtocolEnabled() ||
		u.Scheme != "" || in != 0 || out != 0 || tr.RequestHeaderOps() != nil || tr.RequiresContentLength() {
		t.Error("a transport that can do none of it does some")
	}
}
