// Package match has request matchers that Caddy lacks. They are modules of
// Caddy and can be used wherever a matcher can. The package knows no faults.
package match

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/jsonpatch"
)

func init() {
	caddy.RegisterModule(JSONBody{})
}

// JSONBody matches requests by values in their JSON body, such as the method of JSON-RPC
// or the operation of GraphQL. The name of a value is a JSON Pointer (RFC 6901), such as
// `/method` or `/params/0`. If there are several, all must match.
//
// A value matches if it is one of those in the list. With an empty list, the value must
// exist. A text is compared by its content, and any other value by its JSON: `7` matches
// the number 7 and the text "7". A star at the beginning, at the end, or at both stands
// for any text.
//
// The body must be JSON without compression, of at most 64 KiB, with a `Content-Type` of
// `application/json` or a type that ends in `+json`. Otherwise the request does not match.
// The body is read once for all such matchers. The handlers after them get all of it. A
// client that expects 100 Continue is told to send its body.
type JSONBody map[string][]string

// CaddyModule returns the Caddy module information.
func (JSONBody) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.json_body",
		New: func() caddy.Module { return new(JSONBody) },
	}
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	json_body <pointer> [<value>...]
//
// Several lines for one pointer add values.
func (m *JSONBody) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if *m == nil {
		*m = make(JSONBody)
	}
	for d.Next() { // each line of the matcher
		words := d.RemainingArgs()
		if len(words) == 0 {
			return d.Err("json_body: a JSON pointer is missing, such as /method")
		}
		if d.NextBlock(0) {
			return d.Errf("json_body has no block, and '%s' is in one: write json_body %s %[1]s", d.Val(), words[0])
		}
		values, known := (*m)[words[0]]
		if known && (len(values) == 0 || len(words) == 1) {
			return d.Errf("json_body %s is repeated, once without a value; remove one of the lines", words[0])
		}
		(*m)[words[0]] = append(append([]string{}, values...), words[1:]...) // not nil, which is null in JSON
	}
	if err := m.Validate(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Validate checks the pointers.
func (m JSONBody) Validate() error {
	if len(m) == 0 {
		return errors.New("json_body has no pointer; write one such as /method")
	}
	for _, pointer := range slices.Sorted(maps.Keys(m)) {
		if _, err := jsonpatch.ParsePointer(pointer); err != nil {
			return fmt.Errorf("json_body: %w", err)
		}
	}
	return nil
}

// MatchWithError reports whether the body of r has all values.
func (m JSONBody) MatchWithError(r *http.Request) (bool, error) {
	document, ok := documentOf(r)
	if !ok {
		return false, nil
	}
	for name, values := range m {
		if pointer, err := jsonpatch.ParsePointer(name); err != nil || !matches(pointer, values, document) {
			return false, err
		}
	}
	return true, nil
}

// Match reports whether the body of r has all values.
func (m JSONBody) Match(r *http.Request) bool {
	ok, _ := m.MatchWithError(r)
	return ok
}

// matches reports whether the value that a pointer names is one of those wanted, or
// exists if none is wanted.
func matches(pointer jsonpatch.Pointer, wanted []string, document any) bool {
	value, ok := pointer.In(document)
	if !ok || len(wanted) == 0 {
		return ok
	}
	found := textOf(value)
	return slices.ContainsFunc(wanted, func(want string) bool { return fits(want, found) })
}

// fits reports whether a text is the wanted one, in which stars at the ends stand for any
// text.
func fits(want, found string) bool {
	inner, before := strings.CutPrefix(want, "*")
	inner, after := strings.CutSuffix(inner, "*")
	switch {
	case before && after:
		return strings.Contains(found, inner)
	case before:
		return strings.HasSuffix(found, inner)
	case after:
		return strings.HasPrefix(found, inner)
	}
	return found == want
}

// Interface guards
var (
	_ caddy.Validator                   = (*JSONBody)(nil)
	_ caddyfile.Unmarshaler             = (*JSONBody)(nil)
	_ caddyhttp.RequestMatcherWithError = (*JSONBody)(nil)
)
