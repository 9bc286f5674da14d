package control_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/control"
)

// A probe is an app that records the calls of Caddy.
type probe struct {
	Name string `json:"name,omitempty"`
}

var probed []string

func (*probe) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "probe", New: func() caddy.Module { return new(probe) }}
}

func (p *probe) note(event string) error {
	probed = append(probed, p.Name+" "+event)
	return nil
}

func (p *probe) Provision(caddy.Context) error { return p.note("provisioned") }
func (p *probe) Start() error                  { return p.note("started") }
func (p *probe) Stop() error                   { return p.note("stopped") }
func (p *probe) Cleanup() error                { return p.note("cleaned up") }

// noConfig is a loader of further configurations that has none.
type noConfig struct{}

func (noConfig) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.config_loaders.none", New: func() caddy.Module { return new(noConfig) }}
}

func (noConfig) LoadConfig(caddy.Context) ([]byte, error) { return nil, errors.New("on purpose") }

func init() {
	caddy.RegisterModule(new(probe))
	caddy.RegisterModule(noConfig{})
}

// Caddy starts a configuration before it stops the previous one. If Caddy discards a
// configuration whose apps have started, it cleans the apps up without stopping them.
// See caddymodule/docs/undocumented.md.
func TestOrderOfConfigurations(t *testing.T) {
	ctl := control.Of(context.Background())
	load := func(name, loader string) error {
		return caddy.Load(fmt.Appendf(nil, `{"admin": {"disabled": true, "config": {"persist": false%s}}, "storage": {"module": "file_system", "root": %q},
			"apps": {"fault": {"halted": %t}, "probe": {"name": %q}}}`, loader, t.TempDir(), loader != "", name), true)
	}
	if err := load("first", ""); err != nil {
		t.Fatal(err)
	}
	running := ctl.Current()
	if err := load("failing", `, "load": {"module": "none"}`); err == nil || !strings.Contains(err.Error(), "on purpose") {
		t.Errorf("got error %v", err)
	}
	if ctl.Current() != running || ctl.Switch.Halted() {
		t.Errorf("after a discarded configuration: the first is current: %t, halted: %t", ctl.Current() == running, ctl.Switch.Halted())
	}
	if err := load("second", ""); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Stop(); err != nil {
		t.Error(err)
	}
	const want = "first provisioned, first started, failing provisioned, failing started, failing cleaned up, second provisioned, second started, " +
		"first stopped, first cleaned up, second stopped, second cleaned up"
	if got := strings.Join(probed, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
