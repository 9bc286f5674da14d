package caddymodule

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
)

// streamClientsFile is written by hand, except for the tables of what clients report.
const streamClientsFile = "stream-clients.md"

// The folder of the programs that run the clients, and the programs in the order of the
// columns.
const streamsFolder = "e2e/sdks/streams"

var streamPrograms = []string{"node", "chromium", "go"}

// streamCase is a row of a table: a fault, and what the table calls it.
type streamCase struct{ As, Fault string }

// label returns a fault as code, line by line, without the braces of a block.
func (c streamCase) label() string {
	if c.As != "" {
		return c.As
	}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(strings.Replace(c.Fault, " {\n", " ", 1), "\n}"), "\n") {
		lines = append(lines, manual.Code(line))
	}
	return strings.Join(lines, ", ")
}

// streamRecord is what the clients of a program report.
type streamRecord struct {
	Measured, Platform string
	Titles             map[string]string // of the clients
	Reports            []struct{ Table, Client, Fault, Report string }
}

// streamClientsPage is the page with the tables of what has been recorded.
func streamClientsPage(t *testing.T) string {
	var cases map[string][]streamCase
	readJSON(t, filepath.Join(streamsFolder, "cases.json"), &cases)
	page := readReference(t, streamClientsFile)
	records := make([]streamRecord, len(streamPrograms))
	measured := make([]string, len(streamPrograms))
	for i, program := range streamPrograms {
		readJSON(t, filepath.Join(streamsFolder, "measured", program+".json"), &records[i])
		measured[i] = records[i].Platform + " on " + records[i].Measured
	}
	page = withGenerated(t, page, "measured", fmt.Sprintf("Measured with %s.\n", strings.Join(measured, ", ")))
	for table, rows := range cases {
		var m referencePage
		head, body := streamTable(t, table, rows, records)
		m.Table(head, body)
		page = withGenerated(t, page, table, m.Text())
	}
	return page
}

// streamTable returns a table with a row for each case and a column for each client.
func streamTable(t *testing.T, table string, cases []streamCase, records []streamRecord) (head []string, rows [][]string) {
	head = []string{"Fault"}
	for _, c := range cases {
		rows = append(rows, []string{c.label()})
	}
	var clients []string
	for _, record := range records {
		for _, report := range record.Reports {
			if report.Table != table {
				continue
			}
			column := slices.Index(clients, report.Client) + 1
			if column == 0 {
				clients = append(clients, report.Client)
				head = append(head, record.Titles[report.Client])
				column = len(clients)
			}
			row := slices.IndexFunc(cases, func(c streamCase) bool { return c.Fault == report.Fault })
			if row < 0 || len(rows[row]) != column {
				t.Fatalf("%s, %s, %q: measure again, the cases have changed", table, report.Client, report.Fault)
			}
			rows[row] = append(rows[row], report.Report)
		}
	}
	for i, row := range rows {
		if len(row) != len(head) {
			t.Errorf("%s, %q: measure again, some clients have no report", table, cases[i].Fault)
		}
	}
	return head, rows
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(content, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
