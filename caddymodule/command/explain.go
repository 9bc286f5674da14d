package command

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

func explainCommand() *cobra.Command {
	cmd := jsonFlag(&cobra.Command{
		Use:   "explain <url> [-X <method>] [-H '<name>: <value>']... [-d <body>] [--json]",
		Short: "Show which faults would hit a request, and why others would not",
		Long: `
Caddy follows the request through the routes of the running configuration. The
first line says what happens to the request. The table lists the rules in the
order in which Caddy tries them. VERDICT says whether a rule would hit the
request, and WHY says why not. A trigger in the request comes before the rules.

No request is sent and nothing is counted. If something depends on the real
request, the output says so.

The exit code is 0 if a fault may hit the request, and 2 if none can.`,
		Example: "  caddy fault explain https://example.com/api/x -X POST -H 'X-User: ann'",
		Args:    cobra.ExactArgs(1),
		RunE:    inSession(cmdExplain),
	})
	cmd.Flags().StringP("method", "X", "", "Method (default GET, or POST with a body)")
	cmd.Flags().StringArrayP("header", "H", nil, "Header field, as 'Name: value'")
	cmd.Flags().StringP("data", "d", "", "The body")
	return cmd
}

func cmdExplain(s *session) error {
	asked := api.ExplainRequest{Method: flagText(s.Command, "method"), URL: s.args[0], Header: make(map[string]api.HeaderValues)}
	fields, _ := s.Flags().GetStringArray("header")
	for _, field := range fields {
		name, value, ok := strings.Cut(field, ":")
		if !ok {
			return fmt.Errorf("bad header '%s': want 'Name: value'", field)
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
		err = printExplanation(s.OutOrStdout(), &view)
	}
	if err == nil && !view.MayHit {
		return s.exit(2)
	}
	return err
}

func printExplanation(out io.Writer, v *api.ExplainView) error {
	fmt.Fprintln(out, v.Answer)
	for _, note := range v.Notes {
		fmt.Fprintln(out, "Note: "+note+".")
	}
	if len(v.Points) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	t := newTable(out, "POINT", "RULE", "VERDICT", "BY", "WHY")
	for _, p := range v.Points {
		title := rules.Title(p.Site, p.Point)
		switch {
		case p.Error != "":
			t.row(title, "", "passes", "match", p.Error)
		case !p.Match:
			t.row(title, "", "passes", "", p.Reason)
		case len(p.Rules) == 0:
			t.row(title, "", "passes", "", "the point has no rules")
		}
		for _, rule := range p.Rules {
			t.row(title, ruleText(&rule), verdictText(&rule), rule.Gate, rule.Why)
		}
	}
	return t.Flush()
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
