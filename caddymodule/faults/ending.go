package faults

import "net/http"

// Ending describes how a fault ends a request or an attempt.
type Ending struct {
	// Status is the status of the reply, or 0 if it is not known. If Error is true, it
	// is the status of an error. Error routes or a proxy may turn the error into a
	// reply.
	Status int
	Error  bool

	// Aborts reports that the client gets no reply.
	Aborts bool
}

// Ender is implemented by a kind that knows at load how it ends a request.
type Ender interface {
	EndsWith(p Place) Ending
}

// MayEnd reports whether the chain may end a request without calling next. It also
// returns true if the last fault would do so only with other settings.
func (c Chain) MayEnd() bool {
	if len(c) == 0 {
		return false
	}
	_, ok := c[len(c)-1].(Terminal)
	return ok
}

// EndsWith returns how the chain ends a request, or a zero Ending if that is not known.
func (c Chain) EndsWith(p Place) Ending {
	if len(c) == 0 {
		return Ending{}
	}
	if f, ok := c[len(c)-1].(Ender); ok {
		return f.EndsWith(p)
	}
	return Ending{}
}

// Lost returns the ending of a kind that closes a connection. In a handler, the
// client's connection closes without a reply. In a transport, the upstream's connection
// closes, and the proxy reports an error.
func Lost(p Place) Ending {
	if p == InTransport {
		return Ending{Status: http.StatusBadGateway, Error: true}
	}
	return Ending{Aborts: true}
}
