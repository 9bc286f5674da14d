package trigger

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/private"
)

// Fields are the header fields and the parameters of the query of all triggers of a
// server. Every point of the server removes all of them from every request, because a
// test tool sends its fields to each path and no upstream must see a key.
type Fields struct {
	mu     sync.Mutex // for add and join
	set    atomic.Pointer[fieldSet]
	inside atomic.Int64 // requests inside a point that had one of the fields
}

// A fieldSet is immutable.
type fieldSet struct {
	hidden
	points int
}

func newFields() *Fields {
	f := new(Fields)
	f.set.Store(new(fieldSet))
	return f
}

// Servers holds the fields of each server of a configuration.
type Servers struct{ fields sync.Map } // *Fields by *caddyhttp.Server

// Of returns the fields of a server. They grow while its points are provisioned. Points
// without a server share one set.
func (s *Servers) Of(srv *caddyhttp.Server) *Fields {
	f, ok := s.fields.Load(srv)
	if !ok {
		f, _ = s.fields.LoadOrStore(srv, newFields())
	}
	return f.(*Fields)
}

// Join adds a point and the fields of its triggers.
func (f *Fields) Join(triggers []*Trigger) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.set.Load()
	all := hidden{slices.Clone(old.fields), slices.Clone(old.params)}
	for _, t := range triggers {
		all.fields = append(all.fields, t.hidden.fields...)
		all.params = append(all.params, t.hidden.params...)
	}
	slices.Sort(all.fields)
	slices.Sort(all.params)
	f.set.Store(&fieldSet{hidden{slices.Compact(all.fields), slices.Compact(all.params)}, old.points + 1})
}

// Has reports whether a header field is one of the fields.
func (f *Fields) Has(name string) bool {
	return slices.Contains(f.set.Load().fields, http.CanonicalHeaderKey(name))
}

// Enter restores the fields that earlier points have removed from a request, and
// reports whether the request has any of the fields. If it does, the caller removes
// them, and calls Leave when the point is done with the request.
func (f *Fields) Enter(r *http.Request) bool {
	set := f.set.Load()
	if set.points > 1 && f.inside.Load() > 0 {
		giveBack(r)
	}
	if !set.in(r) {
		return false
	}
	f.inside.Add(1)
	return true
}

// Foresee shows a request, which is never sent, to see as a point would see it, and
// leaves it in the state in which the point would leave it.
func (f *Fields) Foresee(r *http.Request, see func()) {
	giveBack(r)
	before, query := r.Header.Clone(), queryOf(r)
	see()
	clear(r.Header)
	maps.Copy(r.Header, before)
	query.restore(r)
	f.TakeOutAll(r)
}

// Leave undoes Enter.
func (f *Fields) Leave() { f.inside.Add(-1) }

// TakeOutAll removes the fields of all triggers of the server from a request, so that
// the upstream does not see their keys.
func (f *Fields) TakeOutAll(r *http.Request) { f.takeOut(r, &f.set.Load().hidden) }

// takeOut removes some of the fields from a request, with all of their values. It keeps
// them for later points, if there are any.
func (f *Fields) takeOut(r *http.Request, some *hidden) {
	keep := func(t takenOut) {
		if f.set.Load().points > 1 {
			t.before = lastTakenOut.Get(r)
			lastTakenOut.Set(r, &t)
		}
	}
	for _, name := range some.fields {
		if values := r.Header[name]; len(values) > 0 {
			delete(r.Header, name)
			keep(takenOut{name: name, values: values})
		}
	}
	for _, name := range some.params {
		if pairs := removeParam(r, name); len(pairs) > 0 {
			keep(takenOut{name: name, values: pairs, param: true})
		}
	}
}

// Without returns r, or a copy without the fields if r has any of them. A proxy still
// needs the original attempt for the next one.
func (f *Fields) Without(r *http.Request) *http.Request {
	set := f.set.Load()
	if !set.in(r) {
		return r
	}
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	for _, name := range set.fields {
		delete(r.Header, name)
	}
	own := *r.URL
	for _, name := range set.params {
		own.RawQuery, _ = cutParam(own.RawQuery, name)
	}
	r.URL = &own
	return r
}

// takenOut is a header field or a parameter that a point has removed from a request, for
// the inner points. It is immutable.
type takenOut struct {
	name   string
	values []string // of a parameter: its pairs as in the query
	param  bool
	before *takenOut
}

// lastTakenOut returns the last removed field of a request.
const lastTakenOut private.Slot[*takenOut] = "taken_out"

// giveBack restores the fields that earlier points have removed from a request. Fields
// that have been set since are kept. A point of an error route gets nothing, because
// the points before the error have decided.
func giveBack(r *http.Request) {
	if r.Context().Value(caddyhttp.ErrorCtxKey) != nil {
		return
	}
	for field := lastTakenOut.Get(r); field != nil; field = field.before {
		switch {
		case field.param:
			restoreParam(r, field.name, field.values)
		case len(r.Header[field.name]) == 0:
			r.Header[field.name] = field.values
		}
	}
}
