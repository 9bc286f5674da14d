package trigger

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

var cookiePlace = place{
	source: "cookie",
	name:   "fault",
	make:   func(t *Trigger, name, _ string) source { return cookieSource{name, t.key != nil} },
}

// cookieSource is a cookie.
type cookieSource struct {
	name  string
	keyed bool
}

func (s cookieSource) present(r *http.Request) bool { return text.Mentions(r.Header["Cookie"], s.name) }

func (s cookieSource) read(r *http.Request, _ draws) (trigger, bool) {
	cookies := r.CookiesNamed(s.name)
	if len(cookies) == 0 {
		return trigger{}, false
	}
	if err := repeated("cookie "+s.name, len(cookies)); err != nil {
		return trigger{err: err}, true
	}
	line, err := url.PathUnescape(cookies[0].Value)
	if err != nil { // its text quotes the value
		return trigger{err: errors.New("the cookie is not percent-encoded: each % must be followed by two hexadecimal digits; write % as %25")}, true
	}
	return cutKey(line, s.keyed), true
}

// Interface guards
var _ source = cookieSource{}
