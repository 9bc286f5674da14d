package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// Writer writes a page.
type Writer struct{ strings.Builder }

// Printf writes a line or a paragraph.
func (w *Writer) Printf(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// Block writes a block of code.
func (w *Writer) Block(language, text string) {
	w.Printf("\n```%s\n%s\n```\n", language, strings.Trim(text, "\n"))
}

// Table writes a table, and nothing if it has no rows.
func (w *Writer) Table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	w.row(head)
	w.row(strings.Split(strings.Repeat("---,", len(head)-1)+"---", ","))
	for _, row := range rows {
		w.row(row)
	}
	w.Printf("")
}

func (w *Writer) row(cells []string) {
	escaped := make([]string, 0, len(cells))
	for _, cell := range cells {
		cell = strings.TrimSpace(strings.ReplaceAll(cell, "\n", " "))
		escaped = append(escaped, strings.ReplaceAll(cell, "|", `\|`))
	}
	w.Printf("| %s |", strings.Join(escaped, " | "))
}

// Text returns the page, without empty lines at the end or two in a row.
func (w *Writer) Text() string {
	return strings.TrimRight(regexp.MustCompile(`\n{3,}`).ReplaceAllString(w.String(), "\n\n"), "\n") + "\n"
}

// Code returns a text as inline code.
func Code(text string) string {
	if text == "" {
		return ""
	}
	if strings.Contains(text, "`") {
		return "`` " + text + " ``"
	}
	return "`" + text + "`"
}

// literal is what plain text has that is code in Markdown: 'percent 10' in quotes, a
// flag with its value, <name>, {placeholder}.
var literal = regexp.MustCompile(`'[^']+'|--(?:[a-z][a-z-]*)?(?: <[^>]+>(?:/<[^>]+>)*)?|<[^>\s]+>(?:/<[^>\s]+>)*|\{[a-z][^}\s]*\}`)

// Prose makes Markdown of plain text that may have code in backticks.
func Prose(text string) string {
	parts := strings.Split(text, "`")
	for i := 0; i < len(parts); i += 2 { // the others are in backticks
		parts[i] = proseWithoutCode(parts[i])
	}
	return strings.Join(parts, "`")
}

func proseWithoutCode(text string) string {
	var out strings.Builder
	for last := 0; ; {
		at := literal.FindStringIndex(text[last:])
		if at == nil {
			out.WriteString(strings.ReplaceAll(text[last:], "*", `\*`))
			return out.String()
		}
		start, end := last+at[0], last+at[1]
		word := text[start:end]
		if word[0] == '\'' && start > 0 && !strings.ContainsRune(" \n(:", rune(text[start-1])) { // an apostrophe
			out.WriteString(text[last : start+1])
			last = start + 1
			continue
		}
		out.WriteString(strings.ReplaceAll(text[last:start], "*", `\*`))
		out.WriteString(Code(strings.Trim(word, "'")))
		last = end
	}
}

// Paragraphs returns those of a text with lines of a fixed width, as prose.
func Paragraphs(text string) (all []string) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		all = append(all, Prose(strings.Join(strings.Fields(paragraph), " ")))
	}
	return all
}

// Sentence returns a text with a full stop.
func Sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.HasSuffix(strings.TrimSuffix(text, ")"), ".") || strings.HasSuffix(text, ":") {
		return text
	}
	return text + "."
}
