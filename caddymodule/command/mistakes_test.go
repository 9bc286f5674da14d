package command

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// What a user, a file or a server has written reaches a terminal without control
// characters. Lines stay lines.
func TestCommandPrintable(t *testing.T) {
	_, address := adminEndpoint(t, twoRules)
	const bad = "\u009bX\x1bY\x7f"
	for _, args := range [][]string{
		{bad},
		{"status", "--" + bad},
		{"status", bad},
		{"off", bad},
		{"rm", bad},
		{"codes", bad},
		{"plan", bad},
		{"import", bad},
		{"explain", "/", "--client", bad},
		{"explain", "/", "-H", bad + ": x"},
		{"verify", bad, "--at-least", "1"},
		{"run", "--name", bad, "--point", "api", "503"},
	} {
		got := caddyFault(t, append(args, "--address", address)...)
		if text := got.stderr + fmt.Sprint(got.err); got.err == nil || strings.ContainsAny(text, "\u009b\x1b\x7f") || !strings.Contains(text, "\ufffdX") {
			t.Errorf("%q: got %+v", args, got)
		}
	}
	var text strings.Builder
	err := printExplanation(newScreen(&text), &api.ExplainView{Answer: bad, Notes: []string{bad}}, false)
	if err != nil || text.String() != "\ufffdX\ufffdY\ufffd\nNote: \ufffdX\ufffdY\ufffd.\n" {
		t.Errorf("got %q, %v", &text, err)
	}
	if got, want := printableLines("a\tb\r\n\tc"), "a\tb\ufffd\n\tc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An unknown command is answered with the command that may be meant.
func TestCommandUnknown(t *testing.T) {
	for args, want := range map[string]string{
		"statsu":  "unknown command 'statsu'; did you mean caddy fault status?",
		"verfy x": "unknown command 'verfy'; did you mean caddy fault verify?",
		"stop":    "unknown command 'stop'; did you mean caddy fault halt",
		"ls":      "did you mean caddy fault list",
		"Watch":   "did you mean caddy fault watch?",
		"fooooo":  "unknown command 'fooooo': list all with caddy fault --help",
	} {
		if got := caddyFault(t, strings.Fields(args)...); got.err == nil || !strings.Contains(got.err.Error(), want) {
			t.Errorf("%s: got %+v, want %s", args, got, want)
		}
	}
}

func TestCommandVerifyArgument(t *testing.T) {
	n, address := adminEndpoint(t, twoRules)
	hit(t, n)
	for _, tt := range []struct{ args, stdout, err string }{
		{"gone --exactly 1", "hits of rule 'gone': 1\n", ""},
		{"api/gone --at-least 1", "hits of rule 'api/gone': 1\n", ""},
		{"gone --rule slow --exactly 1", "", "the rule is given twice, as 'gone' and as 'slow': leave out --rule"},
		{"gone slow --exactly 1", "", "unexpected argument 'slow': name one rule at a time"},
		{"gone --refused --exactly 1", "", "'gone' and --refused exclude each other"},
	} {
		got := caddyFault(t, append(strings.Fields("verify --address "+address), strings.Fields(tt.args)...)...)
		if got.stdout != tt.stdout || (got.err == nil) != (tt.err == "") || !strings.Contains(got.stderr, tt.err) {
			t.Errorf("%s: got %+v, want %+v", tt.args, got, tt)
		}
	}
	if got := caddyFault(t, "verify", "--address", address, "", "--exactly", "1"); got.err == nil || !strings.Contains(got.err.Error(), "--rule is empty") {
		t.Errorf("empty: got %+v", got)
	}
}

func TestCommandRemoveAll(t *testing.T) {
	n, address := adminEndpoint(t, twoRules)
	rm := func(args ...string) printed {
		return caddyFault(t, append([]string{"rm", "--address", address}, args...)...)
	}
	if got := rm("--all"); got.stderr != "No experiment is on.\n" || got.err != nil {
		t.Errorf("without any: got %+v", got)
	}
	const experiment = `{"points": ["api"], "faults": [{"fault": "close"}]}`
	n.Put("a", experiment)
	n.Put("b", experiment)
	for _, tt := range []struct{ args, want string }{
		{"", "a name is required: caddy fault rm <name>@, or caddy fault rm --all@"},
		{"a --all", "'a' and --all exclude each other"},
		{"all", "; caddy fault rm --all@ ends all of them"},
	} {
		if got := rm(strings.Fields(tt.args)...); got.err == nil || !strings.Contains(got.stderr, at(address, tt.want)) {
			t.Errorf("%s: got %+v, want %s", tt.args, got, tt.want)
		}
	}
	if got := rm("--all"); got.stdout != "experiment 'a' has ended\nexperiment 'b' has ended\n" || got.err != nil || len(n.Ctl.Store.List()) != 0 {
		t.Errorf("got %+v", got)
	}
}

// An experiment without a name gets a name, which the command prints.
func TestCommandRunMadeUp(t *testing.T) {
	n, address := adminEndpoint(t, twoRules)
	got := caddyFault(t, "run", "--address", address, "--point", "api", "percent 10; delay 2s; 503")
	live := n.Ctl.Store.List()
	if len(live) != 1 || !strings.HasPrefix(live[0].Name, "delay-") || !strings.HasPrefix(got.stdout, "experiment '"+live[0].Name+"' is on at api") {
		t.Fatalf("got %+v and %v", got, live)
	}
	_ = n.Ctl.Remove(live[0].Name, "", nil)
	got = caddyFault(t, "run", "--address", address, "--point", "api", "503", "--", "true")
	if !strings.HasPrefix(got.stderr, "experiment 'respond-") || !strings.HasSuffix(got.stderr, "' is on while the command runs\n") || strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("with a command: got %+v", got)
	}
}

// The address may be copied from a browser.
func TestCommandAddress(t *testing.T) {
	_, address := adminEndpoint(t, twoRules)
	for _, written := range []string{address, "http://" + address, "http://" + address + "/", "tcp/" + address} {
		if got := caddyFault(t, "status", "--address", written); got.err != nil {
			t.Errorf("%s: got %+v", written, got)
		}
	}
	for written, want := range map[string]string{
		"ftp://" + address:         "bad admin address 'ftp://",
		"http://" + address + "/x": "bad admin address 'http://",
		":":                        "the admin address ':' has no port: write --address localhost:2019",
		"node1:":                   "the admin address 'node1:' has no port: write --address node1:2019",
		"localhost":                "the admin address 'localhost' has no port: write --address localhost:2019",
		"http://localhost/":        "the admin address 'http://localhost/' has no port: write --address localhost:2019",
		"[::1]":                    "the admin address '[::1]' has no port: write --address [::1]:2019",
		"::1":                      "the admin address '::1' has no port: write --address [::1]:2019",
		"::1:2020":                 "the admin address '::1:2020' has no port: write --address [::1]:2020",
		"2001:db8::5":              "the admin address '2001:db8::5' has no port: write --address [2001:db8::5]:2019",
		unheardAddress(t, address): "; start Caddy, or give its admin address, as in --address localhost:2019",
	} {
		if got := caddyFault(t, "status", "--address", written); got.err == nil || !strings.Contains(got.err.Error(), want) {
			t.Errorf("%s: got %+v, want %s", written, got, want)
		}
	}
}

// If Caddy refuses the client, the error has the line that allows it. The test uses a
// real Caddy, because the messages are Caddy's.
func TestCommandOrigins(t *testing.T) {
	stopAfter(t)
	// ask calls a Caddy that allows an origin. An empty origin is the address of that
	// Caddy.
	ask := func(origin string) (address string, err error) {
		t.Helper()
		address = freeAddress(t)
		config := fmt.Sprintf(`{"admin": {"listen": %q, "origins": [%q], "config": {"persist": false}}, "apps": {"fault": {}}}`, address, cmp.Or(origin, address))
		if err := caddy.Load([]byte(config), true); err != nil {
			t.Fatal(err)
		}
		client, err := newAdminClient(address)
		if err != nil {
			t.Fatal(err)
		}
		return address, persist(t.Context(), func() error {
			_, err := client.do(t.Context(), http.MethodGet, "/", nil, nil)
			return err
		})
	}
	address, err := ask("elsewhere")
	for _, want := range []string{"not allowed", "add the line 'origins " + address + "' to the block", `"origins": ["` + address + `"]`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := ask(""); err != nil {
		t.Errorf("with the line: %v", err)
	}

	no := &api.Error{Status: http.StatusForbidden, Message: "client is not allowed to access from origin 'http://localhost:2019'"}
	client := &adminClient{origin: "http://localhost:2019"}
	if got := client.withOrigins(no).Error(); !strings.Contains(got, "'origins localhost:2019'") {
		t.Errorf("got %s", got)
	}
}

// An empty list is a sentence on standard error that says what to do next.
func TestCommandEmpty(t *testing.T) {
	_, address := adminEndpoint(t, twoRules)
	for args, want := range map[string]string{
		"list":         "No experiment is on. Start one: caddy fault run --match 'path /api/*' 'percent 10; delay 2s'@\n",
		"list --ended": "No experiment has ended in the last hour. List those that are on: caddy fault list@\n",
		"rm --all":     "No experiment is on.\n",
	} {
		if got := caddyFault(t, append(strings.Fields(args), "--address", address)...); got.stdout != "" || got.stderr != at(address, want) || got.err != nil {
			t.Errorf("%s: got %+v, want %q", args, got, want)
		}
	}
	if got := caddyFault(t, "status", "--after", "api/gone", "--address", address); belowHead(t, got.stdout) != "\nno rules after api/gone\n" || got.stderr != "" {
		t.Errorf("status --after: got %+v", got)
	}
	empty := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = api.Answer(w, http.StatusOK, api.StateView{})
	}))
	if got := caddyFault(t, "status", "--address", empty); got.stdout != at(empty, "● armed   0 held   halt: caddy fault halt@\n") || got.stderr != "No injection points. Add one to a site in the Caddyfile: fault /api/* 503\n" || got.err != nil {
		t.Errorf("status: got %+v", got)
	}
}

// The help shows the commands in groups, and examples before the text.
func TestCommandHelp(t *testing.T) {
	got := caddyFault(t, "--help").stdout
	for _, want := range []string{"Examples:\n  caddy fault try ", "\nLook:\n  clients     Show what ", "\nExperiment:\n  plan        Run ", "\nControl:\n  halt        Stop ", "\nFlags:\n  -a, --adapter "} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q", got, want)
		}
	}
	got = caddyFault(t, "rm", "--help").stdout
	for _, want := range []string{"End experiments.\n\nExamples:\n", "\nUsage:\n  caddy fault rm <name>...|--all|--set <set>\n\nFlags:\n", "\nFlags of all commands:\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q", got, want)
		}
	}
}

// The environment has the address, unless a flag has it.
func TestCommandAddressVariable(t *testing.T) {
	_, address := adminEndpoint(t, twoRules)
	t.Setenv(addressVariable, address)
	if got := caddyFault(t, "status"); got.err != nil {
		t.Errorf("got %+v", got)
	}
	if got := caddyFault(t, "status", "--address", "nope:x"); got.err == nil {
		t.Error("the variable goes before --address")
	}
	config := filepath.Join(t.TempDir(), "caddy.json")
	if err := os.WriteFile(config, []byte(`{"admin": {"listen": "nope:x"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := caddyFault(t, "status", "--config", config); got.err == nil || !strings.Contains(got.err.Error(), "nope:x") {
		t.Errorf("the variable goes before --config: got %+v", got)
	}
}

func TestAddresses(t *testing.T) {
	for written, want := range map[string]string{
		"localhost:2019":                 "http://localhost:2019",
		"http://localhost:2019/":         "http://localhost:2019",
		"https://caddy.example.com":      "https://caddy.example.com",
		"https://caddy.example.com:2021": "https://caddy.example.com:2021",
		"https://[::1]:2021/":            "https://[::1]:2021",
		"unix:///run/caddy.sock":         "http://127.0.0.1",
		"unix//run/caddy.sock|0600":      "http://127.0.0.1",
		"https://caddy.example.com/x":    "",
		"unix://":                        "",
	} {
		client, err := newAdminClient(written)
		if (err == nil) != (want != "") || err == nil && client.origin != want {
			t.Errorf("%s: got %v, %v, want %s", written, client, err, want)
		}
	}
}

// An admin endpoint with TLS is asked over TLS, and its certificate is verified.
func TestCommandOverTLS(t *testing.T) {
	n := testnode.Start(t, twoRules, "")
	srv := httptest.NewTLSServer(n.API)
	t.Cleanup(srv.Close)
	client, err := newAdminClient("https://" + srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		_, err := client.do(t.Context(), http.MethodGet, "/", nil, nil)
		return err
	}
	if err := ask(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want an unknown certificate", err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(srv.Certificate())
	client.http.Transport.(*http.Transport).TLSClientConfig.RootCAs = trusted
	if err := ask(); err != nil {
		t.Error(err)
	}
}

// A socket can be written as a URL.
func TestCommandOverSocket(t *testing.T) {
	n := testnode.Start(t, twoRules, "")
	path := filepath.Join(t.TempDir(), "a.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: n.API, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	for _, written := range []string{"unix/" + path, "unix://" + path} {
		if got := caddyFault(t, "status", "--address", written); got.err != nil {
			t.Errorf("%s: got %+v", written, got)
		}
	}
}
