package trigger

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// A source is a place where a trigger can stand.
type source interface {
	// present tells, at next to no cost, requests that have no trigger from
	// those that may have one.
	present(r *http.Request) bool

	// read finds the trigger of a request that may have one. Where the request
	// says by itself how often, hits decides.
	read(r *http.Request, hits draws) (found trigger, ok bool)
}

// draws decides whether what has a share of so many percent is to happen.
type draws func(percent float64) bool

// drawHits leaves that to chance.
func drawHits(percent float64) bool {
	return rand.Float64()*100 < percent //nolint:gosec // chance, not secrecy
}

// A trigger is what a request came with.
type trigger struct {
	line string
	key  string
	err  error // it cannot be read
}

// A place describes the sources of one kind.
type place struct {
	source string

	// name is the default one; empty: the source has names of its own.
	name string

	// make returns the source of a trigger by its name, at a point of that name.
	make func(t *Trigger, name, point string) source

	// hidden are the header fields that the trigger stands in and that the
	// upstream is not to see; nil: they travel on.
	hidden func(name string) []string

	// keyless says why the source carries no key.
	keyless string

	// draws says that reading makes the draws.
	draws bool
}

// places are the places where a trigger can stand. A new one is a file and a line
// here.
var places = []place{headerPlace, cookiePlace, baggagePlace, envoyPlace}

// placeOf is the place of a source, nil if there is none of that name.
func placeOf(source string) *place {
	i := slices.IndexFunc(places, func(p place) bool { return p.source == source })
	if i < 0 {
		return nil
	}
	return &places[i]
}

// sourceNames are the words for them.
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

// cutKey takes a first statement `key <text>;` off a line.
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

// repeated refuses a trigger that a request has more than once: a client, or a
// proxy that adds one, must neither hide nor replace that of another.
func repeated(name string, n int) error {
	if n <= 1 {
		return nil
	}
	return fmt.Errorf("%s is there %d times: send it once", name, n)
}
