package e2e

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
)

// presetFolder has the reply of each preset.
const presetFolder = "testdata/presets"

// TestPresets records what each preset sends over HTTP/1.1, and compares HTTP/2 with it.
// With -update it writes the files. A new preset is a new file.
func TestPresets(t *testing.T) {
	up := serve(t, answer)
	all := presets.Set(nil).All()
	var directives strings.Builder
	for _, p := range all {
		fmt.Fprintf(&directives, "fault /%s {\npoint %[1]s\n%s\n}\n", p.Name, p.Line(quick(p)...))
	}
	s := start(t, config{tls: true, site: directives.String() + up.proxy()})
	over2 := s.client(t, h2)
	for _, p := range all {
		if !replies(p) {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			conn := s.dial(t)
			conn.send(get("/" + p.Name))
			raw, err := conn.readReply(http.MethodGet)
			if err != nil && !strings.HasPrefix(p.Name, "llm-") {
				t.Fatal(err)
			}
			checkBody(t, headerOf(raw.head).Get("Content-Type"), raw.body)
			compareReply(t, p.Name, maskPreset(raw.head+raw.body))
			got, err := over2.try(over2.request(t, http.MethodGet, "/"+p.Name, nil))
			if err != nil {
				t.Fatal(err)
			}
			if status := strconv.Itoa(got.StatusCode); !strings.HasPrefix(raw.head, "HTTP/1.1 "+status) || maskPreset(got.body) != maskPreset(raw.body) {
				t.Errorf("over HTTP/2: got %s %q, want\n%s", status, got.body, raw.head)
			}
		})
	}
}

// answer is an upstream that streams events for a path of a stream. All its other replies
// are JSON.
func answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/jsonrpc-error" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":7,"result":1}`)
		return
	}
	if !strings.Contains(r.URL.Path, "stream") && !strings.HasPrefix(r.URL.Path, "/llm-") && !strings.HasPrefix(r.URL.Path, "/sse-") {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	format := "data: %d\n\n"
	if r.URL.Path == "/sse-split-characters" {
		format = "data: Grüß %d\n\n"
	}
	for n := range 10 {
		_, _ = fmt.Fprintf(w, format, n+1)
	}
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}

// quick returns parameters so that a preset does not wait.
func quick(p *presets.Preset) (values []string) {
	for _, param := range p.Params {
		if wait, err := time.ParseDuration(param.Default); err == nil && wait > 0 && !grammar.AboutPreset(p).Settings {
			values = append(values, param.Name+"=1ms")
		}
	}
	return values
}

// replies reports whether a preset sends the same reply each time.
func replies(p *presets.Preset) bool {
	switch p.Name {
	case "maintenance", "lost-reply", "wrong-content-type", "stale-html-for-json":
		return true // the other patterns fail by chance, or have no reply
	case "llm-stall", "llm-slow-tokens", "websocket-restart", "websocket-gone", "grpc-stream-cut":
		return false // TestWebSocketPresets and TestGRPCPreset have clients for the last ones
	}
	return p.Sources[0] != "pattern" && !strings.HasPrefix(p.Name, "network-")
}

// compareReply compares a reply with its file.
func compareReply(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join(presetFolder, name+".http")
	if *update {
		writeFile(t, file, []byte(got))
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run\ngo test ./caddymodule/e2e -run TestPresets -update", err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

var (
	presetID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	presetDate = regexp.MustCompile(`(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} [0-9:]{8} GMT`)
	presetTime = regexp.MustCompile(`20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z`)
	presetUnix = regexp.MustCompile(`\b1[0-9]{9}\b`)
	presetAlt  = regexp.MustCompile("(?m)^Alt-Svc: .*\n")
)

// maskPreset replaces what differs between runs.
func maskPreset(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = presetID.ReplaceAllString(text, "<id>")
	text = presetDate.ReplaceAllString(text, "<date>")
	text = presetTime.ReplaceAllString(text, "<time>")
	text = presetUnix.ReplaceAllString(text, "<unix time>")
	return presetAlt.ReplaceAllString(text, "")
}

// checkBody parses a body that says that it is JSON or XML.
func checkBody(t *testing.T, contentType, body string) {
	t.Helper()
	switch {
	case strings.Contains(contentType, "json"):
		if !json.Valid([]byte(body)) {
			t.Errorf("the body is not JSON: %s", body)
		}
	case strings.Contains(contentType, "xml"):
		for d := xml.NewDecoder(strings.NewReader(body)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatalf("the body is not XML: %v: %s", err, body)
			}
		}
	}
}

// A client asks for a preset by a trigger. It may choose numbers, and no text.
func TestPresetByTrigger(t *testing.T) {
	up := serve(t, answer)
	s := start(t, config{
		global: "fault {\npreset acme-busy {\nrespond 503 \"acme\"\n}\n}",
		site: "handle /own* {\nfault {\npoint own\ntrigger header {\nallow preset\n}\n}\n" + up.proxy() + "\n}\n" +
			"handle {\nfault {\npoint all\ntrigger header\n}\n" + up.proxy() + "\n}",
	})
	c := s.client(t, h1)
	for _, tt := range []struct {
		path, trigger string
		status        int
		told          string
	}{
		{"/", "preset anthropic-overloaded", 529, ""},
		{"/", "percent 100; preset openai-rate-limit retry_after=2", 429, ""},
		{"/", "preset cloudflare-origin code=524", 524, ""},
		{"/", "preset flaky percent=0", 200, "preset has the fault choose"},
		{"/", "preset quota", 200, "preset quota brings over, which a trigger cannot have"},
		{"/", "preset graphql-error code=EVIL", 200, "code of preset graphql-error is a text"},
		{"/", "preset llm-slow-first-token wait=40s", 200, "longer than '30s'"},
		{"/", "preset anthropic-overlooded", 200, "the line cannot be parsed"},
		{"/", "preset acme-busy", 200, "unknown preset 'acme-busy'"},
		{"/own", "preset acme-busy", 503, ""},
		{"/own", "503", 200, "want id, percent, phase, skip, times, or one of preset"},
	} {
		r := c.request(t, http.MethodGet, tt.path, nil)
		r.Header.Set("X-Fault", tt.trigger)
		got := c.do(t, r)
		told := got.Header.Get("X-Fault-Refused")
		if got.StatusCode != tt.status || tt.told == "" && told != "" || !strings.Contains(told, tt.told) {
			t.Errorf("%s %s: got %d, refused %q, want %d and %q", tt.path, tt.trigger, got.StatusCode, told, tt.status, tt.told)
		}
		if tt.status != 200 && got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: a browser may guess the type of the reply", tt.trigger)
		}
	}
}
