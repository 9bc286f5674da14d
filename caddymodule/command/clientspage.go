package command

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/clients"
)

// clientsPage is a report in words, for the terminal, Markdown and HTML.
type clientsPage struct {
	Summary string
	Why     string // the assertion does not hold
	Hints   []string
	Clients []clientsSection
	Periods []clientsSection
}

// clientsSection is what is known of a client or a fault period.
type clientsSection struct {
	Name  string
	Facts []clientsFact // the same ones in all sections of a kind
	Rows  []clientsRow
}

type clientsFact struct{ Name, Value string }

// clientsRow is a finding, or findings that are undecided for the same reason.
type clientsRow struct {
	Level    string
	Findings []string
	Text     string
	Proofs   []string
}

// The levels of rows without a finding.
const (
	levelOK        = "ok"
	levelUndecided = "undecided"
)

// clientsSummary returns how many calls the report is about. A call whose only attempt may
// still be retried does not count as evidence.
func clientsSummary(v *api.ClientsView) string {
	if len(v.Clients) == 0 {
		return "no fault has hit a client since " + instant(v.Since)
	}
	calls := 0
	for i := range v.Clients {
		calls += v.Clients[i].Calls
	}
	text := fmt.Sprintf("%s of %s since %s", plural(calls, "call"), plural(len(v.Clients), "client"), instant(v.Since))
	if open := calls - v.Calls; open > 0 {
		text += fmt.Sprintf(", %d without a second attempt so far", open)
	}
	return text
}

func newClientsPage(v *api.ClientsView) *clientsPage {
	page := &clientsPage{Summary: clientsSummary(v), Why: v.Why}
	guessed := 0
	unseen := slices.ContainsFunc(v.Clients, func(c clients.ClientReport) bool { return c.Outcomes.Unseen > 0 })
	for i := range v.Clients {
		c := &v.Clients[i]
		if c.By[clients.ByGuess] > 0 {
			guessed++
		}
		page.Clients = append(page.Clients, clientsSection{c.Client, clientFacts(c, unseen), clientsRows(c.Findings, c.Undecided, len(clients.Names())-periodFindings)})
	}
	for i := range v.Periods {
		p := &v.Periods[i]
		page.Periods = append(page.Periods, clientsSection{p.Point + "/" + p.Rule, periodFacts(p), clientsRows(p.Findings, p.Undecided, periodFindings)})
	}
	if guessed > 0 {
		page.Hints = append(page.Hints, fmt.Sprintf("Calls of %s are guessed. To tell calls apart, send an Idempotency-Key, or set 'call' in the block 'clients' of the global option 'fault'.", plural(guessed, "client")))
	}
	if v.Lost > 0 {
		page.Hints = append(page.Hints, plural(int(min(v.Lost, 1<<30)), "call")+" closed early. To keep more, raise 'max_calls' in the block 'clients' of the global option 'fault'.")
	}
	return page
}

// periodFindings is how many findings are about a period: wave and slow_recovery.
const periodFindings = 2

// clientsRows returns the rows of findings. Without a finding, the first row says how many
// findings are decided.
func clientsRows(found []clients.Finding, undecided []clients.Undecided, all int) (rows []clientsRow) {
	for i := range found {
		f := &found[i]
		row := clientsRow{Level: string(f.Level), Findings: []string{f.Finding}, Text: findingText(f)}
		for j := range f.Evidence {
			row.Proofs = append(row.Proofs, proofText(&f.Evidence[j]))
		}
		rows = append(rows, row)
	}
	if decided := all - len(undecided); len(found) == 0 && decided > 0 {
		rows = append(rows, clientsRow{Level: levelOK, Text: fmt.Sprintf("%d of %d findings decided", decided, all)})
	}
	first := len(rows)
	for _, u := range undecided {
		i := slices.IndexFunc(rows[first:], func(row clientsRow) bool { return row.Text == u.Why })
		if i < 0 {
			i = len(rows) - first
			rows = append(rows, clientsRow{Level: levelUndecided, Text: u.Why})
		}
		rows[first+i].Findings = append(rows[first+i].Findings, u.Finding)
	}
	return rows
}

func findingText(f *clients.Finding) string {
	if f.Of == 0 {
		return f.Text
	}
	return fmt.Sprintf("%d of %d: %s", f.Count, f.Of, f.Text)
}

// proofText returns attempts in one line, each with the time since the one before it.
func proofText(p *clients.Proof) string {
	text := fmt.Sprintf("call %s at %s, %s", p.Call, p.Point, p.Path)
	if p.Rule != "" {
		text = fmt.Sprintf("call %s at %s/%s, %s", p.Call, p.Point, p.Rule, p.Path)
	}
	for i, outcome := range p.Outcomes {
		switch {
		case i >= len(p.Times):
		case i == 0:
			text += ": " + outcome + " at " + instant(p.Times[0])
		default:
			text += fmt.Sprintf(", after %s %s", seconds(p.Times[i].Sub(p.Times[i-1]).Seconds()), outcome)
		}
	}
	return text
}

// clientFacts returns the facts of a client. If one of the clients has unseen calls, all
// have the fact.
func clientFacts(c *clients.ClientReport, unseen bool) []clientsFact {
	o := &c.Outcomes
	facts := []clientsFact{
		{"Calls", strconv.Itoa(c.Calls)},
		{"Attempts/call", number(c.AttemptsPerCall, "%.1f")},
		{"Recovered", strconv.Itoa(o.Recovered)},
		{"Gave up", strconv.Itoa(o.GaveUp)},
		{"Refused", strconv.Itoa(o.Refused)},
		{"Lost", strconv.Itoa(o.Lost)},
		{"Open", strconv.Itoa(o.Open)},
		{"First wait (median)", median(&c.Waits.First)},
		{"Left after (median)", median(&c.LeftAfter)},
	}
	if unseen {
		facts = append(facts, clientsFact{"Gave up, or answered by another node", strconv.Itoa(o.Unseen)})
	}
	return facts
}

func periodFacts(p *clients.PeriodReport) []clientsFact {
	lasted := "continues"
	if !p.End.IsZero() {
		lasted = seconds(p.End.Sub(p.Start).Seconds())
	}
	recovery := median(&p.Recovery)
	if p.Recovery.Count > 1 {
		recovery += ", up to " + seconds(p.Recovery.Max)
	}
	return []clientsFact{
		{"Began", instant(p.Start)},
		{"Lasted", lasted},
		{"Load", number(p.LoadRatio, "%.2fx")},
		{"Recovery (median)", recovery},
		{"Not recovered", strconv.Itoa(p.Waiting)},
	}
}

// number returns a number, or a dash if it is not known.
func number(value *float64, format string) string {
	if value == nil {
		return "-"
	}
	return fmt.Sprintf(format, *value)
}

func median(s *clients.Spread) string {
	if s.Count == 0 {
		return "-"
	}
	return seconds(s.P50)
}

func seconds(n float64) string {
	if n >= 10 {
		return fmt.Sprintf("%.0f s", n)
	}
	return fmt.Sprintf("%.2f s", n)
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// sentence returns a text that begins with a capital letter and ends with a period.
func sentence(text string) string {
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// shortUndecided is how many rows of undecided findings a terminal shows. More of them
// hide the findings.
const shortUndecided = 3

// shorten makes one row of many undecided ones.
func (s *clientsSection) shorten() {
	findings, rows := 0, 0
	for i := range s.Rows {
		if s.Rows[i].Level == levelUndecided {
			findings += len(s.Rows[i].Findings)
			rows++
		}
	}
	if rows <= shortUndecided {
		return
	}
	s.Rows = append(s.Rows[:len(s.Rows)-rows], clientsRow{
		Level: levelUndecided, Findings: []string{plural(findings, "finding")}, Text: "too little evidence; to list what is missing, add --undecided",
	})
}

// printClients prints a report for people at a terminal, with all that is undecided or
// with the number of it.
func printClients(out io.Writer, v *api.ClientsView, undecided bool) error {
	page := newClientsPage(v)
	for i := range page.Clients {
		if !undecided {
			page.Clients[i].shorten()
		}
	}
	fmt.Fprintln(out, page.Summary)
	for _, part := range []struct {
		kind     string
		facts    int // the first ones
		sections []clientsSection
	}{{"CLIENT", 2, page.Clients}, {"FAULT", 4, page.Periods}} {
		if len(part.sections) == 0 {
			continue
		}
		fmt.Fprintln(out)
		if err := printSections(out, part.kind, part.facts, part.sections); err != nil {
			return err
		}
	}
	if len(page.Hints) > 0 {
		fmt.Fprintln(out)
	}
	for _, hint := range page.Hints {
		fmt.Fprintln(out, hint)
	}
	return nil
}

func printSections(out io.Writer, kind string, facts int, sections []clientsSection) error {
	head := append(make([]any, 0, facts+4), kind)
	for _, fact := range sections[0].Facts[:facts] {
		name, _, _ := strings.Cut(fact.Name, " (")
		head = append(head, strings.ToUpper(name))
	}
	t := newTable(out, append(head, "LEVEL", "FINDING", "DETAILS")...)
	for i := range sections {
		cells := append(make([]any, 0, facts+1), sections[i].Name)
		for _, fact := range sections[i].Facts[:facts] {
			cells = append(cells, fact.Value)
		}
		for _, row := range sections[i].Rows {
			t.row(append(slices.Clip(cells), row.Level, strings.Join(row.Findings, ", "), row.Text)...)
			for j := range cells {
				cells[j] = " " // an empty cell would be a dash
			}
		}
	}
	return t.Flush()
}
