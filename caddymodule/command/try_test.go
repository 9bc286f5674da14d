package command

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
)

func TestParseUpstream(t *testing.T) {
	for _, tt := range []struct{ text, want, address, host string }{
		{"3000", "http://localhost:3000", "localhost:3000", ""},
		{":3000", "http://localhost:3000", "localhost:3000", ""},
		{"localhost:3000", "http://localhost:3000", "localhost:3000", ""},
		{"127.0.0.1:80", "http://127.0.0.1", "127.0.0.1:80", ""},
		{"[::1]:3000", "http://[::1]:3000", "[::1]:3000", ""},
		{"http://[::1]", "http://[::1]", "[::1]:80", ""},
		{"http://localhost/", "http://localhost", "localhost:80", ""},
		{"h2c://LOCALHOST:50051", "h2c://LOCALHOST:50051", "LOCALHOST:50051", ""},
		{"staging.example.com:8080", "http://staging.example.com:8080", "staging.example.com:8080", "staging.example.com:8080"},
		{"https://api.example.com", "https://api.example.com", "api.example.com:443", "api.example.com"},
		{"HTTPS://api.example.com:443/", "https://api.example.com", "api.example.com:443", "api.example.com"},
		{"https://localhost:5173", "https://localhost:5173", "localhost:5173", "localhost:5173"},
		{"https://[2001:db8::1]", "https://[2001:db8::1]", "[2001:db8::1]:443", "[2001:db8::1]"},
	} {
		u, err := parseUpstream(tt.text)
		if err != nil || u.String() != tt.want || u.address() != tt.address {
			t.Errorf("%s: got %v, %v, want %s at %s", tt.text, u, err, tt.want, tt.address)
			continue
		}
		var proxy struct {
			Headers struct {
				Request struct{ Set struct{ Host []string } }
			}
		}
		if err := json.Unmarshal(marshal(t, u.proxy(false)), &proxy); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(proxy.Headers.Request.Set.Host, ","); got != tt.host {
			t.Errorf("%s: the Host field is %q, want %q", tt.text, got, tt.host)
		}
	}
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A mistake is reported before anything listens, with a line to copy.
func TestCommandTryRefuses(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "an upstream is required: caddy fault try localhost:3000"},
		{[]string{""}, "bad upstream ''"},
		{[]string{"a b"}, "bad upstream 'a b': want a host and a port, or a URL: caddy fault try localhost:3000"},
		{[]string{"percent 10; delay 2s"}, "an upstream is required before the rule: caddy fault try localhost:3000 'percent 10; delay 2s'"},
		{[]string{"localhost:3000", "503", "--", "go", "test"}, "caddy fault try runs no command: leave out --"},
		{[]string{"http://"}, "bad upstream 'http://': want"},
		{[]string{"http:/localhost:3000"}, "bad upstream 'http:/localhost:3000': want"},
		{[]string{"{env.UPSTREAM}"}, "bad upstream '{env.UPSTREAM}': want"},
		{[]string{"http://user:secret@localhost:3000"}, "the upstream has a user or a password: write it without"},
		{[]string{"a\x1b[31m:3000"}, "bad upstream 'a�[31m:3000': want"},
		{[]string{"api.example.com"}, "has neither a scheme nor a port: caddy fault try https://api.example.com"},
		{[]string{"localhost"}, "the upstream 'localhost' has no port: caddy fault try localhost:3000"},
		{[]string{"ws://localhost:3000"}, "the scheme is http, https or h2c: caddy fault try http://localhost:3000"},
		{[]string{"99999"}, "a port is a number from 1 to 65535: caddy fault try localhost:3000"},
		{[]string{"localhost:0"}, "a port is a number from 1 to 65535"},
		{[]string{"http://localhost:3000/api"}, "has a path, but must be a whole server: caddy fault try http://localhost:3000"},
		{[]string{"https://example.com?q=1"}, "caddy fault try https://example.com"},
		{[]string{"3000", "delay", "2s"}, "the rule is one argument in quotes: caddy fault try 3000 'delay 2s'"},
		{[]string{"3000", "delay 2"}, "bad duration '2': want one such as 250ms or 2s"},
		{[]string{"3000", ""}, "the line is empty"},
		{[]string{"3000", "--listen", "x"}, "bad --listen 'x': want a host and a port, such as --listen 127.0.0.1:8080"},
		{[]string{"3000", "--listen", "localhost:"}, "bad --listen 'localhost:'"},
		{[]string{"3000", "--insecure"}, "'3000' is not: leave out --insecure"},
		{[]string{"3000", "--address", "localhost:2019"}, "leave out --address, --config and --adapter"},
	} {
		got := caddyFault(t, append([]string{"try"}, tt.args...)...)
		if got.stdout != "" || !strings.Contains(fmt.Sprint(got.err), tt.want) {
			t.Errorf("%q: got %+v, want %s", tt.args, got, tt.want)
		}
	}
	if len(held) > 0 {
		t.Errorf("%d listeners are held", len(held))
	}
}

// A port that is in use, or is the upstream's, is reported in one line.
func TestCommandTryListen(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := ln.Addr().String()
	got := caddyFault(t, "try", "3000", "--listen", taken)
	if got.err == nil || !strings.Contains(got.err.Error(), "address already in use; without --listen a free port is chosen") {
		t.Errorf("taken: got %+v", got)
	}
	_ = ln.Close()
	got = caddyFault(t, "try", taken, "--listen", taken)
	if got.err == nil || !strings.Contains(got.err.Error(), "give --listen another port") {
		t.Errorf("the upstream's: got %+v", got)
	}
	if len(held) > 0 {
		t.Errorf("%d listeners are held", len(held))
	}
}

// Each listener is handed out once.
func TestTakeHeld(t *testing.T) {
	ln, err := hold("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	take := func() (any, error) {
		return takeHeld(t.Context(), heldNetwork, "127.0.0.1", portOf(ln), 0, net.ListenConfig{})
	}
	if got, err := take(); err != nil || got != ln {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := take(); got != nil || err == nil || !strings.Contains(err.Error(), "stop the command, and start it again") {
		t.Errorf("again: got %v, %v", got, err)
	}
}

func TestReachable(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:80": "127.0.0.1:80", "0.0.0.0:80": "127.0.0.1:80", "[::]:80": "127.0.0.1:80", "192.0.2.7:80": "192.0.2.7:80", "[::1]:80": "[::1]:80",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(tcp); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
}

// A connection to the upstream reaches the listener by its address, not by its port
// alone.
func TestIsServedBy(t *testing.T) {
	for _, tt := range []struct {
		listen, host string
		want         bool
	}{
		{"127.0.0.1:0", "localhost", true},
		{"127.0.0.1:0", "127.0.0.1", true},
		{"127.0.0.1:0", "127.0.0.2", false},
		{"127.0.0.1:0", "192.0.2.7", false},
		{"0.0.0.0:0", "127.0.0.2", true},
		{"0.0.0.0:0", "192.0.2.7", false}, // of no machine
	} {
		ln, err := net.Listen("tcp", tt.listen)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&upstream{"http", tt.host, portOf(ln)}).isServedBy(ln); got != tt.want {
			t.Errorf("%s at %s: got %v, want %v", tt.host, tt.listen, got, tt.want)
		}
		_ = ln.Close()
		if (&upstream{"http", tt.host, "1"}).isServedBy(ln) {
			t.Errorf("%s at %s: another port is served", tt.host, tt.listen)
		}
	}
}
