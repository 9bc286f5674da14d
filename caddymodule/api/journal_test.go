package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// The journal selects by path and by how a request has ended.
func TestJournalFilters(t *testing.T) {
	n := testnode.Start(t, `{"point": "shop", "rules": [
		{"name": "gone", "match": [{"path": ["/gone/*"]}], "faults": [{"fault": "respond", "status_code": 410}]},
		{"name": "busy", "faults": [{"fault": "respond", "status_code": 503}]}]}`, "")
	for _, path := range []string{"/gone/a", "/a", "/b"} {
		n.Hit(path)
	}
	for _, tt := range []struct{ query, want string }{
		{"", "/gone/a /a /b"},
		{"?status=410", "/gone/a"},
		{"?status=5xx", "/a /b"},
		{"?status=5xx&path=b", "/b"},
		{"?path=/a", "/gone/a /a"},
		{"?path=/a&rule=shop/busy", "/a"},
		{"?status=5xx&limit=1", "/b"},
		{"?status=cut", ""},
	} {
		var view struct{ Entries []experiments.Entry }
		if err := json.Unmarshal(n.Want(200, "GET", "/journal"+tt.query, "", "").Body.Bytes(), &view); err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, e := range view.Entries {
			paths = append(paths, e.Path)
		}
		if got := strings.Join(paths, " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.query, got, tt.want)
		}
	}
	for _, bad := range []string{"5x", "99", "1000", "reply", "held"} {
		n.Want(400, "GET", "/journal?status="+bad, "", fmt.Sprintf("status: '%s' is neither a status nor an outcome; want 503, 5xx, cut, no_reply or left", bad))
	}
}
