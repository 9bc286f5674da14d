package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// samples has a value for each flag, for a line to copy.
var samples = map[string]string{
	"adapter": "caddyfile", "address": "localhost:2019", "after": "shop/slow", "allow": "no_jitter",
	"at-least": "1", "at-most": "3", "client": "'curl/8.5 127.0.0.1'", "config": "Caddyfile",
	"data": `'{"id": 7}'`, "exactly": "1", "fail-on": "warning", "from": "istio", "header": "'X-User: ann'",
	"id": "test-42", "let": "rate=30", "limit": "100", "listen": "127.0.0.1:8080", "match": "'path /api/*'",
	"method": "POST", "min-calls": "20", "name": "slow", "note": "'game day'", "output": "report.html",
	"point": "shop", "require": "retry", "rule": "slow", "set": "outage", "since": "10m", "site": ":8080",
	"ttl": "5m", "upstream": "localhost:3000", "wait": "10s",
}

// explainFlag words an error of the flags: what is wrong, and what to write instead.
func explainFlag(cmd *cobra.Command, err error) error {
	if no, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return unknownFlag(cmd, no)
	}
	if no, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		name := no.GetFlag().Name
		return fmt.Errorf("--%s needs a value: write --%[1]s %s", name, samples[name])
	}
	if no, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		name := no.GetFlag().Name
		if no.GetFlag().Value.Type() == "bool" {
			return fmt.Errorf("bad value '%s' of --%s: write --%[2]s, or leave it out", no.GetValue(), name)
		}
		return fmt.Errorf("bad value '%s' of --%s: want a number, such as --%[2]s %s", no.GetValue(), name, samples[name])
	}
	return err
}

// unknownFlag suggests the nearest flag of the command.
func unknownFlag(cmd *cobra.Command, no *pflag.NotExistError) error {
	name := no.GetSpecifiedName()
	written := "--" + name
	if no.GetSpecifiedShortnames() != "" {
		written = "-" + name
	}
	advice := "list the flags with " + cmd.CommandPath() + " --help"
	var known []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { known = append(known, flag.Name) })
	near := words.Near(strings.ReplaceAll(name, "_", "-"), known)
	for i := range near {
		near[i] = "--" + near[i]
	}
	switch {
	case len(near) > 0:
		advice = words.Suggest(near)
	case cmd.HasSubCommands():
		if sub := firstWith(cmd, name); sub != nil {
			advice = "write a flag after the command that has it, as in " + sub.CommandPath() + " " + written
		}
	case cmd.Name() == "run":
		advice += "; write a command and its flags after --"
	}
	return fmt.Errorf("unknown flag '%s': %s", written, advice)
}

// firstWith returns the first subcommand with a flag, or nil.
func firstWith(cmd *cobra.Command, flag string) *cobra.Command {
	subs := cmd.Commands()
	i := slices.IndexFunc(subs, func(sub *cobra.Command) bool { return sub.Flags().Lookup(flag) != nil })
	if i < 0 {
		return nil
	}
	return subs[i]
}

// noArguments refuses arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unexpected argument '%s': write %s, without arguments", args[0], cmd.CommandPath())
}

// oneArgument refuses any other number of arguments than one. The sample is a line to
// copy after the path of the command.
func oneArgument(what, sample string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return fmt.Errorf("%s is required: %s %s", what, cmd.CommandPath(), sample)
		case 1:
			return nil
		default:
			return fmt.Errorf("unexpected argument '%s': want one argument, as in %s %s", args[1], cmd.CommandPath(), sample)
		}
	}
}

// oneText refuses more than one argument. Several words are one argument in quotes.
func oneText(cmd *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	return fmt.Errorf("unexpected argument '%s': write several words in quotes: %s %s", args[1], cmd.CommandPath(), shellWord(strings.Join(args, " ")))
}

// exclusiveKey is the annotation of a command with groups of flags of which one can be
// given, one group a line.
const exclusiveKey = "exclusive"

// exclusive declares flags of which one can be given. A shell does not offer the others
// after one of them.
func exclusive(cmd *cobra.Command, flags ...string) {
	cmd.MarkFlagsMutuallyExclusive(flags...)
	if cmd.Annotations == nil {
		cmd.Annotations = make(map[string]string)
	}
	cmd.Annotations[exclusiveKey] += strings.Join(flags, " ") + "\n"
}

// checkUsage checks the arguments, then the groups of flags. Cobra checks the groups
// as well, later and with words that name no command line.
func checkUsage(arguments cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if arguments != nil {
			if err := arguments(cmd, args); err != nil {
				return err
			}
		}
		for group := range strings.Lines(cmd.Annotations[exclusiveKey]) {
			given := slices.DeleteFunc(strings.Fields(group), func(name string) bool { return !cmd.Flag(name).Changed })
			if len(given) > 1 {
				return fmt.Errorf("--%s and --%s exclude each other: give one of them", given[0], given[1])
			}
		}
		return nil
	}
}

// again returns a command line for the same Caddy, to copy.
func again(cmd *cobra.Command, command string) string {
	return (&session{Command: cmd}).again(command)
}

// asFlags names the parameters of the API in a refusal as the flags that set them, such
// as --limit 1000 for limit=1000.
func asFlags(cmd *cobra.Command, err error) error {
	no, refused := errors.AsType[*api.Error](err)
	if !refused {
		return err
	}
	text := err.Error()
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		parameter := strings.ReplaceAll(flag.Name, "-", "_")
		if rest, ok := strings.CutPrefix(text, parameter+": "); ok {
			text = "--" + flag.Name + ": " + rest
		}
		text = strings.ReplaceAll(text, " without "+parameter, " without --"+flag.Name)
		text = strings.ReplaceAll(text, "write "+parameter+"=", "write --"+flag.Name+" ")
	})
	if text == err.Error() {
		return err
	}
	return &api.Error{Status: no.Status, Message: text}
}
