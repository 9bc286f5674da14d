package faults

import "net/http"

// Ending is how a fault ends a request or an attempt.
type Ending struct {
	// Status is that of the reply, or with Error that of the error, which error routes
	// or a proxy may turn into a reply; 0: it is not known.
	Status int
	Error  bool

	// Aborts says that there is no reply at all.
	Aborts bool
}

// Ender is implemented by a kind of which it is known beforehand how it ends a
// request.
type Ender interface {
	EndsWith(p Place) Ending
}

// MayEnd reports whether the chain may end a request without calling next. One
// whose last fault can do so in other settings may, too.
func (c Chain) MayEnd() bool {
	if len(c) == 0 {
		return false
	}
	_, ok := c[len(c)-1].(Terminal)
	return ok
}

// EndsWith returns how the chain ends a request, as far as that is known.
func (c Chain) EndsWith(p Place) Ending {
	if len(c) == 0 {
		return Ending{}
	}
	if f, ok := c[len(c)-1].(Ender); ok {
		return f.EndsWith(p)
	}
	return Ending{}
}

// Lost is the ending of a kind that closes a connection: in a handler the client's
// without a reply, in a transport the upstream's, which is an error of the proxy.
func Lost(p Place) Ending {
	if p == InTransport {
		return Ending{Status: http.StatusBadGateway, Error: true}
	}
	return Ending{Aborts: true}
}
