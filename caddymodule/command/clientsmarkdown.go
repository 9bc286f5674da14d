package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// printClientsMarkdown prints a report as Markdown, such as for the comment of a build.
func printClientsMarkdown(out io.Writer, v *api.ClientsView) error {
	page := newClientsPage(v)
	var text strings.Builder
	text.WriteString("# What clients did after a fault\n\n" + escaped(sentence(page.Summary)) + "\n")
	if page.Why != "" {
		text.WriteString("\n**The assertion does not hold:** " + escaped(page.Why) + "\n")
	}
	for _, hint := range page.Hints {
		text.WriteString("\n" + escaped(hint) + "\n")
	}
	markdownSections(&text, "Clients", "Client", page.Clients)
	markdownSections(&text, "Faults", "Fault", page.Periods)
	_, err := io.WriteString(out, text.String())
	return err
}

// markdownSections writes one table with the facts of all sections, and the findings of
// each.
func markdownSections(text *strings.Builder, title, kind string, sections []clientsSection) {
	if len(sections) == 0 {
		return
	}
	fmt.Fprintf(text, "\n## %s\n\n| %s", title, kind)
	for _, fact := range sections[0].Facts {
		text.WriteString(" | " + fact.Name)
	}
	text.WriteString(" |\n|" + strings.Repeat(" --- |", 1+len(sections[0].Facts)) + "\n")
	for i := range sections {
		text.WriteString("| " + escaped(sections[i].Name))
		for _, fact := range sections[i].Facts {
			text.WriteString(" | " + fact.Value)
		}
		text.WriteString(" |\n")
	}
	for i := range sections {
		fmt.Fprintf(text, "\n### %s\n\n| Level | Finding | Details |\n| --- | --- | --- |\n", escaped(sections[i].Name))
		for _, row := range sections[i].Rows {
			fmt.Fprintf(text, "| %s | %s | %s |\n", row.Level, escaped(strings.Join(row.Findings, ", ")), escaped(row.Text))
		}
		markdownProofs(text, sections[i].Rows)
	}
}

func markdownProofs(text *strings.Builder, rows []clientsRow) {
	for i := range rows {
		if len(rows[i].Proofs) == 0 {
			continue
		}
		fmt.Fprintf(text, "\nEvidence of %s:\n\n", escaped(strings.Join(rows[i].Findings, ", ")))
		for _, proof := range rows[i].Proofs {
			text.WriteString("- " + escaped(proof) + "\n")
		}
	}
}

// special are the characters that may mean something in Markdown.
var special = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "#", `\#`, "~", `\~`, "<", "&lt;", ">", "&gt;", "&", "&amp;",
	"@", "&#64;", "://", "&#58;//", // neither somebody is mentioned nor a link made
)

// escaped returns a text that Markdown shows as it is: a client chooses its name, and a
// path.
func escaped(text string) string { return special.Replace(grammar.Printable(text)) }
