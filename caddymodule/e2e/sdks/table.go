package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// fault is a column of the table: a rule of the Caddyfile.
type fault struct{ name, title string }

var faults = []fault{
	{"busy", "503, `Retry-After: 2`"},
	{"failed", "503"},
	{"long", "503, `Retry-After: 300`"},
	{"missing", "404"},
	{"reset", "reset"},
	{"cut", "body cut"},
	{"late", "timeout"},
}

// timeout is the timeout of each client.
const timeout = 2 * time.Second

// The files that -write changes.
const (
	page     = "../../docs/reference/http-clients.md"
	recorded = "../../clients/testdata/recorded.json"
)

// table is what the clients did.
type table struct {
	columns []fault
	clients []client
	found   answer
	ended   map[string]bool // the requests that have ended for the caller
}

// call returns what a client did after a request, nil if nothing came.
func (t *table) call(c *client, column, method string) *call {
	for i := range t.found.Recorded.Calls {
		if found := &t.found.Recorded.Calls[i]; strings.Contains(found.Path, c.request(column, method)) {
			return found
		}
	}
	return nil
}

// hasEnded reports whether the caller has got an answer.
func (t *table) hasEnded(c *client, column, method string) bool {
	for url := range t.ended {
		if strings.HasSuffix(url, "/"+c.request(column, method)) {
			return true
		}
	}
	return false
}

// markdown returns the table.
func (t *table) markdown() string {
	var b strings.Builder
	b.WriteString("| client |")
	for _, column := range t.columns {
		fmt.Fprintf(&b, " %s |", column.title)
	}
	b.WriteString(" findings |\n|" + strings.Repeat(" --- |", len(t.columns)+2) + "\n")
	for i := range t.clients {
		c := &t.clients[i]
		fmt.Fprintf(&b, "| %s |", c.title)
		for _, column := range t.columns {
			fmt.Fprintf(&b, " %s |", t.cell(c, column.name))
		}
		fmt.Fprintf(&b, " %s |\n", strings.Join(t.findings(c, func(level, name string) string {
			switch level {
			case "error":
				return "**" + name + "**"
			case "info":
				return "*" + name + "*"
			}
			return name
		}), ", "))
	}
	return b.String()
}

// cell returns what a client did after a fault, by GET and by POST.
func (t *table) cell(c *client, column string) string {
	first := t.attempts(c, column, c.methods[0])
	if len(c.methods) == 1 {
		return first
	}
	get, post := t.call(c, column, "GET"), t.call(c, column, "POST")
	switch {
	case get == nil || post == nil:
		return first
	case get.Count == 1 && post.Count == 1:
		return first
	case get.Count > 1 && post.Count > 1:
		return first + " P"
	case post.Count > 1:
		return first + ", P " + t.attempts(c, column, "POST")
	}
	return first
}

// attempts returns the attempts of a call and the waits between them: "3: 2.1 2.1".
func (t *table) attempts(c *client, column, method string) string {
	found := t.call(c, column, method)
	switch {
	case found == nil:
		return "–"
	case found.Count == 1 && !t.hasEnded(c, column, method):
		return "waits"
	case found.Count == 1:
		return "1"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d:", found.Count)
	for i := 1; i < len(found.Attempts); i++ {
		before, after := &found.Attempts[i-1], &found.Attempts[i]
		if after.N != before.N+1 {
			b.WriteString(" …")
			continue
		}
		from := before.End
		if column == "late" { // some clients close the connection only after their wait
			from = before.Start.Add(timeout)
		}
		fmt.Fprintf(&b, " %.1f", max(after.Start.Sub(from), 0).Seconds())
	}
	if !t.hasEnded(c, column, method) {
		b.WriteString(" …")
	}
	return b.String()
}

// findings returns what the product says of a client.
func (t *table) findings(c *client, text func(level, name string) string) (all []string) {
	for _, judged := range t.found.Clients {
		if judged.Client != c.name {
			continue
		}
		for _, f := range judged.Findings {
			all = append(all, text(f.Level, f.Finding))
		}
	}
	return all
}

// write writes the table into the manual, and the calls into testdata.
func (t *table) write(now time.Time) error {
	content, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	const begin, end = "<!-- table -->\n", "<!-- end of table -->\n"
	head, rest, ok := strings.Cut(string(content), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no lines %q and %q", page, begin, end)
	}
	text := fmt.Sprintf("%s%sMeasured on %s.\n\n%s%s%s", head, begin, now.Format(time.DateOnly), t.markdown(), end, tail)
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		return err
	}
	lines, err := t.lines()
	if err != nil {
		return err
	}
	return os.WriteFile(recorded, lines, 0o644)
}

// lines returns the calls as JSON, one a line, without what differs with each run and
// says nothing.
func (t *table) lines() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{\"calls\": [\n")
	calls := slices.Clone(t.found.Recorded.Calls)
	for i := range calls {
		line, err := json.Marshal(calls[i].rounded())
		if err != nil {
			return nil, err
		}
		b.Write(line)
		if i < len(calls)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]}\n")
	return b.Bytes(), nil
}

// rounded returns the call with times in whole milliseconds.
func (c *call) rounded() call {
	same := *c
	same.Attempts = slices.Clone(c.Attempts)
	for i := range same.Attempts {
		a := &same.Attempts[i]
		a.Start, a.End = a.Start.Round(time.Millisecond), a.End.Round(time.Millisecond)
	}
	return same
}
