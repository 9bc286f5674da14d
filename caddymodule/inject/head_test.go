package inject

import (
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// A point finds its own writer among those of other points.
func TestWriterOf(t *testing.T) {
	sightAround := func(w http.ResponseWriter) *sight {
		s := new(sight)
		s.ResponseWriter = w
		return s
	}
	client := &testkit.Discard{Fields: make(http.Header)}
	inner := sightAround(client)
	recorder := new(track)
	recorder.ResponseWriter = &caddyhttp.ResponseWriterWrapper{ResponseWriter: inner}
	outer := sightAround(recorder)
	all := func(*sight) bool { return true }
	for name, tt := range map[string]struct {
		w      http.ResponseWriter
		wanted func(*sight) bool
		want   *sight
	}{
		"the first one":           {outer, all, outer},
		"the wanted one":          {outer, func(s *sight) bool { return s == inner }, inner},
		"past a writer":           {recorder, all, inner},
		"none is wanted":          {outer, func(*sight) bool { return false }, nil},
		"no writer of the type":   {client, all, nil},
		"no writer, as in a trip": {nil, all, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := writerOf(tt.w, tt.wanted); got != tt.want {
				t.Errorf("got %p, want %p", got, tt.want)
			}
		})
	}
	if got := writerOf(outer, func(*track) bool { return true }); got != recorder {
		t.Errorf("the writer of the recorder: got %p, want %p", got, recorder)
	}
}

// A search for a writer allocates nothing.
func TestWriterOfAllocates(t *testing.T) {
	s, seen := new(sight), new(injector)
	s.ResponseWriter = &testkit.Discard{Fields: make(http.Header)}
	if n := testing.AllocsPerRun(100, func() {
		writerOf(s, func(s *sight) bool { return s.at != seen.seen })
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
