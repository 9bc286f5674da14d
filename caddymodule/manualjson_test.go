package caddymodule

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// fragments are parts of a configuration, by the member that identifies them,
// and configurations that they fit into. The first member that exists decides.
var fragments = []struct {
	member string
	fits   []string
}{
	{"apps", []string{`%s`}},
	{"handler", []string{inHandlers(`%s`)}},
	{"protocol", []string{inTransport(`%s`)}},
	{"wrapper", []string{`{"apps": {"http": {"servers": {"s": {"listen": [":8080"], "listener_wrappers": [%s]}}}}}`}},
	{"source", []string{inHandlers(`{"handler": "fault", "triggers": [%s]}`)}},
	{"fault", inRule(`{"faults": [%s]}`)},
}

func inHandlers(fragment string) string {
	return `{"apps": {"http": {"servers": {"s": {"listen": [":8080"], "routes": [{"handle": [` + fragment + `]}]}}}}}`
}

func inTransport(fragment string) string {
	return inHandlers(`{"handler": "reverse_proxy", "upstreams": [{"dial": "localhost:3000"}], "transport": ` + fragment + `}`)
}

func inRule(rule string) []string {
	return []string{inHandlers(`{"handler": "fault", "rules": [` + rule + `]}`), inTransport(`{"protocol": "fault", "rules": [` + rule + `]}`)}
}

// checkJSON parses a block, and loads it if it is a part of a configuration. A
// rule with a matcher or points is an experiment.
func checkJSON(t *testing.T, at, text string) {
	t.Helper()
	t.Run(at, func(t *testing.T) {
		if err := checkJSONText(text); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	})
}

func checkJSONText(text string) error {
	if !json.Valid([]byte(text)) {
		return fmt.Errorf("not valid JSON: %w", json.Unmarshal([]byte(text), new(any)))
	}
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &members) != nil {
		return nil // no object
	}
	for _, fragment := range fragments {
		if members[fragment.member] != nil {
			return fitsInto(fragment.fits, text)
		}
	}
	if members["faults"] == nil {
		return nil
	}
	if members["match"] != nil || members["points"] != nil {
		name := "example"
		_ = json.Unmarshal(members["name"], &name) // the parser reports a name that is not a string
		if _, err := experiments.Parse(name, []byte(text)); err != nil {
			return err
		}
		for _, member := range []string{"points", "ttl", "note"} {
			delete(members, member)
		}
	}
	rule, err := json.Marshal(members)
	if err != nil {
		return err
	}
	return fitsInto(inRule(`%s`), string(rule))
}

// fitsInto loads a fragment in one of these configurations.
func fitsInto(configs []string, fragment string) (first error) {
	for _, config := range configs {
		var cfg caddy.Config
		err := json.Unmarshal(fmt.Appendf(nil, config, fragment), &cfg)
		if err == nil {
			cfg.Admin = &caddy.AdminConfig{Disabled: true}
			err = caddy.Validate(&cfg)
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func TestCheckJSON(t *testing.T) {
	for text, valid := range map[string]bool{
		`{`:                      false,
		`[1]`:                    true,
		`{"error": "not_found"}`: true,
		`{"handler": "fault"}`:   true,
		`{"handler": "faulty"}`:  false,
		`{"handler": "fault", "rules": [{"percentage": 10}]}`:                        false,
		`{"protocol": "fault", "rules": [{"faults": [{"fault": "refuse"}]}]}`:        true,
		`{"protocol": "fault", "rules": [{"faults": [{"fault": "refused"}]}]}`:       false,
		`{"apps": {"fault": {"halted": true}}}`:                                      true,
		`{"apps": {"fault": {"halt": true}}}`:                                        false,
		`{"wrapper": "fault"}`:                                                       true,
		`{"fault": "refuse"}`:                                                        true,
		`{"fault": "delay"}`:                                                         false,
		`{"source": "header", "name": "X-Fault", "key": "0123456789abcdef"}`:         true,
		`{"percent": 10, "faults": [{"fault": "reset"}]}`:                            true,
		`{"points": ["*"], "ttl": "5m", "faults": [{"fault": "reset"}]}`:             true,
		`{"name": "a", "points": ["*"], "ttl": "5m", "faults": [{"fault": "rest"}]}`: false,
		`{"points": ["*"], "ttl": "five", "faults": [{"fault": "reset"}]}`:           false,
	} {
		if err := checkJSONText(text); (err == nil) != valid {
			t.Errorf("%s: got %v, want it valid: %v", text, err, valid)
		}
	}
}
