package command

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/plan"
)

// planOutput is where a plan and its commands print. On a terminal, the last line shows
// the progress of the plan, and what is printed goes above it.
type planOutput struct {
	screen func() *screen // asked each time, since people change the size of a terminal
	live   bool           // the last line can be written again

	mu       sync.Mutex
	progress plan.Progress
	width    int  // of the line that the terminal shows
	midLine  bool // a command has printed a part of a line
}

// newPlanOutput returns the output of a plan. Some terminals cannot write a line again.
func newPlanOutput(out io.Writer) *planOutput {
	return &planOutput{screen: func() *screen { return newScreen(out) }, live: isTerminal(out) && os.Getenv("TERM") != "dumb"}
}

func isTerminal(out io.Writer) bool { return terminalOf(out) != nil }

// Write prints what a command prints.
func (o *planOutput) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.print(text)
}

// say prints a line of the plan. It does not continue a line of a command.
func (o *planOutput) say(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text = printableLines(text)
	if o.midLine {
		text = "\n" + text
	}
	_, _ = o.print([]byte(text + "\n")) // the plan runs without a reader
}

func (o *planOutput) print(text []byte) (int, error) {
	scr := o.screen()
	o.erase(scr)
	n, err := scr.Write(text)
	if n > 0 {
		o.midLine = text[n-1] != '\n'
	}
	o.draw(scr, time.Now())
	return n, err
}

// show shows the progress.
func (o *planOutput) show(p plan.Progress) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.progress = p
	o.redraw()
}

// tick shows the time that passes, until done is closed.
func (o *planOutput) tick(done <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			o.mu.Lock()
			o.redraw()
			o.mu.Unlock()
		}
	}
}

func (o *planOutput) redraw() {
	scr := o.screen()
	o.erase(scr)
	o.draw(scr, time.Now())
}

// erase removes the line. It writes spaces, since not all terminals know a sequence for it.
func (o *planOutput) erase(scr *screen) {
	if o.width > 0 {
		_, _ = io.WriteString(scr, "\r"+strings.Repeat(" ", o.width)+"\r") // a terminal that is gone has no reader
		o.width = 0
	}
}

func (o *planOutput) draw(scr *screen, now time.Time) {
	if !o.live || o.midLine || o.progress.Part == "" {
		return
	}
	text, width := fitting(progressCells(&o.progress, now), scr)
	_, _ = io.WriteString(scr, text)
	o.width = width
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
			if rest := limit - width; rest > gap+1 {
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
