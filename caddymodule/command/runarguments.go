package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// runArguments requires a rule, or --set. It runs before the configuration file and
// Caddy are asked: without --, the -c of 'sh -c' would be a configuration file.
func runArguments(cmd *cobra.Command, args []string) error {
	dash := cmd.ArgsLenAtDash()
	if dash >= 0 && dash == len(args) {
		return errors.New("a command is required after --")
	}
	if cmd.Flag("set").Changed {
		return nil // runSet knows what excludes --set
	}
	rule := args
	if dash >= 0 {
		rule = args[:dash]
	}
	switch len(rule) {
	case 0:
		return fmt.Errorf("a rule is required: %s", again(cmd, "run --match 'path /api/*' 'percent 10; delay 2s'"))
	case 1:
		return nil
	default:
		return severalRules(cmd, rule)
	}
}

// severalRules returns the error for several arguments in the place of the rule: a
// matcher or a rule without quotes, the name of a point, or a command without --.
func severalRules(cmd *cobra.Command, args []string) error {
	whole := strings.Join(args, " ")
	if matchers, _ := cmd.Flags().GetStringArray("match"); len(matchers) > 0 && !strings.Contains(matchers[0], " ") {
		return fmt.Errorf("unexpected argument '%s': write the matcher in quotes: --match %s", args[1], shellWord(matchers[0]+" "+args[0]))
	}
	switch last := args[len(args)-1]; {
	case isRule(whole):
		return fmt.Errorf("unexpected argument '%s': write the rule in quotes: %s", args[1], shellWord(whole))
	case isRule(args[0]):
		return fmt.Errorf("unexpected argument '%s': write a command after --: %s -- %s", args[1], shellWord(args[0]), strings.Join(args[1:], " "))
	case len(args) == 2 && isRule(last):
		return fmt.Errorf("unexpected argument '%s': write a point with its flag: --point %s %s", args[0], shellWord(args[0]), shellWord(last))
	default:
		return fmt.Errorf("unexpected argument '%s': write the rule as one argument in quotes, and a command after --", args[1])
	}
}

// isRule reports whether a text is a rule. Presets of the configuration are not known.
func isRule(text string) bool {
	_, err := grammar.ParseLine(text)
	return err == nil
}
