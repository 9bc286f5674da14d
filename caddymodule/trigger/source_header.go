package trigger

import "net/http"

var headerPlace = place{
	source: "header",
	name:   "X-Fault",
	make: func(t *Trigger, name, _ string) source {
		return headerSource{http.CanonicalHeaderKey(name), t.key != nil}
	},
	hidden: func(name string) hidden { return hidden{fields: []string{http.CanonicalHeaderKey(name)}} },
}

// headerSource is a header field.
type headerSource struct {
	name  string
	keyed bool
}

func (s headerSource) present(r *http.Request) bool { return len(r.Header[s.name]) > 0 }

func (s headerSource) read(r *http.Request, _ draws) (trigger, bool) {
	lines := r.Header[s.name]
	if err := repeated(s.name, len(lines)); err != nil {
		return trigger{err: err}, true
	}
	return cutKey(lines[0], s.keyed), true
}

// Interface guards
var _ source = headerSource{}
