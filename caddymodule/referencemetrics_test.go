package caddymodule

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// metricsFile is written by hand, except for the table of metrics.
const metricsFile = "metrics-logs-events.md"

// metricsPage is the page with the table of the collectors that there are.
func metricsPage(t *testing.T) string {
	var m referencePage
	m.Table([]string{"Metric", "Labels", "Meaning"}, metricRows(t))
	return withGenerated(t, readReference(t, metricsFile), "metrics", m.Text())
}

// described is a collector as it describes itself, which has no other form.
var described = regexp.MustCompile(`^Desc\{fqName: "(\w+)", help: "(.*?)", (?:unit: "[^"]*", )?constLabels: \{\}, variableLabels: \{([^}]*)\}\}$`)

// metricRows are a row for each collector.
func metricRows(t *testing.T) (rows [][]string) {
	var all collectors
	if err := metrics.Register(&all); err != nil {
		t.Fatal(err)
	}
	for _, collector := range all {
		described := described.FindStringSubmatch(describe(collector))
		if described == nil {
			t.Fatalf("cannot read the description of a collector: %s", describe(collector))
		}
		var labels []string
		for label := range strings.SplitSeq(described[3], ",") {
			labels = append(labels, manual.Code(label))
		}
		rows = append(rows, []string{manual.Code(described[1]), strings.Join(labels, ", "), described[2]})
	}
	return rows
}

func describe(c prometheus.Collector) string {
	descriptions := make(chan *prometheus.Desc, 1) // each collector has one
	c.Describe(descriptions)
	return (<-descriptions).String()
}

// collectors are those that are registered.
type collectors []prometheus.Collector

func (all *collectors) Register(c prometheus.Collector) error {
	*all = append(*all, c)
	return nil
}

func (all *collectors) MustRegister(more ...prometheus.Collector) { *all = append(*all, more...) }

func (*collectors) Unregister(prometheus.Collector) bool { return false }

// constReason finds the reasons that only the kinds of fault know.
var constReason = regexp.MustCompile(`(?m)^\tpass\w+\s+= "(\w+)"`)

// TestReasons looks that the page has a row for each reason of a request that passes.
func TestReasons(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(referenceFolder, metricsFile))
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := os.ReadFile("kinds/passed.go")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"trigger_refused"}
	for reason := range rules.NumReasons {
		want = append(want, rules.Reason(reason).String())
	}
	found := constReason.FindAllStringSubmatch(string(kinds), -1)
	if len(found) == 0 {
		t.Fatal("no reasons in kinds/passed.go")
	}
	for _, match := range found {
		want = append(want, match[1])
	}
	lines := strings.Split(string(page), "\n")
	for _, reason := range want {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "| `"+reason+"` |") }) {
			t.Errorf("%s has no row for the reason %s", metricsFile, reason)
		}
	}
}
