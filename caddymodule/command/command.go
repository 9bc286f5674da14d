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
		Short: "Control the faults of a running Caddy",
		Long: `
A point is a place in the configuration where faults can happen: a 'fault' block.
A rule of a point says which requests get which fault. An experiment is a rule that
you add while Caddy runs. A trigger lets a request ask for its fault.

Most commands call the admin API of a running Caddy. 'try' starts a separate Caddy.
'import' and 'schema' need no running Caddy.

If the API is not at localhost:2019, give its --address, set CADDY_FAULT_ADDRESS, or
name the configuration file of that Caddy with --config. An address is a host and a
port, a URL with http:// or https://, or a socket such as unix//run/caddy.sock.

With --json a command prints the JSON of the API, for jq or a script:

  caddy fault status --json | jq '.points[].rules[] | [.name, .hits]'

The exit code is 0 if the command worked, and 1 if it failed. It is 2 if an assertion
of 'verify' or 'clients' does not hold, if no fault can hit the request of 'explain',
or if 'import' leaves a rule out. 'plan' has more codes. With a command, 'run' exits
with the code of that command.
`,
		CobraFunc: setUpCommand,
	})
}

// setUpCommand adds the flags and the subcommands.
func setUpCommand(cmd *cobra.Command) {
	cmd.PersistentFlags().StringP("config", "c", "", "Read the admin address from this configuration file, if --address is not given")
	cmd.PersistentFlags().StringP("adapter", "a", "", "Config adapter for the file of --config")
	cmd.PersistentFlags().String("address", "", "Address of the admin API, such as node1:2019 or https://caddy.example.com (default localhost:2019)")
	_ = cmd.RegisterFlagCompletionFunc("adapter", cobra.NoFileCompletions) // both flags exist
	_ = cmd.RegisterFlagCompletionFunc("address", cobra.NoFileCompletions)
	cmd.ValidArgsFunction = cobra.NoFileCompletions // the subcommands are offered anyway
	cmd.Example = `  caddy fault try localhost:3000 'percent 10; respond 503'
  caddy fault status
  caddy fault run --match 'path /api/*' --ttl 5m 'percent 10; delay 2s'
  caddy fault halt`
	cmd.Args = printableErrors(refuseUnknown) // without this, cobra takes an unknown subcommand for an argument
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return printableError(explainFlag(cmd, err)) })
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	addGroup(cmd, "Look", statusCommand(), listCommand(), watchCommand(), clientsCommand(), explainCommand(), codesCommand())
	addGroup(cmd, "Experiment", tryCommand(), runCommand(), planCommand(), removeCommand(), verifyCommand())
	addGroup(cmd, "Control", haltCommand(), resumeCommand(), switchOffCommand(), switchOnCommand(), resetCommand())
	addGroup(cmd, "Offline", importCommand(), presetsCommand(), schemaCommand())
	cmd.SetHelpTemplate(helpTemplate)
}

// addGroup adds subcommands that are listed together.
func addGroup(cmd *cobra.Command, title string, subs ...*cobra.Command) {
	cmd.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, sub := range subs {
		sub.GroupID = title
		sub.DisableFlagsInUseLine = true // the usage line lists the flags
		sub.SuggestFor = otherWords[sub.Name()]
		sub.Args = printableErrors(checkUsage(sub.Args))
		sub.RunE = printableErrors(sub.RunE)
		addCompletion(sub)
		cmd.AddCommand(sub)
	}
}

// helpTemplate shows examples first. Cobra's own template shows them after the text.
const helpTemplate = `{{.Short}}.
{{with .Example}}
Examples:
{{.}}
{{end}}{{with .Long}}
{{trim .}}
{{end}}
Usage:
  {{.UseLine}}
{{range $group := .Groups}}
{{.Title}}:
{{range $.Commands}}{{if eq .GroupID $group.ID}}  {{rpad .Name .NamePadding}} {{.Short}}
{{end}}{{end}}{{end}}{{with .LocalFlags.FlagUsages}}
Flags:
{{.}}{{end}}{{with .InheritedFlags.FlagUsages}}
Flags of all commands:
{{.}}{{end}}
Manual: ` + manualURL + `
`

// manualURL has the manual of the commands.
const manualURL = "https://github.com/caddyfault/caddyfault/tree/main/caddymodule/docs"

// otherWords lists words that people type instead of the names of the subcommands.
var otherWords = map[string][]string{
	"status":  {"state", "show", "info"},
	"halt":    {"stop", "pause", "disable", "kill"},
	"resume":  {"unhalt", "continue", "start", "enable"},
	"list":    {"ls", "experiments"},
	"rm":      {"remove", "delete", "del", "end"},
	"run":     {"add", "inject", "apply"},
	"plan":    {"scenario", "gameday", "game-day", "play"},
	"watch":   {"journal", "tail", "logs", "log", "follow"},
	"verify":  {"assert", "expect", "check"},
	"clients": {"findings", "report", "judge", "retries"},
	"explain": {"why", "test"},
	"presets": {"preset", "services", "providers"},
	"try":     {"proxy", "demo"},
	"import":  {"convert", "migrate", "translate"},
}

// refuseUnknown returns an error for an unknown subcommand, with suggestions.
func refuseUnknown(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	similar := cmd.SuggestionsFor(args[0])
	if len(similar) == 0 || args[0] == "" { // every command begins with an empty text
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

// inSession returns the RunE of a subcommand that calls the API.
func inSession(f func(*session) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := refuseEmpty(cmd); err != nil {
			return err
		}
		client, err := connect(cmd, flagText(cmd, "address"))
		if err != nil {
			return err
		}
		return asFlags(cmd, f(&session{cmd, client, args}))
	}
}

// refuseEmpty returns an error for a flag with an empty value, as from a variable that
// is not set. Without this check, reset with an empty name would reset everything, and a
// command with an empty address would change the Caddy of this machine.
func refuseEmpty(cmd *cobra.Command) error {
	for _, name := range []string{"address", "config", "adapter", "after", "limit", "name", "rule", "point", "match", "ttl", "since", "wait", "method", "header", "client", "require", "fail-on", "allow", "min-calls", "output", "set", "let", "from", "site", "upstream"} {
		flag := cmd.Flag(name)
		if flag == nil || !flag.Changed {
			continue
		}
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(interface{ GetSlice() []string }); ok {
			values = list.GetSlice()
		}
		if len(values) == 0 || slices.Contains(values, "") {
			return fmt.Errorf("--%s is empty: give it a value, or leave it out", name)
		}
	}
	return nil
}

// flagText returns the value of a flag as text.
func flagText(cmd *cobra.Command, name string) string { return cmd.Flag(name).Value.String() }

// query returns the named flags that were given, as parameters of the API.
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

// ask calls the API and returns the body of the reply.
func (s *session) ask(method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.Context(), s.patience)
	defer cancel()
	return s.do(ctx, method, path, body, nil)
}

// jsonFlag adds --json to a command.
func jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Bool("json", false, "Print the API's JSON")
	return cmd
}

// show gets a view from the API and prints it. With --json it prints the body
// unchanged.
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

// tell makes a change through the API and prints the result.
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
		return fmt.Errorf("invalid JSON in Caddy's reply: %w", err)
	}
	return nil
}

// warn prints a warning, which does not change the exit code.
func (s *session) warn(format string, args ...any) {
	s.PrintErrln("Warning: " + printableLines(fmt.Sprintf(format, args...)))
}

// again returns a command for the same Caddy, to copy: with the flags that name it.
func (s *session) again(command string) string {
	for _, name := range []string{"address", "config", "adapter"} {
		if flag := s.Flag(name); flag != nil && flag.Changed {
			command += " --" + name + " " + shellWord(flag.Value.String())
		}
	}
	return "caddy fault " + command
}

// shellWord returns a text as one word of a shell.
func shellWord(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/@%+-") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// hint prints why there is no output, and what to do next. It is not part of the
// output.
func (s *session) hint(text string) { s.PrintErrln(text) }

// errSilent makes Caddy's main exit with 1. The command has printed the reason.
var errSilent = errors.New("exiting with status 1")

// exit ends the process with a code, which may be 0, and prints nothing.
func (s *session) exit(code int) error {
	s.SilenceErrors = true
	if code == 1 {
		return errSilent
	}
	// only this function makes the error that carries a code to Caddy's main
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(s.Command, nil)
}

// printError prints an error that does not end the command.
func (s *session) printError(err error) { s.PrintErrln(s.ErrPrefix(), printableError(err)) }

// fail prints an error and ends the process with a code.
func (s *session) fail(code int, err error) error {
	s.printError(err)
	return s.exit(code)
}
