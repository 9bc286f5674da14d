package api

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

type document struct {
	OpenAPI    string                          `json:"openapi"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Responses map[string]any        `json:"responses"`
		Schemas   map[string]jsonSchema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID         string `json:"operationId"`
	Summary    string `json:"summary"`
	Parameters []struct {
		Name, In, Description string
	} `json:"parameters"`
	Body      any            `json:"requestBody"`
	Responses map[string]any `json:"responses"`
}

type jsonSchema struct {
	Description string                     `json:"description"`
	Properties  map[string]json.RawMessage `json:"properties"`
	Required    []string                   `json:"required"`
}

func readDocument(t *testing.T) (doc document) {
	t.Helper()
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("openapi: got %q, want 3.1", doc.OpenAPI)
	}
	return doc
}

// TestOpenAPIRoutes checks that the document and the routes agree.
func TestOpenAPIRoutes(t *testing.T) {
	doc := readDocument(t)
	ids := make(map[string]bool)
	described := 0
	for _, operations := range doc.Paths {
		described += len(operations)
	}
	if described != len(routes) {
		t.Errorf("%d operations are described, want %d", described, len(routes))
	}
	for _, rt := range routes {
		path := strings.TrimSuffix(rt.pattern, "{$}")
		op, ok := doc.Paths[path][strings.ToLower(rt.method)]
		if !ok {
			t.Errorf("%s %s is not described", rt.method, path)
			continue
		}
		if op.Summary == "" || op.ID == "" || ids[op.ID] {
			t.Errorf("%s %s: summary %q, ID %q: want both, and a unique ID", rt.method, path, op.Summary, op.ID)
		}
		ids[op.ID] = true
		var query, inPath []string
		for _, param := range op.Parameters {
			switch param.In {
			case "query":
				query = append(query, param.Name)
			case "path":
				inPath = append(inPath, "{"+param.Name+"}")
			}
			if param.Description == "" {
				t.Errorf("%s %s: parameter %s without description", rt.method, path, param.Name)
			}
		}
		if want := slices.Sorted(slices.Values(rt.params)); !slices.Equal(slices.Sorted(slices.Values(query)), want) {
			t.Errorf("%s %s: query parameters %q, want %q", rt.method, path, query, want)
		}
		for _, name := range inPath {
			if !strings.Contains(path, name) {
				t.Errorf("%s %s has no %s", rt.method, path, name)
			}
		}
		if strings.Count(path, "{") != len(inPath) {
			t.Errorf("%s %s: path parameters %q", rt.method, path, inPath)
		}
		if hasBody := op.Body != nil; hasBody != slices.Contains([]string{"halt", "annotate", "putExperiment", "putExperiments", "startSet", "patchExperiment", "explain", "readDraft"}, op.ID) {
			t.Errorf("%s %s: body described: %v", rt.method, path, hasBody)
		}
		if op.Responses["400"] == nil || len(op.Responses) < 2 {
			t.Errorf("%s %s: responses %v", rt.method, path, slices.Collect(maps.Keys(op.Responses)))
		}
	}
}

// described maps each schema to its Go struct.
var described = map[string]reflect.Type{
	"AskedWaits":       reflect.TypeFor[clients.AskedWaits](),
	"Attempt":          reflect.TypeFor[clients.Attempt](),
	"Call":             reflect.TypeFor[clients.Call](),
	"CallOutcomes":     reflect.TypeFor[clients.Outcomes](),
	"ClientReport":     reflect.TypeFor[clients.ClientReport](),
	"Clients":          reflect.TypeFor[ClientsView](),
	"ClientsSettings":  reflect.TypeFor[ClientsSettings](),
	"Connections":      reflect.TypeFor[clients.Connections](),
	"ListedPoint":      reflect.TypeFor[listedPoint](),
	"Points":           reflect.TypeFor[PointList](),
	"Evidence":         reflect.TypeFor[clients.Evidence](),
	"Finding":          reflect.TypeFor[clients.Finding](),
	"PeriodReport":     reflect.TypeFor[clients.PeriodReport](),
	"Proof":            reflect.TypeFor[clients.Proof](),
	"RecordedClient":   reflect.TypeFor[clients.Client](),
	"RecordedPeriod":   reflect.TypeFor[clients.Period](),
	"RecordedStep":     reflect.TypeFor[clients.Step](),
	"Recovery":         reflect.TypeFor[clients.Recovery](),
	"Spread":           reflect.TypeFor[clients.Spread](),
	"Undecided":        reflect.TypeFor[clients.Undecided](),
	"Waits":            reflect.TypeFor[clients.Waits](),
	"Activity":         reflect.TypeFor[ActivityList](),
	"ActivityEntry":    reflect.TypeFor[control.Activity](),
	"HaltRequest":      reflect.TypeFor[struct{ Note string }](),
	"Code":             reflect.TypeFor[CodeView](),
	"Codes":            reflect.TypeFor[CodeList](),
	"ConfiguredRule":   reflect.TypeFor[rules.Rule](),
	"Cycle":            reflect.TypeFor[rules.Cycle](),
	"Draft":            reflect.TypeFor[DraftView](),
	"DraftPreview":     reflect.TypeFor[DraftPreview](),
	"DraftRefusal":     reflect.TypeFor[DraftRefusal](),
	"DraftRequest":     reflect.TypeFor[DraftRequest](),
	"Ended":            reflect.TypeFor[EndedList](),
	"Change":           reflect.TypeFor[faults.Change](),
	"Entry":            reflect.TypeFor[EntryView](),
	"Error":            reflect.TypeFor[Error](),
	"Experiment":       reflect.TypeFor[experiments.Experiment](),
	"ExperimentPlace":  reflect.TypeFor[experimentPlace](),
	"Experiments":      reflect.TypeFor[ExperimentList](),
	"ExplainRequest":   reflect.TypeFor[ExplainRequest](),
	"ExplainedPoint":   reflect.TypeFor[explainPoint](),
	"ExplainedHit":     reflect.TypeFor[explainHit](),
	"ExplainedOutcome": reflect.TypeFor[outcome](),
	"Explanation":      reflect.TypeFor[ExplainView](),
	"Fault":            reflect.TypeFor[struct{ Fault string }](), // and the settings of the kind
	"Journal":          reflect.TypeFor[journalList](),
	"Kinds":            reflect.TypeFor[kindList](),
	"Live":             reflect.TypeFor[ExperimentView](),
	"Follows":          reflect.TypeFor[rules.Follows](),
	"Over":             reflect.TypeFor[rules.Over](),
	"Past":             reflect.TypeFor[pastView](),
	"Preset":           reflect.TypeFor[PresetView](),
	"PresetParam":      reflect.TypeFor[presets.Param](),
	"Presets":          reflect.TypeFor[PresetList](),
	"Point":            reflect.TypeFor[pointView](),
	"Reset":            reflect.TypeFor[ResetView](),
	"Seen":             reflect.TypeFor[SeenView](),
	"SeenBrief":        reflect.TypeFor[seen.Brief](),
	"SeenFigures":      reflect.TypeFor[seen.Figures](),
	"SeenPoint":        reflect.TypeFor[seen.Summary](),
	"SeenRule":         reflect.TypeFor[seen.RuleSeries](),
	"SeenSeries":       reflect.TypeFor[seen.Series](),
	"Set":              reflect.TypeFor[SetView](),
	"SetEnded":         reflect.TypeFor[SetEnded](),
	"SetExperiment":    reflect.TypeFor[setExperiment](),
	"SetStart":         reflect.TypeFor[SetStart](),
	"Sets":             reflect.TypeFor[SetList](),
	"Share":            reflect.TypeFor[experiments.GroupState](),
	"ResponseMatcher":  reflect.TypeFor[caddyhttp.ResponseMatcher](),
	"RuleState":        reflect.TypeFor[ruleView](),
	"Server":           reflect.TypeFor[serverView](),
	"State":            reflect.TypeFor[StateView](),
	"Switch":           reflect.TypeFor[TurnView](),
	"SwitchedRule":     reflect.TypeFor[switchedRule](),
	"TriggerState":     reflect.TypeFor[triggerView](),
	"Verdict":          reflect.TypeFor[rules.Verdict](),
	"Verification":     reflect.TypeFor[VerifyView](),
}

// TestOpenAPISchemas checks that the schemas and the fields of the structs agree.
func TestOpenAPISchemas(t *testing.T) {
	doc := readDocument(t)
	for name := range described {
		if _, ok := doc.Components.Schemas[name]; !ok {
			t.Errorf("schema %s is missing", name)
		}
	}
	for name, schema := range doc.Components.Schemas {
		if schema.Description == "" {
			t.Errorf("schema %s without description", name)
		}
		if schema.Properties == nil {
			continue
		}
		goType, ok := described[name]
		if !ok {
			t.Errorf("schema %s has no struct", name)
			continue
		}
		want := slices.Sorted(slices.Values(jsonFields(goType)))
		if got := slices.Sorted(maps.Keys(schema.Properties)); !slices.Equal(got, want) {
			t.Errorf("schema %s: properties %q, want %q", name, got, want)
		}
		for _, field := range schema.Required {
			if schema.Properties[field] == nil {
				t.Errorf("schema %s requires %s, which is not a property", name, field)
			}
		}
	}
}

// jsonFields returns the JSON names of the fields of a struct.
func jsonFields(of reflect.Type) []string {
	var names []string
	for field := range of.Fields() {
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && tag == "":
			names = append(names, jsonFields(field.Type)...)
		case !field.IsExported(), tag == "-":
		case tag == "":
			names = append(names, strings.ToLower(field.Name))
		default:
			names = append(names, tag)
		}
	}
	return names
}

// TestOpenAPIReferences checks that every reference has a target, and every component a
// reference.
func TestOpenAPIReferences(t *testing.T) {
	doc := readDocument(t)
	text := string(openAPI)
	known := make(map[string]bool)
	for name := range doc.Components.Schemas {
		known["#/components/schemas/"+name] = true
	}
	for name := range doc.Components.Responses {
		known["#/components/responses/"+name] = true
	}
	for _, part := range strings.Split(text, `"$ref": "`)[1:] {
		if ref, _, _ := strings.Cut(part, `"`); !known[ref] {
			t.Errorf("%s refers to nothing", ref)
		}
	}
	for ref := range known {
		if !strings.Contains(text, `"`+ref+`"`) {
			t.Errorf("nothing refers to %s", ref)
		}
	}
}
