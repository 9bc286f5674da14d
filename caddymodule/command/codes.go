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
		Short: "List status codes and their names",
		Long: `
The list has all codes that have a name. Write the column CODE after 'fault' or
'respond'. The argument selects a number, a family such as smtp, or a text in the
names.

If several codes have the same number, the number alone means the first of them.`,
		Example: `  caddy fault codes 551
  caddy fault codes smtp
  caddy fault codes timeout`,
		Args: oneText,
		RunE: inSession(cmdCodes),
	})
}

func cmdCodes(s *session) error {
	data, err := s.ask(http.MethodGet, "/codes", nil)
	if err != nil {
		return err
	}
	var catalog api.CodeList
	if err := readAnswer(data, &catalog); err != nil {
		return err
	}
	if len(s.args) > 0 {
		wanted := s.args[0]
		catalog.Codes = slices.DeleteFunc(catalog.Codes, func(c api.CodeView) bool { return !isMeant(&c, wanted) })
		if len(catalog.Codes) == 0 {
			return fmt.Errorf("no status code, family or name matches '%s': list all with %s", wanted, s.again("codes"))
		}
	}
	if s.wantsJSON() {
		return api.Encode(s.OutOrStdout(), catalog)
	}
	return printCodes(s.OutOrStdout(), catalog.Codes)
}

// isMeant reports whether a text selects this code: its number, family or name.
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
