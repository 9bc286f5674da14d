package api

import "net/http"

// KeepAlive is the interval of comments in a silent feed.
const KeepAlive = keepAlive

// Routes calls f with the method and the pattern of each route.
func Routes(f func(method, pattern string)) {
	for _, rt := range routes {
		f(rt.method, rt.pattern)
	}
}

// Waits reports whether a request waits for the shutdown of srv.
func Waits(srv *http.Server) bool {
	_, kept := serverEnds.Load(srv)
	return kept
}
