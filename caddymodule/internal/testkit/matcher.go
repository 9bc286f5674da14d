package testkit

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

func init() { caddy.RegisterModule(foreignMatcher{}) }

// foreignMatcher is a matcher of a module that is not part of Caddy.
type foreignMatcher struct {
	Panic bool `json:"panic,omitempty"`
}

func (foreignMatcher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.foreign", New: func() caddy.Module { return new(foreignMatcher) }}
}

func (m *foreignMatcher) Provision(caddy.Context) error {
	if m.Panic {
		panic("as configured")
	}
	return nil
}

func (m *foreignMatcher) MatchWithError(*http.Request) (bool, error) { return true, nil }
