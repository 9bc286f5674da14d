package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

func TestGetActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := control.New()
		defer ctl.BeginExit()
		h := New(ctl, nil)
		get := func(query string) (int, string) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/fault/activity"+query, nil))
			return w.Code, strings.Join(strings.Fields(w.Body.String()), "")
		}
		if code, body := get(""); code != 200 || body != `{"activity":[]}` {
			t.Errorf("got %d %s, want an empty list", code, body)
		}
		turn := func(halted bool, by string) {
			since := time.Now()
			ctl.Switch.Set(experiments.State{Halted: halted, Since: &since, Why: "api", By: by})
			time.Sleep(time.Minute)
		}
		turn(true, "ada")
		turn(false, "eve")
		for _, tt := range []struct {
			query      string
			code       int
			with, sans string
		}{
			{"", 200, `"what":"halted","by":"ada"},{"at":`, "error"},
			{"?limit=1", 200, `"what":"resumed","by":"eve"}]`, "halted"},
			{"?limit=9", 200, "halted", "error"},
			{"?since=90s", 200, "resumed", "halted"},
			{"?since=10s", 200, `{"activity":[]}`, "halted"},
			{"?limit=0", 400, "limit:'0'isnotanumberabove0", ""},
			{"?limit=x", 400, "limit:'x'", ""},
			{"?since=x", 400, "since:'x'", ""},
			{"?by=ada", 400, "unknownparameter'by'", ""},
		} {
			code, body := get(tt.query)
			if code != tt.code || !strings.Contains(body, tt.with) || tt.sans != "" && strings.Contains(body, tt.sans) {
				t.Errorf("%s: got %d %s, want %d with %q and without %q", tt.query, code, body, tt.code, tt.with, tt.sans)
			}
		}
	})
}

func TestActor(t *testing.T) {
	user := caddy.NewReplacer()
	user.Set("http.auth.user.id", "ada")
	for _, tt := range []struct {
		name string
		repl *caddy.Replacer
		tls  *tls.ConnectionState
		want string
	}{
		{"the admin endpoint", nil, nil, "api"},
		{"a console of this machine", caddy.NewReplacer(), nil, "api"},
		{"a user", user, nil, "ada"},
		{"a user with a certificate", user, certificate("laptop"), "ada"},
		{"a certificate", caddy.NewReplacer(), certificate("laptop"), "laptop"},
		{"a certificate without a name", caddy.NewReplacer(), certificate(""), "api"},
		{"a certificate that was not verified", nil, &tls.ConnectionState{PeerCertificates: certificate("eve").VerifiedChains[0]}, "api"},
		{"TLS without a certificate", nil, &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{}}}, "api"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/fault/halt", nil)
		r.TLS = tt.tls
		if tt.repl != nil {
			r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, tt.repl))
		}
		if got := actor(r); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if got := cause(r); got.Why != "api" || got.By != strings.TrimPrefix(tt.want, "api") {
			t.Errorf("%s: the cause is %+v", tt.name, got)
		}
	}
}

func certificate(name string) *tls.ConnectionState {
	return &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: name}}}}}
}

// No body stops a halt.
func TestHaltNote(t *testing.T) {
	for _, tt := range []struct{ body, note, warning string }{
		{"", "", ""},
		{" \n", "", ""},
		{`{"note": "real errors"}`, "real errors", ""},
		{`{"note": ""}`, "", ""},
		{`{"status": "firing", "alerts": []}`, "", ""},
		{`{"note": 7}`, "", `the note was not read; send {"note": "why"}`},
		{`note=x`, "", `the note was not read; send {"note": "why"}`},
		{`{"note": "` + strings.Repeat("x", 501) + `"}`, "", "the note was left out: it has 501 bytes, more than 500"},
		{`{"note": "` + strings.Repeat("x", MaxBody) + `"}`, "", `the note was not read; send {"note": "why"}`},
	} {
		ctl := control.New()
		w := httptest.NewRecorder()
		New(ctl, &certmagic.FileStorage{Path: t.TempDir()}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/fault/halt", strings.NewReader(tt.body)))
		state := ctl.Switch.State()
		if w.Code != 200 || !state.Halted || state.Note != tt.note {
			t.Errorf("%.40s: got %d %s with note %q, want %q", tt.body, w.Code, w.Body, state.Note, tt.note)
		}
		if text := strings.ReplaceAll(w.Body.String(), `\"`, `"`); !strings.Contains(text, tt.warning) {
			t.Errorf("%.40s: got %s, want %q", tt.body, text, tt.warning)
		}
		ctl.BeginExit()
	}
}

// A client that does not send its body delays its halt only for a while.
func TestHaltWithoutItsBody(t *testing.T) {
	ctl := control.New()
	defer ctl.BeginExit()
	srv := httptest.NewServer(New(ctl, &certmagic.FileStorage{Path: t.TempDir()}))
	defer srv.Close()
	body, end := io.Pipe()
	defer end.Close()
	r, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/fault/halt", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || !ctl.Switch.Halted() {
		t.Errorf("got %d, halted: %v", resp.StatusCode, ctl.Switch.Halted())
	}
}
