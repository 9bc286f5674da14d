package trigger

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// A source is a place in a request where a trigger can be.
type source interface {
	// present reports cheaply whether a request may have a trigger.
	present(r *http.Request) bool

	// read finds the trigger of a request that may have one. If the request contains
	// percentages, hits decides.
	read(r *http.Request, hits draws) (found trigger, ok bool)
}

// draws decides whether something with a percentage happens.
type draws func(percent float64) bool

// drawHits decides at random.
func drawHits(percent float64) bool {
	return rand.Float64()*100 < percent //nolint:gosec // chance, not a secret
}

// A trigger is what a request contains.
type trigger struct {
	line string
	key  string
	err  error // why it cannot be read
}

// A place describes the sources of one kind.
type place struct {
	source string

	// name is the default name; empty if the source has fixed names.
	name string

	// make returns the source of a trigger with a name, at a named point.
	make func(t *Trigger, name, point string) source

	// hidden lists what the upstream must not see of the trigger. Nil means that the
	// trigger is forwarded.
	hidden func(name string) hidden

	// keyless explains why the source cannot have a key.
	keyless string

	// draws reports that reading makes the draws.
	draws bool
}

// places are the places where a trigger can be. To add one, add a file and a line here.
var places = []place{headerPlace, cookiePlace, queryPlace, baggagePlace, envoyPlace}

// placeOf returns the place of a source, or nil if the name is unknown.
func placeOf(source string) *place {
	i := slices.IndexFunc(places, func(p place) bool { return p.source == source })
	if i < 0 {
		return nil
	}
	return &places[i]
}

// sourceNames returns the names of the sources.
func sourceNames() string {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.source
	}
	return strings.Join(names, ", ")
}

func percentOf(p *float64) float64 {
	if p == nil {
		return 100
	}
	return *p
}

// cutKey splits a first statement `key <text>;` off a line.
func cutKey(line string, keyed bool) trigger {
	if !keyed {
		return trigger{line: line}
	}
	statement, rest, _ := strings.Cut(line, ";")
	key, ok := strings.CutPrefix(strings.TrimSpace(statement), "key ")
	if !ok {
		return trigger{line: line}
	}
	return trigger{line: rest, key: strings.TrimSpace(key)}
}

// repeated returns an error if a request has a trigger more than once. A client, or a
// proxy that adds one, must neither hide nor replace another trigger.
func repeated(name string, n int) error {
	if n <= 1 {
		return nil
	}
	return fmt.Errorf("%s occurs %d times; send it once", name, n)
}
