package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// clock matches the time of an entry, which is in the time zone of the machine.
var clock = regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`)

const asksInVain = `{"point": "api", "match": [{"path": ["/*"]}], "triggers": [{"source": "header"}]}`

// A build log shows what was wrong with the triggers of a test.
func TestCommandVerifyRefused(t *testing.T) {
	n, address := adminEndpoint(t, asksInVain)
	verify := func(args string) printed {
		return caddyFault(t, append(strings.Fields("verify --address "+address), strings.Fields(args)...)...)
	}
	if got := verify("--refused --exactly 0"); got.stdout != "refused triggers: 0\n" || got.err != nil {
		t.Errorf("none: got %+v", got)
	}
	testkit.Ask(n.Handler, "X-Fault", "delay 1")
	testkit.Ask(n.Handler, "X-Fault", "percent\u00e9 1")
	const lines = `  12:00:00.000 api/trigger refused: GET example.com/: bad duration '1': want one such as 250ms or 2s
  12:00:00.000 api/trigger refused: GET example.com/: 'percent?' is not allowed here: did you mean 'percent'?`
	for _, args := range []string{"--refused --exactly 0", "--refused --at-most 1 --since 1h", "--refused --at-least 3 --point api"} {
		got := verify(args)
		message, told, _ := strings.Cut(clock.ReplaceAllString(got.stderr, "12:00:00.000"), "\n")
		if fmt.Sprint(got.err) != "exiting with status 2" || got.stdout != "" || !strings.HasPrefix(message, "Error: triggers") || !strings.HasPrefix(told, lines) || strings.Count(told, "\n") != 2 {
			t.Errorf("%s: got %+v, want %s", args, got, lines)
		}
	}
	if got := verify("--refused --exactly 2 --since 1h"); got.stdout != "refused triggers: 2\n" || got.err != nil {
		t.Errorf("both: got %+v", got)
	}
	var no api.Error
	got := verify("--refused --exactly 0 --json")
	if err := json.Unmarshal([]byte(got.stdout), &no); err != nil || *no.Count != 2 || len(no.Refusals) != 2 || no.Refusals[0].Refused == "" {
		t.Errorf("--json: got %+v, %v", got, err)
	}
	for args, want := range map[string]string{
		"--exactly 0":                          "a rule is required: ",
		"--refused":                            "a number is required: ",
		"--refused --rule trigger --exactly 0": "--rule and --refused exclude each other",
		"--refused --exactly 0 --point no":     "no trigger at injection point 'no'",
		"--refused=false --exactly 0":          "a rule is required: ",
	} {
		if got := verify(args); got.err == nil || !strings.Contains(got.err.Error(), want) {
			t.Errorf("%s: got %+v, want %q", args, got, want)
		}
	}
}

func TestCommandStatusRefused(t *testing.T) {
	n, address := adminEndpoint(t, asksInVain)
	want := func(passed string) {
		t.Helper()
		wantLines(t, belowHead(t, caddyFault(t, "status", "--address", address).stdout), `

POINT/RULE   RULE                   HITS  PASSED
api/trigger  /*  by header X-Fault     0  `+passed+"\n")
	}
	want("-")
	testkit.Ask(n.Handler, "X-Fault", "delay 1")
	want("refused 1")
}

// TestCommandWatchRefused follows refusals without hits.
func TestCommandWatchRefused(t *testing.T) {
	n, address := adminEndpoint(t, asksInVain)
	testkit.Ask(n.Handler, "X-Fault", "551")
	testkit.Ask(n.Handler, "X-Fault", "delay 1")
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	out := &untilLine{stop: stop}
	cmd := faultCommand("watch", "--refused", "--address", address)
	cmd.SetOut(out)
	cmd.SetErr(io.Discard)
	_ = cmd.ExecuteContext(ctx) // the test stops it
	wantLines(t, clock.ReplaceAllString(out.String(), "12:00:00.000"), `
12:00:00.000 api/trigger refused: GET example.com/: bad duration '1': want one such as 250ms or 2s
`)
}
