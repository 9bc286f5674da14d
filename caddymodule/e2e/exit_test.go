package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestExit ends the ready binary with SIGTERM while a request is held for an hour.
// Caddy's grace period is unlimited by default.
func TestExit(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	binary := readyBinary(t)
	for _, tt := range []struct{ phase, fault, body string }{
		{"request", "delay 1h", "ok"},
		{"response", "delay 1h", "ok"},
		{"request", "hang", ""},
		{"response", "hang", ""},
	} {
		t.Run(tt.fault+", phase "+tt.phase, func(t *testing.T) {
			p := run(t, binary, "{\nadmin off\npersist_config off\nauto_https off\ndebug\n}\nhttp://"+host+":0 {\nbind 127.0.0.1\n"+
				"fault {\nphase "+tt.phase+"\n"+tt.fault+"\n}\nrespond ok\n}\n")
			s := &site{addr: p.find(t, `"actual_address":"([^"]+)"`)}
			conn := s.dial(t)
			conn.send(get("/"))
			p.find(t, `"msg":"(injected a fault)"`)

			endBy(t, p.cmd, p.done, syscall.SIGTERM)
			if tt.body == "" {
				conn.wantEnd()
				return
			}
			if got := conn.reply("GET"); got.body != tt.body { // the delayed request continues
				t.Errorf("held request: got %q, want %s", got, tt.body)
			}
		})
	}
}

// readyBinary builds cmd/caddy, once for all tests.
func readyBinary(t *testing.T) string {
	t.Helper()
	path, err := buildReady()
	if err != nil {
		t.Fatalf("building: %v", err)
	}
	return path
}

// buildDir is removed by TestMain.
var buildDir string

var buildReady = sync.OnceValues(func() (path string, err error) {
	if buildDir, err = os.MkdirTemp("", "caddyfault"); err != nil {
		return "", err
	}
	path = filepath.Join(buildDir, "caddy")
	out, err := exec.Command("go", "build", "-o", path, "github.com/caddyfault/caddyfault/cmd/caddy").CombinedOutput() //nolint:noctx // the timeout of the test binary limits it
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// process is a running program that logs to a file.
type process struct {
	cmd    *exec.Cmd
	config string // the path of its Caddyfile
	log    string
	done   chan struct{}
}

// endBy sends a signal, and checks that the process exits with 0. done is closed when it
// has exited.
func endBy(t *testing.T, cmd *exec.Cmd, done <-chan struct{}, sig os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("still running after %v", patience)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code: got %d, want 0", code)
	}
}

// run starts Caddy with a Caddyfile. It is killed at the end of the test.
func run(t *testing.T, binary, caddyfile string) *process {
	t.Helper()
	return runConfig(t, binary, "Caddyfile", caddyfile, "--adapter", "caddyfile")
}

// runConfig starts Caddy with a configuration in a file of this name. It is killed at the
// end of the test.
func runConfig(t *testing.T, binary, name, config string, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{config: filepath.Join(dir, name), log: filepath.Join(dir, "log"), done: make(chan struct{})}
	writeFile(t, p.config, []byte(config))
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.CommandContext(t.Context(), binary, append([]string{"run", "--config", p.config}, args...)...)
	p.cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

// find waits until the log has a match.
func (p *process) find(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var found string
	eventually(t, func() error {
		log, err := os.ReadFile(p.log)
		if err != nil {
			return err
		}
		match := re.FindSubmatch(log)
		if match == nil {
			return &notFound{pattern, string(bytes.TrimSpace(log))}
		}
		found = string(match[1])
		return nil
	})
	if found == "" {
		t.FailNow()
	}
	return found
}

type notFound struct{ pattern, log string }

func (e *notFound) Error() string {
	return e.pattern + " is not in the log:\n" + strings.TrimSpace(e.log)
}
