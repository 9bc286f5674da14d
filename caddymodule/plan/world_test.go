package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

// world is a Caddy, a client and programs in the memory of a test. Only the functions of a
// test change it while a plan runs.
type world struct {
	mu      sync.Mutex
	began   time.Time
	nodes   []*fakeNode
	ran     []string // commands, in the order in which they started and ended
	lines   []string
	missing map[string]bool // programs that do not exist
	site    func() (status int, body string)
	show    func(Progress) // nil if nobody watches
}

// fakeNode is a node with what it knows.
type fakeNode struct {
	*world
	address  string
	halted   bool
	group    string
	process  string
	live     map[string]*fakeExperiment
	revision int
	counts   map[string]int
	figures  seen.Figures
	evidence clients.Evidence
	fail     func(op string) error // before a request has an effect
	lose     func(op string) error // after it had an effect
	asked    []string
}

type fakeExperiment struct {
	revision, note string
	until          time.Time
	body           map[string]any
}

func newWorld(nodes int) *world {
	w := &world{began: time.Now(), missing: make(map[string]bool), site: func() (int, string) { return 200, "all is well" }}
	for i := range nodes {
		one := 1.0
		w.nodes = append(w.nodes, &fakeNode{
			world: w, address: fmt.Sprintf("node%d:2019", i+1), live: make(map[string]*fakeExperiment), counts: make(map[string]int),
			figures: seen.Figures{Count: 100, Rate: 30, Success: &one, P95: &one},
		})
	}
	return w
}

// change changes the world.
func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// at changes the world after a time.
func (w *world) at(d time.Duration, f func()) { time.AfterFunc(d, func() { w.change(f) }) }

// runs reports the names of the experiments that run at a node.
func (n *fakeNode) runs() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names()
}

func (n *fakeNode) names() (names []string) {
	for name, e := range n.live {
		if time.Now().Before(e.until) && e.note != "of somebody" {
			names = append(names, name)
		}
	}
	return names
}

// do is one request. It fails as the test says.
func (n *fakeNode) do(ctx context.Context, op string, f func() error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, op)
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.fail != nil {
		if err := n.fail(op); err != nil {
			return err
		}
	}
	for name, e := range n.live {
		if !time.Now().Before(e.until) {
			delete(n.live, name)
		}
	}
	err := f()
	if n.lose != nil && err == nil {
		err = n.lose(op)
	}
	return err
}

func (n *fakeNode) Address() string { return n.address }

func (n *fakeNode) State(ctx context.Context) (s *State, err error) {
	return s, n.do(ctx, "state", func() error {
		s = &State{Halted: n.halted, Group: n.group, Process: n.process, Version: "v1", Points: []string{"api", "shop"}}
		return nil
	})
}

func (n *fakeNode) Begin(ctx context.Context, all map[string]json.RawMessage) (revision string, err error) {
	return revision, n.do(ctx, "begin", func() error {
		for name := range all {
			if n.live[name] != nil {
				return &RefusalError{412, "it exists"}
			}
		}
		if n.halted {
			return &RefusalError{409, "halted"}
		}
		n.revision++
		revision = strconv.Itoa(n.revision)
		for name, text := range all {
			e := &fakeExperiment{revision: revision}
			if err := json.Unmarshal(text, &e.body); err != nil {
				return &RefusalError{400, err.Error()}
			}
			e.note = e.body["note"].(string)
			ttl, err := caddy.ParseDuration(e.body["ttl"].(string))
			if err != nil {
				return &RefusalError{400, err.Error()}
			}
			e.until = time.Now().Add(ttl)
			n.live[name] = e
		}
		return nil
	})
}

func (n *fakeNode) Extend(ctx context.Context, name, revision string, ttl time.Duration) (next string, err error) {
	return next, n.do(ctx, "extend", func() error {
		e := n.live[name]
		switch {
		case e == nil:
			return &RefusalError{404, "no such experiment"}
		case e.revision != revision:
			return &RefusalError{412, "another revision"}
		}
		n.revision++
		e.revision, e.until = strconv.Itoa(n.revision), time.Now().Add(ttl)
		next = e.revision
		return nil
	})
}

func (n *fakeNode) Find(ctx context.Context, name string) (revision, note string, err error) {
	return revision, note, n.do(ctx, "find", func() error {
		if e := n.live[name]; e != nil {
			revision, note = e.revision, e.note
			return nil
		}
		return &RefusalError{404, "no such experiment"}
	})
}

func (n *fakeNode) End(ctx context.Context, name, revision string) error {
	return n.do(ctx, "end", func() error {
		switch e := n.live[name]; {
		case e == nil:
			return &RefusalError{404, "no such experiment"}
		case e.revision != revision:
			return &RefusalError{412, "another revision"}
		}
		delete(n.live, name)
		return nil
	})
}

func (n *fakeNode) Count(ctx context.Context, rule string) (hits int, err error) {
	return hits, n.do(ctx, "count", func() error {
		var known bool
		if hits, known = n.counts[rule]; !known {
			return &RefusalError{404, "no rule '" + rule + "'"}
		}
		return nil
	})
}

func (n *fakeNode) Seen(ctx context.Context, point string, over time.Duration) (s *seen.Summary, err error) {
	return s, n.do(ctx, "seen", func() error {
		s = &seen.Summary{Point: point, Over: over.Seconds(), All: n.figures}
		return nil
	})
}

func (n *fakeNode) Calls(ctx context.Context, within time.Duration) (ev *clients.Evidence, s clients.Settings, err error) {
	return ev, s, n.do(ctx, "calls", func() error {
		found := n.evidence.Select(clients.Filter{Since: time.Now().Add(-within)})
		found.Until = time.Now()
		ev = &found
		return nil
	})
}

// RoundTrip is the site that checks ask.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	status, body := w.site()
	w.mu.Unlock()
	if status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Header: make(http.Header), Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// Find finds all programs except those that a test says are missing.
func (w *world) Find(name string) error {
	if w.missing[name] {
		return errors.New("not found in the path")
	}
	return nil
}

// fakeProgram is `<name> <duration> <code>`. It ends after the duration.
type fakeProgram struct {
	*world
	name  string
	ended chan struct{}
	stop  chan struct{}
	code  int
}

func (w *world) Start(command []string) (Program, error) {
	if command[0] == "broken" {
		return nil, errors.New("permission denied")
	}
	p := &fakeProgram{world: w, name: command[0], ended: make(chan struct{}), stop: make(chan struct{})}
	var lasts time.Duration
	if len(command) == 3 {
		lasts, _ = time.ParseDuration(command[1])
		p.code, _ = strconv.Atoi(command[2])
	}
	w.change(func() { w.ran = append(w.ran, p.name+" starts") })
	go func() {
		defer close(p.ended)
		select {
		case <-time.After(lasts):
		case <-p.stop:
			p.code = 143
		}
		w.change(func() { w.ran = append(w.ran, p.name+" ends") })
	}()
	return p, nil
}

func (p *fakeProgram) Ended() <-chan struct{} { return p.ended }
func (p *fakeProgram) Code() int              { return p.code }

func (p *fakeProgram) Stop(time.Duration) {
	select {
	case p.stop <- struct{}{}:
	case <-p.ended:
	}
	<-p.ended
}

// play runs a plan with these lines in a bubble, after setUp has changed the world.
func play(t *testing.T, lines string, nodes int, setUp func(w *world, cancel context.CancelCauseFunc)) (*world, *Result) {
	t.Helper()
	p := mustParse(t, lines)
	var w *world
	var result *Result
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		w = newWorld(nodes)
		if setUp != nil {
			setUp(w, cancel)
		}
		result = w.runner(p).Run(ctx)
		for _, n := range w.nodes {
			if left := n.runs(); len(left) > 0 && !hasLeft(result) {
				t.Errorf("%s: still on: %v", n.address, left)
			}
		}
		synctest.Wait()
	})
	return w, result
}

func hasLeft(r *Result) bool {
	for i := range r.CleanUp {
		if r.CleanUp[i].Left() {
			return true
		}
	}
	return false
}

func (w *world) runner(p *Plan) *Runner {
	r := &Runner{Plan: p, ID: "0123abcd", Programs: w, HTTP: &http.Client{Transport: w}, Show: w.show}
	r.Log = func(line string) {
		w.change(func() { w.lines = append(w.lines, line) })
	}
	for _, n := range w.nodes {
		r.Nodes = append(r.Nodes, n)
	}
	return r
}

// took returns how long a plan has taken.
func (r *Result) took() time.Duration { return r.Ended.Sub(r.Started).Round(time.Millisecond) }
