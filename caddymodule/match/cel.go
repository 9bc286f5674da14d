package match

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// CELLibrary returns the function of this matcher for expressions, with the pointers and
// their values as a map. Example:
//
//	expression json_body({'/method': 'tools/call', '/params/name': ['a*', 'b'], '/id': []})
func (JSONBody) CELLibrary(caddy.Context) (cel.Library, error) {
	return caddyhttp.CELMatcherImpl(
		"json_body",
		"json_body_matcher_request_map",
		[]*cel.Type{caddyhttp.CELTypeJSON},
		func(data ref.Val) (caddyhttp.RequestMatcherWithError, error) {
			values, err := caddyhttp.CELValueToMapStrList(data)
			if err != nil {
				return nil, err
			}
			m := JSONBody(values)
			return m, m.Validate()
		},
	)
}

var _ caddyhttp.CELLibraryProducer = (*JSONBody)(nil) // interface guard
