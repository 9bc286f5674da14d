package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestModules lists the modules that this binary adds to Caddy's. Configurations name
// them, so a module must not disappear or change its name.
func TestModules(t *testing.T) {
	want := []string{
		"admin.api.fault",
		"caddy.listeners.fault",
		"fault",
		"http.faults.choose",
		"http.faults.close",
		"http.faults.corrupt",
		"http.faults.delay",
		"http.faults.dribble",
		"http.faults.error",
		"http.faults.garbage",
		"http.faults.grpc",
		"http.faults.hang",
		"http.faults.interim",
		"http.faults.malformed",
		"http.faults.mutate",
		"http.faults.patch",
		"http.faults.ratelimit",
		"http.faults.refuse",
		"http.faults.reset",
		"http.faults.respond",
		"http.faults.sequence",
		"http.faults.stream",
		"http.faults.throttle",
		"http.faults.trailers",
		"http.faults.truncate",
		"http.handlers.fault",
		"http.handlers.fault_console",
		"http.matchers.json_body",
		"http.reverse_proxy.transport.fault",
	}
	var got []string
	for _, id := range caddy.Modules() {
		info, err := caddy.GetModule(id)
		if err != nil {
			t.Fatal(err)
		}
		module := reflect.Indirect(reflect.ValueOf(info.New())).Type()
		if strings.HasPrefix(module.PkgPath(), "github.com/caddyfault/") {
			got = append(got, id)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the modules\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
