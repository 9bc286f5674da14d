package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/importer"
)

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import <file>... [--from <format>] [--site <address> [--upstream <address>]] [--strict] [--json]",
		Short: "Turn rules of another fault injector into a Caddyfile",
		Long: `
The command reads files of Istio, Envoy, Envoy Gateway, APISIX, Toxiproxy, WireMock,
Chaos Mesh or Dev Proxy, in YAML or JSON. It prints lines for a site of a Caddyfile.
With --site it prints a whole Caddyfile. It does not need a running Caddy.

A file is a path, a folder with files that end in .yaml, .yml or .json, or - for
standard input.

If a rule cannot be expressed in a Caddyfile, it is a comment in the output. A rule
never hits more requests than its source did. Notes are on standard error, one a
line:

  <file>:<line>: <path>: <kind>: <text>

The kinds are 'approximate', 'left out', 'elsewhere', 'skipped' and 'remark'.

The exit code is 0 if all rules are imported, and 2 if one is left out. With --strict
it is also 2 if one is approximate. If the files cannot be read or have no fault, the
exit code is 1 and the output is empty.`,
		Example: `  caddy fault import virtualservice.yaml
  curl -s localhost:8474/proxies | caddy fault import -
  caddy fault import mappings --site :8080 --upstream localhost:3000 > Caddyfile`,
		RunE: cmdImport,
	}
	cmd.Flags().String("from", "auto", "Format of the files, one of "+strings.Join(importer.FormatNames(), ", "))
	cmd.Flags().String("site", "", "Address of a site for the lines")
	cmd.Flags().String("upstream", "", "Address that the site forwards requests to")
	cmd.Flags().Bool("strict", false, "Exit with 2 if something is approximate")
	cmd.Flags().Bool("json", false, "Print the Caddyfile and the notes as JSON")
	_ = cmd.RegisterFlagCompletionFunc("from", cobra.FixedCompletions(append([]string{"auto"}, importer.FormatNames()...), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

func cmdImport(cmd *cobra.Command, args []string) error {
	s := &session{Command: cmd, args: args}
	if err := refuseEmpty(cmd); err != nil {
		return err
	}
	if len(args) == 0 {
		return errors.New("a file is required: caddy fault import virtualservice.yaml, or - for standard input")
	}
	o := importer.Options{From: flagText(cmd, "from"), Site: flagText(cmd, "site"), Upstream: flagText(cmd, "upstream"), Open: openBeside}
	if o.Upstream != "" && o.Site == "" {
		return fmt.Errorf("--upstream needs a site: add --site :8080")
	}
	for _, address := range []string{o.Site, o.Upstream} {
		if strings.ContainsAny(address, "{}\"`\\#\n") {
			return fmt.Errorf("bad address '%s': want a host and a port, such as :8080", address)
		}
	}
	files, err := readFiles(args, cmd.InOrStdin())
	if err != nil {
		return err
	}
	result, err := importer.Import(files, o)
	if err == nil {
		err = checkImported(result.Caddyfile, o.Site == "")
	}
	if err != nil {
		result.Caddyfile = ""
		s.printNotes(&result)
		return err
	}
	return s.printImported(&result)
}

// printImported prints the result and returns the exit code.
func (s *session) printImported(result *importer.Result) error {
	if s.wantsJSON() {
		if result.Notes == nil {
			result.Notes = []importer.Note{}
		}
		if err := api.Encode(s.OutOrStdout(), result); err != nil {
			return err
		}
	} else {
		s.printNotes(result)
		if err := writeLines(s.OutOrStdout(), result.Caddyfile); err != nil {
			return err
		}
		s.hint(importSummary(result))
	}
	if result.Count(importer.LeftOut) > 0 || flagText(s.Command, "strict") == "true" && result.Count(importer.Approximate) > 0 {
		return s.exit(2)
	}
	return nil
}

func (s *session) printNotes(result *importer.Result) {
	for _, note := range result.Notes {
		s.PrintErrln(note.String())
	}
}

// importSummary returns the last line of the notes.
func importSummary(result *importer.Result) string {
	text := fmt.Sprintf("%d rules", result.Rules)
	if result.Rules == 1 {
		text = "1 rule"
	}
	var counts []string
	for _, kind := range []importer.NoteKind{importer.Approximate, importer.LeftOut, importer.Elsewhere, importer.Skipped} {
		if n := result.Count(kind); n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	if len(counts) > 0 {
		text += "; " + strings.Join(counts, ", ")
	}
	switch result.Others {
	case 0:
		return text
	case 1:
		return text + "; 1 other object"
	default:
		return fmt.Sprintf("%s; %d other objects", text, result.Others)
	}
}

// maxImport is how much of a file is read. The importer refuses larger files.
const maxImport = 17 << 20

// readFiles reads the files that the arguments name.
func readFiles(args []string, stdin io.Reader) ([]importer.File, error) {
	var files []importer.File
	for _, name := range args {
		names := []string{name}
		if info, err := os.Stat(name); name != "-" && err == nil && info.IsDir() {
			if names, err = filesOf(name); err != nil {
				return nil, err
			}
		}
		for _, name := range names {
			file, err := readImport(name, stdin)
			if err != nil {
				return nil, err
			}
			files = append(files, file)
		}
	}
	return files, nil
}

// filesOf returns the files of a folder, in order of name. Those of the folder mappings
// are also in folders within it, as in WireMock.
func filesOf(folder string) ([]string, error) {
	within := filepath.Base(filepath.Clean(folder)) == "mappings"
	var names []string
	err := fs.WalkDir(os.DirFS(folder), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && !within:
			return fs.SkipDir
		case !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			names = append(names, filepath.Join(folder, filepath.FromSlash(path)))
		}
		return nil
	})
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("the folder '%s' has no file that ends in .yaml, .yml or .json", folder)
	}
	return names, err
}

func readImport(name string, stdin io.Reader) (importer.File, error) {
	in := stdin
	if name == "-" {
		name = "stdin"
	} else {
		f, err := os.Open(name) //nolint:gosec // the user names it
		if err != nil {
			return importer.File{}, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxImport))
	return importer.File{Name: name, Data: data}, err
}

// openBeside reads a file in the folder of a source. A name that begins with ../ is
// relative to the folder above. Only the folder __files of WireMock may be further above.
// Other files of the machine are not read.
func openBeside(source, name string) ([]byte, error) {
	folder, above := filepath.Dir(source), 0
	for ; strings.HasPrefix(name, "../"); above++ {
		folder, name = filepath.Join(folder, ".."), name[len("../"):]
	}
	if strings.Contains(name, "..") || above > 1 && !strings.HasPrefix(name, "__files/") {
		return nil, fmt.Errorf("'%s' is outside of the folder of the source", name)
	}
	f, err := os.OpenInRoot(folder, filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxImport))
}

// maxChecked is how many bytes of output are loaded for a check.
const maxChecked = 1 << 20

// checkImported loads the output as Caddy would. An error is a mistake of the importer.
func checkImported(text string, bare bool) error {
	if len(text) > maxChecked {
		return nil // as many rules take minutes
	}
	if bare && !hasSites(text) {
		text = "http://:80 {\n" + text + "}\n"
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "imported"})
	if err == nil {
		var cfg caddy.Config
		if err = caddy.StrictUnmarshalJSON(config, &cfg); err == nil {
			err = validate(&cfg)
		}
	}
	if err != nil {
		return fmt.Errorf("the imported lines do not load, which is a mistake of this command: please report it with the file: %w", err)
	}
	return nil
}

// hasSites reports whether a Caddyfile of the importer has sites.
func hasSites(text string) bool {
	return strings.HasPrefix(text, "http://") || strings.Contains(text, "\nhttp://")
}

// validate provisions a configuration without a log.
func validate(cfg *caddy.Config) error {
	cfg.Admin = &caddy.AdminConfig{Disabled: true}
	cfg.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{
		caddy.DefaultLoggerName: {BaseLog: caddy.BaseLog{Level: "PANIC"}},
	}}
	return caddy.Validate(cfg)
}
