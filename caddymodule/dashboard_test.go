package caddymodule

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

var (
	metricInQuery = regexp.MustCompile(`caddy_\w+`)
	labelInQuery  = regexp.MustCompile(`(?:by \(([^)]*)\)|\{(\w+)=~|, (\w+)\)$)`)
	labelInLegend = regexp.MustCompile(`\{\{(\w+)\}\}`)
)

// TestDashboard checks the queries of the Grafana dashboard against the existing
// metrics. The dashboard must show each of them.
func TestDashboard(t *testing.T) {
	content, err := os.ReadFile("testdata/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID, Title    string
		SchemaVersion int
		Panels        []struct {
			ID          int
			Type, Title string
			Targets     []struct{ RefID, Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Name, Type, Query string }
		}
	}
	if err := json.Unmarshal(content, &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || board.Title == "" || board.SchemaVersion == 0 || len(board.Panels) == 0 {
		t.Errorf("got %+v", board)
	}
	known, seen := labelsByMetric(t), make(map[string]bool)
	check := func(panel, query, legend string) {
		names := metricInQuery.FindAllString(query, -1)
		if len(names) == 0 {
			t.Errorf("panel %s: the query has no fault metric: %s", panel, query)
		}
		for _, name := range names {
			labels, ok := known[name]
			if !ok {
				t.Errorf("panel %s: metric %s does not exist", panel, name)
			}
			seen[strings.TrimSuffix(name, "_bucket")] = true
			for _, label := range labelsIn(query, legend) {
				if label != "instance" && !slices.Contains(labels, label) { // Prometheus adds this label
					t.Errorf("panel %s: metric %s has no label %s", panel, name, label)
				}
			}
		}
	}
	ids := make(map[int]bool)
	for _, p := range board.Panels {
		if p.Type == "" || p.Title == "" || ids[p.ID] || len(p.Targets) == 0 {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			if target.RefID == "" {
				t.Errorf("panel %s: a target without refId", p.Title)
			}
			check(p.Title, target.Expr, target.LegendFormat)
		}
	}
	for _, variable := range board.Templating.List {
		if variable.Type == "query" {
			check("variable "+variable.Name, variable.Query, "")
		}
	}
	for name := range known {
		if base := strings.TrimSuffix(name, "_bucket"); !seen[base] {
			t.Errorf("no panel shows %s", base)
		}
	}
}

// labelsIn returns the labels in a query and in its legend.
func labelsIn(query, legend string) []string {
	var labels []string
	for _, match := range labelInQuery.FindAllStringSubmatch(query, -1) {
		for label := range strings.SplitSeq(strings.Join(match[1:], ""), ",") {
			labels = append(labels, strings.TrimSpace(label))
		}
	}
	for _, match := range labelInLegend.FindAllStringSubmatch(legend, -1) {
		labels = append(labels, match[1])
	}
	return labels
}

// labelsByMetric returns the metrics after a hit, with their Prometheus names and their
// labels.
func labelsByMetric(t *testing.T) map[string][]string {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := metrics.Register(registry); err != nil {
		t.Fatal(err)
	}
	h := testnode.Start(t, `{"point": "board", "rules": [{"percent": 0, "faults": [{"fault": "close"}]}, {"faults": [{"fault": "delay", "duration": "1ns"}]}]}`, "")
	if _, _, err := testkit.Get(t, h, "/", testkit.Upstream); err != nil {
		t.Fatal(err)
	}
	metrics.FindingsTotal.WithLabelValues("board", "no_wait").Inc()
	metrics.OfClients("board").Left(time.Second)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string][]string)
	for _, family := range families {
		name, labels := family.GetName(), []string{}
		for _, pair := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		if family.GetMetric()[0].GetHistogram() != nil {
			name, labels = name+"_bucket", append(labels, "le")
		}
		known[name] = labels
	}
	return known
}
