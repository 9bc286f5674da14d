package control

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Clients configures how Caddy records and judges what clients do after a fault. Records
// outlive a reload.
type Clients struct {
	// Record nothing. Default: false.
	Off bool `json:"off,omitempty"`

	// A text with placeholders that names a call, such as
	// `{http.request.header.X-Request-Id}`. All attempts of a call have the same name. If
	// the text is empty for a request, or by default, the call is known by
	// `Idempotency-Key`, by what SDKs send, by the trace, or by a guess.
	Call string `json:"call,omitempty"`

	// A text with placeholders that names a client. Default: the user who has logged in,
	// or else the product in `User-Agent` and the client's address.
	Client string `json:"client,omitempty"`

	// Requests that a client may repeat whatever their method, such as the POST requests
	// of a query language. Default: none.
	IdempotentRaw caddyhttp.RawMatcherSets `json:"idempotent,omitempty" caddy:"namespace=http.matchers"`

	// How long a call stays open after a failed attempt, at most 10m. A `Retry-After`
	// that the client received keeps it open longer. Default: 1m.
	Window caddy.Duration `json:"window,omitempty" zero:"default"`

	// How long a client may take to succeed after the end of a fault. Default: 30s.
	Recovery caddy.Duration `json:"recovery,omitempty" zero:"default"`

	// How many calls may be open, and how many closed ones are kept: at most 100000.
	// Default: 4096.
	MaxCalls int `json:"max_calls,omitempty" zero:"default"`

	// How many attempts of a call are fine, at most 1000. Default: 5.
	Attempts int `json:"attempts,omitempty" zero:"default"`

	idempotent caddyhttp.MatcherSets
}

const (
	maxClientsWindow = 10 * time.Minute
	maxClientsCalls  = 100_000
	maxAttempts      = 1000
)

func (c *Clients) provision(ctx caddy.Context) error {
	if c == nil {
		return nil
	}
	return loadMatchers(ctx, c, c.IdempotentRaw, "IdempotentRaw", "idempotent", &c.idempotent)
}

func (c *Clients) validate() error {
	switch {
	case c == nil:
		return nil
	case c.Window < 0 || time.Duration(c.Window) > maxClientsWindow:
		return fmt.Errorf("bad window of clients '%s': want more than 0 and at most %s", time.Duration(c.Window), maxClientsWindow)
	case c.Recovery < 0:
		return fmt.Errorf("bad recovery of clients '%s': negative", time.Duration(c.Recovery))
	case c.MaxCalls < 0 || c.MaxCalls > maxClientsCalls:
		return fmt.Errorf("bad max_calls '%d': want 1 to %d", c.MaxCalls, maxClientsCalls)
	case c.Attempts < 0 || c.Attempts > maxAttempts:
		return fmt.Errorf("bad attempts of clients '%d': want 1 to %d", c.Attempts, maxAttempts)
	}
	return errors.Join(rules.ValidKey("call", c.Call), rules.ValidKey("client", c.Client))
}

func (c *Clients) settings() clients.Settings {
	if c == nil {
		return clients.Settings{}
	}
	return clients.Settings{
		Window: time.Duration(c.Window), Recovery: time.Duration(c.Recovery), MaxCalls: c.MaxCalls, Attempts: c.Attempts,
	}
}

// RecordsClients reports whether the configuration wants to know what clients do.
func (a *App) RecordsClients() bool { return a.Clients == nil || !a.Clients.Off }

// NamesOf returns the names of a request's call and client by the configuration, which
// may be empty.
func (a *App) NamesOf(repl *caddy.Replacer) (call, client string) {
	if a.Clients == nil {
		return "", ""
	}
	return fill(a.Clients.Call, repl), fill(a.Clients.Client, repl)
}

// fill returns a text with the values of its placeholders. What is unknown is empty.
func fill(pattern string, repl *caddy.Replacer) string {
	if pattern == "" {
		return ""
	}
	return repl.ReplaceAll(pattern, "")
}

// Repeatable reports whether the configuration says that a client may repeat a request,
// whatever its method.
func (a *App) Repeatable(r *http.Request) bool {
	if a.Clients == nil {
		return false
	}
	return matchesAny(a.Clients.idempotent, r)
}
