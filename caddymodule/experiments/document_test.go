package experiments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// broken are objects that no node should store. Some are corrupt.
var broken = map[string]struct {
	object  string
	corrupt string // what the error names; empty: no error
	halts   bool
}{
	"cut":                 {`{"version": 7, "experim`, "unexpected EOF", false},
	"cut after a halt":    {`{"version": 7, "switch": {"halted": true}, "experiments": {`, "unexpected EOF", true},
	"empty":               {``, "not a JSON object", false},
	"null":                {`null`, "not a JSON object", false},
	"list":                {`[]`, "not a JSON object", false},
	"no members":          {`{}`, "version: want a whole number of 1 or more, not ''", false},
	"two":                 {`{"version": 1} {}`, "unexpected data", false},
	"version 0":           {`{"version": 0}`, "version: ", false},
	"version text":        {`{"version": "7", "switch": {"halted": true}}`, "version: want a whole number of 1 or more, not '\"7\"'", true},
	"version negative":    {`{"version": -1}`, "version: ", false},
	"version part":        {`{"version": 1.5}`, "version: ", false},
	"version too large":   {`{"version": 18446744073709551616}`, "version: ", false},
	"version last":        {`{"version": 18446744073709551615}`, "", false},
	"version last, halts": {`{"version": 18446744073709551615, "switch": {"halted": true, "since": "2026-01-02T03:04:05Z"}}`, "", true},
	"halted text":         {`{"version": 7, "switch": {"halted": "yes"}}`, "switch: halted: want true or false", false},
	"switch list":         {`{"version": 7, "switch": []}`, "switch: want an object", false},
	"switch null":         {`{"version": 7, "switch": null}`, "", false},
	"no since":            {`{"version": 7, "switch": {"halted": true}}`, "", true},
	"since null":          {`{"version": 7, "switch": {"halted": true, "since": null}}`, "", true},
	"since empty":         {`{"version": 7, "switch": {"halted": true, "since": ""}}`, "", true},
	"since no time":       {`{"version": 7, "switch": {"halted": true, "since": "yesterday"}}`, "", true},
	"since number":        {`{"version": 7, "switch": {"halted": true, "since": 7, "why": 7}}`, "", true},
	"experiments list":    {`{"version": 7, "experiments": []}`, "experiments: want an object", false},
	"experiments null":    {`{"version": 7, "experiments": null}`, "", false},
	"too large":           {`{"version": 7, "switch": {"halted": true}, "note": "` + strings.Repeat("x", maxObject) + `"}`, "more than", true},
}

// Looking at an object changes nothing in it, and a halt in it counts whatever the
// rest is. Any state of it can be left by each change, by a node that has seen a
// better one and by one that has not. The old content stays beside it.
func TestShareLeavesEachState(t *testing.T) {
	changes := map[string]func(n *node) error{
		"halt":   func(n *node) error { return n.Member.Halt(halted("api")) },
		"resume": func(n *node) error { return n.Resume(resumed()) },
		"put":    func(n *node) error { return n.put("two", "", nil) },
	}
	for what, state := range broken {
		for first := range changes {
			for _, running := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, running %v", what, first, running), func(t *testing.T) {
					storage := new(memory)
					a, b := newNode(t, storage), newNode(t, storage)
					if running {
						must(t, a.put("one", `"ttl": 0, `, nil))
						a.want(a.step(), "one")
						b.want(b.step(), "one")
					}
					must(t, storage.Store(t.Context(), object, []byte(state.object)))
					for _, n := range []*node{a, b, a} {
						n.Sync(t.Context())
						if got := n.State().Error; !strings.Contains(got, state.corrupt) || (got == "") != (state.corrupt == "") {
							t.Errorf("the error is %q, want %q", got, state.corrupt)
						}
						if n.bench.sw.Halted() != state.halts {
							t.Errorf("halted: %v", !state.halts)
						}
					}
					if got, _ := storage.Load(t.Context(), object); string(got) != state.object {
						t.Fatalf("looking has made it %.200s", got)
					}

					err := changes[first](a)
					if refused := first == "put" && state.halts; refused != errors.Is(err, ErrHalted) || !refused && err != nil {
						t.Fatalf("%s: %v", first, err)
					}
					if old, _ := storage.Load(t.Context(), "fault/corrupt/staging.json"); err == nil && (state.corrupt == "") != (old == nil) || old != nil && string(old) != state.object {
						t.Errorf("the copy is %.200s", old)
					}
					if warnings := strings.Join(a.State().Warnings, ""); err == nil && (state.corrupt != "") != strings.Contains(warnings, "fault/corrupt/staging.json") {
						t.Errorf("the warnings are %q", warnings)
					}
					must(t, a.Resume(resumed()))
					b.Sync(t.Context())
					must(t, b.put("three", "", nil))
					a.Sync(t.Context())
					for _, n := range []*node{a, b} {
						n.inStep("", false)
						if n.Get("three") == nil || n.bench.sw.Halted() {
							t.Errorf("the node has %q", n.has())
						}
					}
					must(t, b.Member.Halt(halted("api")))
					a.want(a.step(), "HALTED")
				})
			}
		}
	}
}

// A node that starts takes over a halt whatever else the object says.
func TestShareRestoresEachState(t *testing.T) {
	for what, state := range broken {
		storage := new(memory)
		must(t, storage.Store(t.Context(), object, []byte(state.object)))
		n := newNode(t, storage)
		if err := n.Restore(t.Context()); (err == nil) != (state.corrupt == "") {
			t.Errorf("%s: %v", what, err)
		}
		if n.bench.sw.Halted() != state.halts {
			t.Errorf("%s: halted: %v", what, !state.halts)
		}
	}
}

// Nothing is replaced if the old content cannot be kept, or if the change is
// refused.
func TestShareKeepsCorruptObject(t *testing.T) {
	storage := new(memory)
	a := newNode(t, storage)
	must(t, storage.Store(t.Context(), object, []byte("no JSON")))
	storage.fail(errDown, "store")
	if err := a.put("one", "", nil); !errors.Is(err, errDown) {
		t.Errorf("put: got %v, want %v", err, errDown)
	}
	storage.fail(nil)
	a.Sync(t.Context()) // tests whether it can store
	if err := a.Member.Delete("none", "", nil); !errors.Is(err, ErrUnknown) {
		t.Errorf("delete: got %v, want %v", err, ErrUnknown)
	}
	if got, _ := storage.Load(t.Context(), object); string(got) != "no JSON" {
		t.Errorf("it has become %s", got)
	}
	a.inStep("corrupt", false)
}

// A halt that could not be delivered replaces an object that has become corrupt.
func TestSharePendingHaltOfCorrupt(t *testing.T) {
	storage := new(memory)
	a := newNode(t, storage)
	must(t, a.put("one", "", nil))
	storage.fail(errDown, "store")
	if err := a.Member.Halt(halted("api")); !errors.Is(err, ErrStorage) {
		t.Fatalf("the halt says %v", err)
	}
	storage.fail(nil)
	must(t, storage.Store(t.Context(), object, []byte("no JSON")))
	a.want(a.step(), "HALTED")
	a.inStep("", false)
	if !a.document().Switch.Halted {
		t.Error("the halt has not been delivered")
	}
}

// The count of changes goes on over its largest number: a resume is one to all.
func TestShareVersionWraps(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	must(t, storage.Store(t.Context(), object, fmt.Appendf(nil, `{"version": %d}`, uint64(math.MaxUint64-2))))
	for range 3 {
		must(t, a.Member.Halt(halted("api")))
		b.want(b.step(), "HALTED")
		must(t, a.Resume(resumed()))
		b.want(b.step())
		a.want(a.step())
	}
	if got := a.document().Version; got != 4 {
		t.Errorf("the version is %d", got)
	}
}

// What this node does not understand goes through its changes as it is: members of
// the object, experiments, and what there is about one that it extends.
func TestShareKeepsUnknown(t *testing.T) {
	const odd = `{"z": 1e400, "a": [1.0, "<&>\u003c", {"b": null, "a": 12345678901234567890}]}`
	const object1 = `{"version": 7, "later": ` + odd + `, "switch": {"halted": false, "since": "later", "by": ` + odd + `}, "experiments": {
		"kind": {"experiment": {"faults": [{"fault": "of_later"}], "x": ` + odd + `}, "revision": 3, "started": "2026-01-02T03:04:05Z", "ends": "2026-01-02T03:14:05Z", "y": ` + odd + `},
		"time": {"experiment": {"ttl": ["later"]}, "started": {"at": 1}, "ends": ` + odd + `},
		"text": "a text", "list": [1], "null": null, "number": 1e400}}`
	synctest.Test(t, func(t *testing.T) {
		storage := new(memory)
		must(t, storage.Store(t.Context(), object, []byte(object1)))
		a := newNode(t, storage)
		a.want(a.step())
		want := unknown(t, storage)
		check := func(what string) {
			t.Helper()
			if got := unknown(t, storage); got != want {
				t.Errorf("%s: it has become\n%s\nwant\n%s", what, got, want)
			}
		}
		must(t, a.put("one", `"ttl": "1m", `, nil))
		check("put")
		a.editRaw(`"revision": 8`, `"later": `+odd+`, "revision": 8`)
		a.want(a.step(), "one")
		e, data := extension(t, "one", "", `"ttl": 0, "note": "<>", `)
		if _, err := a.Member.Extend(e, data, nil); err != nil {
			t.Fatal(err)
		}
		check("extend")
		if raw := string(a.document().Experiments["one"].raw); !strings.Contains(raw, `"later"`) || strings.Contains(raw, `"ends"`) || !strings.Contains(raw, `"<>"`) {
			t.Errorf("the experiment that was extended is %s", raw)
		}
		must(t, a.Member.Delete("one", "", nil))
		check("delete")
		must(t, a.Member.Delete("text", "", nil)) // as a user wants
		if doc := a.document(); len(doc.Experiments) != 5 {
			t.Errorf("left are %v", doc.Experiments)
		}
		time.Sleep(DefaultTTL) // an experiment of ten minutes has ended by now, whatever the clocks say
		must(t, a.put("two", "", nil))
		if _, there := a.document().Experiments["kind"]; there {
			t.Error("an experiment stays for ever")
		}
		if got := a.logs.FilterMessageSnippet("ignoring").Len(); got != 6 {
			t.Errorf("%d lines, want one for each", got)
		}
	})
}

// unknown is the object without what the nodes change, with no space between.
func unknown(t *testing.T, storage Storage) string {
	t.Helper()
	data, err := storage.Load(t.Context(), object)
	must(t, err)
	var doc map[string]json.RawMessage
	must(t, json.Unmarshal(data, &doc))
	var all map[string]json.RawMessage
	must(t, json.Unmarshal(doc["experiments"], &all))
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { return name == "one" })
	doc["experiments"], err = marshal(all)
	must(t, err)
	delete(doc, "version")
	data, err = marshal(doc)
	must(t, err)
	return string(data)
}

func (n *node) editRaw(before, now string) {
	n.t.Helper()
	data, err := n.storage.Load(n.t.Context(), object)
	must(n.t, err)
	must(n.t, n.storage.Store(n.t.Context(), object, bytes.Replace(data, []byte(before), []byte(now), 1)))
}

// There is a most of experiments, and of bytes.
func TestShareIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		must(t, a.put("first", "", nil))
		a.edit(func(doc *document) { addMany(doc, MaxExperiments) })
		for range 2 {
			b.Sync(t.Context())
			if got := len(b.List()); got != MaxExperiments {
				t.Errorf("%d experiments, want %d", got, MaxExperiments)
			}
			b.edit(func(doc *document) { doc.next() })
		}
		if got := b.logs.FilterMessageSnippet("ignoring").Len(); got != 1 {
			t.Errorf("%d lines about it, want 1", got)
		}
		for name, err := range map[string]error{"put": b.put("more", "", nil), "put alone": alone(b.bench)} {
			if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "caddy fault rm") {
				t.Errorf("%s: got %v, want %v", name, err, ErrFull)
			}
		}
		b.inStep("", false)
		must(t, b.put("e1", "", nil)) // replacing another
		must(t, b.Member.Halt(halted("api")))
		must(t, b.Resume(resumed()))

		b.edit(func(doc *document) {
			doc.members["later"] = json.RawMessage(`"` + strings.Repeat("x", maxObject-1<<10) + `"`)
		})
		err := b.put("large", `"note": "`+strings.Repeat("x", 1<<10)+`", `, nil)
		if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "bytes") {
			t.Errorf("got %v, want %v", err, ErrFull)
		}
		b.inStep("", false)
		must(t, b.put("small", "", nil))
	})
}

// addMany adds n experiments to a document.
func addMany(doc *document, n int) {
	for i := range n {
		doc.Experiments[fmt.Sprint("e", i)] = record{Experiment: json.RawMessage(`{"points": ["*"], ` + closing + `}`), Revision: 2, Started: time.Now()}
	}
}

func alone(b *bench) error {
	_, _, err := b.put("more", "", nil)
	return err
}

// A halt is met at once while a node takes over experiments, however long each of
// them takes to load.
func TestShareHaltWhileAdopting(t *testing.T) {
	const most = 3 * time.Second
	synctest.Test(t, func(t *testing.T) {
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		must(t, a.put("first", "", nil))
		a.edit(func(doc *document) { addMany(doc, 500) })
		load, loaded := b.bench.Store.load, 0
		b.bench.Store.load = func(e *Experiment) (func(), error) {
			if loaded++; loaded == 20 {
				b.bench.sw.Set(halted("here")) // as a halt of this node does first
			}
			time.Sleep(100 * time.Millisecond)
			return load(e)
		}
		for range 2 {
			if !b.Sync(t.Context()) {
				t.Error("all has been taken over at once")
			}
		}
		if err := b.put("e1", "", func(now *Live) bool { return now != nil }); !errors.Is(err, ErrBehind) {
			t.Errorf("put: got %v, want %v", err, ErrBehind)
		}
		for b.Sync(t.Context()) {
		}
		b.want(b.has(), "HALTED")
		if loaded != 20 {
			t.Errorf("%d loaded, want none after the halt", loaded)
		}
		b.bench.sw.Set(resumed())
		b.reload()

		ctx, stop := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer stop()
		go b.Follow(ctx, time.Second, func() {})
		time.Sleep(3 * time.Second)
		if n := len(b.List()); n < 20 || n > 60 {
			t.Errorf("%d experiments have been taken over, want it to be in the middle", n)
		}
		began := time.Now()
		must(t, a.Member.Halt(halted("api")))
		for !b.bench.sw.Halted() && time.Since(began) < time.Minute {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(began); took > most {
			t.Errorf("the halt took %v, want %v", took, most)
		}
		must(t, a.Resume(resumed()))
		time.Sleep(2 * time.Second)
		b.want(b.has())
	})
}
