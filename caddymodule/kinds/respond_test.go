package kinds

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func TestRespond(t *testing.T) {
	const json = "application/json"
	const plain = "text/plain; charset=utf-8"
	tests := []struct {
		name        string
		line        string
		status      int
		contentType string
		body        string
		header      string // another header field, as "Name: value"
	}{
		{"catalog", "respond 551", 551, json, `{"error": "server_error", "message": "User Not Local"}`, ""},
		{"family", "respond sip:481", 481, json, `{"error": "call/transaction_does_not_exist", "message": "Call/Transaction Does Not Exist"}`, ""},
		{"503", "respond 503", 503, json, `{"error": "service_unavailable", "retry_after": 300}`, "Retry-After: 300"},
		{"503 with your own body", "respond 503 away", 503, plain, "away", "Retry-After: "},
		{"your own Retry-After", "respond 503 {\n header Retry-After 5\n}", 503, json, `{"error": "service_unavailable", "retry_after": 5}`, "Retry-After: 5"},
		{"Retry-After deleted", "respond 503 {\n header -Retry-After\n}", 503, json, `{"error": "service_unavailable"}`, "Retry-After: "},
		{"unknown code", "respond 799", 799, json, `{"error": "server_error", "message": "Unknown Status"}`, ""},
		{"unknown code with a reason", "respond 799 {\n reason \"Own Fault\"\n}", 799, json, `{"error": "server_error", "message": "Own Fault"}`, ""},
		{"2xx", "respond 202", 202, json, `{"status": "success"}`, ""},
		{"3xx", "respond 302 {\n header Location /there\n}", 302, "", "", "Location: /there"},
		{"empty body", `respond 500 ""`, 500, "", "", ""},
		{"no body", "respond 204", 204, "", "", "Cache-Control: no-store"},
		{"reset content", "respond 205", 205, "", "", ""},
		{"text", "respond 410 gone", 410, plain, "gone", "Cache-Control: no-store"},
		{"text first", "respond gone 410", 410, plain, "gone", ""},
		{"JSON", "respond 500 `{\"a\": 1}`", 500, json, `{"a": 1}`, ""},
		{"no JSON", "respond 500 `[gone]`", 500, plain, "[gone]", ""},
		{"placeholder first", "respond 500 `{http.request.header.X-Evil}`", 500, plain, "a\"b\r\nc", ""},
		{"escaped", "respond 500 `{\"evil\": \"{http.request.header.X-Evil}\"}`", 500, json, `{"evil": "a\"b\r\nc"}`, ""},
		{"own placeholders", "respond 551 `{http.fault.status_code} {http.fault.status_text} {http.fault.slug}`", 551, plain, "551 User Not Local user_not_local", ""},
		{"header placeholder", "respond 551 {\n header X-Echo {http.request.header.X-Evil}\n}", 551, json, `{"error": "server_error", "message": "User Not Local"}`, "X-Echo: a\"b  c"},
		{"your own Cache-Control", "respond 404 {\n header Cache-Control max-age=60\n}", 404, json, `{"error": "not_found", "message": "Not Found"}`, "Cache-Control: max-age=60"},
		{"Cache-Control deleted", "respond 500 x {\n header -Cache-Control\n}", 500, plain, "x", "Cache-Control: "},
		{"not storable", "respond 500 x", 500, plain, "x", "Cache-Control: no-store"},
		{"your own type", "respond 500 {\n content_type application/vnd.api+json\n}", 500, "application/vnd.api+json", `{"error": "server_error", "message": "Internal Server Error"}`, ""},
		{"format text", "respond 551 {\n format text\n}", 551, plain, "551 User Not Local\n", ""},
		{"format problem", "respond 551 {\n format problem\n}", 551, "application/problem+json", `{"type": "about:blank", "title": "User Not Local", "status": 551}`, ""},
		{"close", "respond 551 {\n close\n}", 551, json, `{"error": "server_error", "message": "User Not Local"}`, "Connection: close"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := parse(t, new(Respond), tt.line)
			resp, err := runFault(t, f, request(http.MethodGet, "X-Evil", "a\"b\r\nc"), notCalled(t))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.status || string(body) != tt.body {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, body, tt.status, tt.body)
			}
			if got := resp.Header.Get("Content-Type"); got != tt.contentType {
				t.Errorf("got type %q, want %q", got, tt.contentType)
			}
			if name, want, _ := strings.Cut(tt.header, ": "); resp.Header.Get(name) != want {
				t.Errorf("got %s %q, want %q", name, resp.Header.Get(name), want)
			}
		})
	}
}

func TestRespondHeaderOps(t *testing.T) {
	f := parse(t, new(Respond), "respond 551 {\n header -X-Gone\n header X-Set new\n header +X-Add second\n}")
	w := httptest.NewRecorder()
	for _, name := range []string{"X-Gone", "X-Set", "X-Add"} {
		w.Header().Set(name, "old")
	}
	if err := f.Inject(firstHit(), w, request(http.MethodGet), notCalled(t)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"X-Gone": "", "X-Set": "new", "X-Add": "old, second"} {
		if got := strings.Join(w.Header().Values(name), ", "); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// Handlers further out edit values in place. The next reply must not change.
func TestRespondSharesNoValues(t *testing.T) {
	f := parse(t, new(Respond), "respond 404 {\n header X-A a\n}")
	for range 2 {
		w := httptest.NewRecorder()
		if err := f.Inject(firstHit(), w, request(http.MethodGet), notCalled(t)); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"X-A": "a", "Content-Type": "application/json", "Cache-Control": "no-store"} {
			if got := w.Header()[name][0]; got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
			w.Header()[name][0] = "edited"
		}
	}
}

func TestRespondBodyFile(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page.html")
	if err := os.WriteFile(page, []byte("<p>{http.request.method}"), 0o600); err != nil {
		t.Fatal(err)
	}
	resp, err := runFault(t, parse(t, new(Respond), "respond 503 {\n body_file "+page+"\n}"), request(http.MethodGet), notCalled(t))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if got, want := string(body), "<p>{http.request.method}"; got != want {
		t.Errorf("got body %q, want the file as it is, %q", got, want)
	}
	if got, want := resp.Header.Get("Content-Type"), "text/html; charset=utf-8"; got != want {
		t.Errorf("got type %q, want %q", got, want)
	}
	missing := &Respond{StatusCode: 503, BodyFile: filepath.Join(dir, "missing")}
	if err := missing.Provision(testContext(t)); err == nil || !strings.Contains(err.Error(), "reading body_file: ") {
		t.Errorf("missing file: got error %v", err)
	}
}

func TestRespondNegotiates(t *testing.T) {
	f := parse(t, new(Respond), "respond 551 {\n format auto\n}")
	tests := []struct {
		accept []string
		want   string
	}{
		{nil, "application/json"},
		{[]string{"*/*"}, "application/json"},
		{[]string{"image/png"}, "application/json"},
		{[]string{"text/html,application/xhtml+xml,*/*;q=0.8"}, "text/html; charset=utf-8"},
		{[]string{"text/plain"}, "text/plain; charset=utf-8"},
		{[]string{"text/*"}, "text/html; charset=utf-8"},
		{[]string{"text/*;q=0.5, text/plain;q=0.9"}, "text/plain; charset=utf-8"},
		{[]string{"text/html;q=0.1", "application/problem+json;q=0.2"}, "application/problem+json"},
		{[]string{"application/json;q=0, */*"}, "application/problem+json"},
		{[]string{"application/json;q=garbage, ;;;, text/plain;q=0.9"}, "application/json"},
	}
	for _, tt := range tests {
		r := request(http.MethodGet)
		r.Header["Accept"] = tt.accept
		resp, err := runFault(t, f, r, notCalled(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Content-Type"); got != tt.want {
			t.Errorf("Accept %q: got %q, want %q", tt.accept, got, tt.want)
		}
		if got := resp.Header.Get("Vary"); got != "Accept" {
			t.Errorf("Accept %q: got Vary %q", tt.accept, got)
		}
	}
}

func TestRespondLength(t *testing.T) {
	for _, tt := range []struct {
		size int
		want string
	}{{100, ""}, {2047, ""}, {2048, "2048"}, {10_000, "10000"}} {
		body := strings.Repeat("x", tt.size)
		resp, err := runFault(t, provision(t, &Respond{StatusCode: 551, Body: &body}), request(http.MethodGet), notCalled(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Content-Length"); got != tt.want {
			t.Errorf("body of %d bytes: got Content-Length %q, want %q", tt.size, got, tt.want)
		}
	}
}

func TestRespondCloseByProtocol(t *testing.T) {
	f := parse(t, new(Respond), "respond 551 {\n close\n}")
	for major, want := range map[int]string{1: "close", 2: "close", 3: ""} {
		r := request(http.MethodGet)
		r.ProtoMajor = major
		resp, err := runFault(t, f, r, notCalled(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Connection"); got != want {
			t.Errorf("HTTP/%d: got Connection %q, want %q", major, got, want)
		}
	}
}

func TestRespondRefused(t *testing.T) {
	text := func(s string) *string { return &s }
	ops := func(name, value string) *HeaderOps { return &HeaderOps{Set: http.Header{name: {value}}} }
	for _, tt := range []struct {
		f    Respond
		want string
	}{
		{Respond{}, "respond needs a status"},
		{Respond{StatusCode: 199}, "bad status '199'"},
		{Respond{StatusCode: 1000}, "bad status '1000'"},
		{Respond{StatusCode: -5}, "bad status '-5'"},
		{Respond{StatusCode: 599, Family: "smtp"}, "unknown smtp code '599'"},
		{Respond{StatusCode: 551, Family: "gopher"}, "unknown family 'gopher'"},
		{Respond{StatusCode: 551, Reason: text("a\rb")}, `bad reason "a\rb"`},
		{Respond{StatusCode: 551, Reason: text("a\x00b")}, `bad reason "a\x00b"`},
		{Respond{StatusCode: 551, Headers: ops("X", "a\nb")}, `bad value "a\nb" of header 'X'`},
		{Respond{StatusCode: 551, Headers: ops("X", "a\x00b")}, `bad value "a\x00b" of header 'X'`},
		{Respond{StatusCode: 551, Headers: ops("", "a")}, "bad header name ''"},
		{Respond{StatusCode: 551, Headers: ops("X{placeholder}", "a")}, "bad header name 'X{placeholder}'"},
		{Respond{StatusCode: 551, Headers: ops("Transfer-Encoding", "chunked")}, "'Transfer-Encoding' frames the message"},
		{Respond{StatusCode: 551, Headers: &HeaderOps{Delete: []string{"content-length"}}}, "'Content-Length' frames the message"},
		{Respond{StatusCode: 551, Headers: &HeaderOps{Add: http.Header{"a b": {"c"}}}}, "bad header name 'a b'"},
		{Respond{StatusCode: 205, Body: text("x")}, "status '205' has no body"},
		{Respond{StatusCode: 304, BodyFile: "x"}, "remove body_file 'x'"},
		{Respond{StatusCode: 204, ContentType: "text/plain"}, "remove content_type 'text/plain'"},
	} {
		if err := tt.f.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.f, err, tt.want)
		}
	}
}

func BenchmarkRespond(b *testing.B) {
	for _, bench := range []struct{ name, line string }{
		{"static", "respond 551"},
		{"503", "respond 503"},
		{"placeholder", "respond 551 `{\"method\": \"{http.request.method}\"}`"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			f := new(Respond)
			if err := f.UnmarshalCaddyfile(caddyfile.NewTestDispenser(bench.line)); err != nil {
				b.Fatal(err)
			}
			provision(b, f)
			r := request(http.MethodGet)
			r.ProtoMajor = 2 // no phrase: the reply itself
			w := &discard{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				if err := f.Inject(hitOf(r), w, r, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// discard is a response writer that stores nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

// The value of a placeholder in a header field or the reason phrase stays on one line.
func TestFieldText(t *testing.T) {
	repl := caddy.NewReplacer()
	repl.Set("evil", "\"\\\r\n<b>&\x00é")
	if got, want := text.New("{evil}", wire.CleanField).Fill(repl), "\"\\  <b>& é"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A client that sends `Expect: 100-continue` may never send its body. Every fault that
// answers must therefore close the connection.
func TestExpectedReplyCloses(t *testing.T) {
	kinds := []faults.Fault{
		parse(t, new(Respond), "respond 551"),
		parse(t, new(Respond), "respond 404"),
		parse(t, new(Error), "error"),
		parse(t, new(GRPC), "grpc UNAVAILABLE"),
	}
	for _, f := range kinds {
		for _, tt := range []struct {
			major, minor int
			length       int64
			want         string
		}{
			{1, 1, 5, "close"},
			{1, 1, -1, "close"},
			{1, 1, 0, ""},
			{1, 0, 5, ""}, // HTTP/1.0 has no 100 Continue
			{2, 0, 5, ""},
			{3, 0, 5, ""},
		} {
			r := request(http.MethodPost, "Expect", "100-Continue")
			r.ProtoMajor, r.ProtoMinor, r.ContentLength = tt.major, tt.minor, tt.length
			w := httptest.NewRecorder()
			_ = f.Inject(hitOf(r), w, r, notCalled(t))
			if got := w.Header().Get("Connection"); got != tt.want {
				t.Errorf("%s, HTTP/%d.%d, body of %d bytes: got Connection %q, want %q", faults.Kind(f), tt.major, tt.minor, tt.length, got, tt.want)
			}
		}
	}
}

// Ten thousand rules with the same reply have one reply in memory. A setting of one rule
// does not change the others.
func TestRespondSharesReply(t *testing.T) {
	plain := parse(t, new(Respond), "respond 503")
	for _, tt := range []struct {
		line   string
		shared bool
	}{
		{"respond 503", true},
		{"respond http:503", true},
		{"respond 503 {\nclose\n}", true},
		{"respond 504", false},
		{"respond 503 {\nformat text\n}", false},
		{"respond 503 text", false},
		{"respond 503 {\nreason Busy\n}", false},
		{"respond 503 {\ncontent_type text/plain\n}", false},
		{"respond 503 {\nheader Retry-After 5\n}", false},
	} {
		if got := parse(t, new(Respond), tt.line).reply == plain.reply; got != tt.shared {
			t.Errorf("%q: shares the reply of respond 503: got %t, want %t", tt.line, got, tt.shared)
		}
	}
}

// A backslash makes a placeholder literal, in each text of a reply.
func TestRespondLiteralBrace(t *testing.T) {
	f := parse(t, new(Respond), `respond 799 "{\"a\": \"\{x}\"}" {
		reason "no \{x}"
		header X-A "\{x} {http.fault.status_code}"
	}`)
	resp, err := runFault(t, f, request(http.MethodGet), notCalled(t))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if h := resp.Header; string(body) != `{"a": "{x}"}` || h.Get("Content-Type") != "application/json" || h.Get("X-A") != "{x} 799" {
		t.Errorf("got %s, header %v", body, h)
	}
	if reply, err := f.Reply(faults.AnyReply()); err != nil || reply.Size != int64(len(body)) {
		t.Errorf("got a reply of %d bytes, error %v, want %d", reply.Size, err, len(body))
	}
	attempt, err := f.RoundTrip(firstHit(), request(http.MethodGet), nil)
	if err != nil || attempt.Status != "799 no {x}" {
		t.Errorf("got %q, error %v", attempt.Status, err)
	}
	_ = attempt.Body.Close()
}

// Each reply has one of the statuses, with the reason phrase and the body of that status.
// Equal draws have equal statuses.
func TestRespondOneOf(t *testing.T) {
	for line, want := range map[string][]int{
		"respond 500,502,503":                {500, 502, 503},
		"respond 5xx":                        {500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511},
		"respond 5xx,503,599 gone":           {500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 599},
		"respond 429,551 {\nbody_size 5B\n}": {429, 551},
	} {
		f := parse(t, new(Respond), line)
		seen := make(map[int]int)
		for i := range 2000 {
			hit := func() *faults.Hit { return &faults.Hit{N: 1, U: float64(i) / 2000} }
			w := httptest.NewRecorder()
			if err := f.Inject(hit(), w, request(http.MethodGet), notCalled(t)); err != nil {
				t.Fatal(err)
			}
			seen[w.Code]++
			single := httptest.NewRecorder()
			if err := f.with(w.Code).provisioned(t).Inject(hit(), single, request(http.MethodGet), notCalled(t)); err != nil {
				t.Fatal(err)
			}
			if w.Body.String() != single.Body.String() || !maps.EqualFunc(w.Header(), single.Header(), slices.Equal) {
				t.Fatalf("%s: %d has another reply than alone: %v %s", line, w.Code, w.Header(), w.Body)
			}
			attempt, err := f.RoundTrip(hit(), request(http.MethodGet), nil)
			if err != nil || attempt.StatusCode != w.Code {
				t.Fatalf("%s: got %d in a transport for the draw of %d, error %v", line, attempt.StatusCode, w.Code, err)
			}
		}
		if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", line, got, want)
		}
		for code, n := range seen {
			if fair := 2000 / len(want); n < fair/2 || n > fair*2 {
				t.Errorf("%s: got %d %d times, want about %d", line, code, n, fair)
			}
		}
		if again, ok := f.Line(); ok && "respond "+again != line {
			t.Errorf("got %s, want %s", again, line)
		}
		if f.EndsWith(faults.InHandler).Status != 0 {
			t.Error("a status is known before the draw")
		}
	}
}

func (f *Respond) provisioned(t *testing.T) *Respond {
	t.Helper()
	return provision(t, f)
}

// A body of a size is a stream with a length. HEAD gets the length only.
func TestRespondBodySize(t *testing.T) {
	const size = 300_000
	f := parse(t, new(Respond), "respond 200 {\nbody_size 300KB\n}")
	for method, want := range map[string]int{http.MethodGet: size, http.MethodHead: 0} {
		resp, err := runFault(t, f, request(method), notCalled(t))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if h := resp.Header; len(body) != want || h.Get("Content-Length") != "300000" || h.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: got %d bytes, header %v", method, len(body), h)
		}
		attempt, err := f.RoundTrip(firstHit(), request(method), nil)
		if err != nil {
			t.Fatal(err)
		}
		same, _ := io.ReadAll(attempt.Body)
		if string(same) != string(body) || attempt.ContentLength != size || attempt.Header.Get("Content-Length") != "300000" {
			t.Errorf("%s in a transport: got %d bytes, length %d", method, len(same), attempt.ContentLength)
		}
		if len(packed(string(body))) < want/2 {
			t.Errorf("gzip packs %d bytes into %d", len(body), len(packed(string(body))))
		}
	}
	if reply, err := f.Reply(faults.AnyReply()); err != nil || reply.Size != size {
		t.Errorf("got a reply of %d bytes, error %v", reply.Size, err)
	}
	allocs := testing.AllocsPerRun(5, func() { _, _ = io.Copy(io.Discard, f.filler()) })
	if allocs > 10 {
		t.Errorf("%v allocations: the body is held", allocs)
	}
}

// A body in base64 is sent byte for byte.
func TestRespondBase64(t *testing.T) {
	for line, want := range map[string]string{"": "application/octet-stream", "content_type image/png": "image/png"} {
		resp, err := runFault(t, parse(t, new(Respond), "respond 200 {\nbody_base64 AAH/e3h9\n"+line+"\n}"), request(http.MethodGet), notCalled(t))
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); string(body) != "\x00\x01\xff{x}" || resp.Header.Get("Content-Type") != want {
			t.Errorf("got %q, header %v", body, resp.Header)
		}
	}
}

// In JSON, several statuses can be wrong in ways that a Caddyfile cannot have.
func TestRespondStatusesRefused(t *testing.T) {
	for _, tt := range []struct {
		f    Respond
		want string
	}{
		{Respond{StatusCode: 500, StatusCodes: []int{502}}, "both status_code and status_codes"},
		{Respond{StatusCodes: []int{}}, "status_codes is empty"},
		{Respond{StatusCodes: []int{450}, Family: "smtp"}, "takes no family"},
		{Respond{StatusCodes: []int{50}}, "bad status '50'"},
		{Respond{StatusCodes: []int{1000}}, "bad status '1000'"},
		{Respond{StatusCode: 200, BodySize: -1}, "bad body_size '-1': must not be negative"},
	} {
		if err := tt.f.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.f, err, tt.want)
		}
	}
}

// A trigger may ask for several statuses and a limited size.
func TestRespondUntrustedSize(t *testing.T) {
	for line, want := range map[string]string{
		"respond 500,502":                    "",
		"respond 200 {\nbody_size 1MiB\n}":   "",
		"respond 200 {\nbody_size 2MiB\n}":   "too large for a trigger",
		"respond 200 {\nbody_base64 AAEC\n}": "only statuses and retry_after, such as respond 503",
		"respond 500,502 gone":               "only statuses and retry_after, such as respond 503",
	} {
		err := unmarshal(t, new(Respond), line).Untrusted(&faults.Limits{})
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", line, err, want)
		}
	}
}
