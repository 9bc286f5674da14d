package inject_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// privatePoint has a rule that hits and a trigger that refuses.
const privatePoint = `{"point": "shop", "triggers": [{"source": "header", "allow": ["delay"]}],
	"rules": [{"faults": [{"fault": "respond", "status_code": 503}]}]}`

// from sends a request of a client to the point, which hits it, and one whose trigger is
// refused.
func from(t *testing.T, n *testnode.Node, client string) {
	t.Helper()
	for _, line := range []string{"", "551"} {
		w := httptest.NewRecorder()
		r := testkit.Request(http.MethodGet, "/private", w)
		r.Header.Set("User-Agent", "curl/8")
		if line != "" {
			r.Header.Set("X-Fault", line)
		}
		caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, client)
		if err := n.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClientAddresses checks where addresses are recorded, and that they are not with
// the option.
func TestClientAddresses(t *testing.T) {
	const first, second = "192.0.2.7", "2001:db8::7"
	for _, tt := range []struct {
		name, app string
		recorded  bool
	}{
		{"default", "", true},
		{"off", `{"client_addresses": "off"}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := testnode.Start(t, privatePoint, tt.app)
			from(t, n, first)
			from(t, n, second)
			for _, path := range []string{"/journal", "/journal?refused=true", "/clients?calls=true", "/activity", "/"} {
				text := n.Do(http.MethodGet, path, "").Body.String()
				_, evidence := map[string]bool{"/activity": true, "/": true}[path]
				for _, address := range []string{first, second} {
					if got := strings.Contains(text, address); got && !tt.recorded || !got && tt.recorded && !evidence {
						t.Errorf("%s has %s: %v\n%s", path, address, got, text)
					}
				}
			}
			report := n.Do(http.MethodGet, "/clients", "").Body.String()
			names := regexp.MustCompile(`"client": "(curl/8 [^"]+)"`).FindAllStringSubmatch(report, -1)
			if len(names) != 2 || names[0][1] == names[1][1] {
				t.Errorf("the clients are not told apart: %q", names)
			}
		})
	}
}

// TestClientAddressesBad checks what the option refuses in JSON.
func TestClientAddressesBad(t *testing.T) {
	for app, want := range map[string]string{
		`{"client_addresses": "on"}`: "bad client_addresses 'on': want off, or leave it out to record addresses",
		`{"client_addresses": true}`: "client_addresses",
		`{"journal_keep": "10ms"}`:   "bad journal_keep '10ms': want 1s or more; leave it out to keep entries without a limit in time",
		`{"journal_keep": "-1h"}`:    "bad journal_keep '-1h0m0s': want 1s or more",
		`{"journal_keep": 0}`:        "bad journal_keep 0: want more than 0; leave it out for the default",
	} {
		if _, err := testnode.TryLoad(t, privatePoint, app); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", app, err, want)
		}
	}
}

// TestJournalKeep checks that both journals forget in time.
func TestJournalKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, privatePoint, `{"journal_keep": "1h"}`)
		from(t, n, "192.0.2.7")
		for _, tt := range []struct {
			after time.Duration
			want  bool
		}{{59 * time.Minute, true}, {2 * time.Minute, false}} {
			time.Sleep(tt.after)
			for _, path := range []string{"/journal", "/journal?refused=true"} {
				if got := strings.Contains(n.Do(http.MethodGet, path, "").Body.String(), "192.0.2.7"); got != tt.want {
					t.Errorf("%s has the entry after another %v: %v, want %v", path, tt.after, got, tt.want)
				}
			}
		}
	})
}
