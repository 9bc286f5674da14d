package caddymodule

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// compileSchemas compiles the schemas with a validator that is not ours.
func compileSchemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	compiled := make(map[string]*jsonschema.Schema)
	for _, name := range api.SchemaNames() {
		schema, err := api.Schema(name)
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource(name+".json", valueOf(t, schema)); err != nil {
			t.Fatal(err)
		}
		if compiled[name], err = c.Compile(name + ".json"); err != nil {
			t.Fatal(err)
		}
	}
	return compiled
}

// valueOf returns a value as the validator reads it from JSON.
func valueOf(t *testing.T, from any) any {
	t.Helper()
	text, ok := from.(string)
	if !ok {
		data, err := json.Marshal(from)
		if err != nil {
			t.Fatal(err)
		}
		text = string(data)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

// parts calls found for the rules, experiments and handlers in a configuration.
func parts(node any, found func(schema string, part any)) {
	switch node := node.(type) {
	case map[string]any:
		if node["handler"] == "fault" {
			found("handler", node)
		}
		if sets, ok := node["experiments"].(map[string]any); ok {
			for name := range sets {
				found("experiment", sets[name])
			}
		}
		if rules, ok := node["rules"].([]any); ok {
			for _, rule := range rules {
				found("rule", rule)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(node)) {
			parts(node[name], found)
		}
	case []any:
		for _, child := range node {
			parts(child, found)
		}
	}
}

// TestSchemaGolden checks that everything that a Caddyfile adapts to is valid.
func TestSchemaGolden(t *testing.T) {
	schemas, count := compileSchemas(t), make(map[string]int)
	goldens := testkit.Goldens(t, "testdata/adapt", "*")
	goldens = append(goldens, testkit.Goldens(t, "kinds/testdata", "*")...)
	for _, g := range goldens {
		if g.Refused() {
			continue
		}
		parts(valueOf(t, g.Want), func(schema string, part any) {
			count[schema]++
			if err := schemas[schema].Validate(part); err != nil {
				t.Errorf("%s: %v", g.Name, err)
			}
		})
	}
	if count["rule"] < 100 || count["handler"] < 50 || count["experiment"] < 2 {
		t.Errorf("validated %v, want more", count)
	}
}

// TestSchemaManual checks that the JSON of the manual is valid: fragments of a
// configuration, rules and experiments.
func TestSchemaManual(t *testing.T) {
	schemas, count := compileSchemas(t), 0
	for _, page := range manualPages(t) {
		for _, block := range page.Blocks() {
			var members map[string]any
			if block.Language != "json" || json.Unmarshal([]byte(block.Text), &members) != nil {
				continue
			}
			value, schema := valueOf(t, block.Text), "rule"
			if members["points"] != nil || members["ttl"] != nil || members["note"] != nil {
				schema = "experiment"
			}
			if _, isRule := members["faults"].([]any); isRule && members["fault"] == nil {
				count++
				if err := schemas[schema].Validate(value); err != nil {
					t.Errorf("%s:%d: %v", page.Path, block.Line, err)
				}
			}
			parts(value, func(schema string, part any) {
				count++
				if err := schemas[schema].Validate(part); err != nil {
					t.Errorf("%s:%d: %v", page.Path, block.Line, err)
				}
			})
		}
	}
	if count < 5 {
		t.Errorf("validated %d parts, want more", count)
	}
}

// unseen are bodies that the API refuses for a reason that no schema sees.
var unseen = []string{
	`{"faults": [{"fault": "close"}]}`,                                                                   // neither points nor a matcher
	`{"points": ["nowhere"], "faults": [{"fault": "close"}]}`,                                            // what points there are
	`{"points": ["*"], "faults": [{"fault": "close"}]}`,                                                  // the name is in the path
	`{"match": [{"path": ["api/*"]}], "faults": [{"fault": "close"}]}`,                                   // what a matcher can mean
	`{"points": ["*"], "faults": [{"fault": "respond", "status_code": 503, "body_file": "/etc/hosts"}]}`, // a rule may read files
}

// TestSchemaRefused checks that the schema refuses what the API refuses, as far as a
// schema can see.
func TestSchemaRefused(t *testing.T) {
	experiment := compileSchemas(t)["experiment"]
	n := testnode.Start(t, testnode.Shop, "")
	bodies := []string{
		`[]`, `"close"`, `{}`,
		`{"points": "*", "faults": [{"fault": "close"}]}`,
		`{"points": ["*"], "faults": {"fault": "close"}}`,
		`{"points": ["*"], "faults": ["close"]}`,
		`{"points": ["*"], "faults": [{}]}`,
		`{"points": ["*"], "faults": [{"fault": "delay", "seconds": 2}]}`,
		`{"points": ["*"], "faults": [{"fault": "delay", "duration": "2 s"}]}`,
		`{"points": ["*"], "faults": [{"fault": "delay", "distribution": "gauss", "duration": "2s"}]}`,
		`{"points": ["*"], "faults": [{"fault": "choose", "branches": [{"weight": -1, "faults": [{"fault": "close"}]}]}]}`,
		`{"points": ["*"], "faults": [{"fault": "choose", "branches": [{"weight": 1, "faults": [{"fault": "explode"}]}]}]}`,
		`{"points": ["*"], "faults": [{"fault": "sequence", "steps": [[{"fault": "explode"}]]}]}`,
		`{"points": ["*"], "percent": 101, "faults": [{"fault": "close"}]}`,
		`{"points": ["*"], "every": 0, "faults": [{"fault": "close"}]}`,
		`{"points": ["*"], "skip": -1, "faults": [{"fault": "close"}]}`,
		`{"points": ["*"], "times": 1.5, "faults": [{"fault": "close"}]}`,
		`{"points": ["*"], "phase": "reply", "faults": [{"fault": "close"}]}`,
		`{"points": ["*"], "cycle": {"on": "1s", "off": "1s"}, "faults": [{"fault": "close"}]}`,
		`{"points": ["*"], "lasts": true, "faults": [{"fault": "close"}]}`,
		`{"match": [{"paths": ["/api/*"]}], "faults": [{"fault": "close"}]}`,
		`{"match": {"path": ["/api/*"]}, "faults": [{"fault": "close"}]}`,
	}
	for _, asked := range refusedRequests {
		if asked.method == "PUT" && !slices.Contains(unseen, asked.body) {
			bodies = append(bodies, asked.body)
		}
	}
	for _, body := range bodies {
		if n.Do("PUT", "/experiments/slow", body).Code != 400 {
			t.Errorf("%s: the API accepts it", body)
		}
		if experiment.Validate(valueOf(t, body)) == nil {
			t.Errorf("%s: the schema accepts it", body)
		}
	}
	for _, body := range unseen {
		if err := experiment.Validate(valueOf(t, body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestSchemaHandlerRefused checks what the schema of the handler refuses.
func TestSchemaHandlerRefused(t *testing.T) {
	handler := compileSchemas(t)["handler"]
	for body, valid := range map[string]bool{
		`{"handler": "fault"}`:                                           true,
		`{"handler": "fault", "rules": []}`:                              true,
		`{"handler": "faulty"}`:                                          false,
		`{"rules": []}`:                                                  false,
		`{"handler": "fault", "rule": []}`:                               false,
		`{"handler": "fault", "rules": [{"percentage": 10}]}`:            false,
		`{"handler": "fault", "triggers": [{"source": "header"}]}`:       true,
		`{"handler": "fault", "triggers": [{"source": "body"}]}`:         false,
		`{"handler": "fault", "triggers": [{"max_delay": "5 seconds"}]}`: false,
		`{"handler": "fault", "seed": "1"}`:                              false,
		`{"handler": "fault", "cors": {"origins": "*"}}`:                 false,
	} {
		if err := handler.Validate(valueOf(t, body)); (err == nil) != valid {
			t.Errorf("%s: got %v, want it valid: %v", body, err, valid)
		}
	}
}

// TestSchemaTexts checks that an editor shows what a field means.
func TestSchemaTexts(t *testing.T) {
	for _, name := range []string{"rule", "experiment"} {
		schema, err := api.Schema(name)
		if err != nil {
			t.Fatal(err)
		}
		for field, of := range schema["properties"].(map[string]any) {
			if text, _ := of.(map[string]any)["description"].(string); text == "" {
				t.Errorf("%s: %s has no description", name, field)
			}
		}
	}
	if _, err := api.Schema("rules"); err == nil || err.Error() != "no schema of 'rules': want one of rule, experiment, handler" {
		t.Errorf("an unknown name: got %v", err)
	}
}
