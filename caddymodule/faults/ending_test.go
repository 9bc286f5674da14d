package faults

import (
	"net/http"
	"testing"
)

// ending is a fault with a configurable Terminal and EndsWith.
type ending struct {
	step
	Ending

	always bool
}

func (e ending) Terminal() bool        { return e.always }
func (e ending) EndsWith(Place) Ending { return e.Ending }

func TestChainEnding(t *testing.T) {
	reply := Ending{Status: http.StatusTeapot}
	for _, tt := range []struct {
		name   string
		chain  Chain
		mayEnd bool
		want   Ending
	}{
		{"empty", nil, false, Ending{}},
		{"goes on", Chain{step{}}, false, Ending{}},
		{"ends", Chain{step{}, ending{always: true, Ending: reply}}, true, reply},
		{"may end", Chain{ending{Ending: Ending{Aborts: true}}}, true, Ending{Aborts: true}},
		{"may end earlier", Chain{ending{Ending: reply}, step{}}, false, Ending{}},
	} {
		if mayEnd, got := tt.chain.MayEnd(), tt.chain.EndsWith(InHandler); mayEnd != tt.mayEnd || got != tt.want {
			t.Errorf("%s: got %v, %+v, want %v, %+v", tt.name, mayEnd, got, tt.mayEnd, tt.want)
		}
	}
}

// In a handler the client loses its connection, in a transport the proxy does.
func TestLost(t *testing.T) {
	if got, want := Lost(InHandler), (Ending{Aborts: true}); got != want {
		t.Errorf("in a handler: got %+v, want %+v", got, want)
	}
	if got, want := Lost(InTransport), (Ending{Status: http.StatusBadGateway, Error: true}); got != want {
		t.Errorf("in a transport: got %+v, want %+v", got, want)
	}
}
