package command

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestCommandSchema prints schemas without a running Caddy.
func TestCommandSchema(t *testing.T) {
	for _, tt := range []struct {
		args        []string
		title, fail string
	}{
		{nil, "Experiment of the Caddy fault injector", ""},
		{[]string{"experiment"}, "Experiment of the Caddy fault injector", ""},
		{[]string{"rule"}, "Rule of the Caddy fault injector", ""},
		{[]string{"handler"}, "Caddy handler fault", ""},
		{[]string{"point"}, "", "no schema of 'point': want one of rule, experiment, handler"},
		{[]string{"rule", "handler"}, "", "unexpected argument 'handler': name one of rule, experiment, handler"},
	} {
		cmd := schemaCommand()
		var out strings.Builder
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(append([]string{}, tt.args...)) // nil would mean those of the test
		err := cmd.Execute()
		if tt.fail != "" {
			if err == nil || err.Error() != tt.fail {
				t.Errorf("%q: got %v, want %s", tt.args, err, tt.fail)
			}
			continue
		}
		var printed map[string]any
		if err != nil || json.Unmarshal([]byte(out.String()), &printed) != nil || printed["title"] != tt.title {
			t.Errorf("%q: got %v and %v, want %s", tt.args, err, printed["title"], tt.title)
		}
	}
}
