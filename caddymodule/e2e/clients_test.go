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

// placeOrder sends an attempt of an order and returns its status and Retry-After.
func placeOrder(t *testing.T, addr, agent, key string) (status int, retryAfter time.Duration) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/orders", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	r.Header.Set("User-Agent", agent)
	r.Header.Set("Idempotency-Key", key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // it is empty
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return resp.StatusCode, time.Duration(seconds) * time.Second
}

// orderAt sends orders, each of which fails once. The client waits before the retry as the
// function says, which gets the Retry-After.
func orderAt(t *testing.T, addr, agent string, orders int, wait func(retryAfter time.Duration) time.Duration) {
	t.Helper()
	for i := range orders {
		key := fmt.Sprintf("%s-%d", agent, i)
		status, retryAfter := placeOrder(t, addr, agent, key)
		if status != http.StatusServiceUnavailable || retryAfter == 0 {
			t.Fatalf("the first attempt of order %d gets %d, Retry-After %v", i, status, retryAfter)
		}
		time.Sleep(wait(retryAfter)) // what the client does is the subject
		if status, _ := placeOrder(t, addr, agent, key); status != http.StatusOK {
			t.Fatalf("the second attempt of order %d gets %d", i, status)
		}
	}
}

// startShop starts a ready binary with a point that answers the first attempt of each order
// with 503, and returns its command line and address.
func startShop(t *testing.T) (term *terminal, addr string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the admin endpoint is a Unix socket")
	}
	dir := t.TempDir()
	term = &terminal{admin: "unix/" + filepath.Join(dir, "admin.sock")}
	addr = "127.0.0.1:" + strconv.Itoa(freePort(t))
	p := run(t, readyBinary(t), "{\nadmin "+term.admin+"\npersist_config off\nauto_https off\nstorage file_system "+dir+"\n}\n"+
		"http://"+host+addr[len("127.0.0.1"):]+" {\nbind 127.0.0.1\nfault /orders {\npoint shop\nrule busy {\nper {header.Idempotency-Key}\ntimes 1\n"+
		"respond 503 {\nheader Retry-After 1\n}\n}\n}\nrespond ok\n}\n")
	p.find(t, `"msg":"(serving initial configuration)"`)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return term, addr
}

// TestCommandClients tells a client that ignores Retry-After from one that obeys it.
func TestCommandClients(t *testing.T) {
	term, addr := startShop(t)
	term.want(t, 2, "no fault has hit a client", "Error: saw 0 calls, needs 1\n", "clients", "--fail-on", "error")
	orderAt(t, addr, "polite/1", 2, func(d time.Duration) time.Duration { return d + 50*time.Millisecond })
	term.want(t, 0, "2 calls of 1 client", "", "clients", "--fail-on", "retry_after_ignored", "--require", "retry", "--min-calls", "2")
	term.want(t, 0, "polite/1 127.0.0.1  2      2.0            ok ", "", "clients", "--fail-on", "warning")

	orderAt(t, addr, "hasty/1", 2, func(time.Duration) time.Duration { return 200 * time.Millisecond })
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

// TestCommandClientsNodes joins a call whose attempts reach two processes. Each process
// fails the first attempt that it gets, so the call has three attempts. A node alone
// shows a part of it.
func TestCommandClientsNodes(t *testing.T) {
	first, firstAddr := startShop(t)
	second, secondAddr := startShop(t)
	for _, attempt := range []struct {
		addr string
		want int
	}{{firstAddr, http.StatusServiceUnavailable}, {secondAddr, http.StatusServiceUnavailable}, {firstAddr, http.StatusOK}} {
		if status, _ := placeOrder(t, attempt.addr, "spread/1", "o-1"); status != attempt.want {
			t.Fatalf("got %d, want %d", status, attempt.want)
		}
	}
	first.want(t, 0, "spread/1 127.0.0.1  1      2.0 ", "", "clients")
	second.want(t, 2, "1 call of 1 client", "Error: saw 0 calls, needs 1\n", "clients", "--require", "retry")

	first.want(t, 0, "1 call of 1 client", "", "clients", "--address", second.admin, "--require", "retry")
	first.want(t, 0, "spread/1 127.0.0.1  1      3.0 ", "", "clients", "--address", second.admin)
	first.want(t, 1, "", "Error: the address '"+first.admin+"' is given twice, and its calls would count twice: leave out one\n", "clients", "--address", first.admin)
}
