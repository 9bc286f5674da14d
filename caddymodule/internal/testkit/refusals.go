package testkit

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// A file with refusalsExt is an archive of Caddyfiles that do not adapt. Its format is
// that of txtar: a comment on the subject, and then for each case
//
//	-- <name> --
//	the Caddyfile
//	-- <name>.error --
//	the error
//
// A file with warningsExt is an archive of Caddyfiles that load with warnings. The
// warnings are in the members <name>.warnings.
//
// To add a case, write the member <name>. TestGolden or TestWarnings with -update adds
// the other member. A Caddyfile that contains such a line, a CR, a NUL or a BOM needs a
// separate file.
const (
	refusalsExt = ".refusals.txtar"
	warningsExt = ".warnings.txtar"
)

// secondHalf returns the suffix of the members that hold results in an archive. It is
// empty for a file that is not an archive.
func secondHalf(file string) string {
	switch {
	case strings.HasSuffix(file, refusalsExt):
		return ".error"
	case strings.HasSuffix(file, warningsExt):
		return ".warnings"
	default:
		return ""
	}
}

var memberLine = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

// readRefusals parses an archive file.
func readRefusals(t testing.TB, file string) (comment string, cases []Golden) {
	t.Helper()
	comment, cases, err := parseRefusals(readFile(t, file), secondHalf(file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for i := range cases {
		cases[i].Path = file
	}
	return comment, cases
}

// parseRefusals parses the text of an archive.
func parseRefusals(content, second string) (comment string, cases []Golden, err error) {
	lines := memberLine.FindAllStringSubmatchIndex(content, -1)
	if len(lines) == 0 {
		return "", nil, errors.New("no case: want a line such as '-- name --'")
	}
	comment = content[:lines[0][0]]
	if strings.TrimSpace(comment) == "" {
		return "", nil, errors.New("no comment: begin with one that says what the cases are about")
	}
	for i, line := range lines {
		end := len(content)
		if i+1 < len(lines) {
			end = lines[i+1][0]
		}
		member, text := content[line[2]:line[3]], content[line[1]:end]
		name, isError := strings.CutSuffix(member, second)
		last := len(cases) - 1
		switch {
		case !isError:
			cases = append(cases, Golden{Name: name, Caddyfile: strings.TrimSuffix(text, "\n")})
		case last < 0 || cases[last].Name != name || cases[last].Want != "":
			return "", nil, fmt.Errorf("%s does not follow %s", member, name)
		default:
			cases[last].Want = strings.TrimSpace(text)
		}
	}
	return comment, cases, nil
}

// formatRefusals formats an archive.
func formatRefusals(comment string, cases []Golden, second string) string {
	texts := make([]string, 0, len(cases))
	for _, g := range cases {
		texts = append(texts, fmt.Sprintf("-- %[1]s --\n%s\n-- %[1]s%[4]s --\n%[3]s\n", g.Name, g.Caddyfile, g.Want, second))
	}
	return comment + strings.Join(texts, "\n")
}
