package command

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

func haltCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "halt",
		Short: "Stop all faults at once",
		Long: `
Inject no more faults, release the requests that faults hold, and end all
experiments. Faults stay halted over reloads and restarts, until 'caddy fault
resume'.`,
		Args: noArguments,
		RunE: inSession(func(s *session) error {
			return tell(s, "/halt", func(v *api.TurnView) string {
				text := s.turned(v) + " Undo: " + s.again("resume")
				if len(v.Ended) > 0 {
					text += " (experiments stay ended)"
				}
				return text
			})
		}),
	}
}

func resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume",
		Short: "Switch rules and triggers on again after a halt",
		Long: `
Experiments that the halt has ended do not start again.`,
		Args: noArguments,
		RunE: inSession(func(s *session) error { return tell(s, "/resume", s.turned) }),
	}
}

// turned prints the warning of a turn of the switch, and returns what the turn did.
func (s *session) turned(v *api.TurnView) string {
	if v.Warning != "" {
		s.warn("%s", v.Warning)
	}
	return grammar.Printable(v.Answer)
}

func switchOffCommand() *cobra.Command {
	return switchCommand("off", "Switch a rule off", `
The rule stays off until 'caddy fault on', or until a reload changes the rule.`)
}

func switchOnCommand() *cobra.Command { return switchCommand("on", "Switch a rule on again", "") }

func switchCommand(to, short, long string) *cobra.Command {
	return &cobra.Command{
		Use:     to + " <point> <rule> | <point>/<rule>",
		Short:   short,
		Long:    long,
		Example: "  caddy fault " + to + " fault1 rule1",
		Args:    pointAndRule,

		ValidArgsFunction: completes(switchable),
		RunE: inSession(func(s *session) error {
			point, rule, both := strings.Cut(strings.Join(s.args, "/"), "/")
			switch {
			case !both:
				return s.namesOnlyOne(to, point)
			case point == "" || rule == "":
				return fmt.Errorf("the point or the rule is empty: %s", s.again(to+" <point> <rule>"))
			}
			path := "/rules/" + url.PathEscape(point) + "/" + url.PathEscape(rule) + "/" + to
			err := tell(s, path, func(*struct{}) string {
				return fmt.Sprintf("rule '%s' of point '%s' is %s", rule, point, to)
			})
			if isUnknown(err) && s.isExperiment(rule) {
				err = fmt.Errorf("%w; an experiment has this name: end it with %s", err, s.again("rm "+rule))
			}
			return err
		}),
	}
}

// pointAndRule requires a point and a rule, in one argument or in two.
func pointAndRule(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return fmt.Errorf("a point and a rule are required: %s fault1 rule1", cmd.CommandPath())
	case 1, 2:
		return nil
	default:
		return fmt.Errorf("unexpected argument '%s': name one point and one rule, as in %s fault1 rule1", args[2], cmd.CommandPath())
	}
}

// namesOnlyOne returns the error for a point without a rule, or a rule without a point.
// It suggests the rules of that name or at that point.
func (s *session) namesOnlyOne(to, name string) error {
	found := s.rulesNamed(name, to)
	switch len(found) {
	case 0:
		if s.isExperiment(name) {
			return fmt.Errorf("'%s' is an experiment: end it with %s", name, s.again("rm "+name))
		}
		return fmt.Errorf("'%s' is neither a point nor a rule: see the names in %s, then write %s", name, s.again("status"), s.again(to+" <point> <rule>"))
	case 1:
		return fmt.Errorf("a point and a rule are required: write %s", found[0])
	default:
		return fmt.Errorf("a point and a rule are required: write one of:\n\t%s", strings.Join(fewOf(found), "\n\t"))
	}
}

// rulesNamed returns the commands for the switches of all rules with a name, or at a
// point with the name. Without an answer it returns none.
func (s *session) rulesNamed(name, to string) (commands []string) {
	data, err := s.ask(http.MethodGet, "/?limit=10000", nil)
	var v api.StateView
	if err != nil || readAnswer(data, &v) != nil {
		return nil
	}
	for _, offered := range switchable(&v, nil) {
		if point, rule, _ := strings.Cut(nameOf(offered), "/"); point == name || rule == name {
			commands = append(commands, s.again(to+" "+point+" "+rule))
		}
	}
	return commands
}

func resetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reset [<rule>] [--point <name>]",
		Short: "Reset counters",
		Long: `
Reset the counters of rules and experiments: hits, skip, times, every, over and
the steps of a sequence. Reset the hits and refusals of triggers. Without a rule,
the draws of a point with a seed also start again.

--rule <rule> is the same as <rule>.`,
		Example: `  caddy fault reset
  caddy fault reset slow`,
		Args:              ruleArgument,
		ValidArgsFunction: completes(ruleNames),
		RunE: inSession(func(s *session) error {
			return tell(s, "/reset"+s.query("point", "rule"), func(v *api.ResetView) string {
				return fmt.Sprintf("rules reset: %d", v.Reset)
			})
		}),
	}
	cmd.Flags().String("point", "", "Reset only the rules of this injection point")
	cmd.Flags().String("rule", "", "Reset only rules and experiments of this name; 'trigger' for triggers")
	return cmd
}
