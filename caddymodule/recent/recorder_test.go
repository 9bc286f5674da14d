package recent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func everywhere(string, bool) bool { return true }

// ids returns the numbers of the requests of a look, each with the points in order.
func ids(look Look) string {
	var all []string
	for _, visits := range look.Requests {
		text := fmt.Sprint(visits[0].ID)
		for _, v := range visits {
			text += v.Point
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// bubble runs a test with a fake clock, and ends what its recorder has begun.
func bubble(t *testing.T, test func(*testing.T, *Recorder)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, New(time.Now))
		time.Sleep(Keep + time.Second)
	})
}

// A recorder keeps nothing before the first look, and forgets everything a while after
// the last one.
func TestOnWhileSomebodyLooks(t *testing.T) {
	bubble(t, func(t *testing.T, rec *Recorder) {
		want := func(when string, on bool, seen string) {
			t.Helper()
			synctest.Wait()
			if rec.On() != on {
				t.Fatalf("%s: on: %v, want %v", when, rec.On(), on)
			}
			if on {
				if got := ids(rec.Look(everywhere)); got != seen {
					t.Fatalf("%s: got %q, want %q", when, got, seen)
				}
			}
		}
		rec.Add(Visit{ID: 1, Point: "a"})
		want("before the first look", false, "")
		rec.Look(everywhere)
		want("after it", true, "")
		rec.Add(Visit{ID: 2, Point: "a"})
		time.Sleep(Keep - time.Second)
		want("before the end", true, "2a") // looks again
		time.Sleep(Keep - time.Second)
		want("after another look", true, "2a")
		time.Sleep(Keep)
		want("at the end", false, "")
		if rec.ring != nil {
			t.Errorf("%d visits are kept", len(rec.ring))
		}
		rec.Add(Visit{ID: 3, Point: "a"})
		rec.Look(everywhere)
		want("again", true, "")
	})
}

// A look shows each request once, with its visits at the points that are asked for.
func TestLook(t *testing.T) {
	visits := []Visit{
		{ID: 1, Point: "a"},
		{ID: 1, Point: "b"},
		{ID: 2, Point: "a"},
		{ID: 3, Point: "b"},
		{ID: 2, Point: "b"},
		{ID: 4, Point: "up", Transport: true},
	}
	for _, tt := range []struct {
		name string
		at   func(string, bool) bool
		want string
	}{
		{"all", everywhere, "4up 2ab 3b 1ab"},
		{"a point", func(point string, _ bool) bool { return point == "a" }, "2a 1a"},
		{"no transport", func(_ string, transport bool) bool { return !transport }, "2ab 3b 1ab"},
		{"none", func(string, bool) bool { return false }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, rec *Recorder) {
				rec.Look(everywhere)
				for _, v := range visits {
					rec.Add(v)
				}
				if got := ids(rec.Look(tt.at)); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// The ring keeps the last visits, and a look says how far they go back.
func TestLookSince(t *testing.T) {
	for _, tt := range []struct {
		name          string
		visits, every int // the distance between two visits at the point
		want          int
		ago           time.Duration
	}{
		{"nothing", 0, 1, 0, 0},
		{"few", 10, 1, 10, 10 * time.Second},
		{"just enough", Most, 1, Most, (Most - 1) * time.Second},
		{"more", Most + 1, 1, Most, (Most - 1) * time.Second},
		{"more than the ring", 2*size + 7, 1, Most, (Most - 1) * time.Second},
		{"a quiet point", size, 10, size / 10, (size - 1) * time.Second},
		{"a quiet point that others have pushed out", 3 * size, 100, size / 100, (size - 1) * time.Second},
		{"enough at a point", size, 2, Most, (2*Most - 2) * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// The timer of the recorder uses the real clock.
			at := time.Unix(1000, 0)
			rec := New(func() time.Time { return at })
			rec.Look(everywhere)
			defer func() { rec.off.Stop() }()
			for i := range tt.visits {
				at = at.Add(time.Second)
				point := "other"
				if (tt.visits-1-i)%tt.every == 0 {
					point = "quiet"
				}
				rec.Add(Visit{ID: rec.NewID(), Point: point})
			}
			look := rec.Look(func(point string, _ bool) bool { return point == "quiet" })
			if got := len(look.Requests); got != tt.want {
				t.Errorf("got %d requests, want %d", got, tt.want)
			}
			if got := at.Sub(look.Since); got != tt.ago {
				t.Errorf("since %v ago, want %v", got, tt.ago)
			}
			if !slices.IsSortedFunc(look.Requests, func(a, b []Visit) int { return b[0].At.Compare(a[0].At) }) {
				t.Error("the requests are not sorted")
			}
			if len(rec.ring) > size {
				t.Errorf("the ring has %d visits, want %d at most", len(rec.ring), size)
			}
		})
	}
}

// BenchmarkOff measures what a request costs while nobody looks.
func BenchmarkOff(b *testing.B) {
	rec := New(time.Now)
	b.ReportAllocs()
	for b.Loop() {
		if rec.On() {
			b.Fatal("the recorder is on")
		}
	}
}
