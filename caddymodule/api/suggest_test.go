package api_test

import (
	"net/http"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// A name that is nearly right is answered with the right one.
func TestSuggestions(t *testing.T) {
	n := testnode.Start(t, `{"point": "checkout", "triggers": [{"source": "header"}], "rules": [
		{"name": "slow", "faults": [{"fault": "close"}]}, {"name": "gone", "faults": [{"fault": "close"}]}]}`, "")
	n.Put("latency", `{"points": ["checkout"], "faults": [{"fault": "close"}]}`)
	n.Put("lost", `{"points": ["checkout"], "faults": [{"fault": "close"}]}`)
	n.Want(http.StatusNoContent, "DELETE", "/experiments/lost", "", "")
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", "/verify?exactly=0&rule=lsot", "", "no rule 'lsot'; did you mean 'lost'?"},
		{"GET", "/verify?exactly=0&rule=lsot&point=checkout", "", "no rule 'lsot' at injection point 'checkout'; did you mean 'lost'?"},
		{"GET", "/verify?exactly=0&rule=lsot&point=chekout", "", "no rule 'lsot' at injection point 'chekout'; did you mean point 'checkout'?"},
		{"POST", "/reset?rule=lsot", "", "no rule 'lsot'"},
		{"GET", "/experiments/latensy", "", "no experiment 'latensy'; did you mean 'latency'?"},
		{"DELETE", "/experiments/latncy", "", "no experiment 'latncy'; did you mean 'latency'?"},
		{"PATCH", "/experiments/latencies", `{"percent": 1}`, "no experiment 'latencies'; did you mean 'latency'?"},
		{"GET", "/experiments/other", "", "no experiment 'other'"},
		{"POST", "/rules/checkout/slwo/off", "", "no rule 'slwo' at injection point 'checkout'; did you mean 'slow'?"},
		{"POST", "/rules/chekout/slow/on", "", "no rule 'slow' at injection point 'chekout'; did you mean point 'checkout'?"},
		{"POST", "/rules/other/slow/on", "", "no rule 'slow' at injection point 'other'"},
		{"POST", "/reset?rule=gnoe", "", "no rule 'gnoe'; did you mean 'gone'?"},
		{"POST", "/reset?point=chekout", "", "no rule at injection point 'chekout'; did you mean point 'checkout'?"},
		{"GET", "/verify?exactly=0&rule=triger", "", "no rule 'triger'; did you mean 'trigger'?"},
		{"GET", "/verify?exactly=0&rule=latency1", "", "no rule 'latency1'; did you mean 'latency'?"},
		{"GET", "/verify?exactly=0&rule=checkot/gone", "", "no rule 'gone' at injection point 'checkot'; did you mean point 'checkout'?"},
		{"PUT", "/experiments/x", `{"points": ["chekout"], "faults": [{"fault": "close"}]}`, "no injection point 'chekout'; did you mean 'checkout'?"},
	} {
		n.Want(http.StatusNotFound, tt.method, tt.path, tt.body, `"error": "`+tt.want+`"`)
	}
}
