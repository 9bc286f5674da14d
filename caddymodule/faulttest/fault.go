package faulttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// patience is how long an assertion waits. The journal and the counters of a client may
// change shortly after the client has its reply.
const patience = 2 * time.Second

// Fault is a fault at a point.
type Fault struct {
	point *Point
	name  string
}

// Fault adds a fault to the point, in the one-line form of a rule, such as
// "match path /orders; times 2; respond 503". The fault ends with the test. If the line
// is wrong, the test fails with the place in the line.
func (p *Point) Fault(t testing.TB, line string) *Fault {
	t.Helper()
	rule, err := grammar.ParseLine(line)
	if err != nil {
		t.Fatalf("faulttest: %v\n%s", err, underline(line, err))
	}
	f := &Fault{p, nameFor(t, p.faults.Add(1))}
	rule.Name = f.name
	body, err := json.Marshal(experiments.Experiment{Rule: *rule, Points: []string{p.name}})
	if err != nil {
		t.Fatalf("faulttest: adding the fault '%s': %v", line, err)
	}
	if status, answer := p.call(http.MethodPut, "/experiments/"+f.name, body); status >= http.StatusBadRequest {
		t.Fatalf("faulttest: adding the fault '%s': %s", line, problem(answer))
	}
	t.Cleanup(f.End)
	return f
}

// End ends the fault before the test ends. It releases the requests that the fault holds.
func (f *Fault) End() { f.point.call(http.MethodDelete, "/experiments/"+f.name, nil) } // it may have ended

// Count is what [Fault.Hits] expects.
type Count struct {
	param string
	n     int
}

// Exactly expects n hits.
func Exactly(n int) Count { return Count{"exactly", n} }

// AtLeast expects n hits or more.
func AtLeast(n int) Count { return Count{"at_least", n} }

// AtMost expects n hits or fewer.
func AtMost(n int) Count { return Count{"at_most", n} }

// Hits asserts how many requests the fault has hit so far. If there are too few, Hits
// waits up to two seconds for more.
func (f *Fault) Hits(t testing.TB, want Count) {
	t.Helper()
	query := url.Values{"rule": {f.name}, want.param: {fmt.Sprint(want.n)}, "wait": {patience.String()}}
	if status, answer := f.point.call(http.MethodGet, "/verify?"+query.Encode(), nil); status != http.StatusOK {
		t.Errorf("faulttest: %s", problem(answer))
	}
}

// problem returns the text of an error of the API.
func problem(answer []byte) string {
	var no struct{ Error string }
	if err := json.Unmarshal(answer, &no); err != nil || no.Error == "" {
		return string(answer)
	}
	return no.Error
}

// underline shows the place of an error in a line.
func underline(line string, err error) string {
	at, ok := errors.AsType[*grammar.LineError](err)
	if !ok || at.End <= at.Start {
		return line
	}
	return line + "\n" + strings.Repeat(" ", at.Start) + strings.Repeat("^", at.End-at.Start)
}

// call calls the API of the point, in the process.
func (p *Point) call(method, path string, body []byte) (status int, answer []byte) {
	w := httptest.NewRecorder()
	p.api.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), method, api.Prefix+path, bytes.NewReader(body)))
	return w.Code, w.Body.Bytes()
}
