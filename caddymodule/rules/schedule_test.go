package rules

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// activeIn returns when p fires, in seconds after load, for a request per second that
// draws u.
func activeIn(p *Point, u float64, seconds int) []int {
	var active []int
	for i := range seconds {
		if d := decide(p, u, time.Duration(i)*time.Second); d.Rule != nil {
			active = append(active, i)
		}
	}
	return active
}

func TestSchedule(t *testing.T) {
	tests := []struct {
		settings string
		want     []int // of the first ten seconds
	}{
		{`"start": "3s"`, []int{3, 4, 5, 6, 7, 8, 9}},
		{`"end": "3s"`, []int{0, 1, 2}},
		{`"start": "3s", "end": "5s"`, []int{3, 4}},
		{`"cycle": {"on": "1s", "period": "4s"}`, []int{0, 4, 8}},
		{`"cycle": {"on": "4s", "period": "4s"}`, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{`"cycle": {"on": "2s", "period": "4s"}, "start": "3s"`, []int{3, 4, 7, 8}},
		{`"cycle": {"on": "2s", "period": "4s"}, "times": 3`, []int{0, 1, 4}},
		{`"start": "2s", "skip": 2`, []int{4, 5, 6, 7, 8, 9}},
		{`"end": "2001-01-01T00:00:00Z"`, nil},
		{`"start": "9001-01-01T00:00:00Z"`, nil},
		{`"start": "2001-01-01T00:00:00Z", "end": "2s"`, []int{0, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.settings, func(t *testing.T) {
			p := mustLoad(t, `{"rules": [{`+tt.settings+`, `+closing+`}]}`)
			if got := activeIn(p, 0, 10); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestInstants(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"start": "2026-11-22T20:00:00+01:00", "end": "2026-11-22T20:00:00Z", `+closing+`}]}`)
	start := time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		now  time.Time
		want bool
	}{
		{start.Add(-1), false},
		{start, true},
		{start.Add(time.Hour - 1), true},
		{start.Add(time.Hour), false},
	} {
		if got := p.Rules[0].schedule.active(tt.now); got != tt.want {
			t.Errorf("at %v: got active %v, want %v", tt.now, got, tt.want)
		}
	}
}

// During a ramp the part of the share that fires rises linearly. The draw stays uniform
// within it, and requests that were hit before stay hit.
func TestRamp(t *testing.T) {
	const steps = 1000
	p := mustLoad(t, `{"rules": [{"percent": 40, "start": "10s", "ramp": "100s", `+closing+`}]}`)
	was := make(map[int]bool)
	for _, second := range []int{5, 10, 35, 60, 109, 110, 1000} {
		want := math.Round(math.Max(0, math.Min(1, float64(second-10)/100)) * 0.4 * steps)
		count, highest := 0, 0.0
		for i := range steps {
			d := decide(p, float64(i)/steps, time.Duration(second)*time.Second)
			if d.Rule == nil && was[i] {
				t.Errorf("after %d s: draw %d is no longer hit", second, i)
			}
			if d.Rule == nil {
				continue
			}
			was[i] = true
			count++
			highest = max(highest, d.U)
		}
		if float64(count) != want {
			t.Errorf("after %d s: got %d hits of %d, want %v", second, count, steps, want)
		}
		if count > 0 && (highest < 1-2/float64(count) || highest >= 1) {
			t.Errorf("after %d s: highest position in the share %v, want just below 1", second, highest)
		}
	}
}

func TestReasonsOfTime(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"name": "a", "percent": 50, "start": "10s", "ramp": "10s", "skip": 1, `+closing+`}]}`)
	got := passes(p)
	decide(p, 0.25, 0)              // too early
	decide(p, 0.25, 10*time.Second) // skipped
	decide(p, 0.25, 12*time.Second) // not yet in the part that fires
	decide(p, 0.75, 18*time.Second) // outside the share
	decide(p, 0.25, 18*time.Second) // hit
	if got["a time"] != 1 || got["a count"] != 1 || got["a percent"] != 2 || len(got) != 3 {
		t.Errorf("got %v, want one of time, one of count, two of percent", got)
	}
}

// The clock is the real one. It is not read if no rule depends on it.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			settings string
			want     string // of requests every 30 minutes
		}{
			{`"percent": 100`, "aaaa"},
			{`"start": "1h"`, "--aa"},
			{`"end": "1h"`, "aa--"},
			{`"over": {"requests": 1, "window": "31m"}`, "-aaa"},
			{`"over": {"requests": 1, "window": "30m"}`, "----"},
			{`"start": "INSTANT"`, "--aa"},
		} {
			settings := strings.ReplaceAll(tt.settings, "INSTANT", time.Now().Add(time.Hour).Format(time.RFC3339))
			p := mustLoad(t, `{"rules": [{"name": "a", `+settings+`, `+closing+`}]}`)
			if asks := tt.settings != `"percent": 100`; (p.clock != nil) != asks {
				t.Errorf("%s: got a clock %v, want %v", tt.settings, p.clock != nil, asks)
			}
			got := ""
			for range 4 {
				got += cmp.Or(name(t, p, request("/")), "-")
				time.Sleep(30 * time.Minute)
			}
			if got != tt.want {
				t.Errorf("%s: got hits %s, want %s", tt.settings, got, tt.want)
			}
			unload(t, p)
		}
	})
}
