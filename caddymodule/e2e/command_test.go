package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// terminal is a Caddy with an admin endpoint, and runs `caddy fault` for it.
type terminal struct {
	*site
	config string // the path of its Caddyfile
	admin  string // the address of the endpoint
}

// inTerminal starts the ready binary with a site that answers 200, and with 410 at
// /gone by the rule rule1. Its second point is for experiments.
func inTerminal(t *testing.T) *terminal {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the commands that are run are a Unix shell's")
	}
	dir, port := t.TempDir(), strconv.Itoa(freePort(t)) // a reload keeps its socket
	term := &terminal{admin: "unix/" + filepath.Join(dir, "admin.sock"), site: &site{addr: "127.0.0.1:" + port}}
	p := run(t, readyBinary(t), "{\nadmin "+term.admin+"\npersist_config off\nauto_https off\nstorage file_system "+dir+"\n}\n"+
		"http://"+host+":"+port+" {\nbind 127.0.0.1\nfault /gone 410\nfault\nrespond ok\n}\n")
	p.find(t, `"msg":"(serving initial configuration)"`)
	term.config = p.config
	return term
}

// fault returns `caddy fault` with these arguments.
func (term *terminal) fault(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), readyBinary(t), append([]string{"fault", "--address", term.admin}, args...)...)
}

// want runs `caddy fault` and checks its exit code and its output.
func (term *terminal) want(t *testing.T, code int, stdout, stderr string, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := term.fault(t, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(out.String(), stdout) || errs.String() != stderr {
		t.Errorf("%q: got %d, %q and %q, want %d, %q and %q", args, got, out.String(), errs.String(), code, stdout, stderr)
	}
}

// status returns the status line of the site's reply. It retries as wantStatus does.
func (term *terminal) status(t *testing.T, path string) (line string) {
	t.Helper()
	eventually(t, func() error {
		conn := term.dial(t)
		conn.send(get(path))
		got, err := conn.readReply(http.MethodGet)
		line, _, _ = strings.Cut(got.head, "\r\n")
		return err
	})
	return line
}

// reload loads the Caddyfile again.
func (term *terminal) reload(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), readyBinary(t), "reload", "--force", "--config", term.config, "--address", term.admin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("reloading: %v\n%s", err, out)
	}
}

const (
	ok   = "HTTP/1.1 200 OK"
	gone = "HTTP/1.1 410 Gone"
	down = "HTTP/1.1 503 Service Unavailable"
)

// noExperiments returns what `caddy fault list` prints on standard error without
// experiments.
func (term *terminal) noExperiments() string {
	return "No experiment is on. Start one: caddy fault run --match 'path /api/*' 'percent 10; delay 2s' --address " + term.admin + "\n"
}

// TestCommandRunExit runs commands with an experiment.
func TestCommandRunExit(t *testing.T) {
	term := inTerminal(t)
	for _, tt := range []struct {
		script string
		code   int
	}{{"exit 0", 0}, {"exit 1", 1}, {"exit 7", 7}, {"kill -KILL $$", 137}} {
		term.want(t, tt.code, "", "", "run", "--name", "down", "--point", "*", "503", "--", "sh", "-c", tt.script)
		term.want(t, 0, "", term.noExperiments(), "list")
	}
	term.want(t, 127, "", "Error: exec: \"no-such-command\": executable file not found in $PATH\n",
		"run", "--name", "down", "--point", "*", "503", "--", "no-such-command")
	term.want(t, 0, "\ndown        fault1,fault2  /x  respond 503     0 ", "",
		"run", "--name", "down", "--match", "/x", "503", "--", readyBinary(t), "fault", "list", "--address", term.admin)
}

// TestCommandRunSignal sends signals to `caddy fault run`, which removes the experiment
// nevertheless.
func TestCommandRunSignal(t *testing.T) {
	term := inTerminal(t)
	for _, tt := range []struct {
		name, script string
		signal       syscall.Signal
		code         int
	}{
		{"the command dies of it", "echo ready; exec sleep 60", syscall.SIGTERM, 143},
		{"interrupt", "echo ready; exec sleep 60", syscall.SIGINT, 130},
		{"the terminal is closed", "echo ready; exec sleep 60", syscall.SIGHUP, 129},
		{"quit", "echo ready; exec sleep 60", syscall.SIGQUIT, 131},
		{"the command ends in its own way", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done", syscall.SIGTERM, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if signal.Ignored(tt.signal) {
				t.Skip("it is ignored here, and so by the command") // as under nohup go test
			}
			cmd := term.fault(t, "run", "--name", "down", "--match", "path /x", "503", "--", "sh", "-c", tt.script)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatalf("got %q, %v", line, err)
			}
			if got := term.status(t, "/x"); got != down {
				t.Errorf("while the command runs: got %s, want %s", got, down)
			}
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tt.code {
				t.Errorf("exit code: got %d, want %d", got, tt.code)
			}
			if got := term.status(t, "/x"); got != ok {
				t.Errorf("after the command has ended: got %s, want %s", got, ok)
			}
		})
	}
}

// TestCommandRunNohup closes the terminal of a command that runs under nohup.
func TestCommandRunNohup(t *testing.T) {
	term := inTerminal(t)
	cmd := term.fault(t, "run", "--name", "down", "--match", "path /x", "503", "--", "sh", "-c", "kill -HUP $PPID; kill -HUP $$; echo alive; read line; exit 3")
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `trap '' HUP; exec "$0" "$@"`}, cmd.Args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "alive\n" {
		t.Errorf("got %q, %v, want it alive", line, err)
	}
	if got := term.status(t, "/x"); got != down {
		t.Errorf("while the command runs: got %s, want %s", got, down)
	}
	_ = in.Close()
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 3 {
		t.Errorf("exit code: got %d, want 3", got)
	}
	if got := term.status(t, "/x"); got != ok {
		t.Errorf("after the command has ended: got %s, want %s", got, ok)
	}
}

// TestCommandWatchReload follows hits before and after a reload.
func TestCommandWatchReload(t *testing.T) {
	term := inTerminal(t)
	cmd := term.fault(t, "watch", "--rule", "rule1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	wantLine := func(path string) {
		t.Helper()
		select {
		case line := <-lines:
			if want := " fault1/rule1 respond: GET " + host + path + " from 127.0.0.1"; !strings.Contains(line, want) {
				t.Errorf("got %q, want %q in it", line, want)
			}
		case <-time.After(patience):
			t.Errorf("no line for %s after %v", path, patience)
		}
	}
	if got := term.status(t, "/gone"); got != gone {
		t.Fatalf("got %s, want %s", got, gone)
	}
	wantLine("/gone")
	term.reload(t)
	term.status(t, "/gone")
	wantLine("/gone")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range lines { // until its end
	}
	_ = cmd.Wait()
}

// TestCommandVerifyReload reloads while an assertion waits.
func TestCommandVerifyReload(t *testing.T) {
	term := inTerminal(t)
	var said bytes.Buffer
	cmd := term.fault(t, "verify", "--rule", "rule1", "--at-least", "1", "--wait", "5m")
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term.want(t, 0, "", term.noExperiments(), "list") // gives verify the time to send its request
	term.reload(t)
	if got := term.status(t, "/gone"); got != gone {
		t.Errorf("got %s, want %s", got, gone)
	}
	if err := cmd.Wait(); err != nil || said.String() != "hits of rule 'rule1': 1\n" {
		t.Errorf("got %q, %v", said.String(), err)
	}
}

// TestCommandExitCodes checks what scripts rely on.
func TestCommandExitCodes(t *testing.T) {
	term := inTerminal(t)
	if got := term.status(t, "/gone"); got != gone {
		t.Fatalf("got %s, want %s", got, gone)
	}
	term.want(t, 0, "hits of rule 'rule1': 1\n", "", "verify", "--rule", "rule1", "--exactly", "1")
	term.want(t, 2, "", "Error: rule 'rule1' has hit 1 time, want at least 2\n", "verify", "--rule", "rule1", "--at-least", "2")
	term.want(t, 1, "", "Error: no rule 'rule2'; did you mean 'rule1'?\n", "verify", "--rule", "rule2", "--at-least", "2")
	term.want(t, 1, "", "Error: unknown command 'verfy'; did you mean caddy fault verify?\n", "verfy")
	term.want(t, 0, host+"  fault1/rule1  /gone  respond 410", "", "status")
	term.want(t, 0, " Caddyfile:9\n"+host+"  fault2  ", "", "status", "--source")
	term.want(t, 0, "\n"+host+" › fault1  rule1  hits", "", "explain", "/gone")
	term.want(t, 0, `"point": "fault1"`, "", "explain", "--json", "/gone")
}

// TestCommandWithoutCaddy checks that one line reports what is missing.
func TestCommandWithoutCaddy(t *testing.T) {
	for _, tt := range []struct {
		name string
		http.Handler
		want string
	}{
		{
			"another server", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }),
			"Error: no Caddy answers at %s: the reply (200 OK text/plain) is not from an admin endpoint\n",
		},
		{"no module", http.NewServeMux(), "Error: Caddy at %s was built without the fault module\n"}, // the mux of Caddy's admin endpoint gives the same reply
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(tt.Handler)
			defer srv.Close()
			term := &terminal{admin: srv.Listener.Addr().String()}
			term.want(t, 1, "", fmt.Sprintf(tt.want, term.admin), "status")
		})
	}
	socket := filepath.Join(t.TempDir(), "none")
	term := &terminal{admin: "unix/" + socket}
	term.want(t, 1, "", "Error: no Caddy answers at "+term.admin+": dial unix "+socket+": connect: no such file or directory; start Caddy, or give its admin address, as in --address localhost:2019\n", "status")
}
