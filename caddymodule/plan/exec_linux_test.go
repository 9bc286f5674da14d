package plan

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// loadOf has the command that TestRunnerOfLoad starts.
const loadOf = "TEST_RUNNER_OF_LOAD"

// TestRunnerOfLoad is the runner that TestProgramOfKilled kills. It tests nothing itself.
func TestRunnerOfLoad(t *testing.T) {
	script := os.Getenv(loadOf)
	if script == "" {
		t.Skip("is run by TestProgramOfKilled")
	}
	p, err := System{Out: os.Stdout}.Start([]string{"sh", "-c", script})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
}

// A command ends with a runner that is killed. It may clean up.
func TestProgramOfKilled(t *testing.T) {
	for script, want := range map[string]string{
		"echo ready; exec sleep 1000":                                            "",
		"trap 'echo clean; exit' TERM; echo ready; while :; do sleep 0.01; done": "clean\n",
	} {
		runner := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRunnerOfLoad$")
		runner.Env = append(os.Environ(), loadOf+"="+script)
		out, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		runner.Stdout = w
		if err := runner.Start(); err != nil {
			t.Fatal(err)
		}
		_ = w.Close() // the runner and its command have their own
		lines := bufio.NewReader(out)
		if line, err := lines.ReadString('\n'); line != "ready\n" {
			t.Errorf("%s: got %q, %v", script, line, err)
		}
		if err := runner.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = runner.Wait() // it was killed
		if rest, err := io.ReadAll(lines); err != nil || string(rest) != want {
			t.Errorf("%s: got %q, %v, want %q", script, rest, err, want) // the test times out if the command lives
		}
		_ = out.Close()
	}
}

// A command does not end with the thread of the caller.
func TestProgramOutlivesThread(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "end")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	id, p := startAndEndThread(t, "trap 'exit 9' TERM; read word < "+fifo)
	for task := fmt.Sprintf("/proc/self/task/%d", id); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(task); err != nil {
			break // the kernel has ended the thread; the test times out otherwise
		}
	}
	pipe, err := os.OpenFile(fifo, os.O_RDWR, 0) // does not wait for a reader that may be gone
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if _, err := pipe.WriteString("end\n"); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if got := p.Code(); got != 0 {
		t.Errorf("got %d, want 0", got)
	}
}

// startAndEndThread starts a command from a thread that then ends. It returns the number of
// the thread.
func startAndEndThread(t *testing.T, script string) (id int, p *process) {
	t.Helper()
	var wait sync.WaitGroup
	var start func()
	start = func() {
		runtime.LockOSThread() // the thread ends with its goroutine, unless it is the first one
		if id = syscall.Gettid(); id == os.Getpid() {
			wait.Go(start)
			return
		}
		started, err := System{}.Start([]string{"sh", "-c", script})
		if err != nil {
			t.Error(err)
			return
		}
		p = started.(*process)
	}
	wait.Go(start)
	wait.Wait()
	if p == nil {
		t.FailNow()
	}
	return id, p
}
