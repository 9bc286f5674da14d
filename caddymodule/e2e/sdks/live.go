package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// liveFaults are the faults that CI checks.
var liveFaults = []fault{{name: "busy"}, {name: "reset"}}

// expectation is what a client does: how many attempts it makes, by GET and by POST, and
// what it is told.
type expectation struct {
	busy, reset [2]int
	findings    string
}

// expected are the clients that CI runs.
var expected = map[string]expectation{
	"curl":                 {[2]int{1, 1}, [2]int{1, 1}, ""},
	"curl-retry":           {[2]int{4, 4}, [2]int{1, 1}, "info unsafe_retry"},
	"fetch":                {[2]int{1, 1}, [2]int{1, 1}, ""},
	"go-retryablehttp":     {[2]int{5, 5}, [2]int{5, 5}, "error unsafe_retry"},
	"got":                  {[2]int{3, 1}, [2]int{3, 1}, ""},
	"ky":                   {[2]int{3, 1}, [2]int{3, 1}, ""},
	"net-http":             {[2]int{1, 1}, [2]int{1, 1}, ""},
	"openai-node":          {[2]int{3, 3}, [2]int{3, 3}, "error unsafe_retry"},
	"p-retry":              {[2]int{4, 4}, [2]int{4, 4}, "error retry_after_ignored, error unsafe_retry"},
	"requests":             {[2]int{1, 1}, [2]int{1, 1}, ""},
	"requests-max-retries": {[2]int{4, 1}, [2]int{4, 1}, "warning no_wait"},
	"stripe-node":          {[2]int{3, 3}, [2]int{3, 3}, "error retry_after_ignored"},
	"tenacity":             {[2]int{4, 4}, [2]int{4, 4}, "error retry_after_ignored, error unsafe_retry"},
	"undici-retryagent":    {[2]int{6, 1}, [2]int{6, 1}, "warning many_attempts"},
}

// check runs the clients of CI. While many programs start, a client may come later than
// it wants to. So a client that does something else runs again, beside one other.
func check(ctx context.Context, s *settings, server *server, all []client) error {
	for name := range expected {
		if s.wants(name) && !slices.ContainsFunc(all, func(c client) bool { return c.name == name }) {
			return fmt.Errorf("the client %s is not installed", name)
		}
	}
	wrong, err := differences(ctx, s, server, all)
	if err != nil || len(wrong) == 0 {
		return err
	}
	again := slices.DeleteFunc(all, func(c client) bool { return wrong[c.name] == nil })
	for _, c := range again {
		fmt.Println("again:", wrong[c.name])
	}
	s.atOnce = 2
	if wrong, err = differences(ctx, s, server, again); err != nil {
		return err
	}
	for _, each := range wrong {
		err = errors.Join(err, each)
	}
	return err
}

// differences runs clients and returns the names of those that do not do what is
// expected.
func differences(ctx context.Context, s *settings, server *server, all []client) (wrong map[string]error, err error) {
	if err := server.forget(ctx); err != nil {
		return nil, err
	}
	runAll(ctx, s, server, all, liveFaults)
	found, err := server.clients(ctx)
	if err != nil {
		return nil, err
	}
	t := &table{found: found}
	wrong = make(map[string]error)
	for i := range all {
		c := &all[i]
		want := expected[c.name]
		if got := t.expectation(c); got != want {
			wrong[c.name] = fmt.Errorf("%s: got %+v, want %+v", c.name, got, want)
			continue
		}
		fmt.Printf("ok: %s %+v\n", c.name, want)
	}
	return wrong, nil
}

// expectation returns what a client has done, to compare it.
func (t *table) expectation(c *client) (got expectation) {
	for i, method := range []string{"GET", "POST"} {
		for column, count := range map[string]*int{"busy": &got.busy[i], "reset": &got.reset[i]} {
			if found := t.call(c, column, method); found != nil {
				*count = found.Count
			}
		}
	}
	got.findings = strings.Join(t.findings(c, func(level, name string) string { return level + " " + name }), ", ")
	return got
}
