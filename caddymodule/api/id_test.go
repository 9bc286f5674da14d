package api_test

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// Parallel tests tell their hits and refusals apart by the ids of their lines.
func TestVerifyID(t *testing.T) {
	n := testnode.Start(t, asked, "")
	for _, line := range []string{"id a; 503", "id a; 551", "id b; 503", "503", "id a; nonsense"} {
		testkit.Ask(n.Handler, "X-Fault", line)
	}
	testkit.Ask(n.Handler, "Cookie", "fault=id%20a%3B503")
	for _, tt := range []struct {
		status      int
		query, text string
	}{
		{200, "rule=trigger&id=a&exactly=3", `"count": 3`},
		{200, "rule=trigger&id=a&exactly=3&since=1h", `"count": 3`},
		{200, "rule=p1/trigger&id=b&exactly=1", `"count": 1`},
		{200, "rule=trigger&id=c&exactly=0", `"count": 0`},
		{200, "rule=trigger&exactly=5", `"count": 5`},
		{200, "refused=true&id=a&exactly=1", `"count": 1`},
		{200, "refused=true&id=a&exactly=1&since=1h", `"count": 1`},
		{200, "refused=true&id=b&exactly=0", `"count": 0`},
		{417, "rule=trigger&id=b&exactly=3", "rule 'trigger' with id 'b' has hit 1 time, want exactly 3"},
		{417, "refused=true&id=a&exactly=0", "triggers with id 'a' were refused 1 time, want exactly 0"},
		{400, "rule=slow&id=a&exactly=3", "id: only the lines of triggers have one, not rule 'slow'; write rule=trigger"},
		{400, "rule=trigger&id=a/b&exactly=3", "id: bad id 'a/b'"},
	} {
		n.Want(tt.status, "GET", "/verify?"+tt.query, "", tt.text)
	}
	n.Want(200, "GET", "/journal?id=b", "", `"trigger_id": "b"`)
	n.Want(200, "GET", "/journal?id=c", "", `"entries": []`)
	n.Want(200, "GET", "/journal?id=a&refused=true", "", `"trigger_id": "a"`)
	n.Want(400, "GET", "/journal?id=a%20b", "", "id: bad id 'a b'")
}
