package routes

import (
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Guide tells what may become of a request at a module that whoever asks knows. It
// is nil for a module that it does not know.
type Guide func(v *Visit) *Turns

// Visit is a request that comes to a module: to a handler, or as the attempt of a
// proxy to a transport.
type Visit struct {
	Module  any
	At      Place
	Request *http.Request

	run *run
}

// Unknown returns the placeholder that see has read and that only a real request has
// a value for. If there is none, it is empty.
func (v *Visit) Unknown(see func()) string {
	v.run.unknown = ""
	see()
	return v.run.unknown
}

// If is what has to be so for the visit.
func (v *Visit) If() []string { return slices.Clone(v.run.way.If) }

// Replier is a handler of another module of which somebody knows that it always
// replies, and never calls next.
type Replier interface {
	AlwaysReplies()
}

// Turns are what may become of a request at a module.
type Turns struct {
	// Passes says that the request may go on without a turn that ends it.
	Passes bool

	// Turns are in the order in which they are asked.
	Turns []Turn
}

// Turn is one of them.
type Turn struct {
	// Hit is what happens, for whoever asks.
	Hit any

	// Ends says that the request may end here, Continues that it may go on.
	Ends, Continues bool

	// Status is that of the reply, or with Error that of the error, which ends the
	// request; 0: it is not known.
	Status int
	Error  bool

	// Aborts says that there is no reply at all.
	Aborts bool

	// OnReply says that it happens when the reply comes, if it matches: nil
	// matches all.
	OnReply bool
	Match   *caddyhttp.ResponseMatcher

	// Certain says that the request gets no further without it.
	Certain bool
}

// Way is one way that a request may take.
type Way struct {
	// If is what has to be so, beyond what the request and the configuration say.
	If []string

	// Unlikely says that an upstream has to fail.
	Unlikely bool

	// Hits are what happens on the way, without that which ends it.
	Hits []any

	// End is where the way ends.
	End End
}

// End is what answers a request.
type End struct {
	// Module is the one that answers. Empty: none does, which is an empty reply.
	Module string

	// Unknown says that only the module knows whether it answers.
	Unknown bool

	// Status is that of the reply; 0: it is not known.
	Status int

	// Aborts says that the connection is closed without a reply.
	Aborts bool

	// Upstreams are where a proxy sends the request, one of them.
	Upstreams []string

	// Hit is the one that ends the request.
	Hit any

	// At is where that is.
	At Place
}

// Answer is all that can be said of a request.
type Answer struct {
	// Ways are the ways that the request may take, in the order in which each is
	// decided. There is none if no server listens where the request goes.
	Ways []Way

	// NoServer says why there is no way.
	NoServer string

	// NoSite says that no route for the host of the request has been found.
	NoSite bool

	// Notes are what has been taken for granted.
	Notes []string

	// Cut says that there are more ways than were followed.
	Cut bool

	servers map[string]bool
	entered map[*caddyhttp.Route]bool
	refused map[*caddyhttp.Route]string
	failed  bool
	asked   *http.Request
}

// choice is a question that only the real request answers, and the answer that is
// followed.
type choice struct{ taken, of int }

// search follows all ways, one after the other. Each starts anew, and takes the
// answers of the one before it but for the last.
type search struct {
	choices []choice
	at      int
}

// choose answers a question with so many answers.
func (s *search) choose(of int) int {
	if of <= 1 {
		return 0
	}
	if s.at == len(s.choices) {
		s.choices = append(s.choices, choice{of: of})
	}
	c := &s.choices[s.at]
	s.at++
	c.of = of // the same as before, unless the time has changed something
	return min(c.taken, of-1)
}

// next turns to the next way, and reports whether there is one.
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
