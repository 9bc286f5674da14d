package command

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// addressVariable has the address of the admin API, if neither --address nor --config
// is given.
const addressVariable = "CADDY_FAULT_ADDRESS"

// connect returns the client of the admin API at an address. If it is empty, the
// configuration file or the environment has the address.
func connect(cmd *cobra.Command, address string) (*adminClient, error) {
	if address == "" && flagText(cmd, "config") == "" {
		address = os.Getenv(addressVariable)
	}
	address, err := caddycmd.DetermineAdminAPIAddress(address, nil, flagText(cmd, "config"), flagText(cmd, "adapter"))
	if err != nil {
		return nil, err
	}
	return newAdminClient(address)
}

// newAdminClient returns a client for an admin address in Caddy's form, such as
// localhost:2019 or unix//run/caddy.sock, or with the scheme http, https or unix.
func newAdminClient(address string) (*adminClient, error) {
	scheme, plain := cutScheme(address)
	at, err := caddy.ParseNetworkAddress(plain)
	if err != nil || plain == "unix/" || at.PortRangeSize() > 1 || strings.Contains(plain, "://") || scheme != "" && strings.Contains(plain, "/") && !at.IsUnixNetwork() {
		return nil, fmt.Errorf("bad admin address '%s': want one such as localhost:2019, https://caddy.example.com or unix//run/caddy.sock", address)
	}
	if at.StartPort == 0 && scheme == "https" {
		at.StartPort, at.EndPort = 443, 443
	}
	if at.StartPort == 0 && !at.IsUnixNetwork() {
		return nil, fmt.Errorf("the admin address '%s' has no %s: write --address %s", address, missing(plain), withPort(plain))
	}
	target := at.JoinHostPort(0)
	c := &adminClient{address: address, origin: "http://" + target, unix: at.IsUnixNetwork(), patience: defaultPatience}
	switch {
	case c.unix:
		target, _, _ = strings.Cut(at.Host, "|") // the permissions are for the listener
		c.origin = "http://127.0.0.1"            // Go requires a Host field
	case scheme == "https":
		c.origin = "https://" + strings.TrimSuffix(target, ":443")
	}
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, at.Network, target)
		},
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// missing returns what an address without a port needs. A number is a port without a
// host.
func missing(plain string) string {
	if isPort(plain) {
		return "host"
	}
	return "port"
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// withPort returns what to write instead of an address without a port. An address of IPv6
// needs brackets, whether or not the user has written a port.
func withPort(plain string) string {
	const port = "2019"
	isIPv6 := func(text string) bool {
		ip, err := netip.ParseAddr(text)
		return err == nil && ip.Is6()
	}
	if i := strings.LastIndex(plain, ":"); i >= 0 && len(plain)-i > 4 && isIPv6(plain[:i]) {
		return "[" + plain[:i] + "]" + plain[i:]
	}
	if isPort(plain) {
		return "localhost:" + plain // a port without a host
	}
	if isIPv6(plain) {
		plain = "[" + plain + "]"
	} else if host, ok := strings.CutSuffix(plain, ":"); ok {
		plain = cmp.Or(host, "localhost")
	}
	return plain + ":" + port
}

// cutScheme returns the scheme of an address, if it has one, and the address in Caddy's
// form. People copy an address from a browser, or know sockets from other tools.
func cutScheme(address string) (scheme, plain string) {
	for _, scheme := range []string{"http", "https"} {
		if rest, ok := strings.CutPrefix(address, scheme+"://"); ok {
			return scheme, strings.TrimSuffix(rest, "/")
		}
	}
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		return "unix", "unix/" + path
	}
	return "", address
}
