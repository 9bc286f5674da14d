package command

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

func verifyCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "verify <rule>|--refused [--point <name>] [--id <text>] --exactly|--at-least|--at-most <n> [--since <time>] [--wait <duration>] [--json|--junit]",
		Short: "Assert how often a rule has hit, or a trigger was refused",
		Long: `
The command counts the hits of a rule or an experiment since it was loaded or last
reset. If the assertion holds, the exit code is 0. If it does not hold, the exit
code is 2. For any other error, such as an unknown rule, it is 1.

If several points have a rule of that name, give --point, or write <point>/<rule>.
--rule <rule> is the same as <rule>.

With --refused the command counts refused triggers, whatever the reason. Use
'--refused --exactly 0' to assert that every request got the fault that it asked
for. If the assertion does not hold, the last ten refusals are printed.

With --since only hits after that time count. The command takes them from the
journal, which begins when Caddy starts and keeps a limited number of entries. If
the journal does not go back far enough to decide, that is an error.

With --wait the command waits until the assertion holds, at most for this time.
The wait continues over reloads.

If the assertion does not hold, the error says how many matching requests passed and
why, and where an experiment at several points has hit. With --junit the command
prints the assertion as a test in JUnit XML.`,
		Example: `  caddy fault verify slow --at-least 3 --wait 10s
  caddy fault verify trigger --point checkout --exactly 1
  caddy fault verify trigger --id test-42 --exactly 2
  caddy fault verify --refused --exactly 0`,
		Args: verifyArguments,
		RunE: inSession(cmdVerify),

		ValidArgsFunction: completes(ruleNames),
	})
	cmd.Flags().String("rule", "", "Name of the rule or experiment; 'trigger' for the faults that requests ask for")
	cmd.Flags().String("point", "", "Count only at this injection point; for an experiment with several points this needs --since")
	cmd.Flags().String("id", "", "Count only requests whose trigger has this id")
	cmd.Flags().Uint("exactly", 0, "Exact number of hits")
	cmd.Flags().Uint("at-least", 0, "Minimum number of hits")
	cmd.Flags().Uint("at-most", 0, "Maximum number of hits")
	cmd.Flags().String("since", "", "Count from this time on, an instant (RFC 3339) or a duration ago")
	cmd.Flags().String("wait", "", "How long to wait for the assertion to hold")
	cmd.Flags().Bool("refused", false, "Count refused triggers instead of hits")
	cmd.Flags().Bool("junit", false, "Print the assertion as JUnit XML")
	exclusive(cmd, "json", "junit")
	exclusive(cmd, "rule", "refused")
	exclusive(cmd, "exactly", "at-least")
	exclusive(cmd, "exactly", "at-most")
	return cmd
}

// verifyArguments requires a rule or --refused, and a number.
func verifyArguments(cmd *cobra.Command, args []string) error {
	refused := flagText(cmd, "refused") == "true"
	switch {
	case refused && len(args) > 0:
		return fmt.Errorf("'%s' and --refused exclude each other: --refused counts the triggers that were refused, for all rules", args[0])
	case len(args) == 2 && isNumber(args[1]):
		return fmt.Errorf("unexpected argument '%s': write %s", args[1], again(cmd, "verify "+shellWord(args[0])+" --exactly "+args[1]))
	}
	if err := ruleArgument(cmd, args); err != nil {
		return err
	}
	rule := "<rule>"
	if cmd.Flag("rule").Changed {
		rule = shellWord(flagText(cmd, "rule"))
	}
	switch {
	case rule == "<rule>" && !refused:
		return fmt.Errorf("a rule is required: %s, or %s", again(cmd, "verify slow --at-least 1"), again(cmd, "verify --refused --exactly 0"))
	case cmd.Flag("exactly").Changed || cmd.Flag("at-least").Changed || cmd.Flag("at-most").Changed:
		return nil
	case refused:
		return fmt.Errorf("a number is required: %s", again(cmd, "verify --refused --exactly 0"))
	default:
		return fmt.Errorf("a number is required: %s, or --exactly or --at-most", again(cmd, "verify "+rule+" --at-least 1"))
	}
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 64)
	return err == nil
}

// ruleArgument sets the flag --rule to the argument.
func ruleArgument(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case len(args) > 1:
		return fmt.Errorf("unexpected argument '%s': name one rule at a time", args[1])
	case cmd.Flag("rule").Changed:
		return fmt.Errorf("the rule is given twice, as '%s' and as '%s': leave out --rule", args[0], flagText(cmd, "rule"))
	default:
		return cmd.Flags().Set("rule", args[0])
	}
}

// cmdVerify asks again if the server ends during the wait, as it does for a reload. The
// new request waits for the rest of the time.
func cmdVerify(s *session) error {
	wait, _ := caddy.ParseDuration(flagText(s.Command, "wait")) // Caddy reports an invalid duration
	wait = max(0, wait)
	s.patience += wait
	asked := time.Now()
	until := asked.Add(wait)
	err := s.verify()
	for unavailable(err) && time.Now().Before(until) {
		err = persist(s.Context(), func() error {
			again := time.Now()
			s.passTime(again.Sub(asked))
			asked = again
			return s.verify()
		})
	}
	no, refused := errors.AsType[*api.Error](err)
	switch {
	case !refused || no.Count == nil:
		return err
	case s.wantsJSON():
		if err := api.Encode(s.OutOrStdout(), no); err != nil {
			return err
		}
		return s.exit(2)
	case s.wantsJUnit():
		if err := s.junitOf(no).write(s.OutOrStdout()); err != nil {
			return err
		}
	}
	return s.fail(2, errors.New(no.Message+details(no)))
}

// details returns a line for each point and each refused trigger of a failed assertion.
func details(no *api.Error) string {
	var text strings.Builder
	for _, point := range slices.Sorted(maps.Keys(no.Counts)) {
		fmt.Fprintf(&text, "\n  at %s: %d", grammar.Printable(point), no.Counts[point])
	}
	for i := range no.Refusals {
		text.WriteString("\n  " + entryText(&no.Refusals[i]))
	}
	return text.String()
}

// wantsJUnit reports whether the flag --junit is set.
func (s *session) wantsJUnit() bool { return flagText(s.Command, "junit") == "true" }

// junitOf returns the assertion as a test, which fails unless no is nil.
func (s *session) junitOf(no *api.Error) *junitSuites {
	test := junitCase{Class: "caddy fault verify", Name: s.counted() + ":"}
	for _, bound := range []string{"exactly", "at-least", "at-most"} {
		if s.Flag(bound).Changed {
			test.Name += " " + strings.ReplaceAll(bound, "-", " ") + " " + flagText(s.Command, bound)
		}
	}
	if no != nil {
		test.Failure = &junitResult{Message: grammar.Printable(no.Message), Type: "assertion", Text: details(no)}
	}
	all := &junitSuites{Name: test.Class}
	all.add("assertion", test)
	return all
}

// counted says what the assertion is about.
func (s *session) counted() string {
	what := fmt.Sprintf("hits of rule '%s'", flagText(s.Command, "rule"))
	if flagText(s.Command, "refused") == "true" {
		what = "refused triggers"
	}
	return grammar.Printable(what)
}

// passTime adjusts --wait and --since after a request that took some time, so that both
// still mean the same instants.
func (s *session) passTime(took time.Duration) {
	shift := func(name string, by time.Duration) {
		if d, err := caddy.ParseDuration(flagText(s.Command, name)); err == nil {
			_ = s.Flags().Set(name, max(0, d+by).String()) // setting a text cannot fail
		}
	}
	shift("wait", -took)
	shift("since", took)
}

// verify sends one request with the conditions of the flags.
func (s *session) verify() error {
	path := "/verify" + s.query("rule", "refused", "point", "id", "exactly", "at-least", "at-most", "since", "wait")
	return show(s, http.MethodGet, path, nil, func(out io.Writer, v *api.VerifyView) error {
		if s.wantsJUnit() {
			return s.junitOf(nil).write(out)
		}
		_, err := fmt.Fprintf(out, "%s: %d\n", s.counted(), v.Count)
		return err
	})
}
