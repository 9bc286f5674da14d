package command

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

func TestCommandSets(t *testing.T) {
	n := testnode.Start(t, twoRules, `{"sets": {"outage": {"experiments": {
		"late": {"points": ["api"], "faults": [{"fault": "delay", "duration": "2s"}]},
		"down": {"match": [{"path": ["/other"]}], "faults": [{"fault": "respond", "status_code": 503}]}}},
		"far": {"experiments": {"x": {"points": ["nowhere"], "faults": [{"fault": "close"}]}}}}}`)
	address := listen(t, n.API)
	for _, tt := range []struct{ args, stdout, err string }{
		{"run --set outage --ttl 5m --note drill", "experiment 'down' is on at no point where it can match; time left: 5m0s\n" +
			"  cannot match at api: path /api/* and /other\n" +
			"experiment 'late' is on at api; time left: 5m0s\n  api: match path /api/*\n", ""},
		{"run --set outage", "", "an experiment of set 'outage' already exists: end it with caddy fault rm <name>@, or caddy fault rm --set outage@"},
		{"rm --set outage", "experiment 'down' has ended\nexperiment 'late' has ended\n", ""},
		{"rm --set outage", "", "no experiment of set 'outage' is on"},
		{"rm --set outag", "", "no set 'outag': did you mean 'outage'?"},
		{"run --set far", "", "no experiment has started, because 1 of 1 cannot: experiment 'x': no injection point 'nowhere'; the injection points are: api"},
		{"run --set x/y", "", "no set 'x/y'; the sets are: far, outage"},
		{"run --set=", "", "--set is empty: give it a value, or leave it out"},
		{"rm --set=", "", "--set is empty: give it a value, or leave it out"},
		{"rm --set outage late", "", "'late' and --set exclude each other: give either names or --set"},
		{"rm --set outage --all", "", "--all and --set exclude each other: give one of them"},
		{"run --set outage 503", "", "'503' and --set exclude each other: start the set, and end it with caddy fault rm --set outage@"},
		{"run --set outage -- true", "", "'true' and --set exclude each other: start the set, and end it with caddy fault rm --set outage@"},
		{"run --set outage --name x", "", "--set and --name exclude each other: the configuration has the experiments of the set"},
		{"run --set outage --point api", "", "--set and --point exclude each other: the configuration has the experiments of the set"},
		{"run --set outage --match /x", "", "--set and --match exclude each other: the configuration has the experiments of the set"},
		{"run --set outage --ttl soon", "", "bad ttl 'soon': want a duration such as 5m, or 0 for no end"},
	} {
		got := caddyFault(t, append(strings.Fields(tt.args), "--address", address)...)
		if dash := strings.Index(tt.args, " -- "); dash >= 0 {
			got = caddyFault(t, append([]string{"--address", address}, strings.Fields(tt.args)...)...)
		}
		if got.stdout != tt.stdout || fmt.Sprint(got.err) != fmt.Sprint(errorOf(at(address, tt.err))) {
			t.Errorf("%s: got %q, %v, want %q, %s", tt.args, got.stdout, got.err, tt.stdout, tt.err)
		}
	}
}

// A shell offers the sets that can start, or those that run.
func TestCompletionOfSets(t *testing.T) {
	n := testnode.Start(t, twoRules, `{"sets": {
		"outage": {"experiments": {"late": {"points": ["api"], "faults": [{"fault": "close"}]}}},
		"slow": {"experiments": {"a": {"points": ["api"], "faults": [{"fault": "close"}]}, "b": {"points": ["api"], "faults": [{"fault": "close"}]}}}}}`)
	address := listen(t, n.API)
	for _, tt := range []struct{ begin, run, rm string }{
		{"", "outage\t1 experiment slow\t2 experiments", ""},
		{"slow", "outage\t1 experiment", "slow\t2 running"},
		{"outage", "", "outage\t1 running slow\t2 running"},
	} {
		if tt.begin != "" {
			n.Want(http.StatusCreated, "POST", "/sets/"+tt.begin, "", "")
		}
		for command, want := range map[string]string{"run": tt.run, "rm": tt.rm} {
			got, directive := complete(t, command, "--address", address, "--set", "")
			if strings.Join(got, " ") != want || directive != noFiles {
				t.Errorf("%s, after '%s': got %q and %s, want %q", command, tt.begin, got, directive, want)
			}
		}
	}
	if got, directive := complete(t, "run", "--address", "nope:x", "--set", ""); len(got) != 0 || directive != noFiles {
		t.Errorf("without Caddy: got %q and %s", got, directive)
	}
}

// A hint repeats the flags that name the Caddy, as words of a shell.
func TestAgain(t *testing.T) {
	cmd, _, err := faultCommand().Find([]string{"fault", "halt"})
	if err != nil {
		t.Fatal(err)
	}
	s := &session{Command: cmd}
	for _, tt := range []struct{ flag, value, want string }{
		{"", "", "caddy fault halt"},
		{"config", "my Caddyfile", "caddy fault halt --config 'my Caddyfile'"},
		{"adapter", "o'hara", `caddy fault halt --config 'my Caddyfile' --adapter 'o'\''hara'`},
		{"address", "unix//run/caddy.sock", `caddy fault halt --address unix//run/caddy.sock --config 'my Caddyfile' --adapter 'o'\''hara'`},
	} {
		if tt.flag != "" {
			if err := cmd.InheritedFlags().Set(tt.flag, tt.value); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.again("halt"); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// A set may start although its start is not answered.
func TestCommandSetUnanswered(t *testing.T) {
	address := listen(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	got := caddyFault(t, "run", "--set", "outage", "--address", address)
	if got.err == nil || !strings.Contains(got.stderr, "Caddy has not answered, so set 'outage' may still start") {
		t.Errorf("got %+v", got)
	}
}

// The note and the time of the command are those of each experiment.
func TestCommandSetTime(t *testing.T) {
	n := testnode.Start(t, twoRules, `{"sets": {"outage": {"experiments": {"late": {"points": ["api"], "note": "own", "ttl": "1m", "faults": [{"fault": "close"}]}}}}}`)
	address := listen(t, n.API)
	for _, tt := range []struct {
		args, note string
		lasts      time.Duration
	}{
		{"run --set outage", "own", time.Minute},
		{"run --set outage --ttl 1h --note drill", "drill", time.Hour},
		{"run --set outage --ttl 0", "own", 0},
	} {
		if got := caddyFault(t, append(strings.Fields(tt.args), "--address", address)...); got.err != nil {
			t.Errorf("%s: %v", tt.args, got.err)
			continue
		}
		live := n.Ctl.Store.Get("late")
		lasts := time.Duration(0)
		if !live.Ends.IsZero() {
			lasts = live.Ends.Sub(live.Started)
		}
		if live.Note != tt.note || lasts != tt.lasts {
			t.Errorf("%s: got %q, %v, want %q, %v", tt.args, live.Note, lasts, tt.note, tt.lasts)
		}
		caddyFault(t, "rm", "--set", "outage", "--address", address)
	}
}
