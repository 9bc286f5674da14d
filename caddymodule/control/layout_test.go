package control_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// placed returns the points of a configuration with their places.
func placed(app *control.App) (all []string) {
	for _, p := range app.Points() {
		where := app.Where(p)
		all = append(all, rules.Title(where.Site, p.Name)+" "+where.Source)
	}
	return all
}

func wantPoints(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const sites = `{
	auto_https off
}

&(named) {
	fault {
		point common
		close
	}
}

(imported) {
	fault /imported 551
}

http://shop.example.com:8082 {
	reverse_proxy 127.0.0.1:1 {
		transport fault {
			point outer
			transport fault {
				point inner
				close
			}
		}
	}
	route {
		fault /z 503
		invoke named
	}
	import imported
	fault
	handle_errors {
		fault /errors 502
	}
}

http://a.example.com:8081, http://b.example.com:8081 {
	import imported
	invoke named
	handle /deep/* {
		handle /deeper/* {
			fault
		}
	}
}

:8080 {
	fault /first
	fault {
		point twice
		close
	}
	handle /x {
		fault {
			point twice
			close
		}
	}
}
`

// The points come in the order of the configuration, after each reload.
func TestOrderOfPoints(t *testing.T) {
	const ab = "a.example.com, b.example.com"
	for range 4 {
		ctl := control.New()
		app := testkit.App(t, testkit.ProvisionCaddyfile(t, ctl, sites))
		wantPoints(t, placed(app),
			":8080 › fault7 Caddyfile:48",
			":8080 › twice Caddyfile:49, Caddyfile:54",
			ab+" › fault5 Caddyfile:13",
			ab+", shop.example.com › common Caddyfile:6",
			ab+" › fault6 Caddyfile:42",
			"shop.example.com › fault2 Caddyfile:13",
			"shop.example.com › fault3 Caddyfile:31",
			"shop.example.com › fault1 Caddyfile:27",
			"shop.example.com › outer Caddyfile:18",
			"shop.example.com › inner Caddyfile:20",
			"shop.example.com › fault4 Caddyfile:33",
		)
	}
}

// Points without a name have the same name and are distinguished by their places.
func TestPointsOfOneName(t *testing.T) {
	const handler = `{"handler": "fault", "source": "by hand", "match": [{"path": ["%s"]}]}`
	server := func(port int, path string) string {
		return fmt.Sprintf(`{"listen": [":%d"], "routes": [{"handle": [`+handler+`]}, {"match": [{"host": ["h.example.com"]}], "handle": [`+handler+`]}]}`, port, path, path+"/h")
	}
	config := fmt.Sprintf(`{"servers": {"b": %s, "a10": %s, "a9": %s}}`, server(1, "/b"), server(2, "/a10"), server(3, "/a9"))
	for range 4 {
		app := testkit.App(t, testkit.ProvisionHTTP(t, control.New(), config))
		var got []string
		for _, p := range app.Points() {
			where := app.Where(p)
			got = append(got, fmt.Sprintf("%s %s %s", rules.Title(where.Site, p.Name), where.Source, p.Match[0]["path"]))
		}
		wantPoints(t, got,
			`:3 › fault by hand ["/a9"]`, `h.example.com › fault by hand ["/a9/h"]`,
			`:2 › fault by hand ["/a10"]`, `h.example.com › fault by hand ["/a10/h"]`,
			`:1 › fault by hand ["/b"]`, `h.example.com › fault by hand ["/b/h"]`,
		)
	}
}

// A point in many sites shows some of them.
func TestSitesOfOnePoint(t *testing.T) {
	var text strings.Builder
	text.WriteString("{\n\tauto_https off\n}\n(shared) {\n\tfault {\n\t\tpoint shared\n\t\tclose\n\t}\n}\n")
	for i := range 9 {
		fmt.Fprintf(&text, "http://s%d.example.com {\n\timport shared\n}\n", i)
	}
	app := testkit.App(t, testkit.ProvisionCaddyfile(t, control.New(), text.String()))
	wantPoints(t, placed(app), "s0.example.com, s1.example.com, s2.example.com and 6 more › shared Caddyfile:5")
	if got, want := app.SiteOf("shared"), "s0.example.com, s1.example.com, s2.example.com and 6 more"; got != want {
		t.Errorf("got the site %q, want %q", got, want)
	}
	if got := app.SiteOf("other"); got != "" {
		t.Errorf("got the site %q of no point", got)
	}
	if got := (*control.App)(nil).SiteOf("shared"); got != "" {
		t.Errorf("got the site %q without a configuration", got)
	}
}

// holder is a handler of another module that contains a handler without exposing it.
type holder struct {
	HeldRaw json.RawMessage `json:"held" caddy:"namespace=http.handlers inline_key=handler"`

	held caddyhttp.MiddlewareHandler
}

func init() { caddy.RegisterModule(new(holder)) }

func (*holder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.holds_in_test", New: func() caddy.Module { return new(holder) }}
}

func (h *holder) Provision(ctx caddy.Context) error {
	held, err := ctx.LoadModule(h, "HeldRaw")
	if err == nil {
		h.held = held.(caddyhttp.MiddlewareHandler)
	}
	return err
}

func (h *holder) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return h.held.ServeHTTP(w, r, next)
}

// Points outside of the routes come last, in a stable order.
func TestPointsNotFound(t *testing.T) {
	held := func(point, source string) string {
		return fmt.Sprintf(`{"handler": "holds_in_test", "held": {"handler": "fault", "point": "%s", "source": "%s", "match": [{"path": ["/%s"]}]}}`, point, source, source)
	}
	server := func(port int, handlers ...string) string {
		return fmt.Sprintf(`{"listen": [":%d"], "routes": [{"handle": [%s]}]}`, port, strings.Join(handlers, ", "))
	}
	config := fmt.Sprintf(`{"servers": {"x": %s, "y": %s, "z": %s}}`,
		server(1, held("c", "one"), `{"handler": "fault", "point": "last"}`), server(2, held("b", "two"), held("b", "three")), server(3, held("a", "four")))
	for range 4 {
		app := testkit.App(t, testkit.ProvisionHTTP(t, control.New(), config))
		wantPoints(t, placed(app), ":1 › last ", "a four", "b three", "b two", "c one")
	}
}
