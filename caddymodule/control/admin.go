package control

import (
	"fmt"
	"net"
	"reflect"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/hint"
)

// warnOfAdmin warns of an admin endpoint that other machines can reach, because all its
// clients can inject faults.
func (a *App) warnOfAdmin() {
	admin := adminOf(a.ctx)
	if admin == nil || admin.Disabled {
		return
	}
	listen := admin.Listen
	if listen == "" {
		listen = caddy.DefaultAdminListen
	}
	addr, err := caddy.ParseNetworkAddress(caddy.NewReplacer().ReplaceAll(listen, ""))
	if err != nil || !isOpen(addr) {
		return // Caddy reports the error
	}
	open := fmt.Sprintf("the admin endpoint '%s' is open to the network, and its clients can inject faults", listen)
	if checksHosts(addr) && len(admin.Origins) > 0 {
		a.logger.Info(open)
		return
	}
	hint.Write(a.logger, "", open+"; write 'admin localhost:2019', or a name of this machine with origins")
}

// adminOf returns the settings of the admin endpoint, or nil if they are unknown. Caddy
// offers them to no module, so adminOf reads an unexported field.
func adminOf(ctx caddy.Context) *caddy.AdminConfig {
	cfg := reflect.ValueOf(ctx).FieldByName("cfg")
	if !cfg.IsValid() || cfg.Type() != reflect.TypeFor[*caddy.Config]() || cfg.IsNil() {
		return nil
	}
	return (*caddy.Config)(cfg.UnsafePointer()).Admin
}

// isOpen reports whether other machines can reach an address.
func isOpen(addr caddy.NetworkAddress) bool {
	if addr.IsUnixNetwork() || addr.IsFdNetwork() || addr.Host == "localhost" {
		return false
	}
	ip := net.ParseIP(addr.Host)
	return ip == nil || !ip.IsLoopback()
}

// checksHosts reports whether Caddy compares the Host of requests to an address with
// its origins. It does not if it listens on all addresses of the machine.
func checksHosts(addr caddy.NetworkAddress) bool {
	ip := net.ParseIP(addr.Host)
	return addr.Host != "" && (ip == nil || !ip.IsUnspecified())
}
