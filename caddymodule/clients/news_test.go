package clients

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counts is an observer that counts.
type counts struct {
	attempts int
	closed   []Outcome
	left     []time.Duration
}

func (c *counts) Attempted()               { c.attempts++ }
func (c *counts) Closed(call Outcome)      { c.closed = append(c.closed, call) }
func (c *counts) Left(after time.Duration) { c.left = append(c.left, after) }

// TestObserver holds what an observer is told.
func TestObserver(t *testing.T) {
	w := newWorld(Settings{})
	seen := make(map[string]*counts)
	w.Observe(func(point string) Observer {
		seen[point] = new(counts)
		return seen[point]
	})
	w.point = w.Recorder.Point("shop")
	q := get("/", "Idempotency-Key", "a")
	w.busy(q, 503, -1)
	w.pass(q, 200)
	w.busy(get("/", "Idempotency-Key", "b"), 404, -1)
	w.wait(time.Second)
	for _, late := range []bool{false, true} {
		v := w.hit(get("/", "Idempotency-Key", fmt.Sprint(late)))
		w.wait(2 * time.Second)
		v.End(Result{Outcome: Left, RetryAfter: -1, Late: late})
	}
	w.pass(get("/other"), 200) // part of no call
	w.wait(20 * time.Minute)
	w.judge()
	got := seen["shop"]
	check(t, "attempts", got.attempts, 5)
	slices.Sort(got.closed)
	check(t, "closed", fmt.Sprint(got.closed), "[gave_up gave_up recovered refused]")
	check(t, "left", fmt.Sprint(got.left), "[2s]")
}

// TestNews holds that a finding is told once while a client has it, and again at a worse
// level, and that judging stops when all is known.
func TestNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Settings{}, Clock{time.Now, time.Since})
		var mu sync.Mutex // judging runs in the goroutine of a timer
		var told []string
		take := func() (lines []string) {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			lines, told = told, nil
			return lines
		}
		r.Notify(func(news []News) {
			mu.Lock()
			defer mu.Unlock()
			for _, n := range news {
				told = append(told, fmt.Sprint(n.Point, " ", n.Client, n.Rule, " ", n.Level, " ", n.Finding))
			}
		})
		p := r.Point("api")
		call := func(key string, attempts int) {
			q := get("/", "Idempotency-Key", key)
			q.Client = "shop"
			for range attempts {
				p.Hit(p.Arrive(q), q, "busy", 1).End(replied(503, -1))
				time.Sleep(time.Second)
			}
		}
		want := func(lines ...string) {
			t.Helper()
			if got := take(); !slices.Equal(got, lines) {
				t.Errorf("got %q, want %q", got, lines)
			}
		}
		call("a", 6)
		want()
		time.Sleep(judgeEvery)
		want("api shop warning many_attempts")
		time.Sleep(judgeEvery)
		want()
		call("b", 11)
		time.Sleep(judgeEvery)
		want("api shop error many_attempts")
		time.Sleep(20 * time.Minute)
		take()
		check(t, "judged again", r.news.armed.Load(), false)
		r.Forget()
		call("c", 6)
		time.Sleep(judgeEvery)
		want("api shop warning many_attempts")
	})
}

// TestNewsOfPeriods holds that a finding is told once of each period of a rule.
func TestNewsOfPeriods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Settings{}, Clock{time.Now, time.Since})
		var told []string
		r.Notify(func(news []News) {
			for _, n := range news {
				told = append(told, n.Rule+" "+n.Finding)
			}
		})
		p, q := r.Point("api"), get("/")
		for outage := range 3 {
			v := p.Hit(p.Arrive(q), q, "busy", 1)
			v.End(replied(503, -1))
			p.End("busy")
			time.Sleep(defaultRecovery + time.Second)
			v = p.Arrive(q)
			v.End(replied(200, -1))
			time.Sleep(3 * judgeEvery)
			synctest.Wait()
			check(t, fmt.Sprint("outage ", outage), fmt.Sprint(told), "[busy slow_recovery]")
			told = nil
		}
	})
}
