package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// A matcher that fails does not match, wherever it is. The request continues as without
// the rule, and the state counts the failures.
func TestMatcherErrors(t *testing.T) {
	const number = "expression `int({http.request.header.X-N}) > 1`"
	up := serve(t, echo)
	overEach(t, config{admin: true, site: `
		@number ` + number + `
		fault @number 551
		fault {
			point rules
			rule early {
				match ` + number + `
				respond 552
			}
			rule late {
				phase response
				match not {
					` + number + `
				}
				respond 553
			}
		}
		` + proxied(up.addr, "", "match "+number+"\nrespond 554")}, func(t *testing.T, c *client) {
		c.site.resume(t)
		c.site.wantAdmin(t, 201, "PUT", "/experiments/failing", `{"points": ["*"], "match": [{"expression": "int({http.request.header.X-N}) > 1"}], "faults": [{"fault": "respond", "status_code": 555}]}`, "")
		ask := func(number string) *reply {
			r := c.request(t, http.MethodGet, "/a", nil)
			r.Header.Set("X-N", number)
			return c.do(t, r)
		}
		c.site.wantAdmin(t, 200, "POST", "/reset", "", "")
		wantReply(t, ask("no"), 200, "GET /a")
		if got := ask("2"); got.StatusCode < 551 || got.StatusCode > 555 {
			t.Errorf("got %d where the matchers do match", got.StatusCode)
		}
		for _, name := range []string{"early", "late"} {
			if got := c.site.passed(t, name)["match_error"]; got == 0 {
				t.Errorf("%s: the failure is not counted", name)
			}
		}
	})
}

// passed returns the number of requests that a rule has let pass for a reason.
func (s *site) passed(t *testing.T, rule string) map[string]int {
	t.Helper()
	_, body := s.admin(t, "GET", "/", "")
	var state struct {
		Points []struct {
			Rules []struct {
				Name   string
				Passed map[string]int
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &state); err != nil {
		t.Fatal(err)
	}
	for _, p := range state.Points {
		for _, r := range p.Rules {
			if r.Name == rule {
				return r.Passed
			}
		}
	}
	t.Fatalf("no rule '%s' in %s", rule, body)
	return nil
}

// An experiment reads nothing but the request, whatever the request contains.
// Expressions that would expand text of the request are refused, and expanded text is
// not expanded again.
func TestExperimentReadsTheRequest(t *testing.T) {
	up := serve(t, echo)
	overEach(t, config{admin: true, site: "handle_errors {\nrespond \"{http.error.message}\"\n}\nfault {\npoint site\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
		c.site.resume(t)
		writeFile(t, c.site.path("secret"), []byte("the secret"))
		file := "{file." + c.site.path("secret") + "}"
		ask := func() *reply {
			r := c.request(t, http.MethodGet, "/a", nil)
			r.Header.Set("Y", file)
			return c.do(t, r)
		}
		const body = `"faults": [{"fault": "respond", "status_code": 418, "body": "{http.regexp.n.1}"}]`
		for _, expression := range []string{
			`vars_regexp("n", {http.request.header.Y}, "(?s)(.*)")`,
			`header({"Y": {http.request.header.Y}}) || true`,
			`header_regexp("n", "Y", "(.*)") && vars_regexp("n", {http.regexp.n.1}, "(.*)")`,
			`path("/" + {http.request.header.Y}) || true`,
		} {
			quoted, _ := json.Marshal(expression) // a string can be encoded
			for _, match := range []string{`{"expression": %s}`, `{"expression": {"expr": %s, "name": "n"}}`, `{"not": [{"expression": %s}]}`} {
				c.site.wantAdmin(t, 400, "PUT", "/experiments/reads", `{"match": [`+fmt.Sprintf(match, quoted)+`], `+body+`}`, "not a single string literal")
			}
			wantReply(t, ask(), 200, "GET /a")
		}
		for _, fault := range []string{
			`{"fault": "respond", "status_code": 418, "body": "{http.regexp.n.1}", "headers": {"set": {"X-Seen": ["{http.request.header.Y}"]}}}`,
			`{"fault": "error", "status_code": 418, "message": "{http.regexp.n.1}"}`,
			`{"fault": "respond", "status_code": 418, "reason": "{http.regexp.n.1}", "body": "{http.vars.n}{http.request.header.Y}"}`,
		} {
			c.site.wantAdmin(t, 201, "PUT", "/experiments/once", `{"match": [{"header_regexp": {"Y": {"name": "n", "pattern": "(.*)"}}}], "per": "{http.regexp.n.1}", "faults": [`+fault+`]}`, "")
			got := ask()
			wantReply(t, got, 418, file)
			if seen := got.Header.Get("X-Seen"); seen != "" && seen != file {
				t.Errorf("got header %q, want it as it was sent", seen)
			}
			c.site.wantAdmin(t, 204, "DELETE", "/experiments/once", "", "")
		}
	})
}
