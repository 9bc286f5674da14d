package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

func statusCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "status [--after <point>/<rule>] [--limit <n>] [--json]",
		Short: "Shows the switch, all rules with their counters, and experiments",
		Args:  cobra.NoArgs,
		RunE: inSession(func(s *session) error {
			return show(s, http.MethodGet, "/"+s.query("after", "limit"), nil, printState)
		}),
	})
	cmd.Flags().String("after", "", "Only the rules after this one")
	cmd.Flags().String("limit", "", "So many rules at most, up to 10000 (default 1000)")
	return cmd
}

func printState(out io.Writer, v *api.StateView) error {
	fmt.Fprintf(out, "%s; requests hit just now: %d\n", switchText(v.State), v.Active)
	if v.DryRun {
		fmt.Fprintln(out, "dry_run is configured: faults are decided and counted, and change nothing")
	}
	fmt.Fprintln(out, shareText(v.Share))
	t := newTable(out, "POINT", "RULE", "FAULTS", "SWITCH", "HITS", "PASSED", "SOURCE")
	for _, p := range v.Points {
		title := rules.Title(p.Site, p.Point)
		for _, asks := range p.Triggers {
			t.row(title, trigger.RuleName, "as "+asks.Place()+" asks", "", asks.Hits, refusedText(asks.Refused), p.Source)
		}
		delete(p.Passed, "trigger_refused") // as each trigger tells
		if len(p.Passed) > 0 {
			t.row(title, "", "the point and its triggers", "", "", passedText(p.Passed), p.Source)
		}
		for _, rule := range p.Rules {
			t.row(title, rule.Name, kindsOf(rule.Rule), onOrOff(rule.Off), rule.Hits, passedText(rule.Passed), p.Source)
		}
		if len(p.Triggers)+len(p.Rules) == 0 {
			t.row(title, "", "", "", "", "", p.Source)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprint(out, moreText(v.Next))
	if len(v.Experiments) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	return printExperiments(out, v.Experiments)
}

// moreText says how to see the rules that the API has at a query; empty when there
// are none.
func moreText(next string) string {
	params, err := url.ParseQuery(strings.TrimPrefix(next, "?"))
	if err != nil || next == "" {
		return ""
	}
	text := "There are more rules: caddy fault status --after " + params.Get("after")
	if limit := params.Get("limit"); limit != "" {
		text += " --limit " + limit
	}
	return printable(text) + "\n"
}

// switchText says the state of the switch in words.
func switchText(s experiments.State) string {
	if !s.Halted {
		return "faults are on"
	}
	text := "faults are halted"
	if s.Since != nil {
		text += " since " + timeText(*s.Since)
	}
	if s.Why != "" {
		text += " (" + s.Why + ")"
	}
	return printable(text)
}

// shareText says how the sharing goes, in a line, and a line for each warning; empty
// when there is none.
func shareText(g *experiments.GroupState) string {
	var text strings.Builder
	text.WriteString(stepText(g))
	if g != nil {
		for _, warning := range g.Warnings {
			text.WriteString(printable("warning: "+warning) + "\n")
		}
	}
	return text.String()
}

func stepText(g *experiments.GroupState) string {
	switch {
	case g == nil:
		return ""
	case g.Error != "":
		return printable(fmt.Sprintf("shared with group '%s', which is out of reach: %s", g.Group, g.Error)) + "\n"
	case g.Synced == nil:
		return fmt.Sprintf("shared with group '%s', not in step yet\n", g.Group)
	default:
		return fmt.Sprintf("shared with group '%s', in step at %s\n", g.Group, timeText(*g.Synced))
	}
}

func timeText(at time.Time) string { return at.Local().Format(time.RFC3339) }

func onOrOff(off bool) string {
	if off {
		return "off"
	}
	return "on"
}

// passedText is the counts by reason, such as `percent 3, time 1`.
func passedText(counts map[string]uint64) string {
	texts := make([]string, 0, len(counts))
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		texts = append(texts, fmt.Sprintf("%s %d", reason, counts[reason]))
	}
	return strings.Join(texts, ", ")
}

// refusedText is the count of refusals, empty if there are none.
func refusedText(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("refused %d", n)
}

// kindsOf is the kinds of fault in the JSON of a rule, joined by `+`.
func kindsOf(rule json.RawMessage) string {
	var r struct {
		Faults []struct {
			Fault string `json:"fault"`
		} `json:"faults"`
	}
	if json.Unmarshal(rule, &r) != nil {
		return "?" // of a Caddy that is newer
	}
	kinds := make([]string, len(r.Faults))
	for i, fault := range r.Faults {
		kinds[i] = fault.Fault
	}
	return strings.Join(kinds, "+")
}

func haltCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "halt",
		Short: "Stops all faults at once",
		Long: `
Stops all faults for the next request, lets go of what they hold, and ends all
experiments. It outlasts a reload and a restart.`,
		Args: cobra.NoArgs,
		RunE: inSession(func(s *session) error {
			return tell(s, "/halt", func(v *api.TurnView) string {
				text := s.turned(v) + " Undo: caddy fault resume"
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
		Short: "Re-arms the rules and triggers after a halt",
		Args:  cobra.NoArgs,
		RunE:  inSession(func(s *session) error { return tell(s, "/resume", s.turned) }),
	}
}

// turned says what a turn of the switch has done.
func (s *session) turned(v *api.TurnView) string {
	if v.Warning != "" {
		s.warn("%s", v.Warning)
	}
	return printable(v.Answer)
}

func switchCommand(to, short string) *cobra.Command {
	return &cobra.Command{
		Use:     to + " <point> <rule> | <point>/<rule>",
		Short:   short,
		Example: "  caddy fault " + to + " fault1 rule1",
		Args:    cobra.RangeArgs(1, 2),
		RunE: inSession(func(s *session) error {
			point, rule, both := strings.Cut(strings.Join(s.args, "/"), "/")
			switch {
			case !both:
				return fmt.Errorf("'%s' is a point or a rule: say both, as <point> <rule>", point)
			case point == "" || rule == "":
				return errors.New("the point or the rule is empty: say both, as <point> <rule>")
			}
			path := "/rules/" + url.PathEscape(point) + "/" + url.PathEscape(rule) + "/" + to
			return tell(s, path, func(*struct{}) string {
				return fmt.Sprintf("rule '%s' of point '%s' is %s", rule, point, to)
			})
		}),
	}
}

func resetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reset [--point <name>] [--rule <name>]",
		Short: "Sets counters back to the start",
		Long: `
Sets the counters of rules and experiments back to the start: hits, skip, times,
every, over and the steps of a sequence; of triggers, the hits and refusals; and,
without --rule, the place in a point's seed.`,
		Args: cobra.NoArgs,
		RunE: inSession(func(s *session) error {
			return tell(s, "/reset"+s.query("point", "rule"), func(v *api.ResetView) string {
				return fmt.Sprintf("rules set back: %d", v.Reset)
			})
		}),
	}
	cmd.Flags().String("point", "", "Only the rules of this injection point")
	cmd.Flags().String("rule", "", "Only the rules and experiments of this name; for triggers: trigger")
	return cmd
}
