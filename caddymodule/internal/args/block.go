package args

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// The functions below parse lines and blocks. Their errors say what is wrong, where,
// and what to write. A parameter name is the name of a form in package words.

// Advise returns an error that says what is wrong at d, then where that is, and then
// what to write instead. It cuts long words.
func Advise(d *caddyfile.Dispenser, advice, format string, values ...any) error {
	for i, value := range values {
		if word, isWord := value.(string); isWord {
			values[i] = words.Cut(word, words.MaxWord)
		}
	}
	err := d.Errf(format, values...)
	if advice == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, words.Cut(advice, words.MaxAdvice))
}

// Missing returns the error for a line with too few arguments.
func Missing(d *caddyfile.Dispenser, name string) error {
	return Advise(d, words.Usage(name), "%s: an argument is missing", shown(name))
}

// Unexpected returns the error for a line with too many arguments.
func Unexpected(d *caddyfile.Dispenser, name, arg string) error {
	return Advise(d, words.Usage(name), "unexpected argument '%s' of %s", arg, shown(name))
}

// shown returns the name of a form for an error.
func shown(name string) string { return strings.TrimPrefix(name, string(words.Global)+" ") }

// Count returns the error for a line with too few or too many arguments, after AllArgs
// has failed on d.
func Count(d *caddyfile.Dispenser, name string) error {
	if d.NextArg() {
		return Unexpected(d, name, d.Val())
	}
	return Missing(d, name)
}

// WordOnly parses a kind that consists of its name.
func WordOnly(d *caddyfile.Dispenser) error {
	d.Next()
	name := d.Val()
	if err := None(d, name); err != nil {
		return err
	}
	return NoBlock(d, name)
}

// NoBlock refuses a block after a kind that does not have a block.
func NoBlock(d *caddyfile.Dispenser, name string) error {
	if d.NextBlock(0) {
		return Advise(d, words.Usage(name), "%s has no block, and '%s' is in one", name, d.Val())
	}
	return nil
}

// Options parses the lines of a block. Each option may occur once, except those named in
// repeatable, separated by spaces.
func Options(d *caddyfile.Dispenser, repeatable string, parse func(name string) error) error {
	seen, repeats := make(map[string]bool), strings.Fields(repeatable)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if seen[name] && !slices.Contains(repeats, name) {
			return d.Errf("%s already specified", name)
		}
		seen[name] = true
		if err := parse(name); err != nil {
			return err
		}
	}
	return nil
}

// UnknownOption returns the error for the current word of d in the block of owner.
func UnknownOption(d *caddyfile.Dispenser, owner string) error {
	options := words.Options(owner)
	advice := words.Suggest(words.Synonym(words.Place(owner), d.Val()))
	if advice == "" {
		advice = words.Suggest(Corrected(d, owner, words.Near(d.Val(), options)))
	}
	if advice == "" {
		advice = "the options are " + strings.Join(options, ", ")
		if len(options) == 1 {
			advice = "the only option is " + options[0]
		}
	}
	if owner == string(words.Global) {
		owner = "the global option fault"
	}
	return Advise(d, advice, "unknown option '%s' of %s", d.Val(), owner)
}

// Corrected returns the current line of d with another first word, once for each of
// names. The result is an example instead if the line has no arguments, is long, or may
// contain a key. If owner is not empty, names are options of owner.
func Corrected(d *caddyfile.Dispenser, owner string, names []string) []string {
	at := *d
	rest := Words(at.RemainingArgs())
	lines := slices.Clone(names)
	for i, name := range names {
		form, known := words.FormOf(strings.TrimSpace(owner + " " + name))
		switch {
		case rest != "" && len(rest) <= maxEcho && owner != string(words.Trigger):
			lines[i] = name + " " + rest
		case known && !strings.Contains(form.Example, "\n"):
			lines[i] = form.Example
		}
	}
	return lines
}

// Line returns the current line of d, without its block.
func Line(d *caddyfile.Dispenser) string {
	at := *d
	return Words(append([]string{at.Val()}, at.RemainingArgs()...))
}

// maxEcho is the maximum length of arguments that an error repeats.
const maxEcho = 60

// Words formats arguments as in a line.
func Words(values []string) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i], _ = Quote(value)
	}
	return strings.Join(quoted, " ")
}

// Text stores the single argument of an option, which may be empty.
func Text(d *caddyfile.Dispenser, name string, target *string) error {
	if !d.AllArgs(target) {
		return Count(d, name)
	}
	return nil
}

// One stores the single argument of an option, and refuses an empty one.
func One(d *caddyfile.Dispenser, name string, target *string) error {
	option := d.Val()
	if err := Text(d, name, target); err != nil {
		return err
	}
	if *target == "" {
		return d.Errf("%s '' is empty: leave it out for the default", option)
	}
	return nil
}

// None refuses arguments after a word without arguments.
func None(d *caddyfile.Dispenser, name string) error {
	if d.NextArg() {
		return Unexpected(d, name, d.Val())
	}
	return nil
}
