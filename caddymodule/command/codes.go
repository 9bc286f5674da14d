package command

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
)

func codesCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "codes [<code>|<family>|<text>] [--json]",
		Short: "Lists the catalogue of status codes",
		Long: `
Lists the status codes that have a name, each as it is written in the directive:
all of them, those of one number, those of one family such as smtp, or those
with a text in their name. A number alone means the first one of that number.`,
		Example: `  caddy fault codes 551
  caddy fault codes smtp
  caddy fault codes timeout`,
		Args: cobra.MaximumNArgs(1),
		RunE: inSession(cmdCodes),
	})
}

func cmdCodes(s *session) error {
	data, err := s.ask(http.MethodGet, "/codes", nil)
	if err != nil {
		return err
	}
	var catalogue api.CodeList
	if err := readAnswer(data, &catalogue); err != nil {
		return err
	}
	if len(s.args) > 0 {
		wanted := s.args[0]
		catalogue.Codes = slices.DeleteFunc(catalogue.Codes, func(c api.CodeView) bool { return !isMeant(&c, wanted) })
		if len(catalogue.Codes) == 0 {
			return fmt.Errorf("no status code '%s': it is no code, no family, and in no name", wanted)
		}
	}
	if s.wantsJSON() {
		return api.Encode(s.OutOrStdout(), catalogue)
	}
	return printCodes(s.OutOrStdout(), catalogue.Codes)
}

// isMeant reports whether somebody may mean this code by a text.
func isMeant(c *api.CodeView, text string) bool {
	return text == strconv.Itoa(c.Code.Code) || strings.EqualFold(text, c.Text) || strings.EqualFold(text, c.Family) ||
		strings.Contains(strings.ToLower(c.Name), strings.ToLower(text))
}

func printCodes(out io.Writer, views []api.CodeView) error {
	t := newTable(out, "CODE", "FAMILY", "NAME", "SOURCE")
	for _, c := range views {
		t.row(c.Text, c.Family, c.Name, c.Source)
	}
	return t.Flush()
}
