package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// orderAt sends orders, each of which fails once. The client waits before the retry as the
// function says, which gets the Retry-After.
func orderAt(t *testing.T, addr, agent string, orders int, wait func(retryAfter time.Duration) time.Duration) {
	t.Helper()
	for i := range orders {
		for try := 0; ; try++ {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/orders", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			r.Header.Set("User-Agent", agent)
			r.Header.Set("Idempotency-Key", fmt.Sprintf("%s-%d", agent, i))
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close() // it is empty
			if resp.StatusCode == http.StatusOK {
				break
			}
			if try == 3 {
				t.Fatalf("order %d fails with %s", i, resp.Status)
			}
			seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(wait(time.Duration(seconds) * time.Second))
		}
	}
}

// TestCommandClients tells a client that ignores Retry-After from one that obeys it.
func TestCommandClients(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the admin endpoint is a Unix socket")
	}
	dir, port := t.TempDir(), strconv.Itoa(freePort(t))
	term := &terminal{admin: "unix/" + filepath.Join(dir, "admin.sock")}
	p := run(t, readyBinary(t), "{\nadmin "+term.admin+"\npersist_config off\nauto_https off\nstorage file_system "+dir+"\n}\n"+
		"http://"+host+":"+port+" {\nbind 127.0.0.1\nfault /orders {\npoint shop\nrule busy {\nper {header.Idempotency-Key}\ntimes 1\n"+
		"respond 503 {\nheader Retry-After 1\n}\n}\n}\nrespond ok\n}\n")
	p.find(t, `"msg":"(serving initial configuration)"`)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)

	term.want(t, 2, "no fault has hit a client", "Error: saw 0 calls, needs 1\n", "clients", "--fail-on", "error")
	orderAt(t, "127.0.0.1:"+port, "polite/1", 2, func(d time.Duration) time.Duration { return d + 50*time.Millisecond })
	term.want(t, 0, "2 calls of 1 client", "", "clients", "--fail-on", "retry_after_ignored", "--require", "retry", "--min-calls", "2")
	term.want(t, 0, "polite/1 127.0.0.1  2      2.0            ok ", "", "clients", "--fail-on", "warning")

	orderAt(t, "127.0.0.1:"+port, "hasty/1", 2, func(time.Duration) time.Duration { return 200 * time.Millisecond })
	out := term.fault(t, "clients", "--fail-on", "error", "--junit")
	report, err := out.Output()
	if err == nil || out.ProcessState.ExitCode() != 2 {
		t.Errorf("exit code: got %v, want 2", err)
	}
	failed := strings.Count(string(report), "<failure ")
	if want := `name="retry_after_ignored">` + "\n" + `      <failure message="2 of 2: `; failed != 2 || !strings.Contains(string(report), `classname="hasty/1 127.0.0.1" `+want) {
		t.Errorf("got %d failures, want the assertion and the hasty client: %s", failed, report)
	}
	term.want(t, 0, "2 calls of 1 client", "", "clients", "--fail-on", "error", "--client", "polite/1 127.0.0.1")
	term.want(t, 0, "What clients did is forgotten.\n", "", "clients", "--reset")
	term.want(t, 0, "no fault has hit a client", "", "clients")
}
