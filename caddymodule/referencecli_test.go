package caddymodule

import (
	"regexp"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
)

// exitCodes lists the exit codes that only some commands have. No library knows them.
var exitCodes = map[string][][]string{
	"verify":  {{"2", "The assertion does not hold."}},
	"clients": {{"2", "The assertion does not hold, or there is too little evidence to tell."}},
	"explain": {{"2", "No fault can hit the request."}},
	"plan": {
		{"2", "An expectation, a check or a command has failed."},
		{"3", "The baseline did not hold. Nothing was injected."},
		{"4", "A condition has ended the plan."},
		{"5", "A halt or a restart of Caddy has ended the plan."},
		{"128 + *n*", "Signal *n* has ended the plan."},
	},
	"import": {{"2", "Something is left out. With `--strict`: or approximate."}},
	"run": {
		{"*n*", "With a command: the exit code of the command."},
		{"126", "The command cannot be run."},
		{"127", "The command does not exist."},
		{"128 + *n*", "Signal *n* ended the command."},
	},
}

const cliIntro = `# Command line

` + "`caddy fault`" + ` controls a running Caddy through its [admin API](https://caddyserver.com/docs/api).
For the requests that the commands send, see the [API](api.md).
`

// cliPage returns the reference of `caddy fault`, from its commands.
func cliPage(t *testing.T) string {
	registered, ok := caddycmd.Commands()["fault"]
	if !ok {
		t.Fatal("there is no command fault")
	}
	root := &cobra.Command{Use: "caddy"}
	top := &cobra.Command{Use: registered.Name, Short: registered.Short, Long: registered.Long}
	root.AddCommand(top)
	registered.CobraFunc(top)

	var m referencePage
	m.WriteString(generated + cliIntro)
	m.Printf("\n## Commands\n")
	for _, group := range top.Groups() {
		m.commands(group, top.Commands())
	}
	m.Printf("## Flags of all commands\n")
	m.Table(flagHead, flagRows(top.PersistentFlags()))
	m.Printf("If you give neither `--address` nor `--config`, the environment variable `CADDY_FAULT_ADDRESS` has the address.")
	m.Printf("Without the variable, Caddy's variable `CADDY_ADMIN` has it.")
	m.Printf("Without both the address is `localhost:2019`.")
	m.Printf("A Unix socket is written `unix//run/caddy.sock` or `unix:///run/caddy.sock`.\n")
	m.Printf("A shell completes points, rules, experiments and kinds of fault from the running Caddy.")
	m.Printf("To set it up, see `caddy completion --help`.\n")
	m.Printf("## Exit codes of all commands\n")
	m.Table(codeHead, [][]string{{"0", "The command worked."}, {"1", "The command failed. The reason is on standard error."}})
	m.Printf("`verify`, `clients`, `explain`, `import`, `plan` and `run` have more, listed with the command.\n")
	for _, cmd := range top.Commands() {
		if isListed(cmd) {
			m.command(cmd)
		}
	}
	return m.Text()
}

var (
	flagHead = []string{"Flag", "Meaning", "Default"}
	codeHead = []string{"Exit code", "Meaning"}
)

// commands writes the table of a group of commands.
func (m *referencePage) commands(group *cobra.Group, all []*cobra.Command) {
	var rows [][]string
	for _, cmd := range all {
		if cmd.GroupID == group.ID && isListed(cmd) {
			rows = append(rows, []string{"[" + cmd.Name() + "](" + anchorOf(cmd.CommandPath()) + ")", manual.Prose(manual.Sentence(cmd.Short))})
		}
	}
	m.Printf("### %s\n", group.Title)
	m.Table([]string{"Command", "What it does"}, rows)
}

// isListed reports whether the page has a command. It leaves out what cobra adds.
func isListed(cmd *cobra.Command) bool { return cmd.IsAvailableCommand() && cmd.Name() != "help" }

// command writes the section of a command.
func (m *referencePage) command(cmd *cobra.Command) {
	m.Printf("## %s\n", cmd.CommandPath())
	m.Printf("%s", manual.Prose(manual.Sentence(cmd.Short)))
	m.Block("text", wrapUsage("caddy fault "+cmd.Use))
	if cmd.Example != "" {
		m.Printf("%s", map[bool]string{true: "Examples:", false: "Example:"}[strings.Contains(strings.TrimSpace(cmd.Example), "\n")])
		m.Block("sh", unindent(cmd.Example))
	}
	if cmd.Long != "" {
		for _, paragraph := range manual.Paragraphs(cmd.Long) {
			m.Printf("%s\n", paragraph)
		}
	}
	m.Table(flagHead, flagRows(cmd.LocalFlags()))
	m.Table(codeHead, exitCodes[cmd.Name()])
}

// usageWidth is how many bytes of a usage line fit a page.
const usageWidth = 90

var usageWord = regexp.MustCompile(`\[[^\[\]]*(?:\[[^\]]*\][^\[\]]*)*\](?:\.\.\.)?|--\S+ <\S+|\S+`)

// wrapUsage breaks a long usage line between its parts.
func wrapUsage(usage string) string {
	var out strings.Builder
	width := 0
	for _, word := range usageWord.FindAllString(usage, -1) {
		switch {
		case width == 0:
		case width+1+len(word) > usageWidth:
			out.WriteString("\n    ")
			width = 4
		default:
			out.WriteByte(' ')
			width++
		}
		out.WriteString(word)
		width += len(word)
	}
	return out.String()
}

// unindent removes the indent of an example.
func unindent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

var defaultInUsage = regexp.MustCompile(` ?\(default ([^)]*)\)`)

// flagRows returns a row for each flag. A default in the text of the usage moves to a
// separate column.
func flagRows(flags *pflag.FlagSet) (rows [][]string) {
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden || flag.Name == "help" {
			return
		}
		name := manual.Code("--" + flag.Name)
		if flag.Shorthand != "" {
			name = manual.Code("-"+flag.Shorthand) + ", " + name
		}
		usage, standard := flag.Usage, ""
		if found := defaultInUsage.FindStringSubmatch(usage); found != nil {
			usage, standard = strings.Replace(usage, found[0], "", 1), found[1]
		} else if value := flag.DefValue; value != "" && value != "[]" && value != "false" && value != "0" {
			standard = manual.Code(value)
		}
		meaning := manual.Prose(manual.Sentence(usage))
		if strings.HasSuffix(flag.Value.Type(), "Array") || strings.HasSuffix(flag.Value.Type(), "Slice") {
			meaning += " Repeatable."
		}
		rows = append(rows, []string{name, meaning, manual.Prose(standard)})
	})
	return rows
}
