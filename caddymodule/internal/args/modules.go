package args

import "github.com/caddyserver/caddy/v2"

// ModuleNames returns the names of the modules in a namespace that this build of Caddy
// has, sorted.
func ModuleNames(namespace string) []string {
	infos := caddy.GetModules(namespace)
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = info.ID.Name()
	}
	return names
}
