package routes

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// reads is a part of the request that a matcher reads.
type reads int

const (
	readsHost reads = iota
	readsURI
	readsHeader
	readsVars
	readsClient
	readsBody
	readsParts // how many there are
)

// matchers are the matchers of Caddy and of this module, with what each reads besides placeholders. They
// read the request and the disk, and change only placeholders of the request. Other
// matchers may have other effects, so Follow does not run them.
var matchers = map[string][]reads{
	"client_ip":     {readsClient, readsHeader},
	"expression":    {readsURI, readsHeader},
	"file":          {readsURI, readsVars},
	"header":        {readsHeader},
	"header_regexp": {readsHeader},
	"host":          {readsHost},
	"json_body":     {readsBody, readsHeader},
	"method":        {readsURI},
	"not":           nil, // evaluated one by one
	"path":          {readsURI},
	"path_regexp":   {readsURI},
	"protocol":      nil, // see httpVersion
	"query":         {readsURI},
	"remote_ip":     {readsClient},
	"tls":           nil, // the handshake has ended
	"url_pattern":   {readsURI, readsHost},
	"vars":          {readsVars},
	"vars_regexp":   {readsVars},
}

// said is the answer of a matcher.
type said int

const (
	saysNo said = iota
	saysYes
	saysMaybe
)

// matches reports whether the request takes a route. If only a real request could tell,
// Follow follows both ways.
func (w *run) matches(route *caddyhttp.Route, r *http.Request) (bool, error) {
	why := ""
	for _, set := range route.MatcherSets {
		w.site = nil
		answer, by, err := w.set(set, r)
		switch {
		case err != nil:
			return false, err
		case answer == saysYes, answer == saysMaybe && w.choose(2) == 0:
			if answer == saysMaybe {
				w.suppose("%s", by)
				w.settle(r)
			}
			return true, nil
		}
		why = by
	}
	if len(route.MatcherSets) > 1 {
		why = fmt.Sprintf("none of its %d matcher sets match", len(route.MatcherSets))
	}
	if len(route.MatcherSets) > 0 {
		w.refuse(route, why)
	}
	return len(route.MatcherSets) == 0, nil
}

// settle sets the host of the request to that of the site, if the request is assumed to
// be for the site.
func (w *run) settle(r *http.Request) {
	if len(w.site) == 1 && !strings.ContainsAny(w.site[0], "*{") {
		r.Host = w.site[0]
	}
}

// set evaluates a set of matchers. If the set does not match, by is the matcher that
// decides.
func (w *run) set(set caddyhttp.MatcherSet, r *http.Request) (answer said, by string, err error) {
	answer = saysYes
	for _, m := range set {
		own, why, err := w.matcher(m, r)
		if err != nil || own == saysNo {
			return saysNo, why, err
		}
		if own == saysMaybe && answer == saysYes {
			answer, by = saysMaybe, why
		}
	}
	return answer, by, nil
}

// matcher evaluates one matcher.
func (w *run) matcher(m any, r *http.Request) (answer said, why string, err error) {
	name := moduleName(m)
	parts, known := matchers[name]
	if !known {
		return saysMaybe, fmt.Sprintf("the matcher '%s', which is not part of Caddy, matches", name), nil
	}
	if not, is := m.(*caddyhttp.MatchNot); is {
		return w.not(not, r)
	}
	if host, is := m.(*caddyhttp.MatchHost); is && r.Host == "" {
		w.site = *host
		return saysMaybe, "the host is " + strings.Join(*host, " or "), nil
	}
	for _, part := range parts {
		if key := w.taint[part]; key != "" {
			return saysMaybe, maybeText(name, key), nil
		}
		if part == readsClient {
			w.lookAtClient()
		}
		if part == readsBody {
			w.lookAtBody()
		}
	}
	if httpVersion(m) {
		return saysMaybe, "the request arrives over " + string(*m.(*caddyhttp.MatchProtocol)), nil
	}
	w.unknown = ""
	yes, err := askMatcher(m, r)
	switch {
	case w.unknown != "":
		return saysMaybe, maybeText(name, w.unknown), nil
	case yes && err == nil:
		return saysYes, "", nil
	default:
		return saysNo, fmt.Sprintf("the matcher '%s' does not match", name), err
	}
}

func maybeText(matcher, placeholder string) string {
	return fmt.Sprintf("the matcher '%s', which reads {%s}, matches", matcher, placeholder)
}

// not evaluates the matcher not.
func (w *run) not(not *caddyhttp.MatchNot, r *http.Request) (answer said, why string, err error) {
	defer func(site []string) { w.site = site }(w.site)
	for _, set := range not.MatcherSets {
		inner, by, err := w.set(set, r)
		switch {
		case err != nil || inner == saysYes:
			return saysNo, "the matcher 'not' does not match", err
		case inner == saysMaybe:
			answer, why = saysMaybe, by
		}
	}
	if answer == saysMaybe {
		return saysMaybe, "it is false that " + why, nil
	}
	return saysYes, "", nil
}

// httpVersion reports whether a matcher reads the version of HTTP, which the client
// chooses.
func httpVersion(m any) bool {
	protocol, ok := m.(*caddyhttp.MatchProtocol)
	return ok && strings.HasPrefix(string(*protocol), "http/")
}

func askMatcher(m any, r *http.Request) (bool, error) {
	switch m := m.(type) {
	case caddyhttp.RequestMatcherWithError:
		return m.MatchWithError(r)
	case caddyhttp.RequestMatcher: //nolint:staticcheck // matchers may still have this type
		return m.Match(r), nil
	default:
		return false, errors.New("not a matcher")
	}
}

// moduleName returns the name of a handler or a matcher, or the whole ID of another
// module.
func moduleName(module any) string {
	id := caddy.ModuleID(moduleID(module))
	if space := id.Namespace(); space == "http.handlers" || space == "http.matchers" {
		return id.Name()
	}
	return string(id)
}

// Replies describes the replies that a matcher matches.
func Replies(m *caddyhttp.ResponseMatcher) string {
	if m == nil {
		return "replies"
	}
	var words []string
	for _, code := range m.StatusCode {
		if code < 10 {
			words = append(words, fmt.Sprintf("%dxx", code))
		} else {
			words = append(words, fmt.Sprint(code))
		}
	}
	text := strings.Join(words, " or ")
	if len(m.Headers) > 0 {
		text = strings.TrimSpace(text + " with certain header fields")
	}
	return "replies " + text
}

// matchesStatus evaluates a matcher for a reply with this status; 0 means unknown.
func matchesStatus(m *caddyhttp.ResponseMatcher, status int) said {
	switch {
	case m == nil:
		return saysYes
	case status == 0:
		return saysMaybe
	case !(&caddyhttp.ResponseMatcher{StatusCode: m.StatusCode}).Match(status, nil):
		return saysNo
	case len(m.Headers) > 0:
		return saysMaybe
	default:
		return saysYes
	}
}
