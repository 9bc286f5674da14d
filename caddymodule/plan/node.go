package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

// Node is a running Caddy. An error is a [*RefusalError], or else Caddy has not answered.
type Node interface {
	// Address is the address as the user wrote it.
	Address() string

	State(ctx context.Context) (*State, error)

	// Begin starts experiments together, unless one of the names is in use. It returns
	// their revision.
	Begin(ctx context.Context, experiments map[string]json.RawMessage) (revision string, err error)

	// Extend restarts the ttl of an experiment of a revision, and returns the next one.
	Extend(ctx context.Context, name, revision string, ttl time.Duration) (next string, err error)

	// Find returns the revision and the note of an experiment.
	Find(ctx context.Context, name string) (revision, note string, err error)

	// End ends an experiment of a revision.
	End(ctx context.Context, name, revision string) error

	// Count returns how often a rule or an experiment has hit. An experiment may have
	// ended.
	Count(ctx context.Context, rule string) (int, error)

	// Seen returns what a point has seen in its last seconds.
	Seen(ctx context.Context, point string, over time.Duration) (*seen.Summary, error)

	// Calls returns the calls that have begun within the last time.
	Calls(ctx context.Context, within time.Duration) (*clients.Evidence, clients.Settings, error)
}

// State is what a plan needs to know of a node.
type State struct {
	Halted  bool
	Group   string // empty if the node shares nothing
	Process string // what no other process has; empty if it is unknown
	Version string
	Points  []string
}

// RefusalError is an answer of Caddy that refuses a request.
type RefusalError struct {
	Status  int
	Message string
}

func (r *RefusalError) Error() string { return r.Message }

// refused reports whether an error is a refusal with one of these statuses.
func refused(err error, statuses ...int) bool {
	no, ok := errors.AsType[*RefusalError](err)
	if !ok {
		return false
	}
	return slices.Contains(statuses, no.Status)
}

// mayPass reports whether the same request may succeed later.
func mayPass(err error) bool {
	_, isRefusal := errors.AsType[*RefusalError](err)
	return err != nil && (!isRefusal || refused(err, http.StatusServiceUnavailable))
}

// at adds the address of a node to an error, if the plan has several nodes.
func (r *Runner) at(n Node, err error) error {
	if err == nil || len(r.Nodes) == 1 {
		return err
	}
	return fmt.Errorf("%s: %w", n.Address(), err)
}
