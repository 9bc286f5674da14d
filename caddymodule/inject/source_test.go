package inject

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
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

// A mistake that only the load finds is refused with the name and the line of the point.
// Without it, nobody knows which of many points is meant.
func TestLoadNamesThePoint(t *testing.T) {
	const upstream = "reverse_proxy 127.0.0.1:1 {\n"
	for lines, want := range map[string]string{
		"fault {\nmatch path_regexp (\nclose\n}":                                                    "point 'fault1', at Caddyfile:2: rule 'rule1': ",
		"fault {\nmatch expression foo(\nclose\n}":                                                  "point 'fault1', at Caddyfile:2: rule 'rule1': ",
		"fault 503\nfault {\npoint p\nmatch remote_ip 1.2\nclose\n}":                                "point 'p', at Caddyfile:3: rule 'rule1': ",
		"fault {\npoint p\nclose\n}\nfault {\npoint p\nseed 1\nclose\n}":                            "point 'p', at Caddyfile:6: point 'p' is configured twice",
		upstream + "transport fault {\nmatch path_regexp (\nclose\n}\n}":                            "point 'transport3', at Caddyfile:3: rule 'rule1': ",
		upstream + "transport fault {\ntransport http {\ntls_trust_pool file /missing.pem\n}\n}\n}": "point 'transport3', at Caddyfile:3: loading transport: ",
		upstream + "transport fault {\nclose\n}\n}\nfault {\nmatch header_regexp X (\nclose\n}":     "point 'fault1', at Caddyfile:7: rule 'rule1': ",
	} {
		config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte("http://127.0.0.1:0 {\n"+lines+"\n}\n"), map[string]any{"filename": "Caddyfile"})
		if err != nil {
			t.Errorf("%s: adapt: %v", lines, err)
			continue
		}
		var c caddy.Config
		if err := json.Unmarshal(config, &c); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", lines, err, want)
		}
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
