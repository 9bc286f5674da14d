//go:build unix

package plan

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A command's exit code is that of a shell.
func TestProgramCode(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -9 $$": 137, "kill -15 $$": 143} {
		p, err := System{}.Start([]string{"sh", "-c", script})
		if err != nil {
			t.Fatal(err)
		}
		<-p.Ended()
		if got := p.Code(); got != want {
			t.Errorf("%s: got %d, want %d", script, got, want)
		}
		p.Stop(time.Second) // it has ended
	}
}

// A command that does not exist is found without running it.
func TestProgramFind(t *testing.T) {
	if err := (System{}).Find("sh"); err != nil {
		t.Error(err)
	}
	if err := (System{}).Find("no-such-program-here"); err == nil {
		t.Error("a program that does not exist is found")
	}
	if _, err := (System{}).Start([]string{"no-such-program-here"}); err == nil {
		t.Error("a program that does not exist starts")
	}
}

// Stop ends the whole group: a child of a command that ends, and one of a command that
// ignores SIGTERM.
func TestProgramStop(t *testing.T) {
	for _, script := range []string{
		"sleep 1000 & echo $!; wait",
		"trap '' TERM; sleep 1000 & echo $!; while :; do wait; done",
	} {
		out, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p, err := System{Out: w}.Start([]string{"sh", "-c", script})
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Close() // the command has its own
		line := make([]byte, 32)
		n, err := out.Read(line)
		if err != nil {
			t.Fatal(err)
		}
		child, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
		if err != nil {
			t.Fatal(err)
		}
		p.Stop(200 * time.Millisecond)
		select {
		case <-p.Ended():
		default:
			t.Errorf("%s: the command runs", script)
		}
		for syscall.Kill(child, 0) == nil && !isZombie(child) {
			time.Sleep(time.Millisecond) // until the kernel has ended it; the test times out otherwise
		}
		_ = out.Close()
	}
}

// isZombie reports whether a process has ended, and nobody has asked for its state.
func isZombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}
