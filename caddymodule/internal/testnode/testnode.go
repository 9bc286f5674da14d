// Package testnode provides a running configuration for tests: an injection point, its
// app and the API, with a separate control.
package testnode

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// Shop is a point with two rules, and Slow500 is an experiment, for tests that do not
// depend on the details.
const (
	Shop = `{"point": "shop", "rules": [
		{"name": "gone", "match": [{"path": ["/gone"]}], "faults": [{"fault": "respond", "status_code": 551}]},
		{"name": "third", "match": [{"path": ["/third"]}], "every": 3, "faults": [{"fault": "respond", "status_code": 552}]}]}`
	Slow500 = `{"match": [{"path": ["/slow"]}], "faults": [{"fault": "respond", "status_code": 500}]}`
)

// Node is a running configuration with one handler and its API.
type Node struct {
	*inject.Handler
	T   testing.TB
	App *control.App
	Ctl *control.Control
	API http.Handler
}

// TryLoad provisions a handler and an app from their JSON.
func TryLoad(t testing.TB, handler, app string) (*Node, error) {
	t.Helper()
	ctl := control.New()
	ctx, err := testkit.Provision(t, ctl, app)
	if err != nil {
		return nil, err
	}
	h, err := LoadIn(t, ctx, handler)
	if err != nil {
		return nil, err
	}
	return &Node{Handler: h, T: t, App: testkit.App(t, ctx), Ctl: ctl, API: api.New(ctl, ctx.Storage())}, nil
}

// LoadIn provisions a handler in a context.
func LoadIn(t testing.TB, ctx caddy.Context, handler string) (*inject.Handler, error) {
	t.Helper()
	return testkit.Load[*inject.Handler](t, ctx, "http.handlers.fault", handler)
}

// Start starts a configuration. In a synctest bubble, it must be stopped before the
// bubble ends.
func Start(t testing.TB, handler, app string) *Node {
	t.Helper()
	n, err := TryLoad(t, handler, app)
	if err != nil {
		t.Fatalf("loading %s: %v", handler, err)
	}
	if err := n.App.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Ctl.Switch.Set(experiments.State{Halted: true}) // ends the experiments
		n.Ctl.BeginExit()
		if err := n.App.Stop(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// Do sends a request to the API.
func (n *Node) Do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(n.T.Context(), method, api.Prefix+path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	n.API.ServeHTTP(w, r)
	return w
}

// Want sends a request to the API and checks the status of the answer and that it
// contains text.
func (n *Node) Want(status int, method, path, body, text string, header ...string) *httptest.ResponseRecorder {
	n.T.Helper()
	w := n.Do(method, path, body, header...)
	if w.Code != status || !strings.Contains(w.Body.String(), text) {
		n.T.Errorf("%s %s %.60s: got %d %s, want %d and %q", method, path, body, w.Code, w.Body, status, text)
	}
	if status >= 400 {
		var no struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &no); err != nil || no.Error == "" || w.Header().Get("Content-Type") != "application/json" {
			n.T.Errorf("%s %s: the error is %s %s", method, path, w.Header().Get("Content-Type"), w.Body)
		}
	}
	return w
}

// Put starts an experiment.
func (n *Node) Put(name, experiment string) {
	n.T.Helper()
	n.Want(http.StatusCreated, "PUT", "/experiments/"+name, experiment, `"name": "`+name+`"`)
}

// Hit sends a request to the site and returns the status.
func (n *Node) Hit(target string) int {
	n.T.Helper()
	resp, _, err := testkit.Get(n.T, n.Handler, target, testkit.Upstream) //nolint:bodyclose // Get has read it
	if err != nil {
		n.T.Fatal(err)
	}
	return resp.StatusCode
}

// Beside provisions another handler in the node's configuration.
func (n *Node) Beside(handler string) *inject.Handler {
	n.T.Helper()
	h, err := LoadIn(n.T, n.App.Context(), handler)
	if err != nil {
		n.T.Fatalf("loading %s: %v", handler, err)
	}
	return h
}
