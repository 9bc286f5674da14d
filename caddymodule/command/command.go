package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "fault",
		Usage: "<command>",
		Short: "Shows and changes what a running Caddy breaks on purpose",
		Long: `
Shows and changes the faults of a running Caddy through its admin API: the
switch, the rules of its injection points, experiments and the journal.

The address of the API can be customized using the --address flag, or from the
given --config, if not the default.

The exit code is 0 if the command worked and 1 if it did not. 'verify' exits
with 2 if its assertion does not hold, 'explain' if no fault can hit the request,
'run' with the code of its own command.
`,
		CobraFunc: setUpCommand,
	})
}

// setUpCommand adds the subcommands.
func setUpCommand(cmd *cobra.Command) {
	cmd.PersistentFlags().StringP("config", "c", "", "Configuration file to use to parse the admin address, if --address is not used")
	cmd.PersistentFlags().StringP("adapter", "a", "", "Name of config adapter to apply (when --config is used)")
	cmd.PersistentFlags().String("address", "", "The address to use to reach the admin API endpoint, if not the default")
	cmd.Args = refuseUnknown // else a misspelled subcommand is taken for an argument
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(
		tryCommand(),
		statusCommand(), haltCommand(), resumeCommand(),
		switchCommand("off", "Switches a rule off, until a reload that changes it"),
		switchCommand("on", "Switches a rule on again"),
		resetCommand(),
		listCommand(), removeCommand(), runCommand(),
		watchCommand(), verifyCommand(),
		explainCommand(), codesCommand(),
	)
	for _, sub := range cmd.Commands() {
		sub.DisableFlagsInUseLine = true // they stand in it
		sub.SuggestFor = otherWords[sub.Name()]
	}
}

// otherWords are words for the subcommands that people type first.
var otherWords = map[string][]string{
	"status":  {"state", "show", "info"},
	"halt":    {"stop", "pause", "disable", "kill"},
	"resume":  {"unhalt", "continue", "start", "enable"},
	"list":    {"ls", "experiments"},
	"rm":      {"remove", "delete", "del", "end"},
	"run":     {"add", "inject", "apply"},
	"watch":   {"journal", "tail", "logs", "log", "follow"},
	"verify":  {"assert", "expect", "check"},
	"explain": {"why", "test"},
	"try":     {"proxy", "demo"},
}

// refuseUnknown refuses a subcommand that is not there, with one that it may mean.
func refuseUnknown(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	similar := cmd.SuggestionsFor(args[0])
	if len(similar) == 0 {
		return fmt.Errorf("unknown command '%s': list all with caddy fault --help", args[0])
	}
	return fmt.Errorf("unknown command '%s'; did you mean caddy fault %s?", args[0], strings.Join(similar, " or caddy fault "))
}

// session is one run of a subcommand.
type session struct {
	*cobra.Command
	*adminClient
	args []string
}

// inSession makes the RunE of a subcommand that talks to Caddy.
func inSession(f func(*session) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := refuseEmpty(cmd); err != nil {
			return err
		}
		address, err := caddycmd.DetermineAdminAPIAddress(flagText(cmd, "address"), nil, flagText(cmd, "config"), flagText(cmd, "adapter"))
		if err != nil {
			return err
		}
		client, err := newAdminClient(address)
		if err != nil {
			return err
		}
		return f(&session{cmd, client, args})
	}
}

// refuseEmpty refuses a flag that was given without a value, as from a variable
// that is not set: without a name a reset, say, is one of everything.
func refuseEmpty(cmd *cobra.Command) error {
	for _, name := range []string{"after", "limit", "name", "rule", "point", "match", "ttl", "since", "wait", "method", "header"} {
		flag := cmd.Flag(name)
		if flag == nil || !flag.Changed {
			continue
		}
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(interface{ GetSlice() []string }); ok {
			values = list.GetSlice()
		}
		if slices.Contains(values, "") {
			return fmt.Errorf("--%s is empty: give it a value, or leave it out", name)
		}
	}
	return nil
}

// flagText is the value of a flag as it was given.
func flagText(cmd *cobra.Command, name string) string { return cmd.Flag(name).Value.String() }

// query is those of the named flags that were given, as parameters of the API.
func (s *session) query(names ...string) string {
	params := make(url.Values)
	for _, name := range names {
		if flag := s.Flag(name); flag.Changed {
			params.Set(strings.ReplaceAll(name, "-", "_"), flag.Value.String())
		}
	}
	if len(params) == 0 {
		return ""
	}
	return "?" + params.Encode()
}

// ask asks the API, and reads the answer.
func (s *session) ask(method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.Context(), s.patience)
	defer cancel()
	return s.do(ctx, method, path, body, nil)
}

// jsonFlag adds the flag of the commands that show something.
func jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Bool("json", false, "Print the API's JSON")
	return cmd
}

// show asks for a view of the API and prints it; with --json as it comes.
func show[View any](s *session, method, path string, body any, print func(io.Writer, *View) error) error {
	data, err := s.ask(method, path, body)
	if err != nil {
		return err
	}
	if s.wantsJSON() {
		_, err := s.OutOrStdout().Write(data)
		return err
	}
	var view View
	if err := readAnswer(data, &view); err != nil {
		return err
	}
	return print(s.OutOrStdout(), &view)
}

// tell asks for a change and says what has become of it.
func tell[View any](s *session, path string, text func(*View) string) error {
	data, err := s.ask(http.MethodPost, path, nil)
	if err != nil {
		return err
	}
	var view View
	if err := readAnswer(data, &view); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.OutOrStdout(), text(&view))
	return err
}

func (s *session) wantsJSON() bool { return flagText(s.Command, "json") == "true" }

func readAnswer(data []byte, view any) error {
	if err := json.Unmarshal(data, view); err != nil {
		return fmt.Errorf("reading Caddy's answer: %w", err)
	}
	return nil
}

// warn says something that changes no exit code.
func (s *session) warn(format string, args ...any) {
	s.PrintErrln("Warning: " + fmt.Sprintf(format, args...))
}

// errSilent ends Caddy's main with 1, as every error does, without a word.
var errSilent = errors.New("exiting with status 1")

// exit ends the process with a code, 0 too, without a word.
func (s *session) exit(code int) error {
	s.SilenceErrors = true
	if code == 1 {
		return errSilent
	}
	// the error that Caddy's main takes a code from is made by this alone
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(s.Command, nil)
}

// fail says what is wrong and ends the process with a code.
func (s *session) fail(code int, err error) error {
	s.PrintErrln(s.ErrPrefix(), err)
	return s.exit(code)
}
