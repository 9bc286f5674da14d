package trigger

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// hidden lists what no upstream may see of a request.
type hidden struct {
	fields []string // header fields, in canonical form
	params []string // parameters of the query
}

// in reports whether a request has any of it.
func (h *hidden) in(r *http.Request) bool {
	for _, name := range h.fields {
		if len(r.Header[name]) > 0 {
			return true
		}
	}
	for _, name := range h.params {
		if hasParam(r.URL.RawQuery, name) {
			return true
		}
	}
	return false
}

// removeFrom removes all of it from a request.
func (h *hidden) removeFrom(r *http.Request) {
	for _, name := range h.fields {
		delete(r.Header, name)
	}
	for _, name := range h.params {
		removeParam(r, name)
	}
}

func (h *hidden) empty() bool { return len(h.fields) == 0 && len(h.params) == 0 }

// hasParam reports whether a query has a parameter, which must be written without
// percent-encoding.
func hasParam(query, name string) bool {
	for query != "" {
		pair, rest, _ := strings.Cut(query, "&")
		query = rest
		if _, is := paramValue(pair, name); is {
			return true
		}
	}
	return false
}

// paramValue returns the value of a pair, as in the query, if it has this name.
func paramValue(pair, name string) (value string, is bool) {
	rest, is := strings.CutPrefix(pair, name)
	if !is || rest != "" && rest[0] != '=' {
		return "", false
	}
	return strings.TrimPrefix(rest, "="), true
}

// cutParam returns a query without a parameter, and the pairs that it has removed.
func cutParam(query, name string) (rest string, pairs []string) {
	if !hasParam(query, name) {
		return query, nil
	}
	var others []string
	for pair := range strings.SplitSeq(query, "&") {
		if _, is := paramValue(pair, name); is {
			pairs = append(pairs, pair)
		} else {
			others = append(others, pair)
		}
	}
	return strings.Join(others, "&"), pairs
}

// removeParam removes a parameter from a request and returns its pairs. Caddy's error
// routes get the original URL again, so removeParam changes that as well.
func removeParam(r *http.Request, name string) (pairs []string) {
	r.URL.RawQuery, pairs = cutParam(r.URL.RawQuery, name)
	if original := originalOf(r); original != nil {
		original.URL.RawQuery, _ = cutParam(original.URL.RawQuery, name)
	}
	if path, query, ok := strings.Cut(r.RequestURI, "?"); ok && len(pairs) > 0 {
		if query, _ = cutParam(query, name); query != "" {
			path += "?" + query
		}
		r.RequestURI = path
	}
	return pairs
}

// restoreParam adds the pairs of a parameter, unless the query has the parameter.
func restoreParam(r *http.Request, name string, pairs []string) {
	if hasParam(r.URL.RawQuery, name) {
		return
	}
	all := strings.Join(pairs, "&")
	if r.URL.RawQuery != "" {
		all = r.URL.RawQuery + "&" + all
	}
	r.URL.RawQuery = all
}

// originalOf returns the request as the server has received it, or nil.
func originalOf(r *http.Request) *http.Request {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return &original
	}
	return nil
}

// queries are the queries of a request.
type queries struct{ url, uri, original string }

func queryOf(r *http.Request) queries {
	q := queries{url: r.URL.RawQuery, uri: r.RequestURI}
	if original := originalOf(r); original != nil {
		q.original = original.URL.RawQuery
	}
	return q
}

// restore undoes changes of the queries.
func (q queries) restore(r *http.Request) {
	r.URL.RawQuery, r.RequestURI = q.url, q.uri
	if original := originalOf(r); original != nil {
		original.URL.RawQuery = q.original
	}
}
