//go:build unix

package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// argumentsOf has the arguments of a command for TestWithoutReader, one a line.
const argumentsOf = "FAULT_TEST_ARGUMENTS"

// TestCommandWithoutReader is the command of TestWithoutReader. It tests nothing itself.
func TestCommandWithoutReader(t *testing.T) {
	args := os.Getenv(argumentsOf)
	if args == "" {
		t.Skip("is run by TestWithoutReader")
	}
	cmd := faultCommand(strings.Split(args, "\n")...)
	cmd.SetOut(os.Stdout)
	cmd.SetErr(os.Stderr)
	_ = cmd.Execute() // the code of the command is not that of a test
}

// A command whose output is closed, as by head, ends what it has begun.
func TestWithoutReader(t *testing.T) {
	n, address := adminEndpoint(t, twoRules)
	done := filepath.Join(t.TempDir(), "done")
	file := writePlan(t, "stage a 1s {\nfault x {\npoint api\nrespond 503\n}\n}\nafter touch "+done)
	for _, args := range [][]string{
		{"plan", "--address", address, file},
		{"run", "--address", address, "--point", "api", "respond 503", "--", "touch", done},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCommandWithoutReader$")
		child.Env = append(os.Environ(), argumentsOf+"="+strings.Join(args, "\n"))
		child.Stdout, child.Stderr = w, w
		if err := child.Run(); err != nil {
			t.Errorf("%s: %v", args[0], err)
		}
		_ = w.Close()
		if err := os.Remove(done); err != nil {
			t.Errorf("%s: %v", args[0], err)
		}
		n.Want(200, "GET", "/experiments", "", `"experiments": []`)
	}
}
