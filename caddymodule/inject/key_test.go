package inject_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// No log and no explanation shows a key, whatever is wrong with the trigger and
// wherever the key is.
func TestTriggerShowsNoKey(t *testing.T) {
	const key = "S3cr3t-S3cr3t-S3cr3t"
	lines := []string{
		"key " + key + "; 551", "key=" + key + "; 551", "Key " + key + "; 551", "key:" + key, key, key + "; 551", "551; key " + key, "551 " + key,
		`"key ` + key + `"; 551`, "`" + key + "`; 551", "respond " + key, "delay " + key, "delay 1s " + key + "; 551", "percent " + key + "; 551", "phase " + key,
		"delay percentiles p50=" + key, "truncate " + key, "grpc " + key, "grpc UNAVAILABLE {" + key + "}", "grpc UNAVAILABLE " + key, "error " + key, "smtp:" + key,
		`respond "` + key, "\\" + key, "#" + key, "<<" + key, "551\t" + key, "551 {" + key + "}", "key " + key + "; key " + key + "; 551", "key " + key + "; " + key,
		"551," + key, "{" + key, "551; } " + key, "delay 1s; 551; " + strings.Repeat(key+";", 9), strings.Repeat(key, 60), "throttle " + key + "/s", "header X " + key, "key\t" + key + ";551",
	}
	for _, keyed := range []string{``, `, "key": "` + key + `"`, `, "key": "another-key-another"`} {
		synctest.Test(t, func(t *testing.T) {
			n := testnode.Start(t, testkit.Triggered(`{"source": "header"`+keyed+`}, {"source": "cookie"`+keyed+`}, {"source": "baggage"`+keyed+`}, {"source": "envoy"}`), "")
			logs := inject.Observe(n.Handler)
			for _, line := range lines {
				for name, value := range map[string]string{
					"X-Fault":                     line,
					"Cookie":                      "fault=" + strings.ReplaceAll(line, ";", "%3B") + "%zz",
					"Baggage":                     "fault=" + line + ";=",
					"X-Envoy-Fault-Abort-Request": line, "X-Envoy-Fault-Delay-Request": line, "X-Envoy-Fault-Abort-Grpc-Request": line, "X-Envoy-Fault-Throughput-Response": line, "X-Envoy-Fault-Delay-Request-Percentage": line,
				} {
					testkit.Ask(n.Handler, name, value)
					testkit.Ask(n.Handler, name, strings.TrimSuffix(strings.TrimSuffix(value, "%zz"), ";="))
					body, err := json.Marshal(api.ExplainRequest{URL: "/", Header: map[string]api.HeaderValues{name: {value}}})
					if err != nil {
						t.Fatal(err)
					}
					if w := n.Do("POST", "/explain", string(body)); strings.Contains(w.Body.String(), key) {
						t.Errorf("%s %q: explained as %s", name, value, w.Body)
					}
				}
			}
			if logs.FilterMessage("refused a trigger").Len() < len(lines) {
				t.Errorf("%d lines about refused triggers, want some for each", logs.Len())
			}
			for _, line := range logs.All() {
				if text := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(text, key) {
					t.Errorf("the log has a key in it: %s", text)
				}
			}
		})
	}
}
