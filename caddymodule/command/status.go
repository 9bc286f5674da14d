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
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

func statusCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "status [--after <point>/<rule>] [--limit <n>] [--source] [--json]",
		Short: "Show whether faults are on, and all rules with their counters",
		Long: `
The table lists the rules of each injection point, in the order of the
configuration. RULE is the matcher of the point and a short form of the rule. HITS
counts the requests that got the fault. HELD counts the hits that have not ended yet.
PASSED counts the requests that matched and did not get the fault, by reason.

A second table lists the experiments that are on. On a terminal, RULE is cut to the
width, and each site is shown once.

A terminal shows colors, unless NO_COLOR is set or TERM is dumb.`,
		Args: noArguments,
		RunE: inSession(func(s *session) error {
			return show(s, http.MethodGet, "/"+s.query("after", "limit"), nil, func(out io.Writer, v *api.StateView) error {
				p := statusPrinter{screen: newScreen(out), again: s.again, after: flagText(s.Command, "after"), source: flagText(s.Command, "source") == "true"}
				if err := p.print(v); err != nil {
					return err
				}
				if len(v.Points) == 0 && p.after == "" {
					s.hint(noPoints)
				}
				return nil
			})
		}),
	})
	cmd.Flags().String("after", "", "List only the rules after this one")
	cmd.Flags().String("limit", "", "Maximum number of rules, up to 10000 (default 1000)")
	cmd.Flags().Bool("source", false, "Show the line of the configuration that has each point")
	return cmd
}

const noPoints = "No injection points. Add one to a site in the Caddyfile: fault /api/* 503"

// statusPrinter prints the state of all faults.
type statusPrinter struct {
	*screen
	again  func(command string) string // returns a command for the same Caddy
	after  string                      // the rule after which the list begins; empty: the first rule
	source bool                        // has a column with the lines of the configuration
}

func (p *statusPrinter) print(v *api.StateView) error {
	if _, err := io.WriteString(p, p.head(v)); err != nil {
		return err
	}
	if v.DryRun {
		fmt.Fprintln(p, "dry_run: faults are counted but not injected")
	}
	for _, set := range v.Exempt {
		line := grammar.Format(caddyconfig.JSON(map[string]any{"match": []any{set}}, nil))
		fmt.Fprintln(p, grammar.Printable("exempt: "+strings.TrimPrefix(line, "match ")))
	}
	fmt.Fprint(p, shareText(v.Share))
	switch {
	case len(v.Points) > 0:
		fmt.Fprintln(p)
		if err := p.points(v).print(p.screen); err != nil {
			return err
		}
	case p.after != "":
		fmt.Fprintln(p, "\nno rules after "+grammar.Printable(p.after))
	}
	fmt.Fprint(p, p.moreText(v.Next))
	if len(v.Experiments) == 0 {
		return nil
	}
	fmt.Fprintln(p)
	return printExperiments(p.screen, v.Experiments)
}

// head returns the first line: the state, how to change it, and which Caddy this is. A
// narrow terminal has the last part in a second line.
func (p *statusPrinter) head(v *api.StateView) string {
	c, next := green, "halt: "+p.again("halt")
	switch {
	case v.Halted:
		c, next = red, "resume: "+p.again("resume")
	case v.Active > 0:
		c = amber
	}
	state, held := "● "+switchText(v.State), fmt.Sprintf("%d held", v.Active)
	server := serverText(v)
	line := state + "   " + held + "   " + next
	space := 3
	if left := p.width - utf8.RuneCountInString(line+server); p.width > 0 && left >= 3 {
		space = left
	}
	line = p.paint(c, state) + strings.TrimPrefix(line, state)
	switch {
	case server == "":
		return line + "\n"
	case p.width > 0 && space == 3 && p.width < utf8.RuneCountInString(state+held+next+server)+9:
		return line + "\n" + server + "\n"
	default:
		return line + strings.Repeat(" ", space) + server + "\n"
	}
}

// serverText says which Caddy has answered.
func serverText(v *api.StateView) string {
	var parts []string
	if v.Server.Version != "" {
		parts = append(parts, "caddy "+strings.TrimPrefix(v.Server.Version, "v"))
	}
	if v.Server.Faults != "" { // an older Caddy does not say it
		parts = append(parts, "faults "+v.Server.Faults)
	}
	if v.Server.Node != "" {
		parts = append(parts, "node "+v.Server.Node)
	}
	if v.Server.Uptime > 0 {
		parts = append(parts, "up "+uptimeText(time.Duration(v.Server.Uptime*float64(time.Second))))
	}
	return grammar.Printable(strings.Join(parts, "  "))
}

// uptimeText returns a duration in its one or two largest units.
func uptimeText(d time.Duration) string {
	switch seconds := int(d.Seconds()); {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%dh%dm", seconds/3600, seconds/60%60)
	default:
		return fmt.Sprintf("%dd%dh", seconds/86400, seconds/3600%24)
	}
}

// points returns the table of the rules.
func (p *statusPrinter) points(v *api.StateView) *grid {
	g := &grid{columns: []column{
		{title: "SITE", optional: true},
		{title: "POINT/RULE"},
		{title: "RULE", flexible: true},
		{title: "HITS", right: true},
		{title: "HELD", right: true, optional: true},
		{title: "PASSED"},
		{title: "SOURCE", optional: true},
	}}
	site := ""
	for _, point := range v.Points {
		add := func(name, rule string, c color, hits, held any, passed string) {
			shown, source := point.Site, ""
			if shown == site && p.width > 0 { // every line of a file can be searched for
				shown = ""
			}
			if site = point.Site; p.source {
				source = dash(point.Source)
			}
			g.add(shown, cell{name, plain}, cell{dash(rule), c}, hits, held, dash(passed), source)
		}
		at := grammar.Brief(point.Line)
		for _, asks := range point.Triggers {
			add(point.Point+"/"+trigger.RuleName, join(at, "by "+asks.Place()), plain, asks.Hits, "", refusedText(asks.Refused))
		}
		delete(point.Passed, "trigger_refused") // each trigger has its own count
		switch none := len(point.Triggers)+len(point.Rules) == 0; {
		case none:
			add(point.Point, join(at, "no rules"), plain, "-", "", passedText(point.Passed))
		case len(point.Passed) > 0:
			add(point.Point, join(at, "point and triggers"), plain, "-", "", passedText(point.Passed))
		}
		for _, rule := range point.Rules {
			line, c := join(at, grammar.Brief(rule.Line)), plain
			if rule.Off {
				line, c = "off: "+line, amber
			}
			add(point.Point+"/"+rule.Name, line, c, rule.Hits, heldCell(rule.Active), passedText(rule.Passed))
		}
	}
	return g
}

// heldCell returns the number of held requests, which is empty for 0.
func heldCell(n int64) cell {
	if n == 0 {
		return cell{}
	}
	return cell{fmt.Sprint(n), amber}
}

// join joins two parts of a rule. Either may be empty.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "  " + b
}

// dash returns a dash for an empty text.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// moreText says how to list the rules of the next page. It returns an empty text if
// next is empty.
func (p *statusPrinter) moreText(next string) string {
	params, err := url.ParseQuery(strings.TrimPrefix(next, "?"))
	if err != nil || next == "" {
		return ""
	}
	command := "status --after " + params.Get("after")
	if limit := params.Get("limit"); limit != "" {
		command += " --limit " + limit
	}
	return grammar.Printable("There are more rules: "+p.again(command)) + "\n"
}

// switchText returns the state of the switch as text.
func switchText(s experiments.State) string {
	if !s.Halted {
		return "armed"
	}
	text := "halted"
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
