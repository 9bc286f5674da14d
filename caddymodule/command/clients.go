package command

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

func clientsCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "clients [<filter>...] [<assertion>...] [--wait <duration>] [--json|--markdown|--html|--junit] [-o <file>]",
		Short: "Show what clients did after a fault, and judge it",
		Long: `
The command lists the clients that a fault has hit, how often they tried, and what
they did wrong. Each mistake is a finding. While there is too little
evidence for a finding, it is undecided. The table counts undecided findings. With
--undecided it lists them, with the evidence that is missing.

The filters are --client, --point, --rule and --since. The assertions are --fail-on,
--require and --min-calls. If all of them hold, the exit code is 0. If one does not
hold, the exit code is 2. For any other error it is 1. An assertion never holds
without evidence: by default it needs one call, and the findings that it names must
be decided.

With --wait the command waits until the assertion holds, at most for this time.
The wait continues over reloads.

If the attempts of a call reach several nodes, give the --address of each. The
command joins what the nodes have recorded, and judges it as one node does. The
clocks of the nodes must agree.

With --junit, a client is a test suite and a finding is a failed test. With
--fail-on, only what --fail-on names is a failed test. What is undecided is skipped.`,
		Example: `  caddy fault clients --since 10m
  caddy fault clients --fail-on warning --allow no_jitter --min-calls 20 --wait 30s
  caddy fault clients --address node1:2019 --address node2:2019 --html -o clients.html`,
		Args: noArguments,
		RunE: cmdClients,
	})
	flags := cmd.Flags()
	flags.StringArray("address", nil, "Address of the admin API of a node (default localhost:2019)")
	flags.String("client", "", "Only this client")
	flags.String("point", "", "Only calls at this injection point")
	flags.String("rule", "", "Only calls that this rule or experiment has hit")
	flags.String("since", "", "Only calls that began after this time, an instant (RFC 3339) or a duration ago")
	flags.StringSlice("fail-on", nil, "Levels (error, warning, info) or findings that fail the assertion, with commas")
	flags.StringSlice("allow", nil, "Findings that --fail-on ignores, with commas")
	flags.String("require", "", "What must have happened; 'retry' is a call that succeeded after a retry")
	flags.Uint("min-calls", 0, "Minimum number of calls")
	flags.String("wait", "", "How long to wait for the assertion to hold")
	flags.Bool("undecided", false, "List all undecided findings in the table, and which evidence is missing")
	flags.Bool("markdown", false, "Print the report as Markdown")
	flags.Bool("html", false, "Print the report as one HTML page without scripts")
	flags.Bool("junit", false, "Print the report as JUnit XML")
	flags.StringP("output", "o", "", "Write the report to this file instead of the terminal")
	flags.Bool("reset", false, "Forget what clients did")
	exclusive(cmd, "json", "markdown", "html", "junit", "reset")
	return cmd
}

// clientsSession is one run of the command. It has a client for each node.
type clientsSession struct {
	*session
	nodes     []*adminClient
	assertion clients.Assertion
	asserts   bool
	wait      time.Duration
}

func cmdClients(cmd *cobra.Command, args []string) error {
	s, err := newClientsSession(cmd, args)
	if err != nil {
		return err
	}
	if flagText(cmd, "reset") == "true" {
		return s.reset()
	}
	report, holds, err := s.judge()
	if err != nil {
		return asFlags(cmd, err)
	}
	if err := s.output(report); err != nil {
		return err
	}
	if report.Calls == 0 && len(s.nodes) == 1 {
		s.warnOfUnknown("")
	}
	if !holds {
		return s.fail(2, errors.New(grammar.Printable(report.Why)))
	}
	return nil
}

func newClientsSession(cmd *cobra.Command, args []string) (*clientsSession, error) {
	if err := refuseEmpty(cmd); err != nil {
		return nil, err
	}
	addresses, _ := cmd.Flags().GetStringArray("address")
	if len(addresses) == 0 {
		addresses = []string{""}
	}
	s := &clientsSession{}
	known := make(map[string]bool)
	for _, address := range addresses {
		node, err := connect(cmd, address)
		if err != nil {
			return nil, err
		}
		if known[node.address] {
			return nil, fmt.Errorf("the address '%s' is given twice, and its calls would count twice: leave out one", node.address)
		}
		known[node.address] = true
		s.nodes = append(s.nodes, node)
	}
	s.session = &session{cmd, s.nodes[0], args}
	return s, s.readAssertion()
}

// readAssertion reads the flags that say what must hold.
func (s *clientsSession) readAssertion() error {
	a, flags := &s.assertion, s.Flags()
	a.FailOn, _ = flags.GetStringSlice("fail-on")
	a.Allow, _ = flags.GetStringSlice("allow")
	if require := flagText(s.Command, "require"); require != "" {
		if a.Retry = require == "retry"; !a.Retry {
			return fmt.Errorf("bad value '%s' of --require: write --require retry", require)
		}
	}
	if least := s.Flag("min-calls"); least.Changed {
		n, _ := flags.GetUint("min-calls")
		if a.MinCalls = int(min(n, 1<<30)); n == 0 {
			return errors.New("--min-calls 0 asserts nothing: use a number above 0, such as 20")
		}
	}
	if err := a.Validate(); err != nil {
		return fmt.Errorf("--%s", strings.Replace(err.Error(), "fail_on:", "fail-on:", 1))
	}
	s.asserts = len(a.FailOn) > 0 || a.Retry || a.MinCalls > 0
	if len(a.Allow) > 0 && len(a.FailOn) == 0 {
		return errors.New("--allow needs --fail-on, such as --fail-on warning")
	}
	text := flagText(s.Command, "wait")
	if text == "" {
		return nil
	}
	if !s.asserts {
		return errors.New("--wait needs something to wait for: --fail-on, --require or --min-calls")
	}
	wait, err := caddy.ParseDuration(text)
	if err != nil || wait < 0 {
		return fmt.Errorf("bad --wait '%s': want a duration such as 30s", text)
	}
	s.wait = wait
	return nil
}

// reset forgets what all nodes have recorded.
func (s *clientsSession) reset() error {
	for _, node := range s.nodes {
		if _, err := (&session{s.Command, node, nil}).ask(http.MethodDelete, "/clients", nil); err != nil {
			return s.of(node, err)
		}
	}
	_, err := fmt.Fprintln(s.OutOrStdout(), "What clients did is forgotten.")
	return err
}

// of returns an error with the address of its node, if there are several.
func (s *clientsSession) of(node *adminClient, err error) error {
	_, away := errors.AsType[*unreachableError](err)
	if err == nil || away || len(s.nodes) == 1 { // the address is in the text
		return err
	}
	return fmt.Errorf("%s: %w", node.address, err)
}

// clientsEvery is how often a waiting assertion is checked.
const clientsEvery = 500 * time.Millisecond

// judge asks for the report until the assertion holds or the time is up.
func (s *clientsSession) judge() (report *api.ClientsView, holds bool, err error) {
	asked := time.Now()
	until := asked.Add(s.wait)
	for first := true; ; first = false {
		report, err = s.read()
		if left := time.Until(until); passing(err) && (!first || unavailable(err)) && left > 0 {
			err = persist(s.Context(), func() (err error) {
				report, err = s.read()
				return err
			})
		}
		if err != nil || !s.asserts {
			return report, true, err
		}
		holds, report.Why = s.assertion.Check(&report.Report)
		if holds || time.Now().After(until) {
			return report, holds, nil
		}
		select {
		case <-s.Context().Done():
			return nil, false, s.Context().Err()
		case <-time.After(min(clientsEvery, max(0, time.Until(until)))):
		}
		again := time.Now()
		s.passTime(again.Sub(asked))
		asked = again
	}
}

// read reads the report. The evidence of several nodes is joined and judged here.
func (s *clientsSession) read() (*api.ClientsView, error) {
	query := s.query("client", "point", "rule", "since")
	if len(s.nodes) == 1 {
		return s.readNode(s.nodes[0], query)
	}
	if query == "" {
		query = "?calls=true"
	} else {
		query += "&calls=true"
	}
	var evidence []clients.Evidence
	var settings *api.ClientsSettings
	for _, node := range s.nodes {
		view, err := s.readNode(node, query)
		switch {
		case err != nil:
			return nil, s.of(node, err)
		case view.Recorded == nil || view.Settings == nil:
			return nil, fmt.Errorf("%s: the answer has no evidence: use the same version on all nodes", node.address)
		case settings != nil && *settings != *view.Settings:
			return nil, fmt.Errorf("%s: 'clients' in the global option fault differs from %s: use the same on all nodes", node.address, s.nodes[0].address)
		}
		if i := slices.IndexFunc(evidence, func(ev clients.Evidence) bool { return sameNode(&ev, view.Recorded) }); i >= 0 {
			return nil, fmt.Errorf("%s and %s are the same node, and its calls would count twice: leave out one", s.nodes[i].address, node.address)
		}
		settings = view.Settings
		evidence = append(evidence, *view.Recorded)
	}
	return &api.ClientsView{Report: clients.Judge(clients.Merge(evidence...), settings.Settings())}, nil
}

// sameNode reports whether two pieces of evidence have a call in common, to the nanosecond.
func sameNode(a, b *clients.Evidence) bool {
	if len(a.Calls) == 0 || len(a.Calls[0].Attempts) == 0 {
		return false
	}
	c := &a.Calls[0]
	return slices.ContainsFunc(b.Calls, func(d clients.Call) bool {
		return c.ID == d.ID && c.Client == d.Client && c.Point == d.Point && len(d.Attempts) > 0 && c.Attempts[0].Start.Equal(d.Attempts[0].Start)
	})
}

func (s *clientsSession) readNode(node *adminClient, query string) (*api.ClientsView, error) {
	data, err := (&session{s.Command, node, nil}).ask(http.MethodGet, "/clients"+query, nil)
	if err != nil {
		return nil, err
	}
	view := new(api.ClientsView)
	return view, readAnswer(data, view)
}

// output prints the report in the form of the flags, or writes it to a file.
func (s *clientsSession) output(report *api.ClientsView) error {
	if name := flagText(s.Command, "output"); name != "" {
		var text strings.Builder
		if err := s.print(&text, report); err != nil {
			return err
		}
		return os.WriteFile(name, []byte(text.String()), 0o644) //nolint:gosec // a report for others
	}
	return s.print(s.OutOrStdout(), report)
}

func (s *clientsSession) print(out io.Writer, report *api.ClientsView) error {
	switch {
	case s.wantsJSON():
		return api.Encode(out, report)
	case flagText(s.Command, "markdown") == "true":
		return printClientsMarkdown(out, report)
	case flagText(s.Command, "html") == "true":
		return printClientsHTML(out, report)
	case flagText(s.Command, "junit") == "true":
		return printClientsJUnit(out, report, &s.assertion)
	default:
		return printClients(out, report, flagText(s.Command, "undecided") == "true")
	}
}
