package plan

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

// figures of nodes are joined: counts and rates are added up, successes are weighed, and a
// percentile is that of the slowest node.
func TestFigures(t *testing.T) {
	half, whole, slow, fast := 0.5, 1.0, 2.0, 0.25
	busy := seen.Figures{Count: 300, Rate: 30, Success: &whole, P50: &fast, P95: &fast, P99: &slow}
	idle := seen.Figures{Count: 100, Rate: 10, Success: &half, P50: &slow, P95: &fast, P99: &slow}
	for _, tt := range []struct {
		figure string
		nodes  []seen.Figures
		want   float64
		known  bool
	}{
		{
			figure: "success",
			nodes:  []seen.Figures{busy},
			want:   1,
			known:  true,
		},
		{
			figure: "success",
			nodes:  []seen.Figures{busy, idle},
			want:   0.875,
			known:  true,
		},
		{
			figure: "success",
			nodes:  []seen.Figures{busy, {}},
			want:   1,
			known:  true,
		},
		{
			figure: "success",
			nodes:  []seen.Figures{{}},
		},
		{
			figure: "rate",
			nodes:  []seen.Figures{busy, idle},
			want:   40,
			known:  true,
		},
		{
			figure: "rate",
			nodes:  []seen.Figures{{}, {}},
		},
		{
			figure: "p50",
			nodes:  []seen.Figures{busy, idle},
			want:   2,
			known:  true,
		},
		{
			figure: "p95",
			nodes:  []seen.Figures{busy, idle},
			want:   0.25,
			known:  true,
		},
		{
			figure: "p99",
			nodes:  []seen.Figures{busy},
			want:   2,
			known:  true,
		},
		{
			figure: "p99",
			nodes:  []seen.Figures{{Count: 3}},
		},
		{
			figure: "p99",
		},
	} {
		if got, known := figureOf(tt.figure, tt.nodes); got != tt.want || known != tt.known {
			t.Errorf("%s of %d nodes: got %v, %t, want %v, %t", tt.figure, len(tt.nodes), got, known, tt.want, tt.known)
		}
	}
}

func TestFigureText(t *testing.T) {
	for _, tt := range []struct {
		figure string
		value  float64
		want   string
	}{
		{"success", 1, "100%"},
		{"success", 0.97, "97%"},
		{"success", 2.0 / 3, "66.66%"},
		{"success", 0, "0%"},
		{"rate", 20, "20.0/s"},
		{"rate", 0.04, "0.0/s"},
		{"p95", 0.8, "800ms"},
		{"p50", 0.00012, "100µs"},
		{"p99", 61.5, "1m1.5s"},
	} {
		if got := figureText(tt.figure, tt.value); got != tt.want {
			t.Errorf("%s %v: got %s, want %s", tt.figure, tt.value, got, tt.want)
		}
	}
}

func TestFigureValue(t *testing.T) {
	for _, tt := range []struct {
		figure, text string
		want         float64
		ok           bool
	}{
		{"success", "99%", 0.99, true},
		{"success", "0.99", 0.99, true},
		{"success", "99", 0, false},
		{"success", "x%", 0, false},
		{"success", "-1%", 0, false},
		{"rate", "20/s", 20, true},
		{"rate", "20", 20, true},
		{"rate", "fast", 0, false},
		{"rate", "-1/s", 0, false},
		{"rate", "inf/s", 0, false},
		{"p95", "800ms", 0.8, true},
		{"p95", "1d", 86400, true},
		{"p95", "-1s", 0, false},
		{"p95", "0.8", 0, false},
	} {
		got, ok := figureValue(tt.figure, tt.text)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s %s: got %v, %t, want %v, %t", tt.figure, tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		op               string
		below, same, top bool
	}{{">=", false, true, true}, {">", false, false, true}, {"<=", true, true, false}, {"<", true, false, false}} {
		if compare(tt.op, 1, 2) != tt.below || compare(tt.op, 2, 2) != tt.same || compare(tt.op, 3, 2) != tt.top {
			t.Errorf("%s compares in another way", tt.op)
		}
	}
}

func TestStatus(t *testing.T) {
	for _, text := range []string{"200", "404", "2xx", "5xx", "999"} {
		if !validStatus(text) {
			t.Errorf("%s is refused", text)
		}
	}
	for _, text := range []string{"", "20", "2000", "0xx", "2x0", "20x", "xxx", "2 0", "-10"} {
		if validStatus(text) {
			t.Errorf("%q is accepted", text)
		}
	}
	if !hasStatus([]string{"404", "2xx"}, 204) || !hasStatus([]string{"404"}, 404) || hasStatus([]string{"404", "2xx"}, 304) || hasStatus([]string{"204"}, 200) {
		t.Error("a status is compared in another way")
	}
}

// A check holds after a success, and fails after as many failures in a row as it says. An
// answer of an earlier stage does not count.
func TestWatched(t *testing.T) {
	start := time.Now()
	type step struct {
		ok           bool
		turn         int64
		counts       bool
		holds, fails bool
		changed      bool
	}
	for _, tt := range []struct {
		name  string
		fails int
		steps []step
	}{
		{
			name:  "holds",
			fails: 1,
			steps: []step{{true, 1, true, true, false, true}, {true, 1, true, true, false, false}},
		},
		{
			name:  "fails",
			fails: 1,
			steps: []step{{false, 1, true, false, true, true}, {false, 1, true, false, true, false}},
		},
		{
			name:  "fails after two",
			fails: 2,
			steps: []step{{true, 1, true, true, false, true}, {false, 1, true, true, false, false}, {false, 1, true, false, true, true}, {true, 1, true, true, false, true}},
		},
		{
			name:  "a success between",
			fails: 2,
			steps: []step{{false, 1, true, false, false, false}, {true, 1, true, true, false, true}, {false, 1, true, true, false, false}, {true, 1, true, true, false, false}, {false, 1, true, true, false, false}},
		},
		{
			name:  "an earlier stage",
			fails: 1,
			steps: []step{{true, 1, true, true, false, true}, {false, 0, false, true, false, true}},
		},
	} {
		w := &watched{Check: &Check{Name: "up", Fails: tt.fails}, result: &CheckResult{}}
		w.begin(false)
		for i, s := range tt.steps {
			counts := w.take(answer{check: w, turn: s.turn, ok: s.ok, text: "text", at: start.Add(time.Duration(i) * time.Second)})
			if counts != s.counts || w.holds != s.holds || w.fails() != s.fails || w.changed != s.changed {
				t.Errorf("%s, step %d: counts %t, holds %t, fails %t, changed %t, want %+v", tt.name, i+1, counts, w.holds, w.fails(), w.changed, s)
			}
		}
	}
	w := &watched{Check: &Check{Fails: 1}, result: &CheckResult{}}
	w.begin(true)
	if w.take(answer{turn: 1, ok: true}) || w.result.Asked != 0 {
		t.Error("an answer counts while the check is off")
	}
}

// The times of a check say since when it has held, and since when it has failed.
func TestWatchedTimes(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	w := &watched{Check: &Check{Fails: 2}, result: &CheckResult{}}
	w.begin(false)
	for i, ok := range []bool{false, false, true, true, false, true, false, false} {
		w.take(answer{turn: 1, ok: ok, at: at(i), text: map[bool]string{true: "good", false: "bad"}[ok]})
		if i == 5 && !w.heldAt.Equal(at(2)) {
			t.Errorf("has held since %s", w.heldAt)
		}
	}
	if !w.since.Equal(at(6)) || w.result.Asked != 8 || w.result.Failed != 5 || w.result.Last != "bad" || w.result.LastFailure != "bad" {
		t.Errorf("has failed since %s, %+v", w.since, w.result)
	}
}

// A check by HTTP can fail in several ways.
func TestAskHTTP(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		check  Check
		ok     bool
		text   string
	}{
		{
			name:   "ok",
			status: 200,
			check:  Check{Status: []string{"2xx"}},
			ok:     true,
			text:   "status 200",
		},
		{
			name:   "another status",
			status: 302,
			check:  Check{Status: []string{"2xx", "404"}},
			text:   "status 302, want 2xx 404",
		},
		{
			name:   "body",
			status: 200,
			body:   "all is well",
			check:  Check{Status: []string{"2xx"}, Body: "well"},
			ok:     true,
			text:   "status 200",
		},
		{
			name:   "another body",
			status: 200,
			body:   "ill",
			check:  Check{Status: []string{"2xx"}, Body: "well"},
			text:   "status 200, the body does not contain 'well'",
		},
		{
			name:  "no answer",
			check: Check{Status: []string{"2xx"}, Within: Duration(2 * time.Second)},
			text:  "no answer within 2s",
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(1)
			w.site = func() (int, string) { return tt.status, tt.body }
			c := tt.check
			c.HTTP = "http://site/"
			c.Within = Duration(c.Within.Or(time.Second))
			a := w.runner(nil).ask(t.Context(), &watched{Check: &c})
			if a.ok != tt.ok || a.text != tt.text {
				t.Errorf("%s: got %t, %s, want %t, %s", tt.name, a.ok, a.text, tt.ok, tt.text)
			}
		})
	}
}

// A check on what a point has seen fails if a node does not answer.
func TestAskSeen(t *testing.T) {
	p := mustParse(t, "check users seen shop success >= 50%\nstage a 1s {\n}\n")
	w := newWorld(2)
	r := w.runner(p)
	if ok, text := r.askSeen(t.Context(), p.Checks[0]); !ok || text != "success 100%" {
		t.Errorf("got %t, %s", ok, text)
	}
	w.nodes[1].fail = func(string) error { return errors.New("away") }
	if ok, text := r.askSeen(t.Context(), p.Checks[0]); ok || text != "node2:2019: away" {
		t.Errorf("got %t, %s", ok, text)
	}
	w.nodes[1].fail = nil
	for _, n := range w.nodes {
		n.figures = seen.Figures{}
	}
	if ok, text := r.askSeen(t.Context(), p.Checks[0]); ok || text != "saw nothing: no request came to point shop in 30s" {
		t.Errorf("got %t, %s", ok, text)
	}
	p.Checks[0].Seen.Value = 1.0
	low := 0.25
	w.nodes[0].figures = seen.Figures{Count: 4, Success: &low}
	if ok, text := r.askSeen(t.Context(), p.Checks[0]); ok || text != "success 25%, want >= 100%" {
		t.Errorf("got %t, %s", ok, text)
	}
}

func TestRefused(t *testing.T) {
	no := &RefusalError{http.StatusNotFound, "gone"}
	for _, tt := range []struct {
		err       error
		gone, may bool
	}{
		{no, true, false},
		{errors.Join(errors.New("node1"), no), true, false},
		{errors.New("no answer"), false, true},
		{&RefusalError{http.StatusServiceUnavailable, "busy"}, false, true},
		{nil, false, false},
	} {
		if refused(tt.err, 404, 410) != tt.gone || mayPass(tt.err) != tt.may {
			t.Errorf("%v: got %t, %t", tt.err, refused(tt.err, 404, 410), mayPass(tt.err))
		}
	}
}
