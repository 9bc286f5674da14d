package command

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

func explainCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "explain <url> [-X <method>] [-H '<name>: <value>']... [-d <body>] [--client <address>] [--all] [--json]",
		Short: "Show which faults would hit a request, and why others would not",
		Long: `
Caddy follows the request through the routes of the running configuration. The
first line says what happens to the request. The table lists the rules of the
points that match, in the order in which Caddy tries them. VERDICT says whether a
rule would hit the request, and WHY says why not. A trigger in the request comes
before the rules. With --all the table also has the points that do not match.

No request is sent and nothing is counted. If something depends on the real
request, the output says so. If the request has the key of 'sticky', the draw is
known.

The exit code is 0 if a fault may hit the request, and 2 if none can.`,
		Example: "  caddy fault explain https://example.com/api/x -X POST -H 'X-User: ann'",
		Args:    oneArgument("a URL", "http://localhost:8080/api"),
		RunE:    inSession(cmdExplain),
	})
	cmd.Flags().StringP("method", "X", "", "Method (default GET, or POST with a body)")
	cmd.Flags().StringArrayP("header", "H", nil, "Header field, as 'Name: value'")
	cmd.Flags().StringP("data", "d", "", "The body")
	cmd.Flags().String("client", "", "IP address of the client (default 127.0.0.1)")
	cmd.Flags().Bool("all", false, "List also the points that do not match")
	return cmd
}

func cmdExplain(s *session) error {
	asked := api.ExplainRequest{Method: flagText(s.Command, "method"), URL: s.args[0], Client: flagText(s.Command, "client"), Header: make(map[string]api.HeaderValues)}
	fields, _ := s.Flags().GetStringArray("header")
	for _, field := range fields {
		name, value, ok := strings.Cut(field, ":")
		if !ok {
			name, value, _ = strings.Cut(field, "=")
			return fmt.Errorf("bad header '%s': write -H '%s: %s'", field, name, cmp.Or(value, "value"))
		}
		asked.Header[name] = append(asked.Header[name], strings.TrimSpace(value))
	}
	if s.Flags().Changed("data") {
		body, _ := s.Flags().GetString("data")
		asked.Body, asked.Method = &body, cmp.Or(asked.Method, http.MethodPost)
	}
	data, err := s.ask(http.MethodPost, "/explain", asked)
	if err != nil {
		return err
	}
	var view api.ExplainView
	if err := readAnswer(data, &view); err != nil {
		return err
	}
	if s.wantsJSON() {
		_, err = s.OutOrStdout().Write(data)
	} else {
		err = printExplanation(newScreen(s.OutOrStdout()), &view, flagText(s.Command, "all") == "true")
	}
	if err == nil && !view.MayHit {
		return s.exit(2)
	}
	return err
}

func printExplanation(scr *screen, v *api.ExplainView, all bool) error {
	c := green
	if v.MayHit {
		c = amber
	}
	fmt.Fprintln(scr, scr.paint(c, grammar.Printable(v.Answer)))
	for _, note := range v.Notes {
		fmt.Fprintln(scr, grammar.Printable("Note: "+note+"."))
	}
	g := &grid{columns: []column{{title: "POINT"}, {title: "RULE"}, {title: "VERDICT"}, {title: "BY"}, {title: "WHY"}}}
	hidden := 0
	for _, p := range v.Points {
		title := rules.Title(p.Site, p.Point)
		switch {
		case p.Error != "":
			g.add(title, "-", "passes", "match", p.Error)
		case !p.Match && !all:
			hidden++
		case !p.Match:
			g.add(title, "-", "passes", "-", dash(p.Reason))
		case len(p.Rules) == 0:
			g.add(title, "-", "passes", "-", "the point has no rules")
		}
		for _, rule := range p.Rules {
			verdict := cell{text: verdictText(&rule)}
			if rule.Fires {
				verdict.color = amber
			}
			g.add(title, ruleText(&rule), verdict, dash(rule.Gate), dash(rule.Why))
		}
	}
	if len(g.rows) > 0 {
		fmt.Fprintln(scr)
		if err := g.print(scr); err != nil {
			return err
		}
	}
	return printHidden(scr, hidden)
}

// printHidden says how to list the points that do not match.
func printHidden(out io.Writer, n int) (err error) {
	switch n {
	case 0:
	case 1:
		_, err = fmt.Fprintln(out, "\n1 other point does not match. To list it, add --all.")
	default:
		_, err = fmt.Fprintf(out, "\n%d other points do not match. To list them, add --all.\n", n)
	}
	return err
}

func ruleText(v *rules.Verdict) string {
	switch {
	case v.Trigger != "":
		return v.Rule + " (" + v.Trigger + ")"
	case v.Experiment:
		return v.Rule + " (experiment)"
	default:
		return v.Rule
	}
}

func verdictText(v *rules.Verdict) string {
	switch {
	case !v.Fires:
		return "passes"
	case v.Gate != "":
		return "may hit"
	default:
		return "hits"
	}
}
