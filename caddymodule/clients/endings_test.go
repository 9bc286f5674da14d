package clients

import "testing"

func TestEndings(t *testing.T) {
	busy := (&Result{Outcome: Reply, Status: 503}).Ending()
	gone := (&Result{Outcome: Reply, Status: 410}).Ending()
	cut := (&Result{Outcome: Cut, Status: 503}).Ending()
	for _, tt := range []struct {
		text string
		want [5]bool // whether it has busy, gone, cut, one without a reply, and an unknown one
	}{
		{"503", [5]bool{true, false, false, false, false}},
		{"5xx", [5]bool{true, false, false, false, false}},
		{"4xx", [5]bool{false, true, false, false, false}},
		{"504", [5]bool{}},
		{"9xx", [5]bool{}},
		{"cut", [5]bool{false, false, true, false, false}},
		{"no_reply", [5]bool{false, false, false, true, false}},
		{"left", [5]bool{}},
	} {
		s, ok := ParseEndings(tt.text)
		if !ok || s.All() {
			t.Errorf("%s: got %v, %v", tt.text, s, ok)
		}
		if got := [5]bool{s.Has(busy), s.Has(gone), s.Has(cut), s.Has((&Result{Outcome: NoReply}).Ending()), s.Has(0)}; got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.text, got, tt.want)
		}
	}
	for _, text := range []string{"", "xx", "0xx", "55xx", "99", "1000", "-503", "5XX", "reply", "passed", "waiting", "Cut"} {
		if s, ok := ParseEndings(text); ok {
			t.Errorf("%q: got %v, want an error", text, s)
		}
	}
	if all := (Endings{}); !all.All() || !all.Has(busy) || !all.Has(0) {
		t.Error("the zero value does not select all")
	}
}
