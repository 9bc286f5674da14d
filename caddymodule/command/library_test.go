package command

import (
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// Caddy's admin endpoint accepts the origin that the client names, even with
// enforce_origin. On a socket it accepts no origin. The address of a socket may contain
// permissions. See caddymodule/docs/undocumented.md.
func TestAdminEndpoint(t *testing.T) {
	free := freeAddress(t)
	stopAfter(t)
	for _, address := range []string{free, "unix/" + filepath.Join(t.TempDir(), "admin.sock|0600")} {
		for _, enforced := range []bool{false, true} {
			isSocket := address != free
			if isSocket && enforced {
				continue // the endpoint would refuse every client
			}
			config := `{"admin": {"listen": ` + strconv.Quote(address) + `, "enforce_origin": ` + strconv.FormatBool(enforced) + `, "config": {"persist": false}}, "apps": {"fault": {}}}`
			if err := caddy.Load([]byte(config), true); err != nil {
				t.Fatal(err)
			}
			client, err := newAdminClient(address)
			if err != nil {
				t.Fatal(err)
			}
			ask := func() error {
				_, err := client.do(t.Context(), http.MethodGet, "/", nil, nil)
				return err
			}
			if err := persist(t.Context(), ask); err != nil {
				t.Errorf("%s, origin enforced %t: %v", address, enforced, err)
			}
			client.unix = !isSocket // as if the address were of the other kind
			if err := ask(); (err == nil) != (!isSocket && !enforced) {
				t.Errorf("%s, origin enforced %t, as for the other kind of address: got error %v", address, enforced, err)
			}
		}
	}
}

// freeAddress returns an address of this machine where no process listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	return free.Addr().String()
}

// stopAfter stops the Caddy of this process when the test ends.
func stopAfter(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if err := caddy.Load([]byte(`{"admin": {"disabled": true, "config": {"persist": false}}}`), true); err != nil {
			t.Error(err)
		}
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
}
