package command

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// screen is where a command prints for people.
type screen struct {
	io.Writer
	width int  // in characters; 0: no limit, as in a file
	color bool // reports whether the screen shows colors
}

// newScreen returns the screen of an output. Only a terminal has a width and colors.
// NO_COLOR and TERM=dumb turn the colors off.
func newScreen(out io.Writer) *screen {
	scr := &screen{Writer: out}
	file := terminalOf(out)
	if file == nil {
		return scr
	}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil {
		scr.width = width
	}
	scr.color = wantsColor(os.Getenv)
	return scr
}

// terminalOf returns the terminal to which out writes, or nil.
func terminalOf(out io.Writer) *os.File {
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return file
	}
	return nil
}

// wantsColor reports whether the environment of a terminal allows colors.
func wantsColor(env func(string) string) bool {
	return env("NO_COLOR") == "" && env("TERM") != "dumb" && runtime.GOOS != "windows"
}

// color is the color of a text, as the number of an SGR sequence.
type color string

const (
	plain color = ""
	green color = "32"
	amber color = "33"
	red   color = "31"
	bold  color = "1"
)

// paint returns a text in a color, if the screen has colors.
func (scr *screen) paint(c color, text string) string {
	if !scr.color || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// printableLines makes each line printable.
func printableLines(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// writeLines writes a text for a file. A terminal gets printable lines.
func writeLines(out io.Writer, text string) error {
	if isTerminal(out) {
		text = printableLines(text)
	}
	_, err := io.WriteString(out, text)
	return err
}

// printableError returns an error whose text is printable. An error may repeat what the
// user, a file or a server wrote.
func printableError(err error) error {
	if err == nil || err.Error() == printableLines(err.Error()) {
		return err
	}
	return errors.New(printableLines(err.Error()))
}

// printableErrors returns f with printable errors.
func printableErrors(f func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error { return printableError(f(cmd, args)) }
}
