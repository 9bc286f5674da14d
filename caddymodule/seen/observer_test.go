package seen

import (
	"testing"
	"time"
)

// tally is an observer that counts.
type tally struct{ saw, erred int }

func (o *tally) Saw()   { o.saw++ }
func (o *tally) Erred() { o.erred++ }

// TestObserver checks that an observer learns of each request once.
func TestObserver(t *testing.T) {
	rec := New(Clock{time.Now, time.Since}, func(string) bool { return true })
	tallies := make(map[string]*tally)
	rec.Observe(func(point string) Observer {
		tallies[point] = new(tally)
		return tallies[point]
	})
	shop, mail := rec.Point("shop"), rec.Point("mail")
	for _, tt := range []struct {
		name string
		do   func(*Point)
		want tally
	}{
		{"passed", func(p *Point) { p.Passed(p.Begin(true), Succeeded) }, tally{1, 0}},
		{"failed", func(p *Point) { p.Passed(p.Begin(true), Failed) }, tally{2, 0}},
		{"a real error", func(p *Point) { p.Passed(p.Begin(true), RealError) }, tally{3, 1}},
		{"a hit", func(p *Point) { p.Hit("gone") }, tally{4, 1}},
		{"its end", func(p *Point) { p.Ended(p.Begin(true), Failed) }, tally{4, 1}},
	} {
		tt.do(shop)
		if got := *tallies["shop"]; got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	if got := *tallies["mail"]; got != (tally{}) || mail == shop {
		t.Errorf("another point: got %+v, want none", got)
	}
	if again := rec.Point("shop"); again != shop || len(tallies) != 2 {
		t.Errorf("a known point got another observer: %d of them", len(tallies))
	}
}

// TestUnobserved checks that a recorder without an observer works.
func TestUnobserved(t *testing.T) {
	p := New(Clock{time.Now, time.Since}, func(string) bool { return true }).Point("shop")
	p.Passed(p.Begin(true), RealError)
	if got := p.Summarize(time.Minute); got.RealErrors != 1 {
		t.Errorf("got %d real errors, want 1", got.RealErrors)
	}
}
