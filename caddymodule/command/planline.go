package command

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/plan"
)

// liveLine is a terminal whose last line shows the progress of a plan. What is printed
// goes above it.
type liveLine struct {
	screen func() *screen // asked each time, since people change the size of a terminal

	mu       sync.Mutex
	progress plan.Progress
	width    int  // of the line that the terminal shows
	midLine  bool // a command has printed a part of a line, where nothing may be written
}

// newLiveLine returns the line for an output, or nil if it cannot be rewritten there.
func newLiveLine(out io.Writer) *liveLine {
	if !isTerminal(out) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return &liveLine{screen: func() *screen { return newScreen(out) }}
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Write prints text above the line.
func (l *liveLine) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	scr := l.screen()
	l.erase(scr)
	n, err := scr.Write(text)
	if n > 0 {
		l.midLine = text[n-1] != '\n'
	}
	l.draw(scr, time.Now())
	return n, err
}

// show shows the progress.
func (l *liveLine) show(p plan.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress = p
	l.redraw()
}

// tick shows the time that passes, until done is closed.
func (l *liveLine) tick(done <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			l.mu.Lock()
			l.redraw()
			l.mu.Unlock()
		}
	}
}

func (l *liveLine) redraw() {
	scr := l.screen()
	l.erase(scr)
	l.draw(scr, time.Now())
}

// erase removes the line. It writes spaces, since not all terminals know a sequence for it.
func (l *liveLine) erase(scr *screen) {
	if l.width > 0 {
		_, _ = io.WriteString(scr, "\r"+strings.Repeat(" ", l.width)+"\r") // a terminal that is gone has no reader
		l.width = 0
	}
}

func (l *liveLine) draw(scr *screen, now time.Time) {
	if l.midLine || l.progress.Part == "" {
		return
	}
	text, width := fitting(progressCells(&l.progress, now), scr)
	_, _ = io.WriteString(scr, text)
	l.width = width
}

// fitting joins cells in one line that a screen does not break. It returns the width of
// the line.
func fitting(cells []cell, scr *screen) (line string, width int) {
	limit := scr.width - 1 // a terminal may go on to the next line at its last column
	for i, c := range cells {
		text := grammar.Printable(c.text)
		if i > 0 {
			text = strings.Repeat(" ", gap) + text
		}
		if limit > 0 && width+utf8.RuneCountInString(text) > limit {
			if rest := limit - width; rest > gap {
				line += scr.paint(c.color, shorten(text, rest))
				width = limit
			}
			break
		}
		line += scr.paint(c.color, text)
		width += utf8.RuneCountInString(text)
	}
	return line, width
}

// progressCells says what a plan does.
func progressCells(p *plan.Progress, now time.Time) []cell {
	cells := []cell{{text: p.Part, color: bold}}
	if p.Ends.IsZero() {
		cells = append(cells, cell{text: "for " + minutes(now.Sub(p.Began))})
	} else {
		cells = append(cells, cell{text: minutes(p.Ends.Sub(now)) + " left"})
	}
	if p.Faults {
		cells = append(cells, cell{text: counted(p.Hits, "hit")})
	}
	for _, c := range p.Checks {
		switch {
		case c.Fails:
			cells = append(cells, cell{"✗ " + c.Name, red})
		case c.Holds:
			cells = append(cells, cell{"✓ " + c.Name, green})
		default:
			cells = append(cells, cell{text: "… " + c.Name})
		}
	}
	if p.Worst != "" {
		cells = append(cells, cell{p.Worst, amber})
	}
	return cells
}

// minutes writes a duration as minutes and seconds.
func minutes(d time.Duration) string {
	seconds := int(max(d, 0).Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}
