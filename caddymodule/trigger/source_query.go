package trigger

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

var queryPlace = place{
	source: "query",
	name:   "fault",
	make:   func(t *Trigger, name, _ string) source { return querySource{name, t.key != nil} },
	hidden: func(name string) hidden { return hidden{params: []string{name}} },
}

// querySource is a parameter of the query.
type querySource struct {
	name  string
	keyed bool
}

// validParam matches names that are the same with and without percent-encoding.
var validParam = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`).MatchString

func (s querySource) present(r *http.Request) bool { return hasParam(r.URL.RawQuery, s.name) }

func (s querySource) read(r *http.Request, _ draws) (trigger, bool) {
	_, pairs := cutParam(r.URL.RawQuery, s.name)
	if err := repeated("parameter "+s.name, len(pairs)); err != nil {
		return trigger{err: err}, true
	}
	value, _ := paramValue(pairs[0], s.name)
	if strings.Contains(value, ";") {
		return trigger{err: errors.New("the parameter has a semicolon: write ; as %3B, for example with encodeURIComponent")}, true
	}
	line, err := url.QueryUnescape(value)
	if err != nil { // its text quotes the value
		return trigger{err: errors.New("the parameter is not percent-encoded: each % must be followed by two hexadecimal digits; write % as %25")}, true
	}
	return cutKey(line, s.keyed), true
}

// Interface guards
var _ source = querySource{}
