package plan

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// keeping runs f with a keeper of one experiment in a bubble.
func keeping(t *testing.T, f func(t *testing.T, w *world, k *keeper, lost *[]string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		var lost []string
		k := newKeeper(w.nodes[0], 30*time.Second, "ours", func(why string) { lost = append(lost, why) })
		if err := k.begin(t.Context(), map[string]json.RawMessage{"x": json.RawMessage(`{"points": ["api"], "note": "mine", "ttl": "9h"}`)}); err != nil {
			t.Fatal(err)
		}
		f(t, w, k, &lost)
	})
}

// The ttl and the note of an experiment are those of the plan, whatever the file says.
func TestKeeperMarks(t *testing.T) {
	keeping(t, func(t *testing.T, w *world, _ *keeper, _ *[]string) {
		e := w.nodes[0].live["x"]
		if e.note != "ours" || e.body["ttl"] != "30s" || e.until.Sub(w.began) != 30*time.Second || e.body["points"] == nil {
			t.Errorf("got %+v", e)
		}
	})
}

// The keeper asks each third of the ttl, and more often while Caddy does not answer.
func TestKeeperPace(t *testing.T) {
	keeping(t, func(t *testing.T, w *world, k *keeper, _ *[]string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go k.keep(ctx)
		count := func(d time.Duration) (n int) {
			w.change(func() { w.nodes[0].asked = nil })
			time.Sleep(d)
			synctest.Wait()
			w.change(func() { n = len(w.nodes[0].asked) })
			return n
		}
		if n := count(95 * time.Second); n != 9 {
			t.Errorf("asked %d times in 95 s, want 9", n)
		}
		w.change(func() { w.nodes[0].fail = func(string) error { return errors.New("away") } })
		if n := count(15 * time.Second); n < 8 || n > 12 {
			t.Errorf("asked %d times in 15 s while Caddy was away, want one each second", n)
		}
	})
}

// A round of extensions reports what has ended, once.
func TestKeeperExtend(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		again bool
		lost  int
	}{
		{
			name: "well",
		},
		{
			name:  "no answer",
			err:   errors.New("away"),
			again: true,
		},
		{
			name:  "busy",
			err:   &RefusalError{503, "try again"},
			again: true,
		},
		{
			name: "gone",
			err:  &RefusalError{404, "gone"},
			lost: 1,
		},
		{
			name: "replaced",
			err:  &RefusalError{412, "replaced"},
			lost: 1,
		},
		{
			name:  "a mistake",
			err:   &RefusalError{400, "bad"},
			again: true,
		},
	} {
		keeping(t, func(t *testing.T, w *world, k *keeper, lost *[]string) {
			w.nodes[0].fail = func(op string) error {
				if op == "extend" {
					return tt.err
				}
				return nil
			}
			for range 2 {
				if again := k.extend(t.Context()); again != tt.again {
					t.Errorf("%s: tries again: %t, want %t", tt.name, again, tt.again)
				}
			}
			if len(*lost) != tt.lost {
				t.Errorf("%s: lost %q", tt.name, *lost)
			}
		})
	}
}

// A request that hangs does not keep the keeper from ending experiments.
func TestKeeperHangs(t *testing.T) {
	keeping(t, func(t *testing.T, w *world, k *keeper, _ *[]string) {
		hang := &hangingNode{fakeNode: w.nodes[0]}
		k.node = hang
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go k.keep(ctx)
		time.Sleep(11 * time.Second) // the first extension hangs
		asked := time.Now()
		done := k.end(t.Context(), nil)
		if len(done) != 1 || done[0].How != "ended" || time.Since(asked) > time.Second {
			t.Errorf("got %+v after %s", done, time.Since(asked))
		}
	})
}

// hangingNode does not answer extensions.
type hangingNode struct{ *fakeNode }

func (n *hangingNode) Extend(ctx context.Context, _, _ string, _ time.Duration) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

// An experiment whose begin had no answer is looked for. If it never begins, it is
// reported as one that ends by its ttl, since a request may still be under way.
func TestKeeperUncertain(t *testing.T) {
	for _, arrives := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(1)
			k := newKeeper(w.nodes[0], 30*time.Second, "ours", func(string) {})
			away := func(op string) error {
				if op == "begin" {
					return errors.New("away")
				}
				return nil
			}
			if arrives {
				w.nodes[0].lose = away
			} else {
				w.nodes[0].fail = away
			}
			if err := k.begin(t.Context(), map[string]json.RawMessage{"x": json.RawMessage("{}")}); err == nil {
				t.Error("the begin succeeds")
			}
			done := k.end(t.Context(), nil)
			if want := map[bool]string{true: "ended", false: "ends within 30s"}[arrives]; len(done) != 1 || done[0].How != want {
				t.Errorf("arrives: %t: got %+v, want %s", arrives, done, want)
			}
		})
	}
}

// A refused begin leaves nothing to end.
func TestKeeperRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.nodes[0].halted = true
		k := newKeeper(w.nodes[0], 30*time.Second, "ours", func(string) {})
		if err := k.begin(t.Context(), map[string]json.RawMessage{"x": json.RawMessage("{}")}); !refused(err, 409) {
			t.Errorf("got %v", err)
		}
		if done := k.end(t.Context(), nil); len(done) != 0 {
			t.Errorf("ended %+v", done)
		}
	})
}

// Only the named experiments end.
func TestKeeperEndSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		k := newKeeper(w.nodes[0], 30*time.Second, "ours", func(string) {})
		all := make(map[string]json.RawMessage)
		for i := range 4 {
			all["x"+strconv.Itoa(i)] = json.RawMessage("{}")
		}
		if err := k.begin(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		if done := k.end(t.Context(), []string{"x1", "x3", "other"}); len(done) != 2 {
			t.Errorf("ended %+v", done)
		}
		left := w.nodes[0].runs()
		if slices.Sort(left); !slices.Equal(left, []string{"x0", "x2"}) {
			t.Errorf("left %v", left)
		}
		if done := k.end(t.Context(), []string{}); len(done) != 0 {
			t.Errorf("nothing is named, and %+v ended", done)
		}
	})
}
