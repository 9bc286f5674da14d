package command

import (
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
		Use:   "explain <url> [-X <method>] [-H '<name>: <value>']... [--json]",
		Short: "Tells which rules would hit a request, and why not",
		Long: `
Tells for each rule, in the order in which they are asked, whether it would hit
a request, and if not, why; and first, what would become of the trigger that the
request has. A matcher that fails, and lets the request fail, is told of at its
point. No request is sent and nothing is counted.`,
		Example: "  caddy fault explain https://example.com/api/x -X POST -H 'X-User: ann'",
		Args:    cobra.ExactArgs(1),
		RunE:    inSession(cmdExplain),
	})
	cmd.Flags().StringP("method", "X", "", "The method (default GET)")
	cmd.Flags().StringArrayP("header", "H", nil, "A header field, as 'Name: value'")
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
	return show(s, http.MethodPost, "/explain", asked, printExplanation)
}

func printExplanation(out io.Writer, v *api.ExplainView) error {
	if v.Halted {
		fmt.Fprint(out, "faults are halted: nothing is injected until they are resumed\n\n")
	}
	t := newTable(out, "POINT", "RULE", "VERDICT", "BY", "WHY")
	for _, p := range v.Points {
		title := rules.Title(p.Site, p.Point)
		switch {
		case p.Error != "":
			t.row(title, "", "passes", "match", p.Error)
		case !p.Match:
			t.row(title, "", "passes", "match", "the point is not for this request")
		case len(p.Rules) == 0:
			t.row(title, "", "passes", "", "there is no rule")
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
