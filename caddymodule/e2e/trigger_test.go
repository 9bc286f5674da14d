package e2e

import (
	"net/http"
	"testing"
)

// TestTrigger lets requests ask for their own faults, over every protocol. The
// trigger's header field stays in front of the upstream; baggage goes on.
func TestTrigger(t *testing.T) {
	const key = "0123456789abcdef"
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Seen-Fault"] = r.Header["X-Fault"]
		w.Header()["X-Seen-Baggage"] = r.Header["Baggage"]
	})
	site := "fault {\npoint edge\ntrigger header {\nkey " + key + "\n}\ntrigger baggage\n}\n" + up.proxy()
	everywhere(t, config{site: site}, func(t *testing.T, c *client) {
		ask := func(name, value string) *reply {
			r := c.request(t, "GET", "/", nil)
			r.Header.Set(name, value)
			return c.do(t, r)
		}
		want551(t, ask("X-Fault", "key "+key+"; 551"))
		want551(t, ask("X-Fault", "key "+key+"; phase response; 551"))
		want551(t, ask("Baggage", "user=anna,fault.edge=551"))
		for _, value := range []string{"551", "key " + key + "; nonsense", "key " + key + "; pass"} {
			got := ask("X-Fault", value)
			if seen := got.Header.Get("X-Seen-Fault"); got.StatusCode != 200 || seen != "" {
				t.Errorf("X-Fault %q: got %d, the upstream saw %q", value, got.StatusCode, seen)
			}
		}
		for _, value := range []string{"fault.other=551", "fault=nonsense"} {
			got := ask("Baggage", value)
			if seen := got.Header.Get("X-Seen-Baggage"); got.StatusCode != 200 || seen != value {
				t.Errorf("baggage %q: got %d, the upstream saw %q", value, got.StatusCode, seen)
			}
		}
	})
}

// A trigger is taken out while everything is halted, too.
func TestTriggerHalted(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Header()["X-Seen-Fault"] = r.Header["X-Fault"] })
	overEach(t, config{global: "fault {\nhalted\n}", site: "fault {\ntrigger header\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
		r := c.request(t, "GET", "/", nil)
		r.Header.Set("X-Fault", "551")
		if got := c.do(t, r); got.StatusCode != 200 || got.Header.Get("X-Seen-Fault") != "" {
			t.Errorf("got %d, the upstream saw %q", got.StatusCode, got.Header.Get("X-Seen-Fault"))
		}
	})
}
