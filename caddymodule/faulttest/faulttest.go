package faulttest

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// Point is an injection point in front of an upstream, for one test.
type Point struct {
	// URL is the address of the point, such as http://127.0.0.1:43617, without a path.
	URL string

	name   string
	ctl    *control.Control
	api    http.Handler
	client *http.Client
	faults atomic.Int64
}

// points counts the points of the process. Points with equal names would share their
// counters.
var points atomic.Int64

// Start starts an injection point, which ends with the test. Until the test adds a fault,
// requests pass to the upstream. Parallel tests do not see each other's faults, not even
// a halt.
//
// The point listens on 127.0.0.1 and speaks HTTP/1.1, and HTTP/2 to clients with prior
// knowledge. It uses real connections, so it does not work in a bubble of testing/synctest.
func Start(t testing.TB, options ...Option) *Point {
	t.Helper()
	var s settings
	for _, option := range options {
		option(&s)
	}
	p := &Point{name: nameFor(t, points.Add(1))}
	if err := p.start(t, &s); err != nil {
		t.Fatalf("faulttest.Start: %v", err)
	}
	return p
}

// Client returns a client for the test. Its idle connections close when the test ends.
func (p *Point) Client() *http.Client { return p.client }

// Halt halts all faults of the point, as `caddy fault halt` does. It ends the faults that
// the test has added.
func (p *Point) Halt() { p.ctl.Switch.Set(experiments.State{Halted: true}) }

// unfit is what the name of a point or an experiment cannot have.
var unfit = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

const maxName = 60

// nameFor returns a name for a thing of a test.
func nameFor(t testing.TB, n int64) string {
	name := strings.Trim(unfit.ReplaceAllString(t.Name(), "-"), "-_.")
	return name[:min(len(name), maxName)] + "-" + strconv.FormatInt(n, 10)
}
