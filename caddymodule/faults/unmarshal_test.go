package faults_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

func init() {
	caddy.RegisterModule(terse{})
	caddy.RegisterModule(last{})
}

// terse is a kind of another module, whose parser says no more than Caddy's.
type terse struct{}

func (terse) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.faults.delay", New: func() caddy.Module { return new(terse) }}
}

func (terse) Inject(_ *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

func (*terse) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.CountRemainingArgs() > 1 {
		return d.ArgErr()
	}
	return nil
}

// last ends each request.
type last struct{ terse }

func (last) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.faults.respond", New: func() caddy.Module { return new(last) }}
}

func (last) Terminal() bool { return true }

// An error names the kind that cannot be read, suggests another one, or says how
// to order the lines.
func TestUnmarshalOtherKind(t *testing.T) {
	for _, tt := range []struct{ lines, want string }{
		{"delay 1s", ""},
		{"delay 1s 2s", "bad arguments of fault 'delay': wrong argument count or unexpected line ending after 'delay', at Caddyfile:1"},
		{"latency 1s", "'latency' is not a kind of fault, at Caddyfile:1: did you mean 'delay 250ms'?"},
		{"dealy 1s", "'dealy' is not a kind of fault, at Caddyfile:1: did you mean 'delay 1s'?"},
		{"503", "'503' is not a kind of fault, at Caddyfile:1: did you mean 'respond 503'?"},
		{"drop", "'drop' is not a kind of fault, at Caddyfile:1: the kinds are delay, respond"}, // close is not built in
		{"percent 10", "'percent' is not a kind of fault, at Caddyfile:1: it is a setting: write it in the rule, outside of this block"},
		{"delay 1s\nrespond 503", ""},
		{"respond 503\ndelay 1s", "fault 'delay' comes after 'respond', which ends the request, at Caddyfile:2: swap the two lines:\n\tdelay 1s\n\trespond 503"},
		{"respond 503\nrespond 404", "fault 'respond' comes after 'respond', which ends the request, at Caddyfile:2: remove one of the two lines"},
	} {
		tokens, err := caddyfile.Tokenize([]byte(tt.lines), "Caddyfile")
		if err != nil {
			t.Fatal(err)
		}
		var draft faults.Draft
		d := caddyfile.NewDispenser(tokens)
		for err == nil && d.Next() {
			err = draft.Unmarshal(d.NewFromNextSegment())
		}
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want && (tt.want == "" || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%q: got error %q, want %q", tt.lines, got, tt.want)
		}
	}
}
