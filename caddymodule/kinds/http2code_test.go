package kinds

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// A code is read as a name or a number, and written as a name if it has one.
func TestHTTP2Code(t *testing.T) {
	for text, want := range map[string]string{
		`"REFUSED_STREAM"`: `"REFUSED_STREAM"`, `"refused_stream"`: `"REFUSED_STREAM"`, `7`: `"REFUSED_STREAM"`, `"7"`: `"REFUSED_STREAM"`, `"0xd"`: `"HTTP_1_1_REQUIRED"`,
		`0`: `"NO_ERROR"`, `14`: `14`, `4294967295`: `4294967295`,
	} {
		var code HTTP2Code
		if err := json.Unmarshal([]byte(text), &code); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := json.Marshal(code); string(got) != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		`"CANCLE"`: `bad HTTP/2 code 'CANCLE': did you mean 'CANCEL'?`,
		`""`:       "bad HTTP/2 code '': want a name such as REFUSED_STREAM, or a number",
		`-1`:       "bad HTTP/2 code '-1': want a name such as REFUSED_STREAM, or a number",
		`"\x"`:     "invalid character",
		`{}`:       "bad HTTP/2 code '{}'",
	} {
		var code HTTP2Code
		if err := code.UnmarshalJSON([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got error %v, want %s", text, err, want)
		}
	}
}

// The line of a fault is the inverse of reading it.
func TestEndingLines(t *testing.T) {
	for _, line := range []string{"reset", "reset connection", "reset CANCEL", "reset 99"} {
		if got, ok := parse(t, new(Reset), line).Line(); strings.TrimSpace("reset "+got) != line || !ok {
			t.Errorf("%s: got %q, %t", line, got, ok)
		}
	}
	for _, line := range []string{"close", "close connection", "close goaway", "close goaway NO_ERROR", "close goaway 99"} {
		if got, ok := parse(t, new(Close), line).Line(); strings.TrimSpace("close "+got) != line || !ok {
			t.Errorf("%s: got %q, %t", line, got, ok)
		}
	}
}

// JSON can say what a line cannot.
func TestEndingsRefused(t *testing.T) {
	code := HTTP2Code(8)
	for want, f := range map[string]interface{ Validate() error }{
		"reset has both code 'CANCEL' and connection; remove one of them":                               &Reset{Code: &code, Connection: true},
		"close has both goaway and connection; remove one of them":                                      &Close{GoAway: true, Connection: true},
		"close has code 'CANCEL' without goaway; add goaway, or use reset to send a code to one stream": &Close{Code: &code},
	} {
		if err := f.Validate(); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
}

// A trigger cannot end other requests of a connection, and a transport takes no settings.
func TestEndingPlaces(t *testing.T) {
	for line, tt := range map[string]struct{ untrusted, transport string }{
		"reset":                 {},
		"reset CANCEL":          {"", "reset CANCEL cannot be used in a transport; write it in a fault directive in front of the proxy"},
		"reset connection":      {"reset would end other requests of the connection, which is not allowed in a trigger; write reset alone", "reset connection cannot be used"},
		"close":                 {},
		"close goaway":          {"", "close goaway cannot be used in a transport"},
		"close goaway NO_ERROR": {"close would end other requests of the connection", "close goaway NO_ERROR cannot be used in a transport"},
		"close connection":      {"close would end other requests of the connection", "close connection cannot be used in a transport"},
	} {
		var f interface {
			faults.Untrusted
			faults.Placed
		} = parseEnding(t, line)
		for what, got := range map[string]struct {
			err  error
			want string
		}{"trigger": {f.Untrusted(nil), tt.untrusted}, "transport": {f.CheckPlace(faults.InTransport), tt.transport}, "handler": {f.CheckPlace(faults.InHandler), ""}} {
			if (got.err == nil) != (got.want == "") || got.err != nil && !strings.HasPrefix(got.err.Error(), got.want) {
				t.Errorf("%s, %s: got error %v, want %s", line, what, got.err, got.want)
			}
		}
	}
}

// endingKind is what both kinds have.
type endingKind interface {
	faults.Fault
	faults.Untrusted
	faults.Placed
	faults.Hinter
	faults.Ender
	faults.Terminal
}

func parseEnding(t *testing.T, line string) endingKind {
	t.Helper()
	if strings.HasPrefix(line, "close") {
		return parse(t, new(Close), line)
	}
	return parse(t, new(Reset), line)
}

// Settings that need the listener wrapper have a hint in a server without it. Only a
// reply ends close with goaway.
func TestEndingHints(t *testing.T) {
	for line, wants := range map[string]bool{
		"reset": false, "reset INTERNAL_ERROR": false, "reset CANCEL": true, "reset connection": true,
		"close": false, "close goaway": false, "close goaway CANCEL": true, "close connection": true,
	} {
		f := parseEnding(t, line)
		if hints := f.Hints(); hints != nil {
			t.Errorf("%s in a server with the wrapper: got %q", line, hints)
		}
		switch f := f.(type) {
		case *Reset:
			f.unwrapped = true
		case *Close:
			f.unwrapped = true
		}
		want := line + " only ends the request over HTTP/2, because the server does not have the listener wrapper fault; " +
			"add servers { listener_wrappers { fault } } to the global options"
		if hints := f.Hints(); (len(hints) == 1 && hints[0] == want) != wants || len(hints) > 1 {
			t.Errorf("%s: got %q", line, hints)
		}
		passes := line == "close goaway"
		if f.Terminal() == passes || f.EndsWith(faults.InHandler).Aborts == passes {
			t.Errorf("%s: terminal %t, ends with %v", line, f.Terminal(), f.EndsWith(faults.InHandler))
		}
	}
}

// A reply that comes after the fault has ended keeps the connection.
func TestCloseAfterEnded(t *testing.T) {
	for _, ended := range []bool{false, true} {
		f, w, r := parse(t, new(Close), "close goaway"), httptest.NewRecorder(), request(http.MethodGet)
		hit := hitOf(r)
		done := make(chan struct{})
		hit.Ended = done
		next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			if ended {
				close(done)
			}
			w.WriteHeader(http.StatusOK)
			return nil
		})
		if err := f.Inject(hit, w, r, next); err != nil {
			t.Fatal(err)
		}
		if hit.Confirmed() == ended || (w.Header().Get("Connection") == "close") == ended {
			t.Errorf("ended %t: confirmed %t, header %v", ended, hit.Confirmed(), w.Header())
		}
	}
}
