package clients

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMemory holds the memory of a recorder with the default bounds, when as much as
// possible is open and closed, with all attempts and long paths.
func TestMemory(t *testing.T) {
	before := heap()
	w := newWorld(Settings{})
	long := strings.Repeat("p", 1000)
	for c := range 2 * defaultCalls {
		q := get(fmt.Sprintf("/%d/%s", c, long), "Idempotency-Key", fmt.Sprint(c))
		q.Client = fmt.Sprintf("client %d %s", c%300, long)
		for range keepAll + 2 {
			w.busy(q, 503, -1)
		}
	}
	used := heap() - before
	t.Logf("%.2f MB for %d open and %d closed calls of %d clients", float64(used)/1e6, w.openNow.Load(), w.closed.total, len(w.roster.all()))
	check(t, "open", w.openNow.Load(), defaultCalls)
	check(t, "closed", w.closed.total, defaultCalls)
	if used > 8e6 {
		t.Errorf("the recorder needs %d bytes, want 8 MB at most", used)
	}
	runtime.KeepAlive(w)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestManyClients holds that a million clients share one name in the end.
func TestManyClients(t *testing.T) {
	w := newWorld(Settings{})
	before := heap()
	q := get("/")
	for i := range 1_000_000 {
		q.Client = fmt.Sprint(i)
		w.busy(q, 503, -1)
		w.wait(time.Millisecond)
	}
	used := heap() - before
	ev := w.Evidence()
	check(t, "clients", len(ev.Clients), defaultClients+1)
	check(t, "calls", len(ev.Calls), 2*defaultCalls)
	if used > 8e6 {
		t.Errorf("the recorder needs %d bytes, want 8 MB at most", used)
	}
	kept := 0
	for _, c := range ev.Calls {
		if c.Client != Other {
			kept++
		}
	}
	check(t, "calls of clients that came first", kept, defaultClients)
}

// TestLost holds what happens above max_calls.
func TestLost(t *testing.T) {
	w := newWorld(Settings{MaxCalls: 2})
	for _, path := range []string{"/a", "/b", "/a", "/c"} {
		w.busy(get(path), 503, -1)
		w.wait(time.Second)
	}
	ev := w.Evidence()
	check(t, "lost", ev.Lost, 1)
	lost := ""
	for _, c := range ev.Calls {
		if c.Outcome == Lost {
			lost += c.Path
		}
	}
	check(t, "the call that was used least recently", lost, "/b")
}

// TestExpiredIsNotLost holds that a call whose window has passed is not lost.
func TestExpiredIsNotLost(t *testing.T) {
	w := newWorld(Settings{MaxCalls: 2})
	for _, path := range []string{"/a", "/b", "/c"} {
		w.busy(get(path), 503, -1)
		w.wait(40 * time.Second)
	}
	check(t, "lost", w.Evidence().Lost, 0)
}

// TestNoCrowd holds that one client cannot push out the calls of others.
func TestNoCrowd(t *testing.T) {
	w := newWorld(Settings{MaxCalls: 20})
	quietOne := get("/")
	quietOne.Client = "quiet"
	w.busy(quietOne, 200, -1)
	loud := get("/")
	loud.Client = "loud"
	for range 1000 {
		w.busy(loud, 200, -1)
	}
	for _, c := range w.judge().Clients {
		want := map[string]int{"quiet": 1, "loud": 19}[c.Client]
		check(t, "calls of "+c.Client, c.Calls, want)
		check(t, "forgotten of "+c.Client, c.Forgotten, map[string]int{"loud": 981}[c.Client])
	}
}

// TestParallelBound holds that one fingerprint does not make look-ups slow.
func TestParallelBound(t *testing.T) {
	w := newWorld(Settings{})
	for range 1000 {
		w.busy(get("/", "X-Stainless-Retry-Count", "0"), 503, -1)
	}
	check(t, "open calls", w.openNow.Load(), maxParallel)
}

// TestManyPoints holds that points and rules have bounds.
func TestManyPoints(t *testing.T) {
	w := newWorld(Settings{})
	for i := range 500 {
		p := w.Recorder.Point(fmt.Sprint("point ", i))
		p.Hit(Visit{}, get("/"), fmt.Sprint("rule ", i), 1)
		w.point.Hit(Visit{}, get("/"), fmt.Sprint("rule ", i), 1)
	}
	if n := len(w.points); n > maxPoints+1 {
		t.Errorf("%d points, want %d at most", n, maxPoints+1)
	}
	if n := len(w.Evidence().Periods); n > maxPeriods+maxPoints*maxCurrent {
		t.Errorf("%d periods", n)
	}
}

// TestClockJumps lets the clock go wherever it likes.
func TestClockJumps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := newWorld(Settings{MaxCalls: 30, MaxClients: 4})
	var running []Visit
	for i := range 20_000 {
		q := get("/", "Idempotency-Key", fmt.Sprint(r.IntN(60)))
		q.Client = fmt.Sprint(r.IntN(8))
		w.wait(time.Duration(r.Int64N(int64(20*time.Minute))) - 10*time.Minute)
		switch r.IntN(4) {
		case 0:
			running = append(running, w.hit(q))
		case 1:
			running = append(running, w.point.Arrive(q))
		case 2:
			if len(running) > 0 {
				at := r.IntN(len(running))
				running[at].End(replied(200+300*r.IntN(2), float64(r.IntN(3)-1)))
			}
		default:
			w.point.End("busy")
		}
		if i%1000 == 0 {
			w.at = time.Unix(r.Int64N(4e9)-1e9, 0) // before 1970, too
			w.judge()
		}
	}
	for _, c := range w.Evidence().Calls {
		for _, wait := range c.waits() {
			if wait.seconds < 0 {
				t.Fatal("a wait below zero")
			}
		}
	}
}
