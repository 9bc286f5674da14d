package api

import "net/http"

// KeepAlive is how often a feed that has nothing to tell says so.
const KeepAlive = keepAlive

// Routes calls f with the method and the pattern of each route.
func Routes(f func(method, pattern string)) {
	for _, rt := range routes {
		f(rt.method, rt.pattern)
	}
}

// Waits reports whether something waits for the end of a server.
func Waits(srv *http.Server) bool {
	_, kept := serverEnds.Load(srv)
	return kept
}
