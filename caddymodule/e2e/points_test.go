package e2e

import (
	"strings"
	"testing"
)

// TestTwoPoints has one point after another. Each decides separately, and the report of
// the hit is about the inner one.
func TestTwoPoints(t *testing.T) {
	const named = `respond 551 "{http.fault.rule} {http.fault.kind}"`
	const slow, gone = "delay 1ms", named
	tests := []struct {
		name, outer, inner string
		status             int
		body               string
		asked              int // requests at the upstream
		timing             int // Server-Timing fields
		disclosed          string
	}{
		{"delay, respond", "request " + slow, "request " + gone, 551, "inner respond", 0, 1, "outer,inner"},
		{"delay, respond late", "request " + slow, "response " + gone, 551, "inner respond", 1, 1, "outer,inner"},
		{"delay late, respond", "response " + slow, "request " + gone, 551, "inner respond", 0, 1, "inner,outer"},
		{"delay late, respond late", "response " + slow, "response " + gone, 551, "inner respond", 1, 1, "inner,outer"},
		{"respond late, delay", "response " + gone, "request " + slow, 551, "outer respond", 1, 1, "inner,outer"},
		{"respond late, delay late", "response " + gone, "response " + slow, 551, "outer respond", 1, 1, "inner,outer"},
		{"respond, never asked", "request " + gone, "request " + slow, 551, "outer respond", 0, 0, "outer"},
		{"delays", "request " + slow, "response " + slow, 200, "GET /", 1, 2, "outer,inner"},
	}
	up := serve(t, echo)
	point := func(name, fault string) string {
		phase, fault, _ := strings.Cut(fault, " ")
		return "fault {\npoint " + name + "\nrule " + name + " {\nphase " + phase + "\n" + fault + "\n}\n}\n"
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			everywhere(t, config{site: point("outer", tt.outer) + point("inner", tt.inner) + up.proxy() + "\n" + accessLog}, func(t *testing.T, c *client) {
				before := up.hits.get()
				got := c.get(t, "/")
				wantReply(t, got, tt.status, tt.body)
				up.wantHits(t, before+tt.asked)
				if timing := got.Header.Values("Server-Timing"); len(timing) != tt.timing {
					t.Errorf("Server-Timing: got %q, want %d of them", timing, tt.timing)
				}
				if rule := got.Header.Values("X-Fault-Injected"); strings.Join(rule, ",") != tt.disclosed {
					t.Errorf("X-Fault-Injected: got %q, want %q", rule, tt.disclosed)
				}
				c.wantAccess(t, func(line map[string]any) bool {
					return line["status"] == float64(tt.status) && line["fault_rule"] == tt.disclosed
				})
				if got := c.get(t, "/"); got.StatusCode != tt.status {
					t.Errorf("again: got %s, want %d", got.Status, tt.status)
				}
				if dials := c.dials.get(); dials != 1 {
					t.Errorf("connections opened: got %d, want 1", dials)
				}
			})
		})
	}
}

// A log line says where the point is.
func TestWhereInLog(t *testing.T) {
	up := serve(t, echo)
	s := start(t, config{site: "fault /f 551\n" + up.proxy()})
	want551(t, s.client(t, h1).get(t, "/f"))
	for line := range strings.Lines(s.caddyLog(t)) {
		if strings.Contains(line, `"injected a fault"`) {
			for _, want := range []string{`"point":"fault1"`, `"site":"` + host + `"`, `"source":"Caddyfile:`} {
				if !strings.Contains(line, want) {
					t.Errorf("got %s, want %s", line, want)
				}
			}
			return
		}
	}
	t.Error("the fault is not reported")
}
