package caddymodule

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A phrase is wording that readers stumble over.
type phrase struct {
	wrong   string // a regular expression, without regard to case
	instead string // what to write
	right   string // a regular expression for uses that are good English
}

// phrases lists the wording that neither code nor documentation uses.
var phrases = []phrase{
	{`\bbehind\b`, "after; inside; upstream of", `behind (an?|the|your|another|its|that|one|any|this) ([\w-]+ )?(proxy|proxies|load balancer|balancer|CDN|gateway|firewall|flag)|(leaves?|left|leaving) ([\w-]+ ){0,4}behind|(fall|falls|lag|lags|is|are|clock\w*|\dh?\d*m?\d*s) behind|behind (the|its) clock|^"behind"$|\(behind\)`},
	{`\b(is|are|was|were|be|been) over\b`, "has ended; has expired", `over (HTTP|TLS|TCP|a |an |the |its |\d)`},
	{`\blet(s|ting)? go of\b`, "releases", ``},
	{`\bjust now\b`, "currently", ``},
	{`\bso many\b`, "n; this number of", ``},
	{`\banew\b`, "again; from the start", ``},
	{`\bof (its|their|his) own\b`, "its own x; a separate x", ``},
	{`\bof (yours|ours|theirs)\b`, "your; our; their", ``},
	{`\b(has|have) to be said\b`, "is required", ``},
	{`\bto be said\b`, "is required", ``},
	{`\btold of\b`, "is reported; learns that", ``},
	{`\bsay which\b`, "is required", ``},
	{`\bthere twice\b`, "duplicate", ``},
	{`\bin each other\b`, "nested", ``},
	{`\b(goes|go|went|leads?|led) past\b`, "bypasses; skips", ``},
	{`\bbelongs? into\b`, "is only allowed in", ``},
	{`\b(there )?(is|are) none\b`, "does not exist; is missing; is not a x", ``},
	{`\bmakes? (it|(the|a) hit|(the|a) request) none\b`, "undoes the hit", ``},
	{`\b(is|are) no\b`, "is not a x", `\b(there|here) (is|are) no\b|answer is no\b|(is|are) no (longer|more|less|later|earlier|larger|smaller)\b`},
	{`\bstands?\b`, "is; is written; is listed", `stands? (for|alone|in for)\b|\bstand-in`},
	{`\bsets? back\b`, "reset", ``},
	{`\bin step\b`, "synchronized", ``},
	{`, too[.;:)]`, "also", ``},
	{`\bborne\b`, "tolerated", ``},
	{`\b(by|for) itself\b`, "separately; alone", ``},
	{`\btells\b`, "reports; says", `tells? ([\w']+ ){0,6}(apart|from)\b|tells? (you|Caddy|Go|(the|a|an|each|every) ([\w-]+ )?(client|user|proxy|sender|caller|reader|server|upstream|metrics))\b`},
	{`\bin its place\b`, "instead", ``},
	{`\belse than\b`, "other than", ``},
	{`\bgoes by\b`, "follows; depends on", ``},
	{`\basks? (curl|the upstream|its upstream|an upstream)\b`, "runs curl; sends the request to the upstream", ``},
	{`\bhas it so\b`, "does so", ``},
	{`\b(comes?|came) to (a|the|this|no|any|another) (point|rule|site|handler)\b`, "reaches", ``},
	{`\bto be had\b`, "available", ``},
	{`\bbut for\b`, "except", ``},
	{`\bbut by way of\b|\bby way of\b`, "through", ``},
	{`\btill\b`, "until", ``},
	{`\bbytewise\b|\bwhat for\b`, "byte by byte; why", ``},
}

// A passage is text with its place: a comment, a string, a line.
type passage struct {
	place string
	text  string
	cell  bool // of a table
}

// TestPhrases keeps wording that readers stumble over out of comments,
// texts and documentation.
func TestPhrases(t *testing.T) {
	type compiled struct {
		phrase
		wrong, right *regexp.Regexp
	}
	var list []compiled
	for _, each := range phrases {
		c := compiled{phrase: each, wrong: regexp.MustCompile("(?i)" + each.wrong)}
		if each.right != "" {
			c.right = regexp.MustCompile("(?i)" + each.right)
		}
		list = append(list, c)
	}
	for _, p := range passages(t) {
		for _, each := range list {
			for _, found := range each.wrong.FindAllStringIndex(p.text, -1) {
				if each.right == nil || !overlaps(each.right.FindAllStringIndex(p.text, -1), found) {
					t.Errorf("%s: %q: write %q in %q", p.place, p.text[found[0]:found[1]], each.instead, around(p.text, found))
				}
			}
		}
	}
}

func overlaps(all [][]int, with []int) bool {
	return slices.ContainsFunc(all, func(each []int) bool { return each[0] < with[1] && with[0] < each[1] })
}

func around(text string, found []int) string {
	return strings.Join(strings.Fields(text[max(0, found[0]-50):min(len(text), found[1]+50)]), " ")
}

// proseFiles are the files whose every line is prose or shown to users. The
// documentation is read by documents.
var proseFiles = []string{
	"../Caddyfile.example", "../.ci/run", "api/openapi.json", "console/*.js", "console/*.html", "console/test/*.mjs", "e2e/sdks/streams/*.mjs", "e2e/sdks/presets/*.mjs", "presets/files/*.caddyfile",
}

func passages(t *testing.T) []passage {
	t.Helper()
	var all []passage
	for _, root := range []string{".", "../cmd"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && filepath.Base(path) != "prose_test.go" {
				all = append(all, goPassages(t, path)...)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	files := documents(t)
	for _, pattern := range proseFiles {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d files, error %v", pattern, len(names), err)
		}
		files = append(files, names...)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(content), "\n") {
			all = append(all, passage{place: fmt.Sprintf("%s:%d", name, i+1), text: line})
		}
	}
	return all
}

// goPassages returns the comments and strings of a Go file. A comment is one
// passage, so that a phrase over the end of a line is found.
func goPassages(t *testing.T, path string) []passage {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	place := func(pos token.Pos) string { return fmt.Sprintf("%s:%d", path, files.Position(pos).Line) }
	var all []passage
	for _, group := range file.Comments {
		all = append(all, passage{place: place(group.Pos()), text: strings.Join(strings.Fields(group.Text()), " ")})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			all = append(all, passage{place: place(literal.Pos()), text: literal.Value})
		}
		return true
	})
	return all
}

// documents are the README and the pages of the manual.
func documents(t *testing.T) []string {
	t.Helper()
	all := []string{"../README.md"}
	err := filepath.WalkDir("docs", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Sentences of the documentation have at most maxWords words. Outside of tables they
// have usualWords or fewer on average.
const (
	maxWords   = 30
	usualWords = 20
)

// TestSentences keeps the sentences of the documentation short.
func TestSentences(t *testing.T) {
	var count, words int
	for _, name := range documents(t) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sentences(string(content)) {
			n := len(strings.Fields(s.text))
			if !s.cell {
				count, words = count+1, words+n
			}
			if n > maxWords {
				t.Errorf("%s:%s: %d words, want %d or fewer: %s", name, s.place, n, maxWords, s.text)
			}
			if strings.Count(s.text, ";") > 1 {
				t.Errorf("%s:%s: two semicolons in a sentence: %s", name, s.place, s.text)
			}
		}
	}
	if count == 0 {
		t.Fatal("no sentences")
	}
	if mean := float64(words) / float64(count); mean > usualWords {
		t.Errorf("sentences have %.1f words on average, want %d or fewer", mean, usualWords)
	} else {
		t.Logf("%d sentences, %.1f words on average", count, mean)
	}
}

var (
	inlineCode  = regexp.MustCompile("`+[^`]+`+")
	link        = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	listItem    = regexp.MustCompile(`^\s*([-*+]|\d+[.)])\s+`)
	sentenceEnd = regexp.MustCompile(`[.!?]["')*_]*(\s+|$)`)
	htmlTag     = regexp.MustCompile(`<[^>]+>`)
	shortForms  = strings.NewReplacer("e.g. ", "eg ", "i.e. ", "ie ", "etc. ", "etc ", "vs. ", "vs ", "No. ", "No ")
)

// sentences returns the sentences of a Markdown text with the lines they begin
// at. A cell of a table, an item of a list and a heading end a sentence; inline
// code counts as one word, and blocks of code do not count.
func sentences(markdown string) []passage {
	var all []passage
	var paragraph []string
	begin, fenced, cell := 0, false, false
	flush := func() {
		text := strings.Join(paragraph, " ")
		paragraph = nil
		text = link.ReplaceAllString(inlineCode.ReplaceAllString(text, "code"), "$1")
		text = shortForms.Replace(htmlTag.ReplaceAllString(text, ""))
		for _, each := range splitAfter(text, sentenceEnd) {
			if each = strings.TrimSpace(each); each != "" {
				all = append(all, passage{fmt.Sprint(begin), each, cell})
			}
		}
	}
	for i, line := range strings.Split(markdown, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "```"):
			flush()
			fenced = !fenced
		case fenced:
		case trimmed == "", strings.HasPrefix(trimmed, "#"):
			flush()
		case strings.HasPrefix(trimmed, "|"):
			flush()
			cell = true
			for text := range strings.SplitSeq(strings.ReplaceAll(trimmed, `\|`, "/"), "|") {
				paragraph, begin = []string{text}, i+1
				flush()
			}
			cell = false
		default:
			if listItem.MatchString(line) {
				flush()
				trimmed = listItem.ReplaceAllString(line, "")
			}
			if len(paragraph) == 0 {
				begin = i + 1
			}
			paragraph = append(paragraph, trimmed)
		}
	}
	flush()
	return all
}

func splitAfter(text string, end *regexp.Regexp) []string {
	var parts []string
	from := 0
	for _, found := range end.FindAllStringIndex(text, -1) {
		parts = append(parts, text[from:found[1]])
		from = found[1]
	}
	return append(parts, text[from:])
}

// TestSentencesAreCounted holds how sentences are split and counted.
func TestSentencesAreCounted(t *testing.T) {
	var got []string
	for _, s := range sentences("# Not counted\n\nOne two,\nthree. Four `five six` [seven](x.md)!\n\n| a | b c |\n| --- | --- |\n- item one\n- item e.g. two.\n\n```sh\nnot this\n```\n1. last\n") {
		got = append(got, s.place+" "+s.text)
	}
	want := []string{"3 One two, three.", "3 Four code seven!", "6 a", "6 b c", "7 ---", "7 ---", "8 item one", "9 item eg two.", "14 last"}
	if !slices.Equal(got, want) {
		t.Errorf("sentences are %q, want %q", got, want)
	}
}
