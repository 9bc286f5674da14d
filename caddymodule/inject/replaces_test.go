package inject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// replacing are faults that end the request alone.
var replacing = []string{
	respond551,
	`{"fault": "respond", "status_code": 204}`,
	`{"fault": "error", "status_code": 503}`,
	`{"fault": "grpc", "code": "UNAVAILABLE"}`,
	`{"fault": "hang", "duration": "1m"}`,
	`{"fault": "hang"}`,
	`{"fault": "close"}`,
	`{"fault": "reset"}`,
	`{"fault": "garbage"}`,
	`{"fault": "malformed"}`,
}

// A fault of phase response that never calls next runs without a coroutine. The result
// equals that with a coroutine, which a choose around the fault requires. This also
// holds if the rule is not allowed to inject.
func TestReplacesAsBeside(t *testing.T) {
	for _, fault := range replacing {
		for _, tt := range []struct {
			name, rule, app string
			meanwhile       func(h *Handler) // before the header of the reply
		}{
			{"fires", "", "", nil},
			{"dry run", `"dry_run": true, `, "", nil},
			{"dry run of the app", "", `{"dry_run": true}`, nil},
			{"overflow", "", `{"max_active": 1}`, func(h *Handler) { h.ctl.Active.Add(1) }},
			{"halted", "", "", func(h *Handler) { h.ctl.Switch.Set(experiments.State{Halted: true}) }},
			{"halted later", "", "", func(h *Handler) {
				time.AfterFunc(time.Second, func() { h.ctl.Switch.Set(experiments.State{Halted: true}) })
			}},
		} {
			for _, upstream := range slices.Sorted(maps.Keys(upstreams)) {
				var got [2]string
				for i, chain := range []string{fault, `{"fault": "choose", "branches": [{"weight": 1, "faults": [` + fault + `]}]}`} {
					synctest.Test(t, func(t *testing.T) {
						h := load(t, `{"rules": [{`+tt.rule+`"phase": "response", "faults": [`+chain+`]}]}`, tt.app)
						defer h.ctl.BeginExit()
						if replaces := h.Rules[0].Faults.Replaces(); replaces != (i == 0) {
							t.Fatalf("%s: Replaces reports %v", chain, replaces)
						}
						// The client's context and the derived one end at the same instant, in either order.
						got[i] = strings.ReplaceAll(replaced(h, tt.meanwhile, upstreams[upstream]), "context canceled", "context deadline exceeded")
					})
				}
				if got[0] != got[1] {
					t.Errorf("%s, %s, upstream %s: got\n%s\nand with a coroutine\n%s", fault, tt.name, upstream, got[0], got[1])
				}
			}
		}
	}
}

// upstreams reply in several ways, and report the result.
var upstreams = map[string]caddyhttp.HandlerFunc{
	"replies": func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("ETag", `"1"`)
		w.WriteHeader(http.StatusCreated)
		time.Sleep(time.Second)
		_, err := io.WriteString(w, "upstream")
		return err
	},
	"is silent after its head": func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(http.StatusOK)
		select {
		case <-r.Context().Done():
			return r.Context().Err()
		case <-time.After(time.Hour):
			return errors.New("came to its end")
		}
	},
	"gives up": func(w http.ResponseWriter, r *http.Request) error {
		_, _ = io.WriteString(w, "upstream")
		select {
		case <-r.Context().Done():
		case <-time.After(time.Hour):
		}
		panic(http.ErrAbortHandler)
	},
	"fails": func(http.ResponseWriter, *http.Request) error {
		return caddyhttp.Error(http.StatusBadGateway, errors.New("no upstream"))
	},
}

// replaced sends a request to h for a client that leaves in the end, and describes the
// result.
func replaced(h *Handler, meanwhile func(*Handler), upstream caddyhttp.HandlerFunc) (all string) {
	w, began := httptest.NewRecorder(), time.Now()
	var upstreamErr, err error
	var active int64
	defer func() {
		all = fmt.Sprintf("%d %q %v, error %s, panic %v, upstream %s, after %v\n",
			w.Code, w.Body, w.Header(), describe(err), recover(), describe(upstreamErr), time.Since(began))
		for e := range h.ctl.Journal.Entries(experiments.Query{}) {
			e.ID, e.Kind, e.Time = 0, "", time.Time{}
			all += fmt.Sprintf("%+v\n", e)
		}
		all += fmt.Sprintf("active %d, then %d; %+v", active, h.Rules[0].Stats().Active, h.Rules[0].Stats())
	}()
	counts := caddyhttp.NewResponseRecorder(w, nil, nil)
	r := testkit.Request(http.MethodGet, "/", counts)
	ctx, leave := context.WithTimeout(r.Context(), 10*time.Minute)
	defer leave()
	err = h.ServeHTTP(counts, r.WithContext(ctx), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if meanwhile != nil {
			meanwhile(h)
		}
		upstreamErr = errors.New("did not return")
		upstreamErr = upstream(w, r)
		active = h.Rules[0].Stats().Active // a dry run stays active until here
		return upstreamErr
	}))
	return all
}

// describe returns an error without the ID that Caddy adds.
func describe(err error) string {
	if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		return fmt.Sprintf("%d %v", he.StatusCode, he.Err)
	}
	return fmt.Sprint(err)
}

// A chain replaces the reply only if it is a single fault that never calls next.
func TestReplaces(t *testing.T) {
	for _, chain := range []string{
		`{"fault": "delay", "duration": "1ns"}`,
		`{"fault": "delay", "duration": "1ns"}, ` + respond551, // which an end of the delay skips
		`{"fault": "choose", "branches": [{"weight": 1, "faults": [` + respond551 + `]}]}`,
		`{"fault": "sequence", "loop": true, "steps": [[` + respond551 + `]]}`,
		`{"fault": "hang", "after": "1KiB"}`,
	} {
		if h := load(t, onResponse(chain), ""); h.Rules[0].Faults.Replaces() {
			t.Errorf("%s: got true", chain)
		}
	}
	if (faults.Chain{}).Replaces() {
		t.Error("a chain without faults: got true")
	}
}
