package caddymodule

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
)

// presetsFile is written by hand, except for the tables of the presets and of what the
// SDKs raise.
const presetsFile = "presets.md"

// presetGroups are the parts of the page, and the beginnings of the names in them. The
// patterns are known by their source, and all others are services.
var presetGroups = []struct {
	part     string
	prefixes []string
}{
	{"ai", []string{"openai-", "azure-openai-", "anthropic-", "gemini-", "aws-bedrock-"}},
	{"streams", []string{"llm-", "sse-", "websocket-", "grpc-stream-"}},
	{"clouds", []string{"aws-", "azure-", "cloudflare-", "cloudfront", "gcp-", "kubernetes-", "microsoft-", "nginx-"}},
	{"payment", []string{"stripe-", "paypal-"}},
	{"networks", []string{"network-"}},
	{"forms", []string{"captive-", "connect-", "graphql-", "grpc-", "jsonrpc-", "oauth-", "odata-", "problem", "soap-"}},
	{"services", nil},
	{"patterns", nil},
}

// partOf returns the part of the page that has a preset.
func partOf(p *presets.Preset) string {
	if p.Sources[0] == "pattern" {
		return "patterns"
	}
	for _, group := range presetGroups {
		if slices.ContainsFunc(group.prefixes, func(prefix string) bool { return strings.HasPrefix(p.Name, prefix) }) {
			return group.part
		}
	}
	return "services"
}

// presetsPage is the page of the presets with its tables.
func presetsPage(t *testing.T) string {
	page := readReference(t, presetsFile)
	rows := make(map[string][][]string)
	for _, p := range presets.Set(nil).All() {
		rows[partOf(p)] = append(rows[partOf(p)], presetRow(p))
	}
	for _, group := range presetGroups {
		head := []string{"Preset", "Status", "What", "Parameters", "Sources"}
		var m referencePage
		m.Table(head, rows[group.part])
		page = withGenerated(t, page, group.part, m.Text())
	}
	return withGenerated(t, page, "sdks", sdkTable(t))
}

// presetRow is a row of a table.
func presetRow(p *presets.Preset) []string {
	var params, sources []string
	for _, param := range p.Params {
		text := manual.Code(param.Name+"="+param.Default) + " " + param.What
		if len(param.Choices) > 0 && !strings.Contains(param.What, param.Choices[1]) {
			text += "; or " + strings.Join(param.Choices[1:], ", ")
		}
		params = append(params, text)
	}
	for i, source := range p.Sources {
		if source != "pattern" {
			sources = append(sources, fmt.Sprintf("[%d](%s)", i+1, source))
		}
	}
	if p.Modelled != "" {
		sources = append(sources, "modelled on "+p.Modelled)
	}
	status := grammar.AboutPreset(p).Status
	return []string{manual.Code(p.Name), status, p.What, strings.Join(params, "<br>"), strings.Join(sources, ", ")}
}

// sdkReport is what an SDK raises for a preset.
type sdkReport struct {
	Preset, SDK, Class, Code string
	Attempts                 int
	Obeys                    bool // it waited as Retry-After says
}

// sdkTable is the table of what SDKs raise.
func sdkTable(t *testing.T) string {
	var measured struct {
		Versions map[string]string
		Reports  []sdkReport
	}
	readJSON(t, "e2e/sdks/presets/measured.json", &measured)
	var rows [][]string
	for _, r := range measured.Reports {
		name, call, _ := strings.Cut(r.SDK, " ")
		class := manual.Code(r.Class)
		if r.Code != "" {
			class += ", " + manual.Code(r.Code)
		}
		attempts := fmt.Sprint(r.Attempts)
		if r.Obeys {
			attempts += ", obeys `Retry-After`"
		}
		rows = append(rows, []string{manual.Code(r.Preset), strings.TrimSpace(name + " " + measured.Versions[name] + " " + call), class, attempts})
	}
	var m referencePage
	m.Table([]string{"Preset", "SDK", "What it raises", "Attempts"}, rows)
	return m.Text()
}

// Each preset is in one table, and no table is empty.
func TestPresetGroups(t *testing.T) {
	count := make(map[string]int)
	for _, p := range presets.Set(nil).All() {
		count[partOf(p)]++
	}
	for _, group := range presetGroups {
		if count[group.part] == 0 {
			t.Errorf("no preset in %s", group.part)
		}
	}
	if len(count) != len(presetGroups) {
		t.Errorf("got %v", count)
	}
}
