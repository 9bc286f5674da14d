package faults

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// step is a fault that records its name, then calls next or stops.
type step struct {
	name  string
	log   *[]string
	stops bool
}

func (step) CaddyModule() caddy.ModuleInfo { return caddy.ModuleInfo{ID: Namespace + ".step"} }

func (s step) Inject(_ *Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	*s.log = append(*s.log, s.name)
	if s.stops {
		return errors.New(s.name)
	}
	return next.ServeHTTP(w, r)
}

func TestChain(t *testing.T) {
	var log []string
	a, b, c := step{"a", &log, false}, step{"b", &log, false}, step{"c", &log, true}
	tests := []struct {
		name  string
		chain Chain
		want  string
		err   string
	}{
		{"empty", Chain{}, "[next]", ""},
		{"one", Chain{a}, "[a next]", ""},
		{"in order", Chain{a, b}, "[a b next]", ""},
		{"three", Chain{b, a, b}, "[b a b next]", ""},
		{"stopped", Chain{a, c}, "[a c]", "c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log = nil
			err := tt.chain.Inject(new(Hit), httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), caddyhttp.HandlerFunc(
				func(http.ResponseWriter, *http.Request) error {
					log = append(log, "next")
					return nil
				}))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.err || sprint(log) != tt.want {
				t.Errorf("got %v, error %q, want %s, error %q", log, got, tt.want, tt.err)
			}
		})
	}
}

func sprint(words []string) string {
	s := "["
	for i, word := range words {
		if i > 0 {
			s += " "
		}
		s += word
	}
	return s + "]"
}

func TestRandRepeats(t *testing.T) {
	first, again, other := Hit{N: 1, U: 0.25}, Hit{N: 2, U: 0.25}, Hit{N: 1, U: 0.5}
	if a, b := first.Rand().Uint64(), again.Rand().Uint64(); a != b {
		t.Errorf("two hits with the same draw, as at a sticky point, got %d and %d", a, b)
	}
	if a, b := first.Rand().Uint64(), other.Rand().Uint64(); a == b {
		t.Errorf("two draws got the same %d", a)
	}
	again.Rand()
	if a, b := first.Rand().Uint64(), first.Rand().Uint64(); a == b {
		t.Errorf("two kinds of a chain got the same %d", a)
	} else if c := again.Rand().Uint64(); c != b && c != a {
		t.Errorf("the further draws of two hits are %d, %d and %d", a, b, c)
	}
}

func TestWait(t *testing.T) {
	gone := errors.New("client gone")
	tests := []struct {
		name   string
		wait   time.Duration
		ended  time.Duration // when Ended is closed, 0: never
		leaves time.Duration // when the client leaves, 0: never
		took   time.Duration
		status int
	}{
		{"over", time.Hour, 0, 0, time.Hour, 0},
		{"nothing to wait for", 0, 0, 0, 0, 0},
		{"negative", -time.Second, 0, 0, 0, 0},
		{"ended", time.Hour, time.Minute, 0, time.Minute, 0},
		{"client leaves", time.Hour, 0, time.Second, time.Second, 499},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				ended := make(chan struct{})
				if tt.ended > 0 {
					time.AfterFunc(tt.ended, func() { close(ended) })
				}
				if tt.leaves > 0 {
					time.AfterFunc(tt.leaves, func() { cancel(gone) })
				}
				start := time.Now()
				err := (&Hit{Ended: ended}).Wait(ctx, tt.wait)
				if took := time.Since(start); took != tt.took {
					t.Errorf("waited %v, want %v", took, tt.took)
				}
				status := 0
				if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
					status = he.StatusCode
				}
				if status != tt.status {
					t.Errorf("got error %v, want status %d", err, tt.status)
				}
			})
		})
	}
}
