package inject

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// Each point reports its file and line, but not the path of the file.
func TestSource(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sites")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const shop = "fault /shop {\n\tpoint shop\n\tclose\n}\n\nfault /named 551 {\n\tpoint named\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "shop.caddy"), []byte(shop), 0o600); err != nil {
		t.Fatal(err)
	}
	const caddyfile = `(snippet) {
	fault {args[0]} {
		point {args[1]}
		close
	}
}

&(named) {
	fault {
		point inroute
	}
}

:80 {
	import snippet /a first
	import sites/shop.caddy
	import snippet /b second
	fault
	invoke named
	fault /x 551
	reverse_proxy 127.0.0.1:1 {
		lb_retries 2
		transport fault {
			close
		}
	}
	reverse_proxy /y 127.0.0.1:1 {
		transport fault {
			point inner
			transport fault {
				point innermost
			}
		}
	}
}
`
	file := filepath.Join(filepath.Dir(dir), "front.caddy")
	want := map[string]string{
		"first": "front.caddy:2", "shop": "shop.caddy:1", "named": "shop.caddy:6", "second": "front.caddy:2",
		"inroute": "front.caddy:9",
		"fault5":  "front.caddy:18", "fault6": "front.caddy:20",
		"transport23": "front.caddy:23", "inner": "front.caddy:28", "innermost": "front.caddy:30",
	}
	if got := sourcesOf(t, file, caddyfile); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Without the name of a file, the adapter assumes Caddyfile.
func TestSourceWithoutFile(t *testing.T) {
	want := map[string]string{"fault1": "Caddyfile:2"}
	if got := sourcesOf(t, "", ":80 {\n\tfault 551\n}\n"); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// sourcesOf adapts a Caddyfile and returns the sources of the points by name.
func sourcesOf(t *testing.T, file, caddyfile string) map[string]string {
	t.Helper()
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": file})
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(config, &tree); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	collectSources(tree, found)
	return found
}

func collectSources(node any, found map[string]string) {
	switch node := node.(type) {
	case map[string]any:
		if source, ok := node["source"].(string); ok {
			found[node["point"].(string)] = source
		}
		for _, child := range node {
			collectSources(child, found)
		}
	case []any:
		for _, child := range node {
			collectSources(child, found)
		}
	}
}
