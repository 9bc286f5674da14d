// Package private keeps what the points on the way of a request remember of it.
// Nobody can write it out: the values stand among the request's placeholders, and
// one of them may be a key.
//
// They do not stand in Caddy's variables of a request. Those are a map without a
// lock, which a goroutine of a proxy's transport may be reading, while a rule fires
// on the head of the reply.
//
// The package knows Caddy's replacer, and nothing of faults.
package private

import (
	"net/http"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// A Slot is a place for one value of each request, by its name.
type Slot[T any] string

// Get returns the value of a request, the zero value if it has none.
func (s Slot[T]) Get(r *http.Request) T {
	value, _ := text.Replacer(r).Get(s.key())
	kept, _ := value.(hidden[T])
	return kept.value
}

// Set gives a request a value.
func (s Slot[T]) Set(r *http.Request, value T) {
	text.Replacer(r).Set(s.key(), hidden[T]{value})
}

func (s Slot[T]) key() string { return "http.fault." + string(s) }

// hidden is a value that a placeholder shows nothing of.
type hidden[T any] struct{ value T }

// String is empty.
func (hidden[T]) String() string { return "" }
