package command

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

func statusCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "status [--after <point>/<rule>] [--limit <n>] [--json]",
		Short: "Show whether faults are on, and all rules with their counters",
		Long: `
The table lists the rules of each injection point. HITS counts the requests that
got the faults of a rule. PASSED counts the requests that matched and did not get
them, by reason. A second table lists the experiments that are on.`,
		Args: cobra.NoArgs,
		RunE: inSession(func(s *session) error {
			return show(s, http.MethodGet, "/"+s.query("after", "limit"), nil, func(out io.Writer, v *api.StateView) error {
				return printState(out, v, flagText(s.Command, "after"))
			})
		}),
	})
	cmd.Flags().String("after", "", "List only the rules after this one")
	cmd.Flags().String("limit", "", "Maximum number of rules, up to 10000 (default 1000)")
	return cmd
}

// printState prints the state from the rule after, or from the start if it is empty.
func printState(out io.Writer, v *api.StateView, after string) error {
	fmt.Fprintf(out, "%s; active requests: %d\n", switchText(v.State), v.Active)
	if v.DryRun {
		fmt.Fprintln(out, "dry_run: faults are counted but not injected")
	}
	for _, set := range v.Exempt {
		line := grammar.Format(caddyconfig.JSON(map[string]any{"match": []any{set}}, nil))
		fmt.Fprintln(out, grammar.Printable("exempt: "+strings.TrimPrefix(line, "match ")))
	}
	fmt.Fprintln(out, shareText(v.Share))
	if err := printPoints(out, v, after); err != nil {
		return err
	}
	fmt.Fprint(out, moreText(v.Next))
	if len(v.Experiments) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	return printExperiments(out, v.Experiments)
}

func printPoints(out io.Writer, v *api.StateView, after string) error {
	switch {
	case len(v.Points) > 0:
	case after != "":
		_, err := fmt.Fprintln(out, "no rules after "+grammar.Printable(after))
		return err
	default:
		_, err := fmt.Fprintln(out, "no injection points; add one to a site in the Caddyfile: fault /api/* 503")
		return err
	}
	t := newTable(out, "POINT", "RULE", "FAULTS", "SWITCH", "HITS", "PASSED", "SOURCE")
	for _, p := range v.Points {
		title := rules.Title(p.Site, p.Point)
		for _, asks := range p.Triggers {
			t.row(title, trigger.RuleName, "by "+asks.Place(), "", asks.Hits, refusedText(asks.Refused), p.Source)
		}
		delete(p.Passed, "trigger_refused") // each trigger has its own count
		if len(p.Passed) > 0 {
			t.row(title, "", "point and triggers", "", "", passedText(p.Passed), p.Source)
		}
		for _, rule := range p.Rules {
			t.row(title, rule.Name, kindsOf(rule.Rule), onOrOff(rule.Off), rule.Hits, passedText(rule.Passed), p.Source)
		}
		if len(p.Triggers)+len(p.Rules) == 0 {
			t.row(title, "", "", "", "", "", p.Source)
		}
	}
	return t.Flush()
}

// moreText says how to list the rules of the next page. It returns an empty text if
// next is empty.
func moreText(next string) string {
	params, err := url.ParseQuery(strings.TrimPrefix(next, "?"))
	if err != nil || next == "" {
		return ""
	}
	text := "There are more rules: caddy fault status --after " + params.Get("after")
	if limit := params.Get("limit"); limit != "" {
		text += " --limit " + limit
	}
	return grammar.Printable(text) + "\n"
}

// switchText returns the state of the switch as text.
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
	return grammar.Printable(text)
}

// shareText returns a line with the state of sharing, and a line for each warning. It
// returns an empty text without a group.
func shareText(g *experiments.GroupState) string {
	var text strings.Builder
	text.WriteString(stepText(g))
	if g != nil {
		for _, warning := range g.Warnings {
			text.WriteString(grammar.Printable("warning: "+warning) + "\n")
		}
	}
	return text.String()
}

func stepText(g *experiments.GroupState) string {
	switch {
	case g == nil:
		return ""
	case g.Error != "":
		return grammar.Printable(fmt.Sprintf("shared with group '%s', which is unreachable: %s", g.Group, g.Error)) + "\n"
	case g.Synced == nil:
		return fmt.Sprintf("shared with group '%s', not synchronized yet\n", g.Group)
	default:
		return fmt.Sprintf("shared with group '%s', synchronized at %s\n", g.Group, timeText(*g.Synced))
	}
}

func timeText(at time.Time) string { return at.Local().Format(time.RFC3339) }

func onOrOff(off bool) string {
	if off {
		return "off"
	}
	return "on"
}

// passedText returns the counts by reason, such as `percent 3, time 1`.
func passedText(counts map[string]uint64) string {
	texts := make([]string, 0, len(counts))
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		texts = append(texts, fmt.Sprintf("%s %d", reason, counts[reason]))
	}
	return strings.Join(texts, ", ")
}

// refusedText returns the number of refusals as text, which is empty for 0.
func refusedText(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("refused %d", n)
}

// kindsOf returns the kinds of fault in the JSON of a rule, joined by `+`.
func kindsOf(rule json.RawMessage) string {
	var r struct {
		Faults []struct {
			Fault string `json:"fault"`
		} `json:"faults"`
	}
	if json.Unmarshal(rule, &r) != nil {
		return "?" // the JSON of a newer Caddy
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
		Short: "Stop all faults at once",
		Long: `
Inject no more faults, release the requests that faults hold, and end all
experiments. Faults stay halted over reloads and restarts, until 'caddy fault
resume'.`,
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
		Short: "Switch rules and triggers on again after a halt",
		Long: `
Experiments that the halt has ended do not start again.`,
		Args: cobra.NoArgs,
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
		Args:    cobra.RangeArgs(1, 2),
		RunE: inSession(func(s *session) error {
			point, rule, both := strings.Cut(strings.Join(s.args, "/"), "/")
			switch {
			case !both:
				return fmt.Errorf("'%s' names only a point or a rule: caddy fault %s <point> <rule>", point, to)
			case point == "" || rule == "":
				return fmt.Errorf("the point or the rule is empty: caddy fault %s <point> <rule>", to)
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
		Short: "Reset counters",
		Long: `
Reset the counters of rules and experiments: hits, skip, times, every, over and
the steps of a sequence. Reset the hits and refusals of triggers. Without --rule,
the draws of a point with a seed also start again.`,
		Example: `  caddy fault reset
  caddy fault reset --rule slow`,
		Args: cobra.NoArgs,
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
