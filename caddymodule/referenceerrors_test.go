package caddymodule

import (
	"cmp"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

const errorsIntro = `# Errors and warnings

The messages about faults in a configuration, each with lines that cause it.
Search for the part of your message without names and numbers.
For what happens while Caddy runs, see [Troubleshooting](../howto/troubleshooting.md).

Caddy puts the directive before the message. The file and line come after it, and then what to write:
`

const errorsExample = `Error: adapting config using caddyfile: parsing caddyfile tokens for 'fault':
the message, at Caddyfile:3: what to write`

// errorArea is a section of the page. It has one archive, or all archives whose names
// begin with a word.
type errorArea struct {
	archive string // the file name; a star matches any text
	title   string // %s is the text matched by the star
	page    string // the page on the subject
}

// errorAreas lists the sections in order. An archive without a section fails the test.
var errorAreas = []errorArea{
	{"directive", "The directive", "directive.md"},
	{"matcher", "The matcher of the directive", "directive.md"},
	{"status", "The short form with a status", "directive.md"},
	{"short", "The short form with a fault", "directive.md"},
	{"point", "Settings of a point", "directive.md"},
	{"setting_point", "Settings of a point", "directive.md"},
	{"rule", "Rules", "directive.md"},
	{"rules", "Rules", "directive.md"},
	{"words", "Words of other tools and typing errors", "directive.md"},
	{"match", "Setting `match`", "rule-settings.md"},
	{"match_response", "Setting `match_response`", "rule-settings.md"},
	{"setting_*", "Setting `%s`", "rule-settings.md"},
	{"kind_*", "Fault `%s`", "kinds/%s.md"},
	{"preset", "Presets", "presets.md"},
	{"trigger", "Triggers", "triggers.md"},
	{"transport", "The transport", "transport.md"},
	{"global", "The global option", "global-option.md"},
	{"global_set", "Sets of experiments", "global-option.md"},
	{"sets", "Sets of experiments", "global-option.md"},
	{"admin", "The admin endpoint", "experiments.md"},
	{"console", "The console", "console.md"},
	{"places", "The place among the routes", "directive.md"},
}

// errorNotes has notes for errors that need an explanation. The key is a part of the
// message.
var errorNotes = map[string]string{
	"Unexpected next token after '{'":  "Write each statement of a block on a separate line.",
	"unknown matcher 'colour'":         "Caddy has no module of this name. Check the spelling, or build Caddy with the module.",
	"been stripped from the path":      "`handle_path` and `uri strip_prefix` shorten the path before the point sees it.",
	"no request reaches point":         "A handler before the point ends each request. Move the point up, or write `order fault first`.",
	"every client that reaches":        "See [Safety](../explanation/safety.md).",
	"evaluated placeholder":            "Set the variable in the environment of Caddy before it loads the file.",
	"want 16 or more":                  "Make a key with `openssl rand -hex 16`.",
	"health_checks is only allowed in": "Move the rule into a [transport](transport.md).",
}

// everyLine has the errors that each setting and fault may have: they are listed once on
// the page, and not with every subject.
var everyLine = []struct{ part, written, note string }{
	{"already specified", "`percent 1`<br>`percent 2`", "Delete one of the two lines."},
	{"an argument is missing", "`percent`", "Add the argument. The message shows how to write the line."},
}

func isOfEveryLine(text string) bool {
	return slices.ContainsFunc(everyLine, func(one struct{ part, written, note string }) bool {
		return strings.HasSuffix(text, one.part) || strings.HasPrefix(text, one.part)
	})
}

// message is an error or warning, and the Caddyfile that causes it.
type message struct{ text, caddyfile string }

// errorsPage returns the page of errors and warnings, generated from the archives.
func errorsPage(t *testing.T) string {
	var m referencePage
	m.WriteString(generated + errorsIntro)
	m.Block("text", errorsExample)
	refusals, warnings := archives(t, ".refusals.txtar"), archives(t, ".warnings.txtar")
	for i := range warnings {
		warnings[i].title = "Warnings: " + strings.ToLower(warnings[i].title[:1]) + warnings[i].title[1:]
	}
	atRunTime := []archive{{errorArea: errorArea{title: triggerErrorsTitle}}, {errorArea: errorArea{title: apiErrorsTitle}}}
	m.contents(slices.Concat(refusals, atRunTime, warnings))
	m.Printf("## Every line\n")
	var rows [][]string
	for _, one := range everyLine {
		rows = append(rows, []string{manual.Code("… " + one.part + " …"), one.written, one.note})
	}
	m.Table([]string{"Message", "Written", "What to do"}, rows)
	for _, area := range refusals {
		m.area(area)
		m.refused(messagesIn(area.cases))
	}
	m.triggerErrors(t)
	m.apiErrors(t)
	for _, area := range warnings {
		m.area(area)
		m.warned(messagesIn(area.cases))
	}
	return m.Text()
}

// contents writes the links to the sections. Sections that begin with the same word
// share a line.
func (m *referencePage) contents(areas []archive) {
	m.Printf("## Subjects\n")
	lines := make(map[string][]string)
	var order []string
	for _, area := range areas {
		word, name, _ := strings.Cut(area.title, " ")
		if !strings.HasPrefix(name, "`") {
			word, name = area.title, area.title
		}
		if lines[word] == nil {
			order = append(order, word)
		}
		lines[word] = append(lines[word], "["+name+"]("+anchorOf(area.title)+")")
	}
	for _, word := range order {
		line := strings.Join(lines[word], ", ")
		if !strings.Contains(line, "["+word+"]") {
			line = word + "s: " + line
		}
		m.Printf("- %s", line)
	}
	m.Printf("")
}

func (m *referencePage) area(a archive) {
	m.Printf("## %s\n", a.title)
	if a.page != "" {
		m.Printf("See [%s](%s).\n", a.page, a.page)
	}
}

// refused writes a row for each message, so that readers can search and see all
// messages of a subject.
func (m *referencePage) refused(messages []message) {
	var rows [][]string
	var notes []string
	for _, one := range messages {
		text, advice, at := cutPlace(one.text)
		rows = append(rows, []string{manual.Code(text), codeLines(causeOf(one.caddyfile, at)), codeLines(strings.Split(advice, "\n"))})
		for part, note := range errorNotes {
			if line := "- `" + part + "`: " + note; strings.Contains(one.text, part) && !slices.Contains(notes, line) {
				notes = append(notes, line)
			}
		}
	}
	heads := []string{"Message", "Written", "Answer"}
	if !slices.ContainsFunc(rows, func(row []string) bool { return row[2] != "" }) {
		heads = heads[:2]
		for i := range rows {
			rows[i] = rows[i][:2]
		}
	}
	m.Table(heads, rows)
	slices.Sort(notes)
	m.Printf("%s\n", strings.Join(notes, "\n"))
}

// codeLines returns lines as code in one cell.
func codeLines(lines []string) string {
	var cells []string
	for _, line := range lines {
		if line = strings.ReplaceAll(strings.TrimPrefix(line, "\t"), "\t", "  "); line != "" {
			cells = append(cells, manual.Code(line))
		}
	}
	return strings.Join(cells, "<br>")
}

// warned writes a block for each message, because several lines together cause a
// warning.
func (m *referencePage) warned(messages []message) {
	for i, one := range messages {
		m.Printf("**%s**\n", manual.Code(withoutPlace(one.text)))
		for part, note := range errorNotes {
			if strings.Contains(one.text, part) {
				m.Printf("%s\n", note)
			}
		}
		if i+1 < len(messages) && messages[i+1].caddyfile == one.caddyfile {
			continue // the next message shows the block
		}
		m.Block("text", one.caddyfile)
	}
}

// archive has the cases of a subject.
type archive struct {
	errorArea

	cases []testkit.Golden
}

// archives reads all archives with this extension below the folder, as sections of the
// page.
func archives(t *testing.T, ext string) (all []archive) {
	t.Helper()
	ranks := make(map[string]int)
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		name, found := strings.CutSuffix(filepath.Base(path), ext)
		if err != nil || !found {
			return err
		}
		rank := slices.IndexFunc(errorAreas, func(a errorArea) bool {
			matches, _ := filepath.Match(a.archive, name)
			return matches
		})
		if rank < 0 {
			t.Fatalf("%s: errorAreas has no section for this file", path)
		}
		a := archive{errorArea: errorAreas[rank]}
		subject := strings.TrimPrefix(name, strings.TrimSuffix(a.archive, "*"))
		a.title, a.page = strings.ReplaceAll(a.title, "%s", subject), strings.ReplaceAll(a.page, "%s", subject)
		for _, g := range testkit.Goldens(t, filepath.Dir(path), "*") {
			if g.Path == path {
				a.cases = append(a.cases, g)
			}
		}
		if i := slices.IndexFunc(all, func(other archive) bool { return other.title == a.title }); i >= 0 {
			all[i].cases = append(all[i].cases, a.cases...)
			return nil
		}
		ranks[a.title] = rank
		all = append(all, a)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(all, func(a, b archive) int {
		return cmp.Or(cmp.Compare(ranks[a.title], ranks[b.title]), cmp.Compare(a.title, b.title))
	})
	return all
}

// kindsCut returns a message with the list of all kinds shortened.
func kindsCut(text string) string {
	return strings.NewReplacer("<kinds>", "…", strings.Join(faults.Kinds(), ", "), "…").Replace(text)
}

// directiveIn matches the text that Caddy puts before a message. nestedIn matches the
// place that it adds to a message with a place, for a directive in another one. varying
// matches the parts of a message that differ between cases: names, numbers and kinds of
// fault.
var (
	directiveIn = regexp.MustCompile(`^(?:parsing caddyfile tokens for '\w+': )+`)
	nestedIn    = regexp.MustCompile(`(?s)(, at Caddyfile:\d+.*), at Caddyfile:\d+$`)
	varying     = regexp.MustCompile(`'[^']*'|\d+|\b(?:` + strings.Join(faults.Kinds(), "|") + `)\b`)
)

// messagesIn returns the messages of the cases. Messages that differ only in names and
// numbers are listed once.
func messagesIn(cases []testkit.Golden) (all []message) {
	seen := make(map[string]bool)
	for _, g := range cases {
		texts := []string{g.Want}
		if strings.HasSuffix(g.Path, ".warnings.txtar") {
			texts = strings.Split(strings.TrimSpace(g.Want), "\n")
		}
		for _, text := range texts {
			text = nestedIn.ReplaceAllString(directiveIn.ReplaceAllString(text, ""), "$1")
			if form := varying.ReplaceAllString(text, "…"); text != "" && !seen[form] && !isOfEveryLine(withoutPlace(text)) {
				seen[form] = true
				all = append(all, message{kindsCut(text), g.Caddyfile})
			}
		}
	}
	return all
}

var placeIn = regexp.MustCompile(`(?s)^(?:Caddyfile:(\d+): )?(.*?)(?:, at Caddyfile:(\d+)(?:[:;]? ?(.*)))?$`)

func withoutPlace(text string) string {
	message, _, _ := cutPlace(text)
	return message
}

// cutPlace splits a message into the text, the advice and the line. The line is 0 if
// the message has none.
func cutPlace(text string) (message, advice string, line int) {
	found := placeIn.FindStringSubmatch(text)
	line, _ = strconv.Atoi(cmp.Or(found[1], found[3]))
	return found[2], found[4], line
}

// maxCause limits the lines of a Caddyfile in a cell.
const maxCause = 8

// causeOf returns the lines of a Caddyfile that cause an error: the lines up to the
// place in the message, without surrounding blocks that do not matter.
func causeOf(caddyfile string, at int) []string {
	lines := strings.Split(strings.TrimRight(caddyfile, "\n"), "\n")
	end := len(lines)
	if at > 0 && at <= len(lines) {
		end = endOfStatement(lines, at)
	}
	begin := 0
	for _, wrapper := range []string{":8080 {", "{", "reverse_proxy 127.0.0.1:9000 {", "transport fault {", "fault {"} {
		if begin < end-1 && strings.TrimSpace(lines[begin]) == wrapper {
			begin++
		}
	}
	if at > 0 && end-begin > maxCause {
		begin = end - maxCause
	}
	depth := 0
	var cause []string
	for _, line := range lines[begin:end] {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if line == "}" {
			depth--
		}
		if depth < 0 { // the end of a block whose beginning was cut off
			depth = 0
			continue
		}
		cause = append(cause, strings.Repeat("  ", depth)+line)
		if strings.HasSuffix(line, "{") {
			depth++
		}
	}
	return cause
}

// endOfStatement returns the index after the statement of a line, including its block.
func endOfStatement(lines []string, at int) int {
	depth := 0
	for i := at - 1; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if strings.HasSuffix(line, "{") {
			depth++
		}
		if line == "}" {
			depth--
		}
		if depth <= 0 {
			return i + 1
		}
	}
	return len(lines)
}
