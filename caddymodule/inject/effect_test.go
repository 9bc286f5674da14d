package inject_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// reply returns a handler that replies with a header and then a body.
func reply(code int, body string, fields ...string) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) error {
		for i := 0; i < len(fields); i += 2 {
			w.Header().Set(fields[i], fields[i+1])
		}
		w.WriteHeader(code)
		_, err := io.WriteString(w, body)
		return err
	}
}

// A fault without an effect counts as passed. Nothing reports a hit: not the reply, the
// counters, the journal, the metrics, the access log or verify. Another request gets
// the turn.
func TestHitHasEffect(t *testing.T) {
	const (
		truncate = `{"fault": "truncate", "percent": 50}`
		cut      = `{"fault": "truncate", "bytes": 1024}`
		dribble  = `{"fault": "dribble", "chunks": 2, "duration": "1ms"}`
		corrupt  = `{"fault": "corrupt", "percent": 50}`
		throttle = `{"fault": "throttle", "bytes_per_second": 1000000}`
		upload   = `{"fault": "throttle", "bytes_per_second": 1000000, "direction": "request"}`
		free     = `{"fault": "throttle", "bytes_per_second": 1000000, "after": 100}`
		stall    = `{"fault": "hang", "after": "1KiB", "duration": "1ms"}`
		patch    = `{"fault": "patch", "json": {"a": 2}}`
		mutate   = `{"fault": "mutate", "ops": ["drop"]}`
		field    = `{"fault": "patch", "headers": {"set": {"X-A": ["a"]}}}`
		pad      = `{"fault": "patch", "pad": 4}`
		delay    = `{"fault": "delay", "duration": "1ms"}`
		hold     = `{"fault": "delay", "duration": "1ns", "hold": true}`
		quota    = `{"fault": "ratelimit", "requests": 5, "window": "1m"}`
		steps    = `{"fault": "sequence", "loop": true, "steps": [[` + truncate + `]]}`
		branches = `{"fault": "choose", "branches": [{"weight": 1, "faults": [` + truncate + `]}]}`
	)
	const typ, length = "Content-Type", "Content-Length"
	object := reply(200, `{"a": 1}`, typ, "application/json", length, "8")
	chunked := reply(200, `{"a": 1}`, typ, "application/json")
	empty := reply(200, "", length, "0")
	unmodified := reply(304, "")
	failed := func(http.ResponseWriter, *http.Request) error { return caddyhttp.Error(502, errors.New("refused")) }
	for _, tt := range []struct {
		name   string
		method string
		faults string
		next   caddyhttp.HandlerFunc
		hit    bool
		passed string // reasons in alphabetical order
	}{
		{"truncate", "GET", truncate, object, true, ""},
		{"truncate, no length", "GET", truncate, chunked, false, "no_length"},
		{"truncate, nothing", "GET", truncate, empty, false, "no_body"},
		{"truncate, nothing at all", "GET", truncate, func(http.ResponseWriter, *http.Request) error { return nil }, false, "no_body"},
		{"truncate, 304", "GET", truncate, unmodified, false, "no_body"},
		{"truncate, HEAD", "HEAD", truncate, object, false, "no_body"},
		{"truncate, an error", "GET", truncate, failed, false, "no_reply"},
		{"cut, short", "GET", cut, object, false, "short"},
		{"cut, short of unknown length", "GET", cut, chunked, true, "short"},
		{"dribble", "GET", dribble, object, true, ""},
		{"dribble, no length", "GET", dribble, chunked, false, "no_length"},
		{"dribble, 204", "GET", dribble, reply(204, ""), false, "no_body"},
		{"corrupt", "GET", corrupt, object, true, ""},
		{"corrupt, HEAD", "HEAD", corrupt, object, false, "no_body"},
		{"throttle", "GET", throttle, object, true, ""},
		{"throttle, nothing", "GET", throttle, empty, false, "no_body"},
		{"throttle, short", "GET", free, object, false, "short"},
		{"throttle, short of unknown length", "GET", free, chunked, true, "short"},
		{"throttle request", "POST", upload, object, true, ""},
		{"throttle request, nothing", "GET", upload, object, false, "no_body"},
		{"hang after, short", "GET", stall, object, false, "short"},
		{"hang after, HEAD", "HEAD", stall, object, false, "no_body"},
		{"patch", "GET", patch, object, true, ""},
		{"mutate", "GET", mutate, object, true, ""},
		{"mutate, nothing to drop", "GET", mutate, reply(200, "[1]", typ, "application/json"), false, "no_place"},
		{"mutate, no JSON", "GET", mutate, reply(200, "text", typ, "text/plain"), false, "not_json"},
		{"mutate, packed", "GET", mutate, reply(200, "?", typ, "application/json", "Content-Encoding", "br"), false, "encoded"},
		{"patch, no JSON", "GET", patch, reply(200, "text", typ, "text/plain"), false, "not_json"},
		{"patch, packed", "GET", patch, reply(200, "?", typ, "application/json", "Content-Encoding", "br"), false, "encoded"},
		{"patch, a part", "GET", patch, reply(206, `{"a"`, typ, "application/json"), false, "partial"},
		{"patch, large", "GET", `{"fault": "patch", "json": {"a": 2}, "max_size": 4}`, chunked, false, "too_large"},
		{"patch, the same", "GET", `{"fault": "patch", "json": {"a": 1}}`, object, false, "no_change"},
		{"patch, HEAD", "HEAD", patch, object, false, "no_body"},
		{"patch, 304", "GET", patch, unmodified, false, "no_body"},
		{"patch header, 304", "GET", field, unmodified, true, ""},
		{"pad, long enough", "GET", pad, object, false, "no_change"},
		{"delay", "GET", delay, object, true, ""},
		{"hold, late", "GET", hold, object, false, "no_delay"},
		{"step without effect", "GET", steps, chunked, false, "no_length"},
		{"branch without effect", "GET", branches, chunked, false, "no_length"},
		{"branch", "GET", branches, object, true, ""},
		{"one of two", "GET", delay + "," + truncate, chunked, true, "no_length"},
		{"the other of two", "GET", truncate + "," + delay, chunked, true, "no_length"},
		{"none of two", "HEAD", corrupt + "," + cut, object, false, "no_body"},
		{"ratelimit", "GET", quota, object, false, "within_quota"},
		{"ratelimit and another", "GET", quota + "," + delay, object, true, "within_quota"},
		{"respond", "GET", `{"fault": "respond", "status_code": 551}`, object, true, ""},
		{"respond to HEAD, cut", "HEAD", truncate + `,{"fault": "respond", "status_code": 551}`, object, true, "no_body"},
	} {
		for _, phase := range []string{"request", "response"} {
			if phase == "response" && strings.HasPrefix(tt.name, "throttle request") {
				continue // the request has been sent
			}
			t.Run(tt.name+" "+phase, func(t *testing.T) {
				point := strings.NewReplacer(" ", "-", ",", "").Replace("effect-" + tt.name + "-" + phase)
				n := testnode.Start(t, fmt.Sprintf(`{"point": %q, "rules": [{"name": "r", "times": 1, "phase": %q, "faults": [%s]}]}`, point, phase, tt.faults), "")
				placeholder, got := askEffect(n, tt.method, tt.next)
				hits := 0
				if tt.hit {
					hits = 1
				}
				rule := n.Handler.Rules[0]
				if n := rule.Stats().Hits; n != uint64(hits) {
					t.Errorf("%d hits, want %d", n, hits)
				}
				if disclosed := got.Get("X-Fault-Injected") == "r"; disclosed != tt.hit {
					t.Errorf("disclosed: %v", disclosed)
				}
				if n := testutil.ToFloat64(metrics.InjectedTotal.WithLabelValues(point, "r", rule.KindNames())); int(n) != hits {
					t.Errorf("the metric is %v, want %d", n, hits)
				}
				if (placeholder == "r") != tt.hit {
					t.Errorf("{http.fault.rule} is %q", placeholder)
				}
				entries := 0
				for entry := range n.Ctl.Journal.Entries(experiments.Query{}) {
					entries++
					if !entry.Done {
						t.Errorf("the entry goes on: %+v", entry)
					}
				}
				if entries != hits {
					t.Errorf("%d entries in the journal, want %d", entries, hits)
				}
				n.Want(200, "GET", fmt.Sprintf("/verify?rule=r&exactly=%d", hits), "", "")
				n.Want(200, "GET", fmt.Sprintf("/verify?rule=r&exactly=%d&since=1h", hits), "", "")
				passed := inject.PassedCounts(rule)
				for reason := range strings.FieldsSeq(tt.passed) {
					if passed[reason] == 0 {
						t.Errorf("passed %v, want %s", passed, reason)
					}
					n.Want(200, "GET", "/", "", `"`+reason+`"`)
				}
				if len(passed) != len(strings.Fields(tt.passed)) {
					t.Errorf("passed %v, want %q", passed, tt.passed)
				}
				if d := n.Decide(testkit.Request(tt.method, "/", httptest.NewRecorder()), nil); (d.Rule == nil && d.Later == nil) != tt.hit && phase == "request" {
					t.Errorf("times 1 leaves %+v for the next request", d)
				}
			})
		}
	}
}

// askEffect sends a request, whose reply may be cut, and returns {http.fault.rule} and
// the header of the reply.
func askEffect(n *testnode.Node, method string, next caddyhttp.HandlerFunc) (rule string, header http.Header) {
	w := httptest.NewRecorder()
	r := testkit.Request(method, "/", w)
	if method == http.MethodPost {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("body")), 4
	}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(http.ErrAbortHandler) {
				panic(p)
			}
		}()
		_ = n.Handler.ServeHTTP(w, r, next)
	}()
	return text.Replacer(r).ReplaceAll("{http.fault.rule}", ""), w.Result().Header
}
