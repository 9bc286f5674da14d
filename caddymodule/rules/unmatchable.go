package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// CheckMatchers refuses matchers with a value that no request has. Caddy loads such
// matchers, but they never match, and always match inside `not`.
func CheckMatchers(sets ...caddy.ModuleMap) error {
	for _, set := range sets {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			if err := checkMatcher(name, set[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// explainMatchers adds the name of an unknown matcher to Caddy's error. If all matchers
// are known, it returns Caddy's error unchanged.
func explainMatchers(sets []caddy.ModuleMap, err error) error {
	for _, set := range sets {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			var inner []caddy.ModuleMap
			if name == "not" && json.Unmarshal(set[name], &inner) == nil {
				err = explainMatchers(inner, err)
			}
			if unknown := UnknownMatcher(name); unknown != nil {
				return fmt.Errorf("%w (%w)", unknown, err)
			}
		}
	}
	return err
}

// UnknownMatcher returns an error with similar names if this Caddy does not have a
// matcher. It returns nil for a known matcher.
func UnknownMatcher(name string) error {
	const namespace = "http.matchers"
	if _, err := caddy.GetModule(namespace + "." + name); err == nil {
		return nil
	}
	names := args.ModuleNames(namespace)
	var meant []string
	for _, line := range words.Synonym(words.Match, name) {
		if fields := strings.Fields(line); fields[0] == "match" && slices.Contains(names, fields[1]) {
			meant = append(meant, strconv.Quote(fields[1]))
		}
	}
	if meant == nil {
		for _, near := range words.Near(name, names) {
			meant = append(meant, strconv.Quote(near))
		}
	}
	if meant == nil {
		return fmt.Errorf("unknown matcher %q: want one of %s", words.Cut(name, words.MaxWord), strings.Join(names, ", "))
	}
	return fmt.Errorf("unknown matcher %q: %s", words.Cut(name, words.MaxWord), words.SuggestJSON(meant))
}

// checkMatcher checks one of Caddy's matchers. It ignores JSON that it cannot parse,
// because Caddy refuses it.
func checkMatcher(name string, raw json.RawMessage) error {
	switch name {
	case "path":
		return checkEach(raw, checkPath)
	case "host":
		return checkEach(raw, checkHost)
	case "method":
		return checkEach(raw, checkMethod)
	case "header", "header_regexp":
		return checkFields(name, raw)
	case "protocol":
		var protocol string
		_ = json.Unmarshal(raw, &protocol)
		return checkProtocol(protocol)
	case "query":
		return checkQuery(raw)
	case "path_regexp":
		var m caddyhttp.MatchRegexp
		_ = json.Unmarshal(raw, &m)
		return checkPathPattern(m.Pattern)
	case "not":
		var sets []caddy.ModuleMap
		_ = json.Unmarshal(raw, &sets)
		return CheckMatchers(sets...)
	}
	return nil
}

// checkEach checks each value of a matcher that is a list of values.
func checkEach(raw json.RawMessage, check func(string) error) error {
	var values []string
	_ = json.Unmarshal(raw, &values)
	for _, value := range values {
		if strings.HasSuffix(value, ",") {
			return fmt.Errorf("'%s' ends in a comma: separate values with spaces only", value)
		}
		if err := check(value); err != nil {
			return err
		}
	}
	return nil
}

func checkPath(path string) error {
	before, query, _ := strings.Cut(path, "?")
	switch {
	case path == "" || !strings.ContainsRune("/*{", rune(path[0])):
		return fmt.Errorf("bad path '%s': every path begins with '/'; write path %s", path, MeantPath(path))
	case strings.Contains(query, "="):
		return fmt.Errorf("bad path '%s': a path has no query; write path %s, and on another line of the block query %s", path, before, query)
	}
	return nil
}

// MeantPath returns the path for a text that does not begin with a slash.
func MeantPath(text string) string {
	if _, address, isURL := strings.Cut(text, "://"); isURL {
		_, text, _ = strings.Cut(address, "/")
	}
	return "/" + text
}

func checkHost(host string) error {
	_, err := netip.ParseAddr(host)
	switch {
	case err == nil || strings.Contains(host, "{"):
		return nil
	case strings.HasPrefix(host, "/"):
		return fmt.Errorf("bad host '%s': it is a path; write path %s", host, host)
	case host == "" || strings.ContainsAny(host, "/:[]"):
		return fmt.Errorf("bad host '%s': it has a scheme, port, brackets or a path; write host %s", host, bareHost(host))
	}
	return nil
}

// bareHost returns the name or IP address of a host with scheme, port or path.
func bareHost(host string) string {
	if _, after, isURL := strings.Cut(host, "://"); isURL {
		host = after
	}
	host, _, _ = strings.Cut(host, "/")
	if inside, _, isIPv6 := strings.Cut(strings.TrimPrefix(host, "["), "]"); isIPv6 {
		return inside
	}
	host, _, _ = strings.Cut(host, ":")
	if host == "" {
		return "example.com"
	}
	return host
}

func checkMethod(method string) error {
	if !httpguts.ValidHeaderFieldName(method) { // field names and methods are both tokens
		return fmt.Errorf("bad method '%s': it is not a valid method; write method GET POST", method)
	}
	return nil
}

// checkFields checks the field names of a matcher.
func checkFields(matcher string, raw json.RawMessage) error {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(raw, &fields)
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if !httpguts.ValidHeaderFieldName(field) {
			return fmt.Errorf("bad field '%s' of %s: it is not a valid field name; write it without a colon, such as %s X-User 7", field, matcher, matcher)
		}
	}
	return nil
}

var protocols = []string{"http", "https", "grpc", "http/1.0", "http/1.0+", "http/1.1", "http/1.1+", "http/2", "http/2+", "http/3", "http/3+"}

func checkProtocol(protocol string) error {
	if !slices.Contains(protocols, protocol) {
		return fmt.Errorf("bad protocol '%s': want one of %s", protocol, strings.Join(protocols, ", "))
	}
	return nil
}

func checkQuery(raw json.RawMessage) error {
	var params map[string]json.RawMessage
	_ = json.Unmarshal(raw, &params)
	for _, param := range slices.Sorted(maps.Keys(params)) {
		if bare := strings.TrimLeft(param, "?&"); bare != param {
			return fmt.Errorf("bad parameter '%s' of query: omit the '?' or '&'; write query %s=1", param, bare)
		}
	}
	return nil
}

// checkPathPattern refuses a path pattern that ends in a star. As a regular expression,
// it matches every path that contains the part before the star.
func checkPathPattern(pattern string) error {
	if pattern == "*" || strings.HasSuffix(pattern, "/*") {
		return fmt.Errorf("bad path_regexp '%s': it is a path pattern, not a regular expression; write path %s", pattern, strings.TrimPrefix(pattern, "^"))
	}
	return nil
}
