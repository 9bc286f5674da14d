package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestMutate takes all changes of a reply in turn, as a test does that looks for the
// fields that a client needs. The header, the journal and the lines of watch tell each.
func TestMutate(t *testing.T) {
	want := []string{"drop /id", "drop /price", "drop /lines", "drop /lines/0/sku"}
	bodies := []string{
		`{ "price": 12.5, "lines": [{"sku": "a"}]}`, `{"id": 7, "lines": [{"sku": "a"}]}`, `{"id": 7, "price": 12.5}`, `{"id": 7, "price": 12.5, "lines": [{}]}`,
	}
	eachPhase(t, "mutate drop each", func(t *testing.T, _, directive string) {
		up := serve(t, shop)
		everywhere(t, config{admin: true, site: directive + up.proxy()}, func(t *testing.T, c *client) {
			before := max(passed(t, "fault1", "rule1", "no_place"), 0)
			s := c.site
			s.wantAdmin(t, http.StatusNoContent, "DELETE", "/journal", "", "")
			s.wantAdmin(t, http.StatusOK, "POST", "/reset", "", "")
			var told []string
			for i, as := range []string{"plain", "gzip", "chunked", "plain"} {
				got := c.get(t, "/f?as="+as)
				if got.StatusCode != 200 || got.body != bodies[i] || got.Header.Get("Etag") != "" {
					t.Errorf("%s: got %d %s, header %v, want %s", as, got.StatusCode, got.body, got.Header, bodies[i])
				}
				told = append(told, got.Header.Get("X-Fault-Change"))
			}
			if !slices.Equal(told, want) {
				t.Errorf("got the changes %q, want %q", told, want)
			}
			if got := c.get(t, "/f"); got.body != order || got.Header.Get("X-Fault-Change") != "" || got.Header.Get("X-Fault-Injected") != "" {
				t.Errorf("after the last change: got %s, header %v", got.body, got.Header)
			}
			if after := passed(t, "fault1", "rule1", "no_place"); after != before+1 {
				t.Errorf("counted %v as no_place, want %v", after, before+1)
			}
			_, text := s.admin(t, "GET", "/journal", "")
			if got := changesIn(t, text); !slices.Equal(got, []string{
				"drop /id number absent", "drop /price number absent", "drop /lines array absent", "drop /lines/0/sku string absent",
			}) {
				t.Errorf("got the journal %q", got)
			}
		})
	})
}

// changesIn returns the changes of a journal.
func changesIn(t *testing.T, text string) (changes []string) {
	t.Helper()
	var journal struct {
		Entries []struct {
			Change []struct{ Op, At, Was, Is string }
		}
	}
	if err := json.Unmarshal([]byte(text), &journal); err != nil {
		t.Fatal(err)
	}
	for _, entry := range journal.Entries {
		for _, c := range entry.Change {
			changes = append(changes, fmt.Sprintf("%s %s %s %s", c.Op, c.At, c.Was, c.Is))
		}
	}
	return changes
}

// TestMutateRepeats makes the same change for the same user again, also after a reload.
// The reply says nothing of it if disclose is off.
func TestMutateRepeats(t *testing.T) {
	up := serve(t, shop)
	s := start(t, config{global: "fault {\ndisclose off\n}\n", site: "fault {\nsticky {header.X-User}\nmutate drift date unicode\n}\n" + up.proxy()})
	ask := func() (bodies []string) {
		c := s.client(t, h1)
		for user := range 10 {
			r := c.request(t, "GET", "/f", nil)
			r.Header.Set("X-User", fmt.Sprint(user))
			got := c.do(t, r)
			if got.body == order || strings.Contains(fmt.Sprint(got.Header), "X-Fault") {
				t.Errorf("got %s, header %v", got.body, got.Header)
			}
			bodies = append(bodies, got.body)
		}
		return bodies
	}
	first := ask()
	s.load(t)
	if second := ask(); !slices.Equal(first, second) || len(slices.Compact(slices.Sorted(slices.Values(first)))) < 3 {
		t.Errorf("got\n%q, then\n%q", first, second)
	}
}
