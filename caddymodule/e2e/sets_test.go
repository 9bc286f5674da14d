package e2e

import (
	"fmt"
	"strings"
	"testing"
)

const setOutage = `fault {
	set outage {
		experiment gone {
			match path /gone
			respond 410
		}
		experiment busy {
			point shop
			match path /busy
			ttl 1h
			note "game day"
			respond 503 {
				retry_after 7s
			}
		}
	}
}`

// A set of the configuration starts and ends by its name. A reload that removes the set
// does not affect what it has started.
func TestSets(t *testing.T) {
	const site = "fault {\npoint shop\n}\nrespond ok"
	s := start(t, config{admin: true, global: setOutage, site: site})
	s.resume(t)
	want := func(when string, gone, busy int) {
		t.Helper()
		for path, status := range map[string]int{"/gone": gone, "/busy": busy, "/other": 200} {
			eventually(t, func() error {
				conn := s.dial(t)
				conn.send(get(path))
				got, err := conn.readReply("GET")
				if err == nil && !strings.HasPrefix(got.head, fmt.Sprintf("HTTP/1.1 %d ", status)) {
					err = fmt.Errorf("%s: %s: got %q, want %d", when, path, got.head, status)
				}
				return err
			})
		}
	}
	want("before", 200, 200)
	s.wantAdmin(t, 200, "GET", "/sets", "", `"source": "Caddyfile:`)
	s.wantAdmin(t, 201, "POST", "/sets/outage", `{"ttl": "10m"}`, `"set": "outage"`)
	want("started", 410, 503)

	s.config = config{admin: true, site: site}
	s.load(t)
	want("reloaded without the set", 410, 503)
	s.wantAdmin(t, 404, "POST", "/sets/outage", "", "the configuration has no sets")
	s.wantAdmin(t, 200, "GET", "/sets", "", `"running"`)
	s.wantAdmin(t, 200, "DELETE", "/sets/outage", "", `"gone"`)
	want("ended", 200, 200)

	s.wantAdmin(t, 400, "PUT", "/experiments", `{"a": {"match": [{"path": ["/gone"]}], "faults": [{"fault": "respond", "status_code": 410}]}, "b": {}}`, "1 of 2 cannot: experiment 'b'")
	want("refused", 200, 200)
	s.wantAdmin(t, 201, "PUT", "/experiments", `{
		"a": {"match": [{"path": ["/gone"]}], "faults": [{"fault": "respond", "status_code": 410}]},
		"b": {"match": [{"path": ["/busy"]}], "faults": [{"fault": "respond", "status_code": 503}]}}`, `"name": "b"`)
	want("put", 410, 503)
	s.wantAdmin(t, 200, "POST", "/halt", "", "Ended 2 experiments: a, b.")
	want("halted", 200, 200)
}
