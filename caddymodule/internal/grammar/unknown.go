package grammar

import (
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// Errors for unknown words, and for lines in the wrong place.

// Settings lists the words of a rule that are not faults.
var Settings = []string{
	"match", "percent", "skip", "every", "over", "times", "lasts", "per", "max_keys", "start", "end", "follows", "cycle", "ramp", "max_active",
	"phase", "match_response", "health_checks", "dry_run", "observe",
}

// pointWords lists the words of a point that are not words of a rule.
var pointWords = []string{"point", "sticky", "seed", "halted", "cors", "rule", "trigger"}

// listedIn is the place of the manual.
const listedIn = "github.com/caddyfault/caddyfault/caddymodule/docs"

// fault is a line with a fault. Only errors need its text.
type fault struct {
	kind string
	at   caddyfile.Dispenser
}

// unknown returns the error for an unknown word at the beginning of a line.
func (p *RuleParser) unknown(d *caddyfile.Dispenser, word string) error {
	if advice := p.misplaced(d, word); advice != "" {
		return args.Advise(d, advice, "'%s' is not a line of a rule", word)
	}
	lines := p.meant(d, word)
	if len(lines) == 0 {
		lines = p.loadable(args.Corrected(d, "", words.Near(word, slices.Concat(Settings, faults.Kinds(), p.more, []string{PresetWord}))))
	}
	advice := words.Suggest(lines)
	if advice == "" {
		advice = "the settings are " + strings.Join(Settings, ", ") + "; the kinds of fault are " + strings.Join(faults.Kinds(), ", ") + "; see " + listedIn
	}
	return args.Advise(d, advice, "unknown word '%s'", word)
}

// loadable returns lines with examples in place of those that do not load.
func (p *RuleParser) loadable(lines []string) []string {
	return Short{BlockOnly: p.Place == faults.InTransport}.loadable(lines)
}

// misplaced returns where to write a line that is only known elsewhere, or "" for other
// lines.
func (p *RuleParser) misplaced(d *caddyfile.Dispenser, word string) string {
	if slices.Contains(words.Options(p.last.kind), word) {
		return "it is a line of the block of " + p.last.kind + block(args.Line(&p.last.at), args.Line(d))
	}
	switch {
	case word == "transport":
		return "it is a line of transport fault, in the block of reverse_proxy"
	case slices.Contains(pointWords, word) && d.File() == statementFile:
		return "it is a line of the directive fault"
	case slices.Contains(pointWords, word):
		return "it is a line of the point: write it before the rule blocks"
	case !slices.Contains(Settings, word) && len(words.Synonym(words.Rule, word)) == 0:
		if owners := words.OwnersOf(word); len(owners) > 0 {
			form, _ := words.FormOf(owners[0])
			if d.File() == statementFile && continues(owners[0], word) {
				return "it follows the fault: " + form.Example + "; " + args.Line(d)
			}
			return "it is a line of the block of " + strings.Join(owners, " and of ") + block(form.Example, args.Line(d))
		}
	}
	return ""
}

// block returns a line with a block, to copy.
func block(line string, inside ...string) string {
	line, _, _ = strings.Cut(line, " {")
	return ":\n\t" + line + " {\n\t\t" + strings.Join(inside, "\n\t\t") + "\n\t}"
}

var (
	isPercentage = regexp.MustCompile(`^[0-9.]+%$`).MatchString
	isDuration   = regexp.MustCompile(`^([0-9.]+(ns|us|µs|ms|s|m|h|d))+$`).MatchString
	isRate       = regexp.MustCompile(`^[0-9.]+[KMG]i?B/s$`).MatchString
)

// meant returns the lines that a word may mean. The word can be the value of a setting
// or fault without its name, or a word of another tool.
func (p *RuleParser) meant(d *caddyfile.Dispenser, word string) []string {
	switch {
	case status.LooksLike(word):
		return statusLines(d)
	case isPercentage(word):
		return p.loadable([]string{"percent " + word})
	case isDuration(word):
		return p.loadable([]string{"delay " + args.Line(d)})
	case isRate(word):
		return p.loadable([]string{"throttle " + word})
	case strings.HasPrefix(word, "/"), strings.HasPrefix(word, "@"):
		return []string{"match " + word}
	}
	places := []words.Place{words.Rule}
	if p.Place == faults.InTransport {
		places = []words.Place{words.Transport, words.Rule}
	}
	if len(p.more) > 0 {
		places = append(places, words.Point)
	}
	for _, place := range places {
		if lines := words.Synonym(place, word); lines != nil {
			return lines
		}
	}
	return nil
}

// statusLines returns the lines to write instead of a line that begins with a status.
func statusLines(d *caddyfile.Dispenser) []string {
	at := *d
	short := Short{Words: []caddyfile.Token{d.Token()}}
	short.Words = append(short.Words, TakeShort(&at, "", "").Words...)
	separator := "\n"
	if d.File() == statementFile {
		separator = "; "
	}
	if lines := flatten(short.lines()); lines != nil {
		return []string{strings.Join(lines, separator)}
	}
	return []string{"respond " + d.Val()}
}
