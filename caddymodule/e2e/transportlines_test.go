package e2e

import (
	"net/http"
	"testing"
)

// A transport uses a preset of the configuration for the attempts of a proxy.
func TestOwnPresetInTransport(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	s := start(t, config{
		global: "fault {\npreset acme-gone code=503 {\ntimes 1\nrespond {preset.code}\n}\npreset acme-refuse {\nrefuse\n}\n}",
		site: "handle /reply {\nreverse_proxy {\nto " + up.addr + "\ntransport fault {\npoint reply\npreset acme-gone code=551\n}\n}\n}\n" +
			"handle /refuse {\nreverse_proxy {\nto " + up.addr + "\ntransport fault {\npoint refuse\nrule a {\nmatch header X-Fail *\npreset acme-refuse\n}\n}\n}\n}",
	})
	c := s.client(t, h1)
	for _, tt := range []struct {
		path, field string
		status      int
	}{
		{"/reply", "", 551}, {"/reply", "", 200}, {"/refuse", "", 200}, {"/refuse", "yes", 502}, {"/refuse", "", 200},
	} {
		r := c.request(t, http.MethodGet, tt.path, nil)
		if tt.field != "" {
			r.Header.Set("X-Fail", tt.field)
		}
		if got := c.do(t, r); got.StatusCode != tt.status {
			t.Errorf("%s %q: got %d, want %d", tt.path, tt.field, got.StatusCode, tt.status)
		}
	}
}
