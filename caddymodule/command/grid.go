package command

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// grid is a table that fits a screen.
type grid struct {
	columns []column
	rows    [][]cell
}

// column is a column of a grid.
type column struct {
	title    string
	right    bool // aligns numbers
	flexible bool // is cut if the screen is too narrow
	optional bool // is left out if it is empty
}

// cell is a text in a grid.
type cell struct {
	text  string
	color color
}

// add adds a row. A cell is a cell, or anything that can be printed.
func (g *grid) add(cells ...any) {
	row := make([]cell, len(cells))
	for i, c := range cells {
		one, ok := c.(cell)
		if !ok {
			one.text = fmt.Sprint(c)
		}
		one.text = grammar.Printable(one.text)
		row[i] = one
	}
	g.rows = append(g.rows, row)
}

// gap separates two columns.
const gap = 2

// minFlexible is the smallest width of a flexible column.
const minFlexible = 12

// print prints the table.
func (g *grid) print(scr *screen) error {
	widths := g.widths(scr.width)
	head := make([]cell, len(g.columns))
	for i, c := range g.columns {
		head[i] = cell{c.title, bold}
	}
	for _, row := range append([][]cell{head}, g.rows...) {
		var line strings.Builder
		padding := 0
		for i, c := range row {
			if widths[i] == 0 {
				continue
			}
			text := shorten(c.text, widths[i])
			rest := widths[i] - utf8.RuneCountInString(text)
			if g.columns[i].right {
				padding, rest = padding+rest, 0
			}
			if text != "" {
				line.WriteString(strings.Repeat(" ", padding) + scr.paint(c.color, text))
				padding = 0
			} else {
				rest = widths[i]
			}
			padding += rest + gap
		}
		if _, err := fmt.Fprintln(scr, line.String()); err != nil {
			return err
		}
	}
	return nil
}

// widths returns the width of each column. A column that is left out has none.
func (g *grid) widths(limit int) []int {
	widths := make([]int, len(g.columns))
	total, flexible := -gap, -1
	for i, c := range g.columns {
		for _, row := range g.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
		if c.optional && widths[i] == 0 {
			continue
		}
		widths[i] = max(widths[i], utf8.RuneCountInString(c.title))
		total += widths[i] + gap
		if c.flexible {
			flexible = i
		}
	}
	if limit > 0 && total > limit && flexible >= 0 {
		widths[flexible] = min(widths[flexible], max(minFlexible, widths[flexible]-(total-limit)))
	}
	return widths
}

// shorten cuts a text to a number of characters.
func shorten(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}
