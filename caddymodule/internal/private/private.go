// Package private stores what the points on the way of a request remember about the
// request. A configuration cannot print these values. They are among the placeholders
// of the request, but their text is empty, because a value may be a key.
//
// The values are not in Caddy's request variables. Those are a map without a lock,
// which a goroutine of a proxy's transport may read while a rule fires on the header of
// the reply.
//
// The package depends on Caddy's replacer. It has no notion of faults.
package private

import (
	"net/http"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// A Slot is the name under which each request can have one value.
type Slot[T any] string

// Get returns the value of a request, or the zero value.
func (s Slot[T]) Get(r *http.Request) T {
	value, _ := text.Replacer(r).Get(s.key())
	kept, _ := value.(hidden[T])
	return kept.value
}

// Set sets the value of a request.
func (s Slot[T]) Set(r *http.Request, value T) {
	text.Replacer(r).Set(s.key(), hidden[T]{value})
}

func (s Slot[T]) key() string { return "http.fault." + string(s) }

// hidden is a value whose placeholder is empty.
type hidden[T any] struct{ value T }

// String returns an empty string.
func (hidden[T]) String() string { return "" }
