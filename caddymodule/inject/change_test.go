package inject_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// TestChangeIsTold compares the changes of a body in the header of the reply with those in
// the journal.
// If an earlier fault of the rule has made the hit, the journal knows them at its end.
func TestChangeIsTold(t *testing.T) {
	const (
		drop = `{"fault": "mutate", "ops": ["drop"]}`
		null = `{"fault": "mutate", "ops": ["null"], "at": ["/b"]}`
		wait = `{"fault": "delay", "duration": "1ns"}`
	)
	for _, tt := range []struct{ name, faults, body, field, entry, app string }{
		{"one", drop, `{"a, b": 1}`, "drop /a%2C%20b", "[{drop /a, b number absent}]", ""},
		{"after another", wait + "," + drop, `{"a": 1}`, "drop /a", "[{drop /a number absent}]", ""},
		{"two", drop + "," + null, `{"b": 1}`, "null /b|drop /b", "[{null /b number null} {drop /b null absent}]", ""},
		{"several", `{"fault": "mutate", "ops": ["drop"], "count": 5}`, `{"é": 1, "%\"": 2}`, "drop /%C3%A9, drop /%25%22", `[{drop /é number absent} {drop /%" number absent}]`, ""},
		{"the document", `{"fault": "mutate", "ops": ["nest"]}`, `[]`, "nest", "[{nest  array object}]", ""},
		{"undisclosed", drop, `{"a": 1}`, "", "[{drop /a number absent}]", `{"disclose": "off"}`},
		{"nothing", drop, `[]`, "", "", ""},
	} {
		for _, phase := range []string{"request", "response"} {
			t.Run(tt.name+" "+phase, func(t *testing.T) {
				n := testnode.Start(t, fmt.Sprintf(`{"rules": [{"phase": %q, "faults": [%s]}]}`, phase, tt.faults), tt.app)
				resp, _, err := testkit.Get(t, n.Handler, "/", reply(200, tt.body, "Content-Type", "application/json"))
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(resp.Header["X-Fault-Change"], "|"); got != tt.field {
					t.Errorf("got the field %q, want %q", got, tt.field)
				}
				got := ""
				for entry := range n.Ctl.Journal.Entries(experiments.Query{}) {
					got += fmt.Sprint(entry.Change)
				}
				if got != tt.entry {
					t.Errorf("got the entry %s, want %s", got, tt.entry)
				}
			})
		}
	}
}

// The field has a limit, however long the pointers are.
func TestChangeFieldIsLimited(t *testing.T) {
	var members []string
	for i := range 20 {
		members = append(members, fmt.Sprintf("%q: 1", strings.Repeat("é", 1000)+fmt.Sprint(i)))
	}
	n := testnode.Start(t, `{"rules": [{"faults": [{"fault": "mutate", "ops": ["drop"], "count": 20}]}]}`, "")
	resp, body, err := testkit.Get(t, n.Handler, "/", reply(200, "{"+strings.Join(members, ",")+"}", "Content-Type", "application/json"))
	if err != nil || body != "{}" {
		t.Fatalf("got %.300s, error %v", body, err)
	}
	if field := resp.Header.Get("X-Fault-Change"); len(field) > 6<<10 || !strings.HasSuffix(field, ", ...") {
		t.Errorf("got %d bytes that end in %q", len(field), field[max(0, len(field)-20):])
	}
}
