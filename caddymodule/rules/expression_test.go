package rules

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// Expressions in a form for which Caddy panics are refused, with their place.
func TestCheckExpressions(t *testing.T) {
	for sets, want := range map[string]string{
		`[{"expression": "true"}]`:                                           "",
		`[{"expression": {"expr": "true", "name": ""}}]`:                     "",
		`[{"expression": null}]`:                                             "",
		`[{"path": ["/a"]}, {"expression": 7}]`:                              "match[1].expression: want an expression",
		`[{"expression": {}}]`:                                               "match[0].expression: want an expression",
		`[{"expression": {"expr": "true"}}]`:                                 "match[0].expression: want an expression",
		`[{"expression": {"expr": "true", "name": 1}}]`:                      "match[0].expression: want an expression",
		`[{"not": [{"path": ["/a"]}, {"not": [{"expression": ["true"]}]}]}]`: "match[0].not[1].not[0].expression: want an expression",
		`[{"not": 7}]`: "",
	} {
		var raw []caddy.ModuleMap
		if err := json.Unmarshal([]byte(sets), &raw); err != nil {
			t.Fatal(err)
		}
		err := CheckExpressions("match", raw)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", sets, err, want)
		}
	}
}
