package rules

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
)

// ExpressionText returns the expression of the matcher `expression` from its short or
// long form. Caddy requires both fields of the long form, and panics without them.
func ExpressionText(raw json.RawMessage) (string, error) {
	var text *string
	if json.Unmarshal(raw, &text) == nil && text != nil {
		return *text, nil
	}
	var long map[string]any
	_ = json.Unmarshal(raw, &long)
	expr, hasExpr := long["expr"].(string)
	if _, hasName := long["name"].(string); !hasExpr || !hasName {
		return "", errors.New(`want an expression, such as "path('/a')", or {"expr": "path('/a')", "name": "a"}`)
	}
	return expr, nil
}

// CheckExpressions refuses expressions that would make Caddy panic. field is the path of
// the sets, for the error.
func CheckExpressions(field string, sets []caddy.ModuleMap) error {
	for i, set := range sets {
		at := fmt.Sprintf("%s[%d].", field, i)
		if raw, ok := set["expression"]; ok && string(raw) != "null" { // Caddy refuses null
			if _, err := ExpressionText(raw); err != nil {
				return fmt.Errorf("%sexpression: %w", at, err)
			}
		}
		var inner []caddy.ModuleMap
		_ = json.Unmarshal(set["not"], &inner) // Caddy refuses anything else
		if err := CheckExpressions(at+"not", inner); err != nil {
			return err
		}
	}
	return nil
}
