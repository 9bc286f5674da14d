package caddymodule

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// takenOut is a header field of a trigger that a point has taken out of a
// request: the upstream is not to see it, but the points on the way are. It
// never changes, and it shows nothing to whoever writes the placeholder out, for
// there may be a key in it.
type takenOut struct {
	name   string
	values []string
	before *takenOut
}

// String is empty.
func (*takenOut) String() string { return "" }

// takenOutKey is the placeholder of the last one. (The request's variables would
// not do, see injectionKey.)
const takenOutKey = "http.fault.taken_out"

func lastTakenOut(repl *caddy.Replacer) *takenOut {
	value, _ := repl.Get(takenOutKey)
	last, _ := value.(*takenOut)
	return last
}

// takeOut takes the fields of the trigger out of a request.
func (t *Trigger) takeOut(r *http.Request) {
	for _, name := range t.hidden {
		values := r.Header[name]
		if len(values) == 0 {
			continue
		}
		delete(r.Header, name)
		if t.contested() {
			repl := faults.Replacer(r)
			repl.Set(takenOutKey, &takenOut{name, values, lastTakenOut(repl)})
		}
	}
}

// takers counts the triggers of a configuration that take the same fields out.
type takers struct {
	mu     sync.Mutex
	fields map[string]*atomic.Int32 // by the first of them
}

// add counts a trigger that takes these fields out and returns the count of them,
// nil for no fields.
func (t *takers) add(hidden []string) *atomic.Int32 {
	if len(hidden) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fields == nil {
		t.fields = make(map[string]*atomic.Int32)
	}
	n := t.fields[hidden[0]]
	if n == nil {
		n = new(atomic.Int32)
		t.fields[hidden[0]] = n
	}
	n.Add(1)
	return n
}

// contested reports whether a request may come to a second point that takes the
// fields out. Only there is it worth looking for what the first one has taken.
func (t *Trigger) contested() bool { return t.takers != nil && t.takers.Load() > 1 }

// takesOut reports whether a trigger of the point takes out the named field.
func (h *Handler) takesOut(name string) bool {
	return slices.ContainsFunc(h.Triggers, func(t *Trigger) bool { return slices.Contains(t.hidden, name) })
}

// giveBack gives a request the fields for the point's own triggers that points
// before it have taken out, and tells their names. Matchers of the point see
// them, too. What has been set since stays. A point of an error route is behind
// those that have had them.
func (h *Handler) giveBack(r *http.Request) (names []string) {
	if !slices.ContainsFunc(h.Triggers, (*Trigger).contested) || r.Context().Value(caddyhttp.ErrorCtxKey) != nil {
		return nil
	}
	for field := lastTakenOut(faults.Replacer(r)); field != nil; field = field.before {
		if len(r.Header[field.name]) == 0 && h.takesOut(field.name) {
			r.Header[field.name] = field.values
			names = append(names, field.name)
		}
	}
	return names
}

// deleteFields takes back what giveBack has done to a request that is not for
// the point.
func deleteFields(r *http.Request, names []string) {
	for _, name := range names {
		delete(r.Header, name)
	}
}
