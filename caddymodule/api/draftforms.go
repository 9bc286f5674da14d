package api

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// run returns the command that starts the experiment of a draft, or "" if one line cannot
// express its rule.
func (asked *DraftRequest) run(rule *rules.Rule, e *experiments.Experiment) string {
	line := grammar.Format(caddyconfig.JSON(rule, nil))
	if !grammar.ReadsAs(line, rule) {
		return ""
	}
	words := []string{"caddy", "fault", "run"}
	add := func(flag, value string) {
		if value != "" {
			words = append(words, flag, shellWord(value))
		}
	}
	add("--name", asked.Name)
	if e.TTL != nil {
		add("--ttl", time.Duration(*e.TTL).String())
	}
	for _, point := range asked.Points {
		add("--point", point)
	}
	add("--note", asked.Note)
	return strings.Join(append(words, shellWord(line)), " ")
}

// isShellWord matches texts that a shell takes as they are.
var isShellWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+,-]+$`).MatchString

// shellWord returns a text as one word of a POSIX shell.
func shellWord(text string) string {
	if isShellWord(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// caddyfile returns the rule of a draft in a directive for each of its points, or in the
// transport of a proxy. It returns "" if a Caddyfile would read the rule as another one,
// as with a text that looks like a variable of the environment.
func (asked *DraftRequest) caddyfile(rule *rules.Rule) string {
	lines, err := grammar.Lines(asked.Rule)
	if err != nil || strings.Contains(lines, "{$") || !grammar.ReadsAs(lines+"\n# a line of a block", rule) {
		return ""
	}
	if asked.Name != "" {
		lines = "rule " + asked.Name + " {\n" + strings.TrimRight(lines, "\r\n") + "\n}"
	}
	var blocks []string
	for _, point := range asked.directives() {
		head := "fault {\n"
		if rule.InTransport() {
			head = "transport fault {\n"
		}
		if point != "" {
			head += "point " + point + "\n"
		}
		blocks = append(blocks, head+lines+"\n}")
	}
	return string(caddyfile.Format([]byte(strings.Join(blocks, "\n\n"))))
}

// directives returns the points for which a directive is needed. The empty name is a
// directive without one.
func (asked *DraftRequest) directives() []string {
	if len(asked.Points) == 0 || slices.Contains(asked.Points, experiments.Everywhere) {
		return []string{""}
	}
	return asked.Points
}
