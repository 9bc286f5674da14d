package control_test

import (
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/control"
)

// The warnings themselves are in testdata/warnings/admin.warnings.txtar.
func TestOpenAddresses(t *testing.T) {
	tests := []struct {
		listen             string
		open, checksOrigin bool
	}{
		{"localhost:2019", false, true},
		{"127.0.0.1:2019", false, true},
		{"127.9.9.9:2019", false, true},
		{"[::1]:2019", false, true},
		{"unix//run/caddy.sock", false, false},
		{"unix//run/caddy.sock|0200", false, false},
		{"fd/3", false, false},
		{":2019", true, false},
		{"0.0.0.0:2019", true, false},
		{"[::]:2019", true, false},
		{"192.0.2.1:2019", true, true},
		{"[2001:db8::1]:2019", true, true},
		{"fault:2019", true, true},
		{"localhost.example.com:2019", true, true},
	}
	for _, tc := range tests {
		t.Run(tc.listen, func(t *testing.T) {
			addr, err := caddy.ParseNetworkAddress(tc.listen)
			if err != nil {
				t.Fatal(err)
			}
			if got := control.IsOpen(addr); got != tc.open {
				t.Errorf("open: %v, want %v", got, tc.open)
			}
			if got := control.ChecksHosts(addr); tc.open && got != tc.checksOrigin {
				t.Errorf("checks hosts: %v, want %v", got, tc.checksOrigin)
			}
		})
	}
}

// A context without a configuration has no admin endpoint.
func TestAdminOfUnknown(t *testing.T) {
	if got := control.AdminOf(caddy.Context{Context: t.Context()}); got != nil {
		t.Errorf("got %+v, want nil", got)
	}
}
