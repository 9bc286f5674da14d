package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

var withPromtool = flag.Bool("promtool", false, "check the metrics and the rules of the manual with promtool")

const (
	rulesFolder   = "../docs/deploy/prometheus/"
	dashboardFile = "../docs/deploy/grafana/dashboard.json"
)

// TestMonitoring scrapes the ready binary, and checks that all metrics and labels exist
// that the rules for Prometheus and the dashboard for Grafana name.
func TestMonitoring(t *testing.T) {
	text := scrapeAll(t)
	known := labelsOf(text)
	rules, recorded := readRules(t)
	board := readDashboard(t)
	for name := range known {
		base := strings.TrimSuffix(name, "_bucket")
		if !slices.ContainsFunc(board, func(q testkit.Query) bool { return strings.Contains(q.Text, base) }) {
			t.Errorf("no panel shows %s", base)
		}
	}
	maps.Copy(known, recorded)
	for _, q := range append(rules, board...) {
		checkQuery(t, q, known)
	}
	if *withPromtool {
		promtool(t, nil, "check", "config", rulesFolder+"prometheus.yml")
		promtool(t, nil, "check", "rules", rulesFolder+"rules.yml")
		promtool(t, nil, "test", "rules", rulesFolder+"rules_test.yml")
		promtool(t, faultMetrics(text), "check", "metrics")
	}
}

// checkQuery checks a query against the labels of each metric.
func checkQuery(t *testing.T, q testkit.Query, known map[string][]string) {
	t.Helper()
	for _, name := range q.Metrics() {
		labels, ok := known[name]
		if !ok {
			t.Errorf("%s: metric %s does not exist", q.Where, name)
			continue
		}
		for _, label := range q.Labels() {
			if label != "instance" && !slices.Contains(labels, label) { // Prometheus adds this label
				t.Errorf("%s: metric %s has no label %s", q.Where, name, label)
			}
		}
	}
}

// promtool runs a command of promtool.
func promtool(t *testing.T, input []byte, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	t.Logf("promtool %s: %s", strings.Join(args, " "), out)
}

// scrapeAll returns the metrics of a Caddy in which every metric has a series. A finding
// takes ten seconds, so it has one only for promtool.
func scrapeAll(t *testing.T) []byte {
	t.Helper()
	port, metricsPort := strconv.Itoa(freePort(t)), strconv.Itoa(freePort(t))
	site := net.JoinHostPort("127.0.0.1", port)
	p := run(t, caddyBinary(t), fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
}
http://:%s {
	bind 127.0.0.1
	fault /orders {
		point shop
		rule never {
			percent 0
			close
		}
		rule busy {
			per {header.Idempotency-Key}
			times 1
			delay 1ms
			respond 503 {
				header Retry-After 1
			}
		}
		rule stuck {
			match header X-Stuck 1
			hang
		}
	}
	respond ok
}
http://:%s {
	bind 127.0.0.1
	metrics
}
`, port, metricsPort))
	p.find(t, `"msg":"(serving initial configuration)"`)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	leave(t, site)
	orderAt(t, site, "hasty/1", 3, func(time.Duration) time.Duration { return 0 })
	var text []byte
	eventually(t, func() error {
		text = fetch(t, "http://"+net.JoinHostPort("127.0.0.1", metricsPort)+"/metrics")
		for _, name := range []string{"caddy_fault_left_after_seconds_count", "caddy_fault_findings_total"} {
			if !bytes.Contains(text, []byte(name)) && (*withPromtool || name != "caddy_fault_findings_total") {
				return fmt.Errorf("%s is not in the metrics", name)
			}
		}
		return nil
	})
	return text
}

// leave sends a request that a fault holds, and leaves.
func leave(t *testing.T, site string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+site+"/orders", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Stuck", "1")
	r.Header.Set("Idempotency-Key", "stuck")
	for range 2 { // the rule busy hits the first one
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
	}
}

// fetch returns the body of a page.
func fetch(t *testing.T, url string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, resp.StatusCode, err)
	}
	return body.Bytes()
}

// faultMetrics returns the lines of the fault injector. Caddy's other metrics are not
// ours to check.
func faultMetrics(text []byte) []byte {
	var ours bytes.Buffer
	for line := range bytes.Lines(text) {
		if bytes.Contains(line, []byte("caddy_fault_")) {
			ours.Write(line)
		}
	}
	return ours.Bytes()
}

var (
	sampleLine  = regexp.MustCompile(`(?m)^(caddy_fault_\w+)(?:\{(.*)\})? `)
	sampleLabel = regexp.MustCompile(`(\w+)="`)
)

// labelsOf returns the metrics of the fault injector with their labels. Of a histogram,
// it returns the buckets.
func labelsOf(text []byte) map[string][]string {
	known := make(map[string][]string)
	for _, match := range sampleLine.FindAllSubmatch(text, -1) {
		name, labels := string(match[1]), []string{}
		for _, label := range sampleLabel.FindAllSubmatch(match[2], -1) {
			labels = append(labels, string(label[1]))
		}
		if !strings.HasSuffix(name, "_sum") && !strings.HasSuffix(name, "_count") {
			known[name] = labels
		}
	}
	if !*withPromtool {
		known["caddy_fault_findings_total"] = []string{"point", "finding"}
	}
	return known
}

// readRules returns the queries and the texts of the rules, and the labels of what they
// record.
func readRules(t *testing.T) (queries []testkit.Query, recorded map[string][]string) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Record, Alert, Expr string
				Labels, Annotations map[string]string
			}
		}
	}
	content, err := os.ReadFile(rulesFolder + "rules.yml")
	if err == nil {
		err = yaml.Unmarshal(content, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	recorded = make(map[string][]string)
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			q := testkit.Query{Where: rule.Record + rule.Alert, Text: rule.Expr}
			queries = append(queries, q)
			if rule.Record != "" {
				recorded[rule.Record] = []string{"instance", "point"}
			}
			if rule.Alert != "" && (rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "") {
				t.Errorf("%s: want a severity, a summary and a description", rule.Alert)
			}
			for name, text := range rule.Annotations { // the labels of a text are those of the query
				queries = append(queries, testkit.Query{Where: rule.Alert + " " + name, Text: strings.Join(q.Metrics(), " ") + " " + text})
			}
		}
	}
	return queries, recorded
}

// readDashboard checks the form of the dashboard, and returns its queries.
func readDashboard(t *testing.T) (queries []testkit.Query) {
	t.Helper()
	var board struct {
		UID, Title    string
		SchemaVersion int
		Links         []struct{ Title, URL string }
		Annotations   struct {
			List []struct{ Name, Expr, TextFormat string }
		}
		Templating struct {
			List []struct{ Name, Type, Query string }
		}
		Panels []struct {
			ID                       int
			Type, Title, Description string
			GridPos                  struct{ X, Y, W, H int }
			Targets                  []struct{ RefID, Expr, LegendFormat string }
		}
	}
	content, err := os.ReadFile(dashboardFile)
	if err == nil {
		err = json.Unmarshal(content, &board)
	}
	if err != nil || board.UID == "" || board.Title == "" || board.SchemaVersion == 0 || len(board.Panels) == 0 {
		t.Fatalf("dashboard: %v, %+v", err, board)
	}
	ids := make(map[int]bool)
	for _, p := range board.Panels {
		if p.Type == "" || p.Title == "" || p.Description == "" || ids[p.ID] || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			queries = append(queries, testkit.Query{Where: "panel " + p.Title + " " + target.RefID, Text: target.Expr + " " + target.LegendFormat})
		}
	}
	for _, note := range board.Annotations.List {
		queries = append(queries, testkit.Query{Where: "annotation " + note.Name, Text: note.Expr + " " + note.TextFormat})
	}
	variables := make(map[string]bool)
	for _, v := range board.Templating.List {
		variables["${"+v.Name+"}"] = true
		if v.Type == "query" {
			queries = append(queries, testkit.Query{Where: "variable " + v.Name, Text: v.Query})
		}
	}
	for _, link := range board.Links {
		if link.Title == "" || !variables[link.URL] && !strings.HasPrefix(link.URL, "https://") {
			t.Errorf("link %+v", link)
		}
	}
	return queries
}
