package caddymodule

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// mangler puts other values into each place of a configuration.
type mangler struct {
	t     *testing.T
	whole any
	tried map[string]bool // by the kind of module and the path in it
}

// own returns the name of a module in this project, or "".
func own(node map[string]any) string {
	if kind, ok := node["fault"].(string); ok {
		return kind
	}
	if node["handler"] == "fault" || node["protocol"] == "fault" {
		return "point"
	}
	return ""
}

// walk mangles node, which set replaces, and all that is in it. path is empty outside of
// these modules.
func (m *mangler) walk(node any, path string, set func(any)) {
	if path != "" && !m.tried[path] {
		m.tried[path] = true
		for _, other := range []any{7, "(", map[string]any{}, []any{"("}} {
			set(other)
			m.load(path)
		}
		set(node)
	}
	switch node := node.(type) {
	case map[string]any:
		if name := own(node); name != "" {
			path = name
		}
		for name, value := range node {
			inside := path
			if path != "" {
				inside += "." + name
			}
			if app, isApp := value.(map[string]any); isApp && name == "fault" && path == "" {
				m.walk(app, "app", func(other any) { node[name] = other })
				continue
			}
			m.walk(value, inside, func(other any) { node[name] = other })
		}
	case []any:
		for i := range node {
			m.walk(node[i], path, func(other any) { node[i] = other })
		}
	}
}

// load loads the configuration, which may fail.
func (m *mangler) load(path string) {
	config, err := json.Marshal(m.whole)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			m.t.Errorf("%s: loading panics: %v\n%s", path, panicked, config)
		}
	}()
	err = testkit.ValidateConfig(m.t, string(config))
	if err != nil && strings.Contains(err.Error(), "panic") {
		m.t.Errorf("%s: %v", path, err)
	}
}

// A value of another type, or one that does not parse, never makes loading panic.
func TestMangledConfig(t *testing.T) {
	m := &mangler{t: t, tried: make(map[string]bool)}
	all := testkit.Goldens(t, "testdata/adapt", "*")
	t.Chdir("kinds") // a sample names a file
	for _, g := range slices.Concat(all, testkit.Goldens(t, "testdata", "*")) {
		if g.Refused() {
			continue
		}
		if err := json.Unmarshal([]byte(g.Want), &m.whole); err != nil {
			t.Fatal(err)
		}
		m.walk(m.whole, "", nil)
	}
	if len(m.tried) < 300 {
		t.Errorf("only %d places were mangled", len(m.tried))
	}
}
