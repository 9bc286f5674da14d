package e2e

import (
	"bufio"
	"cmp"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// trial is a running `caddy fault try`.
type trial struct {
	cmd                  *exec.Cmd
	home                 string // the temporary folder of the process
	site, console, admin string // URLs and an address
	lines                chan string
	stderr               string // the path of a file
	done                 chan struct{}
}

var tryText = regexp.MustCompile(`^(http://\S+)  →  (\S+)   \((.*)\)\nConsole   (http://\S+)\nCommands  caddy fault (?:status|run --point site 'percent 10; respond 503') --address (\S+)\nStop with Ctrl-C\.\n$`)

// try starts the ready binary, and reads its first lines.
func try(t *testing.T, env []string, args ...string) *trial {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	p := &trial{home: t.TempDir(), lines: make(chan string, 100), done: make(chan struct{})}
	p.cmd = exec.CommandContext(t.Context(), readyBinary(t), append([]string{"fault", "try"}, args...)...)
	p.cmd.Env = append(os.Environ(), "HOME="+p.home, "XDG_DATA_HOME=", "XDG_CONFIG_HOME=", "TMPDIR="+p.home)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Dir = p.home
	p.stderr = filepath.Join(t.TempDir(), "stderr")
	stderr, err := os.Create(p.stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	p.cmd.Stderr = stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	go func() {
		defer close(p.done)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
		_ = p.cmd.Wait()
	}()
	var text strings.Builder
	for range 4 {
		text.WriteString(p.line(t) + "\n")
	}
	parts := tryText.FindStringSubmatch(text.String())
	if parts == nil {
		t.Fatalf("got\n%s", &text)
	}
	p.site, p.console, p.admin = parts[1], parts[4], parts[5]
	return p
}

// line returns the next line of the output.
func (p *trial) line(t *testing.T) string {
	t.Helper()
	select {
	case line := <-p.lines:
		return line
	case <-p.done:
		t.Fatalf("it has ended: %s", p.errors(t))
	case <-time.After(patience):
		t.Fatalf("no line after %v", patience)
	}
	return ""
}

// errors returns what the command has written to standard error.
func (p *trial) errors(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.stderr)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// waitForError waits for a text on standard error.
func (p *trial) waitForError(t *testing.T, text string) {
	t.Helper()
	eventually(t, func() error {
		if got := p.errors(t); !strings.Contains(got, text) {
			return &notFound{text, got}
		}
		return nil
	})
}

// end sends a signal, and checks that nothing remains.
func (p *trial) end(t *testing.T, sig syscall.Signal, stderr string) {
	t.Helper()
	endBy(t, p.cmd, p.done, sig)
	if got := p.errors(t); got != stderr {
		t.Errorf("standard error: got %q, want %q", got, stderr)
	}
	wantEmpty(t, p.home)
}

// wantEmpty checks that a folder is empty.
func wantEmpty(t *testing.T, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if path != folder {
			t.Errorf("%s remains", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// wantPage gets a URL and checks the reply.
func wantPage(t *testing.T, url string, status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || !strings.Contains(string(got), body) {
		t.Errorf("%s: got %d %q, %v, want %d %q", url, resp.StatusCode, got, err, status, body)
	}
}

// hostAndPath answers with the Host field and the path.
func hostAndPath(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Host, r.URL.Path) }

// TestTry puts two Caddys in front of one server, one with a rule and one without.
func TestTry(t *testing.T) {
	up := serve(t, hostAndPath)
	rule, bare := try(t, nil, "http://"+up.addr, "match path /x*; respond 551"), try(t, nil, up.addr)
	for _, p := range []*trial{rule, bare} {
		wantPage(t, p.site+"/y", 200, strings.TrimPrefix(p.site, "http://")+" /y")
		wantPage(t, p.console, 200, "<title>")
	}
	wantPage(t, rule.site+"/x1", 551, "")
	wantPage(t, bare.site+"/x1", 200, "")
	if line := rule.line(t); !strings.Contains(line, " site/rule1 respond: GET ") || !strings.Contains(line, "/x1 from 127.0.0.1") {
		t.Errorf("got the line %q", line)
	}

	term := &terminal{admin: bare.admin}
	term.want(t, 0, strings.TrimPrefix(bare.site, "http://")+"  site", "", "status")
	term.want(t, 0, "experiment 'down' is on at site; time left: 10m0s\n", "", "run", "--name", "down", "--point", "site", "503")
	wantPage(t, bare.site+"/z", 503, "")
	wantPage(t, rule.site+"/z", 200, "")
	if line := bare.line(t); !strings.Contains(line, " site/down respond: GET ") {
		t.Errorf("got the line %q", line)
	}
	term.want(t, 0, "Halted.", "", "halt") // keeps the switch in the storage
	rule.end(t, syscall.SIGINT, "")
	bare.end(t, syscall.SIGTERM, "")
}

// TestTryBesideCaddy checks that a Caddy at the default address keeps its files, and
// the switch that they contain.
func TestTryBesideCaddy(t *testing.T) {
	term := inTerminal(t)
	up := serve(t, hostAndPath)
	p := try(t, []string{"CADDY_ADMIN=" + term.admin}, up.addr, "respond 503")
	(&terminal{admin: p.admin}).want(t, 0, "Halted.", "", "halt")
	wantPage(t, p.site, 200, "")
	if got := term.status(t, "/gone"); got != gone {
		t.Errorf("the other Caddy: got %s, want %s", got, gone)
	}
	term.want(t, 0, "● armed ", "", "status")
	p.end(t, syscall.SIGTERM, "")
	if got := term.status(t, "/gone"); got != gone {
		t.Errorf("the other Caddy, after the end: got %s, want %s", got, gone)
	}
}

// TestTryLoad loads configurations into the command's Caddy. Neither the default admin
// address nor the stored configuration of the user changes.
func TestTryLoad(t *testing.T) {
	p := try(t, []string{fmt.Sprintf("CADDY_ADMIN=127.0.0.1:%d", freePort(t))}, serve(t, hostAndPath).addr)
	for _, tt := range []struct {
		config string
		want   int
	}{
		{`{}`, http.StatusBadRequest},
		{`{"admin": {"listen": "127.0.0.1:0"}}`, http.StatusOK}, // the last one, because the address changes
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.admin+"/load", strings.NewReader(tt.config))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: got %d, want %d", tt.config, resp.StatusCode, tt.want)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-p.done
	wantEmpty(t, p.home) // the log has lines now
}

// TestTryHeld stops the command while a request is held without a limit.
func TestTryHeld(t *testing.T) {
	up := serve(t, hostAndPath)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		p := try(t, nil, up.addr, "hang")
		s := &site{addr: strings.TrimPrefix(p.site, "http://")}
		conn := s.dial(t)
		conn.send(get("/"))
		p.line(t)
		p.end(t, sig, "")
	}
}

// TestTryStream stops the command while a stream is open, and by two signals at once.
func TestTryStream(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	for _, code := range []int{0, 2} {
		p := try(t, nil, up.addr)
		s := &site{addr: strings.TrimPrefix(p.site, "http://")}
		conn := s.dial(t)
		conn.send(get("/"))
		if _, err := conn.readHead(); err != nil {
			t.Fatal(err)
		}
		if code == 0 {
			p.end(t, syscall.SIGINT, "")
			continue
		}
		for range 2 {
			if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond) // signals that arrive together count as one
		}
		<-p.done
		if got := p.cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("exit code: got %d, want %d", got, code)
		}
		wantEmpty(t, p.home)
	}
}

// TestTryH2C forwards to an upstream that speaks HTTP/2 without TLS, as gRPC servers
// do.
func TestTryH2C(t *testing.T) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	srv.Config.Protocols = &protocols
	srv.Start()
	defer srv.Close()
	p := try(t, nil, "h2c://"+srv.Listener.Addr().String(), "match path /x; grpc UNAVAILABLE")
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	for path, want := range map[string]string{"/y": "HTTP/2.0, grpc-status ", "/x": ", grpc-status 14"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.site+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/grpc")
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		status := cmp.Or(resp.Header.Get("Grpc-Status"), resp.Trailer.Get("Grpc-Status"))
		if got := string(body) + ", grpc-status " + status; err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", path, got, err, want)
		}
	}
	p.end(t, syscall.SIGTERM, "")
}

// TestTryTLS forwards to upstreams with a trusted and an untrusted certificate.
func TestTryTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(hostAndPath))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshakes fail
	srv.StartTLS()
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	host := strings.TrimPrefix(srv.URL, "https://")

	p := try(t, []string{"SSL_CERT_FILE=" + ca}, srv.URL, "match path /x; 503")
	wantPage(t, p.site+"/y", 200, host+" /y")
	wantPage(t, p.site+"/x", 503, "")
	p.end(t, syscall.SIGINT, "")

	p = try(t, nil, srv.URL, "--insecure")
	wantPage(t, p.site+"/y", 200, host+" /y")
	p.end(t, syscall.SIGINT, "")

	p = try(t, nil, srv.URL)
	p.waitForError(t, "--insecure")
	p.end(t, syscall.SIGINT, "Warning: requests to "+srv.URL+" get a 502 (tls: failed to verify certificate: x509: certificate signed by unknown authority); --insecure accepts the certificate\n")
}

// TestTryUpstreamLater starts before its upstream.
func TestTryUpstreamLater(t *testing.T) {
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	warning := "Warning: http://" + addr + " does not answer (dial tcp " + addr + ": connect: connection refused); until it does, requests get a 502\n"
	p := try(t, nil, addr)
	p.waitForError(t, warning)
	ln, err := net.Listen("tcp", addr) //nolint:noctx // an address of this machine
	if err != nil {
		t.Fatal(err)
	}
	srv := http.Server{Handler: http.HandlerFunc(hostAndPath), ReadHeaderTimeout: patience}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	wantPage(t, p.site+"/y", 200, " /y")
	p.end(t, syscall.SIGINT, warning)
}

// TestTryRefuses checks that a mistake is reported and nothing remains.
func TestTryRefuses(t *testing.T) {
	home := t.TempDir()
	for _, tt := range []struct{ args, want string }{
		{"localhost:3000 percnt", "Error: unknown word 'percnt': did you mean 'percent 10'?"},
		{"localhost:3000/api 503", "Error: bad upstream 'localhost:3000/api'"},
	} {
		upstream, line, _ := strings.Cut(tt.args, " ")
		cmd := exec.CommandContext(t.Context(), readyBinary(t), "fault", "try", upstream, line)
		cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME=", "XDG_CONFIG_HOME=", "TMPDIR="+home)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.HasPrefix(string(out), tt.want) {
			t.Errorf("%s: got %d, %s", tt.args, code, out)
		}
	}
	wantEmpty(t, home)
}
