package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// accessLog is the directive that writes what [site.wantAccess] reads.
const accessLog = "log {\noutput file {access.log} {\nroll_disabled\n}\nformat json\n}\n"

// access returns the lines of the access log so far.
func (s *site) access(t *testing.T) []map[string]any {
	t.Helper()
	log, err := os.ReadFile(s.path("access.log"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []map[string]any
	for line := range bytes.Lines(log) {
		var fields map[string]any
		if json.Unmarshal(line, &fields) == nil { // otherwise it is still being written
			lines = append(lines, fields)
		}
	}
	return lines
}

// wantAccess waits for a line of the access log, which is written after the reply.
func (s *site) wantAccess(t *testing.T, is func(line map[string]any) bool) {
	t.Helper()
	eventually(t, func() error {
		if lines := s.access(t); !slices.ContainsFunc(lines, is) {
			return fmt.Errorf("access log without the line: %v", lines)
		}
		return nil
	})
}

// metric returns the value of a counter of the running configuration.
func metric(t testing.TB, name string, labels map[string]string) float64 {
	t.Helper()
	ctx := caddy.ActiveContext()
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Errorf("gathering metrics: %v", err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			got := make(map[string]string)
			for _, pair := range m.GetLabel() {
				got[pair.GetName()] = pair.GetValue()
			}
			if fmt.Sprint(got) == fmt.Sprint(labels) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

func injected(t testing.TB, point, rule, kind string) float64 {
	t.Helper()
	return metric(t, "caddy_fault_injected_total", map[string]string{"point": point, "rule": rule, "kind": kind})
}

func passed(t testing.TB, point, rule, reason string) float64 {
	t.Helper()
	return metric(t, "caddy_fault_passed_total", map[string]string{"point": point, "rule": rule, "reason": reason})
}

// TestAccessLog has the fields of the hit and the status that the client got, whichever
// way the reply was written.
func TestAccessLog(t *testing.T) {
	up := serve(t, zoo)
	for _, phase := range phases {
		t.Run(phase, func(t *testing.T) {
			directives := "fault /text {\npoint mail\nrule gone {\nphase " + phase + "\nrespond 551\n}\n}\n" + up.proxy() + "\n" + accessLog
			everywhere(t, config{site: directives}, func(t *testing.T, c *client) {
				want551(t, c.get(t, "/text"))
				wantReply(t, c.get(t, "/"), 200, "GET /")
				proto := map[protocol]string{h1: "HTTP/1.1", h2: "HTTP/2.0", h3: "HTTP/3.0"}[c.proto]
				c.wantAccess(t, func(line map[string]any) bool {
					id, _ := line["fault_id"].(string)
					return line["status"] == 551.0 && line["fault_rule"] == "gone" && line["fault_kind"] == "respond" &&
						len(id) == 16 && line["request"].(map[string]any)["proto"] == proto
				})
				c.wantAccess(t, func(line map[string]any) bool {
					_, has := line["fault_rule"]
					return line["status"] == 200.0 && !has && line["request"].(map[string]any)["proto"] == proto
				})
			})
		})
	}
}

// TestAccessLogOfAborts also has the fields if there is no reply.
func TestAccessLogOfAborts(t *testing.T) {
	up := serve(t, zoo)
	for _, kind := range []string{"close", "reset", "error 551", "delay 1ms"} {
		t.Run(kind, func(t *testing.T) {
			eachPhase(t, kind, func(t *testing.T, _, directive string) {
				overEach(t, config{site: directive + up.proxy() + "\n" + accessLog}, func(t *testing.T, c *client) {
					_, _ = c.try(c.request(t, "GET", "/f", nil))
					c.wantAccess(t, func(line map[string]any) bool {
						word, _, _ := strings.Cut(kind, " ")
						return line["fault_rule"] == "rule1" && line["fault_kind"] == word
					})
				})
			})
		})
	}
}

// TestPlaceholders checks the placeholders of a hit in handlers that run after it.
func TestPlaceholders(t *testing.T) {
	up := serve(t, echo)
	c := config{site: `fault /f {
		rule named {
			delay 1ms
			respond 551 "{http.fault.rule} {http.fault.kind} {http.fault.status_code} {http.fault.status_text} {http.fault.slug}" {
				header X-Id {http.fault.id}
			}
		}
	}
	` + up.proxy()}
	everywhere(t, c, func(t *testing.T, c *client) {
		first, second := c.get(t, "/f"), c.get(t, "/f")
		wantReply(t, first, 551, "named delay+respond 551 User Not Local user_not_local")
		if a, b := first.Header.Get("X-Id"), second.Header.Get("X-Id"); len(a) != 16 || a == b {
			t.Errorf("ids: got %q and %q, want two of 16 digits that differ", a, b)
		}
	})
}

// TestPlaceholdersAfter checks that handlers after the directive change the request as
// without the directive: with a rule that misses and with a rule that fires, in both
// phases.
func TestPlaceholdersAfter(t *testing.T) {
	up := serve(t, echo)
	for name, fault := range map[string]string{
		"none":              "",
		"misses":            "fault {\nmatch_response status 500\nrespond 551\n}",
		"fires":             "fault {\ndelay 1ns\n}",
		"fires on response": "fault {\nphase response\ndelay 1ns\n}",
		"copies":            "fault {\nthrottle 1GiB/s\ntruncate 1GiB\n}",
		"drawn":             "fault {\nchoose {\n1 delay 1ns\n}\n}",
	} {
		t.Run(name, func(t *testing.T) {
			c := config{site: fault + `
			handle {
				request_header Host changed.test
				method PUT
				rewrite * /new
				request_body {
					set abc
				}
				respond "{host} {method} {http.request.uri} {http.request.body}"
			}
			` + up.proxy()}
			overEach(t, c, func(t *testing.T, c *client) {
				if got := c.get(t, "/old"); got.body != "changed.test PUT /new abc" {
					t.Errorf("got %q", got.body)
				}
			})
		})
	}
}

// TestErrorRoutesAfter gives the error routes a request that has not ended with the
// request after the directive, and its body.
func TestErrorRoutesAfter(t *testing.T) {
	up := serve(t, echo)
	for _, fault := range []string{
		"fault {\nmatch_response status 599\nrespond 551\n}",
		"fault {\nthrottle 1GiB/s\ntruncate 1GiB\n}",
		"fault {\nhang 1ms {\nafter 1GiB\n}\n}",
	} {
		c := config{site: fault + `
		error 500
		handle_errors {
			` + up.proxy() + `
		}`}
		overEach(t, c, func(t *testing.T, c *client) {
			got := c.do(t, c.request(t, "POST", "/f", strings.NewReader("a body")))
			wantReply(t, got, 200, "POST /f 6")
		})
	}
}

// TestDisclosure names to the client the rule that has hit it, in the field that the
// global option sets.
func TestDisclosure(t *testing.T) {
	tests := []struct {
		name, global, field string
	}{
		{"default", "", "X-Fault-Injected"},
		{"renamed", "fault {\ndisclose x-chaos\n}", "X-Chaos"},
		{"off", "fault {\ndisclose off\n}", ""},
	}
	up := serve(t, zoo)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, fault := range []string{"respond 551", "error 551", "delay 1ms"} {
				eachPhase(t, fault, func(t *testing.T, _, directive string) {
					overEach(t, config{global: tt.global, site: directive + up.proxy()}, func(t *testing.T, c *client) {
						got := c.get(t, "/f")
						for _, field := range []string{"X-Fault-Injected", "X-Chaos"} {
							var want []string
							if field == tt.field {
								want = []string{"fault1/rule1"}
							}
							if values := got.Header.Values(field); !slices.Equal(values, want) {
								t.Errorf("%s: got %q, want %q", field, values, want)
							}
						}
						if got := c.get(t, "/"); tt.field != "" && got.Header.Get(tt.field) != "" {
							t.Errorf("%s on a reply that was not hit: %q", tt.field, got.Header.Get(tt.field))
						}
					})
				})
			}
		})
	}
}

// TestMetrics counts hits and passed requests.
func TestMetrics(t *testing.T) {
	up := serve(t, echo)
	directives := `fault {
		point metrics
		rule hit {
			match path /hit
			delay 1ms
			respond 551
		}
		rule never {
			match path /never
			percent 0
			respond 551
		}
		rule would {
			match path /would
			dry_run
			respond 551
		}
		rule late {
			match path /late
			match_response {
				status 2xx
			}
			respond 552
		}
	}
	metrics /metrics
	` + up.proxy()
	overEach(t, config{site: directives}, func(t *testing.T, c *client) {
		read := func() [4]float64 {
			return [...]float64{
				injected(t, "metrics", "hit", "delay+respond"), max(passed(t, "metrics", "never", "percent"), 0),
				max(passed(t, "metrics", "would", "dry_run"), 0), injected(t, "metrics", "late", "respond"),
			}
		}
		before := read()
		want551(t, c.get(t, "/hit"))
		want551(t, c.get(t, "/hit"))
		wantReply(t, c.get(t, "/never"), 200, "GET /never")
		wantReply(t, c.get(t, "/would"), 200, "GET /would")
		if got := c.get(t, "/late"); got.StatusCode != 552 {
			t.Errorf("/late: got %s, want 552", got.Status)
		}
		wantReply(t, c.get(t, "/"), 200, "GET /")
		after := read()
		for i, want := range []float64{2, 1, 1, 1} {
			if got := after[i] - before[i]; got != want {
				t.Errorf("counter %d: got %v more, want %v", i, got, want)
			}
		}
		const sample = `caddy_fault_injected_total{kind="delay+respond",point="metrics",rule="hit"}`
		if got := c.get(t, "/metrics"); !strings.Contains(got.body, sample) {
			t.Errorf("/metrics: got %.2000q, want it to have %s", got.body, sample)
		}
	})
}
