package api

import (
	"net/http"
	"net/url"

	"github.com/caddyfault/caddyfault/caddymodule/control"
)

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

// Waking returns what a waiting verification does each time it wakes.
func Waking(ctl *control.Control, query url.Values) (wake func() (holds bool, err error), err error) {
	v, err := (&service{ctl: ctl}).newVerification(query)
	return func() (bool, error) {
		count, all, err := v.count()
		return v.holds(count, all), err
	}, err
}
