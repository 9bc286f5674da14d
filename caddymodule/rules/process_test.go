package rules

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// answersVariable makes the test binary print its answers and nothing else.
const answersVariable = "FAULT_TEST_ANSWERS"

// In another process or on another node, the same key gets the same answer, and the
// same seed gives the same sequence.
func TestAnswersOfAnotherProcess(t *testing.T) {
	if os.Getenv(answersVariable) != "" {
		fmt.Printf("\nanswers %s\n", answers(t))
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAnswersOfAnotherProcess$", "-test.count=1")
	cmd.Env = append(os.Environ(), answersVariable+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "\nanswers " + answers(t) + "\n"
	if !strings.Contains(string(out), want) {
		t.Errorf("the other process gave %s, want %s", out, want)
	}
	if !strings.Contains(want, "1") || !strings.Contains(want, "0") {
		t.Errorf("all answers are the same: %s", want)
	}
}

// answers returns the decisions about 500 users at a sticky point, and about as many
// requests at a seeded point.
func answers(t *testing.T) string {
	t.Helper()
	sticky := mustLoad(t, `{"point": "sticky", "sticky": "{http.request.header.X-User}", "rules": [{"percent": 50, `+closing+`}]}`)
	seeded := mustLoad(t, `{"point": "seeded", "seed": 7, "rules": [{"percent": 50, `+closing+`}]}`)
	var b strings.Builder
	for i := range 500 {
		for _, p := range []*Point{sticky, seeded} {
			b.WriteByte("01"[min(1, len(name(t, p, request("/", "X-User", strconv.Itoa(i)))))])
		}
	}
	return b.String()
}
