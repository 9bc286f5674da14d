// Package args parses the arguments and blocks of Caddyfile lines, including sizes,
// rates and percentages, and formats such arguments. It has no notion of faults.
package args

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Parse parses each argument with the parser at its position. Their numbers must be
// equal. Errors use name, the setting, option or kind to which the arguments belong.
func Parse(d *caddyfile.Dispenser, name string, args []string, parsers ...func(string) error) error {
	switch {
	case len(args) < len(parsers):
		return Missing(d, name)
	case len(args) > len(parsers):
		return Unexpected(d, name, args[len(parsers)])
	}
	for i, parse := range parsers {
		if err := parse(args[i]); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// DurationParser returns a parser that stores a duration in target.
func DurationParser(target *caddy.Duration) func(string) error {
	return func(arg string) error {
		duration, err := caddy.ParseDuration(arg)
		if err != nil {
			return fmt.Errorf("bad duration '%s': want one such as 250ms or 2s", arg)
		}
		*target = caddy.Duration(duration)
		return nil
	}
}

// FormatStatus formats a status, or a digit that stands for a class: 503, or 5xx for 5.
func FormatStatus(code int) string {
	if code > 0 && code < 10 {
		return strconv.Itoa(code) + "xx"
	}
	return strconv.Itoa(code)
}

// FormatDuration formats a duration without trailing zero units: 10m, not 10m0s.
func FormatDuration(d caddy.Duration) string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// AboveZero returns a parser that stores a duration and refuses zero, because zero
// means the default.
func AboveZero(name string, target *caddy.Duration) func(string) error {
	return func(arg string) error {
		err := DurationParser(target)(arg)
		if err == nil && *target == 0 {
			return fmt.Errorf("bad %s '%s': want more than 0; leave it out for the default", name, arg)
		}
		return err
	}
}

// NumberParser returns a parser that stores a number. Errors use name for the number.
func NumberParser(name string, target *float64) func(string) error {
	return func(arg string) error {
		number, err := strconv.ParseFloat(arg, 64)
		if err != nil {
			return fmt.Errorf("bad %s '%s': want a number", name, arg)
		}
		*target = number
		return nil
	}
}

// FormatNumber formats a number without an exponent.
func FormatNumber(number float64) string { return strconv.FormatFloat(number, 'f', -1, 64) }

// Duration parses the single argument of an option. Errors use name for the option.
func Duration(d *caddyfile.Dispenser, name string, target *caddy.Duration) error {
	return Parse(d, name, d.RemainingArgs(), DurationParser(target))
}

// oddBackslash reports whether a backslash would escape the double quote after it. In a
// pair of backslashes, Caddy's lexer takes the second literally.
var oddBackslash = regexp.MustCompile(`(^|[^\\])(\\\\)*\\("|$)`).MatchString

// Quote formats a text as one word, in backticks or double quotes if necessary. It
// returns false if no word can represent the text.
func Quote(text string) (word string, ok bool) {
	bare := text != "" && !strings.ContainsAny(text, " \t\r\n;\"`\\#{}") && !strings.HasPrefix(text, "<<")
	placeholder := len(text) > 2 && strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") && !strings.ContainsAny(text, " \t;\"`\\")
	ok = !strings.ContainsAny(text, "\r\n\x00")
	switch {
	case bare || placeholder:
		return text, ok && !strings.ContainsFunc(text, unicode.IsSpace) // a space ends a bare word
	case !strings.Contains(text, "`"):
		return "`" + text + "`", ok
	default:
		return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`, ok && !oddBackslash(text)
	}
}
