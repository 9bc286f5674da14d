package e2e

import (
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// freePort6 returns a free port of [::1]. It skips the test on a machine without IPv6.
func freePort6(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}

// overIPv6 starts a Caddy that listens on [::1] only: a site with a rule for this client,
// a console, and the admin endpoint.
func overIPv6(t *testing.T) (site, console, admin string) {
	t.Helper()
	ports := []string{freePort6(t), freePort6(t), freePort6(t)}
	site, console, admin = "[::1]:"+ports[0], "[::1]:"+ports[1], "[::1]:"+ports[2]
	p := run(t, caddyBinary(t), "{\nadmin "+admin+"\npersist_config off\nauto_https off\n}\n"+
		"http://"+site+" {\nbind [::1]\nfault {\npoint six\nrule local {\nmatch {\nclient_ip ::1/128\npath /gone\n}\nrespond 503\n}\n"+
		"rule doc {\nmatch client_ip 2001:db8::/32 127.0.0.1\nrespond 504\n}\n}\nrespond ok\n}\n"+
		"http://:"+ports[1]+" {\nbind [::1]\nfault_console\n}\n")
	p.find(t, `"msg":"(serving initial configuration)"`)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return site, console, admin
}

// statusOf returns the status of a request with this Host.
func statusOf(t *testing.T, addr, host, path string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestIPv6 uses a Caddy that has no address but [::1].
func TestIPv6(t *testing.T) {
	site, console, admin := overIPv6(t)
	for _, tt := range []struct {
		what, addr, host, path string
		want                   int
	}{
		{"the rule for this client", site, site, "/gone", 503},
		{"another path", site, site, "/", 200},
		{"the console", console, console, "/", 200},
		{"the console by its name", console, "localhost:80", "/", 200},
		{"the console by a mapped address", console, "[::ffff:127.0.0.1]", "/fault/", 200},
		{"the API of the console", console, console, "/fault/", 200},
		{"the console for another host", console, "[2001:db8::1]", "/fault/", 403},
		{"the console for a rebound name", console, "evil.example", "/fault/", 403},
	} {
		if got := statusOf(t, tt.addr, tt.host, tt.path); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.what, got, tt.want)
		}
	}
	checkIPv6Commands(t, site, admin)
}

// checkIPv6Commands runs the commands with an address in brackets.
func checkIPv6Commands(t *testing.T, site, admin string) {
	t.Helper()
	for _, tt := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"status", "--address", admin}, "::1   six/local", 0},
		{[]string{"status", "--address", "http://" + admin + "/"}, "respond 503", 0},
		{[]string{"explain", "--address", admin, "http://" + site + "/gone"}, "504 by six/doc", 0}, // for a client of 127.0.0.1
		{[]string{"run", "--address", admin, "--name", "slow", "--point", "six", "match client_ip ::1; delay 1ms"}, "'slow' is on at six", 0},
		{[]string{"run", "--address", admin, "--name", "host", "--match", "host ::1", "delay 1ms"}, "'host' is on at six", 0},
		{[]string{"list", "--address", admin}, "client_ip ::1  delay 1ms", 0},
		{[]string{"verify", "--address", admin, "--rule", "local", "--exactly", "1"}, "", 0},
		{[]string{"halt", "--address", admin}, "Halted. Ended 2 experiments: host, slow", 0},
		{[]string{"status", "--address", "::1:" + strings.TrimPrefix(admin, "[::1]:")}, "write --address " + admin, 1},
	} {
		cmd := exec.CommandContext(t.Context(), caddyBinary(t), append([]string{"fault"}, tt.args...)...)
		out, _ := cmd.CombinedOutput() // the exit code says more
		if got := cmd.ProcessState.ExitCode(); got != tt.code || !strings.Contains(string(out), tt.want) {
			t.Errorf("%q: got %d and %s, want %d and %q", tt.args, got, out, tt.code, tt.want)
		}
	}
	journal := string(fetch(t, "http://"+admin+"/fault/journal"))
	for _, want := range []string{`"client": "::1"`, `"host": "` + site + `"`} {
		if !strings.Contains(journal, want) {
			t.Errorf("the journal has no %s: %s", want, journal)
		}
	}
}
