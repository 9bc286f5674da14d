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
	readsParts // how many there are
)

// matchers are Caddy's own, with what each reads beside placeholders. They read the
// request and the disk, and change nothing but the placeholders of the request.
// Nobody knows that of others, so they are not asked.
var matchers = map[string][]reads{
	"client_ip":     {readsClient, readsHeader},
	"expression":    {readsURI, readsHeader},
	"file":          {readsURI, readsVars},
	"header":        {readsHeader},
	"header_regexp": {readsHeader},
	"host":          {readsHost},
	"method":        {readsURI},
	"not":           nil, // asked one by one
	"path":          {readsURI},
	"path_regexp":   {readsURI},
	"protocol":      nil, // see httpVersion
	"query":         {readsURI},
	"remote_ip":     {readsClient},
	"tls":           nil, // the handshake is over
	"url_pattern":   {readsURI, readsHost},
	"vars":          {readsVars},
	"vars_regexp":   {readsVars},
}

// said is what a matcher says of a request.
type said int

const (
	saysNo said = iota
	saysYes
	saysMaybe
)

// matches reports whether the request takes a route. Where only a real request can
// tell, both ways are followed.
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
		why = fmt.Sprintf("none of its %d sets of matchers holds", len(route.MatcherSets))
	}
	if len(route.MatcherSets) > 0 {
		w.refuse(route, why)
	}
	return len(route.MatcherSets) == 0, nil
}

// settle makes the host of the request that of the site, if it has come to one by
// supposing it.
func (w *run) settle(r *http.Request) {
	if len(w.site) == 1 && !strings.ContainsAny(w.site[0], "*{") {
		r.Host = w.site[0]
	}
}

// set asks a set of matchers. If it does not say yes, by is the matcher that
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

// matcher asks one matcher.
func (w *run) matcher(m any, r *http.Request) (answer said, why string, err error) {
	name := moduleName(m)
	parts, known := matchers[name]
	if !known {
		return saysMaybe, fmt.Sprintf("the matcher '%s', which is not Caddy's own, matches", name), nil
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
	}
	if httpVersion(m) {
		return saysMaybe, "the request comes over " + string(*m.(*caddyhttp.MatchProtocol)), nil
	}
	w.unknown = ""
	yes, err := askMatcher(m, r)
	switch {
	case w.unknown != "":
		return saysMaybe, maybeText(name, w.unknown), nil
	case yes && err == nil:
		return saysYes, "", nil
	default:
		return saysNo, fmt.Sprintf("the matcher '%s' says no", name), err
	}
}

func maybeText(matcher, placeholder string) string {
	return fmt.Sprintf("the matcher '%s', which reads {%s}, matches", matcher, placeholder)
}

// not asks what must not match.
func (w *run) not(not *caddyhttp.MatchNot, r *http.Request) (answer said, why string, err error) {
	defer func(site []string) { w.site = site }(w.site)
	for _, set := range not.MatcherSets {
		inner, by, err := w.set(set, r)
		switch {
		case err != nil || inner == saysYes:
			return saysNo, "the matcher 'not' says no", err
		case inner == saysMaybe:
			answer, why = saysMaybe, by
		}
	}
	if answer == saysMaybe {
		return saysMaybe, "it is not so that " + why, nil
	}
	return saysYes, "", nil
}

// httpVersion reports whether a matcher looks at the version of HTTP, which the
// client chooses.
func httpVersion(m any) bool {
	protocol, ok := m.(*caddyhttp.MatchProtocol)
	return ok && strings.HasPrefix(string(*protocol), "http/")
}

func askMatcher(m any, r *http.Request) (bool, error) {
	switch m := m.(type) {
	case caddyhttp.RequestMatcherWithError:
		return m.MatchWithError(r)
	case caddyhttp.RequestMatcher: //nolint:staticcheck // matchers may still be of this kind
		return m.Match(r), nil
	default:
		return false, errors.New("not a matcher")
	}
}

// moduleName is the name of a handler or a matcher, and the whole ID of another
// module.
func moduleName(module any) string {
	id := caddy.ModuleID(moduleID(module))
	if space := id.Namespace(); space == "http.handlers" || space == "http.matchers" {
		return id.Name()
	}
	return string(id)
}

// Replies tells in words which replies a matcher is for.
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

// matchesStatus says whether a reply with this status matches, 0 if nobody knows it.
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
