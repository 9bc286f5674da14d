package routes

import (
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Guide returns what may happen to a request at a module that the caller knows. It
// returns nil for a module that it does not know.
type Guide func(v *Visit) *Turns

// Visit is a request that reaches a module: a handler, or a transport with an attempt
// of a proxy.
type Visit struct {
	Module  any
	At      Place
	Request *http.Request

	run *run
}

// Unknown returns the placeholder that see has read and that has a value only in a real
// request, or "".
func (v *Visit) Unknown(see func()) string {
	v.run.unknown = ""
	see()
	return v.run.unknown
}

// Knows reports whether read, and all that an [Visit.Unknown] around it has read before,
// has no placeholder that has a value only in a real request.
func (v *Visit) Knows(read func()) bool {
	before := v.run.unknown
	unknown := v.Unknown(read)
	v.run.unknown = before
	return before == "" && unknown == ""
}

// If lists the conditions of the visit.
func (v *Visit) If() []string { return slices.Clone(v.run.way.If) }

// Replier is implemented by a handler of another module that always replies and never
// calls next.
type Replier interface {
	AlwaysReplies()
}

// Turns describe what may happen to a request at a module.
type Turns struct {
	// Passes reports that the request may continue without a turn that ends it.
	Passes bool

	// Turns are in the order in which they are decided.
	Turns []Turn

	// Answer is the status with which the module answers in place of the next handler,
	// unless a turn ends the request. 0: it calls the next handler.
	Answer int
}

// Turn is one possibility.
type Turn struct {
	// Hit is what happens, in terms of the caller.
	Hit any

	// Ends reports that the request may end here, Continues that it may continue.
	Ends, Continues bool

	// Status is the status of the reply or, if Error is set, of the error that ends the
	// request. 0 means unknown.
	Status int
	Error  bool

	// Aborts reports that there is no reply at all.
	Aborts bool

	// OnReply reports that it happens when the reply arrives and matches. A nil matcher
	// matches every reply.
	OnReply bool
	Match   *caddyhttp.ResponseMatcher

	// Certain reports that the request cannot continue without it.
	Certain bool
}

// Way is one way that a request may take.
type Way struct {
	// If lists the conditions beyond the request and the configuration.
	If []string

	// Unlikely reports that an upstream must fail.
	Unlikely bool

	// Hits happen on the way. The hit that ends the way is in End.
	Hits []any

	// End is where the way ends.
	End End
}

// End is what answers a request.
type End struct {
	// Module is the module that answers. If it is empty, no module does, and the reply
	// is empty.
	Module string

	// Unknown reports that only the module knows whether it answers.
	Unknown bool

	// Status is the status of the reply; 0 means unknown.
	Status int

	// Aborts reports that the connection is closed without a reply.
	Aborts bool

	// Upstreams are the addresses to one of which a proxy sends the request.
	Upstreams []string

	// Hit is the hit that ends the request.
	Hit any

	// At is the place of the module.
	At Place
}

// Answer is the result of following a request.
type Answer struct {
	// Ways are the ways that the request may take, in the order in which each is
	// decided. It is empty if no server listens at the request's address.
	Ways []Way

	// NoServer explains why there is no way.
	NoServer string

	// NoSite reports that no route matches the host of the request.
	NoSite bool

	// Notes list assumptions.
	Notes []string

	// Cut reports that there are more ways than Follow has followed.
	Cut bool

	servers map[string]bool
	entered map[*caddyhttp.Route]bool
	refused map[*caddyhttp.Route]string
	failed  bool
	asked   *http.Request
}

// choice is a question that only a real request can answer, and the answer that is
// followed.
type choice struct{ taken, of int }

// search follows all ways, one after the other. Each way starts from the beginning and
// repeats the answers of the way before it, except the last.
type search struct {
	choices []choice
	at      int
}

// choose answers a question that has n answers.
func (s *search) choose(of int) int {
	if of <= 1 {
		return 0
	}
	if s.at == len(s.choices) {
		s.choices = append(s.choices, choice{of: of})
	}
	c := &s.choices[s.at]
	s.at++
	c.of = of // as before, unless the time has changed something
	return min(c.taken, of-1)
}

// next moves to the next way, and reports whether there is one.
func (s *search) next() bool {
	s.choices = s.choices[:s.at]
	s.at = 0
	for n := len(s.choices); n > 0; n-- {
		if last := &s.choices[n-1]; last.taken+1 < last.of {
			last.taken++
			s.choices = s.choices[:n]
			return true
		}
	}
	return false
}
