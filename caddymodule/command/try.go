package command

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

func tryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "try [--listen <address>] [--insecure] <upstream> [<rule>]",
		Short: "Put faults in front of a server, without a configuration",
		Long: `
The command starts a Caddy that forwards requests to an upstream and injects
faults. Send your requests to the address that the first line shows. The command
then prints one line for each injected fault. Stop it with Ctrl-C.

The upstream is a port, a host and a port, or a URL that begins with http://,
https:// or h2c://. The rule is one argument in quotes, as for 'caddy fault run'.
Without a rule nothing is injected until you start an experiment at the injection
point 'site'. Use the console, or the command that is printed.

The site, the console and the admin API each have a free port of 127.0.0.1. A
Caddy that already runs on this machine is not changed. Nothing is stored, and
nothing remains after the command has ended.

After SIGINT, SIGTERM, SIGHUP or SIGQUIT, open requests have one second to end.
The exit code is then 0. A second signal ends the command at once, with the exit
code 2.

An upstream on this machine gets the Host field as the client sends it. Any
other upstream, and any upstream with https://, gets its own host and port.`,
		Example: `  caddy fault try localhost:3000
  caddy fault try localhost:3000 'percent 10; respond 503'
  caddy fault try https://api.example.com 'match path /v1/*; delay 2s'`,
		RunE:              cmdTry,
		ValidArgsFunction: completeTry,
	}
	cmd.Flags().String("listen", "127.0.0.1:0", "Address for requests; with port 0 a free port is chosen")
	cmd.Flags().Bool("insecure", false, "Do not verify the certificate of an https:// upstream")
	return cmd
}

// trial is one run of the command.
type trial struct {
	*session
	upstream *upstream
	line     string      // the rule as the user wrote it; empty if there is no rule
	rule     *rules.Rule // nil if there is no rule
	insecure bool

	site, console, admin net.Listener
	storage              string // a directory that cleanUp removes
}

func cmdTry(cmd *cobra.Command, args []string) error {
	t, err := newTrial(cmd, args)
	if err != nil {
		return err
	}
	signals := stopSignals() // before there is anything to clean up
	if err := t.start(); err != nil {
		t.cleanUp()
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.SetContext(ctx)
	go func() {
		defer cancel()
		<-signals
	}()
	fmt.Fprint(t.OutOrStdout(), t.text())
	t.warnOfUpstream()
	err = (&follower{session: t.session, path: "/journal"}).follow()
	if ctx.Err() == nil {
		t.warn("%v", err)
	}
	go t.stop()
	code := caddy.ExitCodeSuccess
	select {
	case <-signals:
		code = caddy.ExitCodeForceQuit
	case <-time.After(stopPatience):
	}
	t.cleanUp()
	os.Exit(code)
	return nil
}

// stopPatience is how long requests may take to end once the command is stopped.
const stopPatience = time.Second

// stopSignals returns a channel with the signals that stop the command. SIGHUP stays
// ignored if nohup ignores it. The other signals stop the command even in the
// background of a shell script.
func stopSignals() <-chan os.Signal {
	signals := notified()
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	return signals
}

// newTrial reads the arguments. It starts nothing.
func newTrial(cmd *cobra.Command, args []string) (*trial, error) {
	if listen := flagText(cmd, "listen"); !isListen(listen) {
		return nil, fmt.Errorf("bad --listen '%s': want a host and a port, such as --listen 127.0.0.1:8080", listen)
	}
	if cmd.Flag("address").Changed || cmd.Flag("config").Changed || cmd.Flag("adapter").Changed {
		return nil, errors.New("caddy fault try starts a separate Caddy with its own admin address: leave out --address, --config and --adapter")
	}
	if len(args) == 0 {
		return nil, errors.New("an upstream is required: caddy fault try localhost:3000")
	}
	if cmd.ArgsLenAtDash() >= 0 {
		return nil, errors.New("caddy fault try runs no command: leave out --, and start your client in another terminal")
	}
	if len(args) > 2 {
		return nil, fmt.Errorf("the rule is one argument in quotes: caddy fault try %s '%s'", args[0], strings.Join(args[1:], " "))
	}
	t := &trial{session: &session{Command: cmd, args: args}, insecure: flagText(cmd, "insecure") == "true"}
	var err error
	if t.upstream, err = parseUpstream(args[0]); err != nil {
		if _, noRule := grammar.ParseLine(args[0]); noRule == nil {
			return nil, fmt.Errorf("an upstream is required before the rule: caddy fault try localhost:3000 %s", shellWord(args[0]))
		}
		return nil, err
	}
	if t.insecure && t.upstream.scheme != "https" {
		return nil, fmt.Errorf("--insecure is for an https:// upstream, and '%s' is not: leave out --insecure", args[0])
	}
	if len(args) == 1 {
		return t, nil
	}
	t.line = args[1]
	if t.rule, err = grammar.ParseLine(t.line); err != nil {
		return nil, err
	}
	if text := grammar.FractionHint(t.line); text != "" {
		t.warn("%s", text)
	}
	return t, nil
}

// isListen reports whether a text is an address to listen on.
func isListen(text string) bool {
	_, port, err := net.SplitHostPort(text)
	return err == nil && port != ""
}

// start starts Caddy. Call cleanUp even if start returns an error.
func (t *trial) start() (err error) {
	for _, ln := range []struct {
		to      *net.Listener
		address string
	}{{&t.site, flagText(t.Command, "listen")}, {&t.console, "127.0.0.1:0"}, {&t.admin, "127.0.0.1:0"}} {
		if *ln.to, err = hold(ln.address); err != nil {
			return fmt.Errorf("%w; without --listen a free port is chosen", err)
		}
	}
	if t.upstream.isServedBy(t.site) {
		return fmt.Errorf("the upstream '%s' is the address that caddy fault try listens on: give --listen another port", t.args[0])
	}
	if t.storage, err = os.MkdirTemp("", "caddy-fault-try-"); err != nil {
		return fmt.Errorf("%w: set TMPDIR to a directory that you can write to", err)
	}
	if err := os.Setenv("XDG_DATA_HOME", t.storage); err != nil { // Caddy always writes its instance ID there
		return err
	}
	// A configuration without an admin address can be loaded into this Caddy. It must not
	// take the address of the user's Caddy, nor replace the configuration stored there.
	caddy.DefaultAdminListen = address(t.admin)
	caddy.ConfigAutosavePath = filepath.Join(t.storage, "autosave.json")
	caddy.OnExit(func(context.Context) { t.cleanUp() })
	config, err := json.Marshal(t.config())
	if err != nil {
		return err
	}
	if err := caddy.Load(config, true); err != nil {
		return errors.New(withoutInnards(err.Error()))
	}
	t.adminClient, err = newAdminClient(t.admin.Addr().String())
	return err
}

// withoutInnards removes the names of modules from an error of Caddy.
func withoutInnards(text string) string {
	for _, module := range []string{"provision http.handlers.fault: ", "http.handlers.fault: "} {
		if _, cause, ok := strings.Cut(text, module); ok {
			return cause
		}
	}
	return text
}

// cleanUp removes the files of the trial, and closes the listeners that Caddy has not
// taken.
func (t *trial) cleanUp() {
	closeHeld()
	if t.storage != "" {
		_ = os.RemoveAll(t.storage) // the command ends, so an error has no reader
	}
}

// stop ends the process through Caddy's endpoint. Caddy then releases held requests,
// calls cleanUp and exits with 0. Injection points learn only in this way that the
// process ends. Without a grace period Caddy waits forever for requests, and with one
// it logs an error.
func (t *trial) stop() {
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, t.origin+"/stop", nil)
	if err != nil {
		return
	}
	if resp, err := t.http.Do(r); err == nil {
		_ = resp.Body.Close()
	}
}

// text returns what the command prints once it listens.
func (t *trial) text() string {
	rule, command := "no rule yet", "caddy fault run --point site 'percent 10; respond 503' --address "
	if t.rule != nil {
		rule, command = t.line, "caddy fault status --address "
	}
	return fmt.Sprintf("http://%s  →  %s   (%s)\nConsole   http://%s/\nCommands  %s%s\nStop with Ctrl-C.\n",
		reachable(t.site.Addr()), t.upstream, grammar.Printable(rule), t.console.Addr(), command, t.admin.Addr())
}

// reachable returns an address that clients on this machine can use.
func reachable(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// upstreamPatience is how long the upstream may take to accept a connection.
const upstreamPatience = time.Second

// warnOfUpstream warns if the upstream does not accept connections. The upstream may
// start later.
func (t *trial) warnOfUpstream() {
	ctx, cancel := context.WithTimeout(t.Context(), upstreamPatience)
	defer cancel()
	dial := new(net.Dialer).DialContext
	if t.upstream.scheme == "https" {
		dial = (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: t.insecure}}).DialContext //nolint:gosec // the user asks for this
	}
	conn, err := dial(ctx, "tcp", t.upstream.address())
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case err == nil:
		_ = conn.Close()
	case t.Context().Err() != nil: // a signal has stopped the command
	case unverified:
		t.warn("requests to %s get a 502 (%v); --insecure accepts the certificate", t.upstream, err)
	default:
		t.warn("%s does not answer (%v); until it does, requests get a 502", t.upstream, err)
	}
}
