package kinds

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/templates"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// The shield relies on how Caddy's recorder works, and how templates uses it. If this
// test fails, Caddy has changed that: see learnRecorder.
func TestRecorderOfTemplates(t *testing.T) {
	kind := recorderOfTemplates()
	if !kind.known || kind.decides == "" || kind.pkg == "" {
		t.Fatalf("got %+v: the recorder of templates is not recognized", kind)
	}
	var mine caddyhttp.ResponseRecorder
	serveTemplates(t, func(w http.ResponseWriter) { mine = w.(caddyhttp.ResponseRecorder) })
	other := caddyhttp.NewResponseRecorder(httptest.NewRecorder(), new(bytes.Buffer), func(int, http.Header) bool { return true })
	if !kind.is(mine) || kind.is(other) {
		t.Errorf("recorder of templates: %v, of another: %v, want true and false", kind.is(mine), kind.is(other))
	}
}

// serveTemplates runs a function with the writer of the templates directive.
func serveTemplates(t *testing.T, run func(w http.ResponseWriter)) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	directive := &templates.Templates{MIMETypes: []string{"text/html"}}
	err := directive.ServeHTTP(w, request(http.MethodGet), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		run(w)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// All writers except the recorder see the real header.
func TestShield(t *testing.T) {
	const text = `{{len "four"}}`
	for raised, want := range map[bool]string{false: "4", true: text} {
		got := serveTemplates(t, func(w http.ResponseWriter) {
			s, err := newShield(w)
			if err != nil || len(s) != 1 {
				t.Fatalf("got %d writers, error %v, want one", len(s), err)
			}
			if again, err := newShield(w); err != nil || again[0] != s[0] {
				t.Errorf("a second shield has another writer, error %v", err)
			}
			if raised {
				s.raise()
			}
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusTeapot)
			if got := w.Header().Get("Content-Type"); got != "text/html" {
				t.Errorf("Content-Type: got %q", got)
			}
			_, _ = w.Write([]byte(text))
		})
		if got.Code != http.StatusTeapot || got.Body.String() != want || got.Header().Get("Content-Type") != "text/html" {
			t.Errorf("raised %v: got %d %q, header %v, want 418 %q", raised, got.Code, got.Body, got.Header(), want)
		}
	}
}

// strangeWriter records in a different way.
type strangeWriter struct{ caddyhttp.ResponseRecorder }

// If a recorder cannot be prevented from executing the text, the request fails.
func TestShieldFails(t *testing.T) {
	unknown := recorderOfTemplates
	defer func() { recorderOfTemplates = unknown }()
	recorderOfTemplates = func() recorderKind { return recorderKind{} }

	inside := caddyhttp.NewResponseRecorder(httptest.NewRecorder(), new(bytes.Buffer), nil)
	for name, w := range map[string]http.ResponseWriter{"recorder": inside, "another type": strangeWriter{inside}} {
		_, err := newShield(w)
		if he, ok := errors.AsType[caddyhttp.HandlerError](err); !ok || he.StatusCode != 500 || !errors.Is(err, errUnshielded) {
			t.Errorf("%s: got error %v, want a 500", name, err)
		}
		for _, f := range []faults.Fault{parse(t, new(Respond), "respond 551"), parse(t, new(GRPC), "grpc 14")} {
			if err := f.Inject(firstHit(), w, request(http.MethodGet), nil); !errors.Is(err, errUnshielded) || len(w.Header()) > 0 {
				t.Errorf("%s, %s: got error %v and the header %v, want a 500 without fields of the fault", name, faults.Kind(f), err, w.Header())
			}
		}
	}
	if s, err := newShield(caddyhttp.NewResponseRecorder(httptest.NewRecorder(), nil, nil)); s != nil || err != nil {
		t.Errorf("a recorder that only counts: got %v, error %v", s, err)
	}
	if kind := tryRecorder(notDirective{}); kind.known {
		t.Error("no directive has a recorder")
	}
}

type notDirective struct{}

func (notDirective) CaddyModule() caddy.ModuleInfo { return caddy.ModuleInfo{ID: templatesID} }

// Without templates, a shield costs nothing.
func TestShieldAllocs(t *testing.T) {
	w := caddyhttp.NewResponseRecorder(httptest.NewRecorder(), nil, nil)
	if n := testing.AllocsPerRun(100, func() { _, _ = newShield(w) }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
