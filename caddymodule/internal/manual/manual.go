// Package manual parses the pages of the manual for the tests that check them against
// the code: code blocks, headings and links of README.md and of the Markdown files in
// docs. It supports the Markdown that these pages use, not all of Markdown. Only tests
// import it.
package manual

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// Page is a Markdown file.
type Page struct {
	Path  string
	Lines []Line
}

// Line is a line of a page. In a code block, Text excludes the fences and the
// indentation of a list.
type Line struct {
	Number int // from 1
	Text   string
	Block  *Block // nil outside code blocks
}

// Block is a fenced code block.
type Block struct {
	Line     int    // of the opening fence
	Language string // the first word after the fence
	Text     string // each line ends in a newline
	Before   string // the last line with text before the block
	Open     bool   // the closing fence is missing
}

// Link is the target of a link or of an image.
type Link struct {
	Line   int
	Target string
	Image  bool
	Alt    string // the alternative text of an image
}

// Read parses the page in a file.
func Read(t testing.TB, path string) *Page {
	t.Helper()
	content, err := os.ReadFile(path) //nolint:gosec // a file of the repository
	if err != nil {
		t.Fatal(err)
	}
	return Parse(path, string(content))
}

// fence matches the first line of a code block, and the last one.
var fence = regexp.MustCompile("^(\\s*)(`{3,}|~{3,})\\s*([^`]*)$")

// Parse parses the text of a page.
func Parse(path, content string) *Page {
	p := &Page{Path: path}
	var block *Block
	var opened, indent, before string
	number := 0
	for text := range strings.Lines(content) {
		number++
		text = strings.TrimRight(text, "\r\n")
		mark := fence.FindStringSubmatch(text)
		switch {
		case block == nil && mark != nil:
			language, _, _ := strings.Cut(strings.TrimSpace(mark[3]), " ")
			block = &Block{Line: number, Language: language, Before: before, Open: true}
			indent, opened = mark[1], mark[2]
			p.Lines = append(p.Lines, Line{Number: number, Block: block})
		case block != nil && mark != nil && mark[3] == "" && strings.HasPrefix(mark[2], opened):
			block.Open, block = false, nil
		case block != nil:
			text = strings.TrimPrefix(text, indent)
			block.Text += text + "\n"
			p.Lines = append(p.Lines, Line{Number: number, Text: text, Block: block})
		default:
			if strings.TrimSpace(text) != "" {
				before = strings.TrimSpace(text)
			}
			p.Lines = append(p.Lines, Line{Number: number, Text: text})
		}
	}
	return p
}

// Blocks returns the code blocks in the order of the page.
func (p *Page) Blocks() (all []*Block) {
	for _, line := range p.Lines {
		if line.Block != nil && (len(all) == 0 || all[len(all)-1] != line.Block) {
			all = append(all, line.Block)
		}
	}
	return all
}

var (
	inlineLink = regexp.MustCompile(`(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+"[^"]*")?\)`)
	nestedLink = regexp.MustCompile(`!\[([^\[\]]*)\]\(([^()\s]*)(?:\s+"[^"]*")?\)`)
	definition = regexp.MustCompile(`^\s*\[[^\]]+\]:\s+(\S+)`)
	attribute  = regexp.MustCompile(`(href|src|srcset)="([^"]*)"`)
)

// Links returns the links and images of a page, including those in HTML, but not those
// in code.
func (p *Page) Links() (all []Link) {
	for _, line := range p.Lines {
		if line.Block != nil {
			continue
		}
		text := withoutCode(line.Text)
		for _, m := range inlineLink.FindAllStringSubmatch(text, -1) {
			all = append(all, Link{Line: line.Number, Target: m[3], Image: m[1] == "!", Alt: m[2]})
			for _, m := range nestedLink.FindAllStringSubmatch(m[2], -1) { // an image that is a link
				all = append(all, Link{Line: line.Number, Target: m[2], Image: true, Alt: m[1]})
			}
		}
		if m := definition.FindStringSubmatch(text); m != nil {
			all = append(all, Link{Line: line.Number, Target: m[1]})
		}
		for _, m := range attribute.FindAllStringSubmatch(text, -1) {
			all = append(all, Link{Line: line.Number, Target: m[2], Image: m[1] != "href", Alt: "in HTML"})
		}
	}
	return all
}

// withoutCode empties the code spans of a line.
func withoutCode(text string) string {
	var kept strings.Builder
	for {
		start := strings.IndexByte(text, '`')
		if start < 0 {
			break
		}
		ticks := text[start : start+len(text[start:])-len(strings.TrimLeft(text[start:], "`"))]
		inside := text[start+len(ticks):]
		_, after, closed := strings.Cut(inside, ticks)
		if !closed {
			break
		}
		kept.WriteString(text[:start] + "``")
		text = after
	}
	kept.WriteString(text)
	return kept.String()
}

var (
	heading  = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	linkText = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	tag      = regexp.MustCompile(`<[^>]*>`)
	anchor   = regexp.MustCompile(`<a\s[^>]*(?:id|name)="([^"]*)"`)
)

// Anchors returns the fragments that a link to this page can have after '#'.
func (p *Page) Anchors() map[string]bool {
	found := make(map[string]bool)
	for _, line := range p.Lines {
		if line.Block != nil {
			continue
		}
		for _, m := range anchor.FindAllStringSubmatch(line.Text, -1) {
			found[m[1]] = true
		}
		m := heading.FindStringSubmatch(line.Text)
		if m == nil {
			continue
		}
		slug := Slug(m[1])
		unique := slug
		for n := 1; found[unique]; n++ {
			unique = slug + "-" + strconv.Itoa(n)
		}
		found[unique] = true
	}
	return found
}

// Slug returns the anchor of a heading, as GitHub derives it.
func Slug(text string) string {
	text = tag.ReplaceAllString(linkText.ReplaceAllString(text, "$1"), "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Pc):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}
