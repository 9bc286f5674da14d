package command

import (
	"io"
	"os"
	"runtime"

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
