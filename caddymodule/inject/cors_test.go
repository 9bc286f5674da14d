package inject

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

const page = "https://app.example.com"

// corsFields returns the fields of a header that CORS depends on, in one line.
func corsFields(h http.Header) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
			all = append(all, strings.TrimPrefix(name, "Access-Control-")+": "+strings.Join(h[name], " + "))
		}
	}
	return strings.Join(all, "; ")
}

// upstreamWith returns an upstream that replies with fields.
func upstreamWith(fields ...string) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		for i := 0; i < len(fields); i += 2 {
			w.Header().Set(fields[i], fields[i+1])
		}
		return testkit.Upstream(w, r)
	}
}

// theRule returns the field of a point with one rule of one fault.
func theRule(settings, fault string) string {
	return `"rules": [{` + settings + `"faults": [` + fault + `]}]`
}

func TestCORS(t *testing.T) {
	const readable = "Allow-Credentials: true; Allow-Origin: " + page + "; Expose-Headers: "
	const cors, listed = `"cors": {}, `, `"cors": {"origins": ["` + page + `"]}, `
	respond := theRule(`"name": "busy", `, `{"fault": "respond", "status_code": 503, "headers": {"set": {"Retry-After": ["5"]}}}`)
	tests := []struct {
		name, config, origin string
		upstream             []string
		status               int
		want                 string
	}{
		{"no cors", respond, page, nil, 503, ""},
		{"any origin", cors + respond, page, nil, 503, readable + "Retry-After, X-Fault-Injected; Vary: Origin"},
		{"listed origin", listed + respond, page, nil, 503, readable + "Retry-After, X-Fault-Injected; Vary: Origin"},
		{"another origin", listed + respond, "https://evil.example", nil, 503, ""},
		{"no origin", cors + respond, "", nil, 503, ""},
		{"grpc", cors + theRule("", `{"fault": "grpc", "code": 14}`), page, nil, 200, readable + "Grpc-Status, X-Fault-Injected; Vary: Origin"},
		{"error", cors + theRule("", `{"fault": "error", "status_code": 502}`), page, nil, 502, readable + "X-Fault-Injected; Vary: Origin"},
		{"after a delay", cors + theRule("", `{"fault": "delay", "duration": "1ms"}, {"fault": "respond", "status_code": 503}`), page, nil, 503, readable + "Retry-After, Server-Timing, X-Fault-Injected; Vary: Origin"},
		{"reply replaced", cors + theRule(`"phase": "response", `, `{"fault": "respond", "status_code": 503}`), page, []string{"X-Secret", "1", "Retry-After", "1"}, 503, readable + "Retry-After, X-Fault-Injected; Vary: Origin"},
		{"reply replaced, readable before", cors + theRule(`"phase": "response", `, `{"fault": "respond", "status_code": 503}`), page, []string{"Access-Control-Allow-Origin", "*"}, 503, "Allow-Origin: *; Expose-Headers: Retry-After, X-Fault-Injected"},
		{"own field", cors + theRule("", `{"fault": "respond", "status_code": 503, "headers": {"set": {"Access-Control-Allow-Origin": ["*"], "X-Own": ["1"]}}}`), page, nil, 503, "Allow-Origin: *; Expose-Headers: Retry-After, X-Fault-Injected, X-Own"},
		{"delayed", cors + theRule("", `{"fault": "delay", "duration": "1ms"}`), page, nil, 200, ""},
		{"delayed, readable before", cors + theRule("", `{"fault": "delay", "duration": "1ms"}`), page, []string{"Access-Control-Allow-Origin", "*"}, 200, "Allow-Origin: *"},
		{"delayed in phase response", cors + theRule(`"phase": "response", `, `{"fault": "delay", "duration": "1ms"}`), page, nil, 200, ""},
		{"changed", cors + theRule("", `{"fault": "patch", "status_code": 404}`), page, nil, 404, ""},
		{"not hit", cors + theRule(`"percent": 0, `, `{"fault": "close"}`), page, nil, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := load(t, "{"+tt.config+"}", "")
			w := httptest.NewRecorder()
			r := testkit.Request(http.MethodPost, "/", w)
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			var status int
			if err := h.ServeHTTP(w, r, upstreamWith(tt.upstream...)); err != nil {
				status = statusOf(err)
			} else {
				status = w.Code
			}
			if status != tt.status {
				t.Errorf("got %d, want %d", status, tt.status)
			}
			header := w.Header() // that of an error goes to the error routes
			if got := corsFields(header); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A page can read why a trigger was refused if a rule replies instead.
func TestCORSExposesRefusal(t *testing.T) {
	h := load(t, `{"cors": {}, "triggers": [{"source": "header"}], `+theRule("", `{"fault": "respond", "status_code": 503}`)+`}`, "")
	w := httptest.NewRecorder()
	r := testkit.Request(http.MethodGet, "/", w)
	r.Header.Set("Origin", page)
	r.Header.Set("X-Fault", "nonsense")
	if err := h.ServeHTTP(w, r, upstreamWith()); err != nil {
		t.Fatal(err)
	}
	if got := w.Header().Get(exposeHeaders); got != "Retry-After, X-Fault-Injected, X-Fault-Refused" {
		t.Errorf("got %q", got)
	}
}

func TestTransportCORS(t *testing.T) {
	for name, tt := range map[string]struct{ fault, want string }{
		"replaced": {`{"fault": "respond", "status_code": 503}`, "Allow-Credentials: true; Allow-Origin: " + page + "; Expose-Headers: Retry-After, X-Fault-Injected; Vary: Origin"},
		"delayed":  {`{"fault": "delay", "duration": "1ms"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tr := loadTransport(t, `{"cors": {}, `+theRule("", tt.fault)+`}`)
			r := testkit.Request(http.MethodPost, "/", nil)
			r.Header.Set("Origin", page)
			resp, _ := roundTrip(t, tr, r)
			if got := corsFields(resp.Header); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A preflight reaches the upstream without the field of the trigger, which the point
// allows on the reply. If only the field needs the preflight, the point answers.
func TestPreflightOfTrigger(t *testing.T) {
	const trigger = `"triggers": [{"source": "header"}, {"source": "envoy"}]`
	const busy = `, "rules": [{"faults": [{"fault": "respond", "status_code": 503}]}]`
	const options = `, "rules": [{"match": [{"method": ["OPTIONS"]}], "faults": [{"fault": "respond", "status_code": 503}]}]`
	const answered = "Allow-Credentials: true; Allow-Headers: x-fault; Allow-Methods: GET; Allow-Origin: " + page + "; Vary: Origin"
	fine := []string{allowOrigin, "*", allowHeaders, "content-type"}
	tests := []struct {
		name, config  string
		method, asked string
		upstream      []string
		seen          string // by the upstream; "-": the point has answered
		status        int
		want          string
	}{
		{"only the field", `{"cors": {}, ` + trigger + `}`, "GET", "x-fault", nil, "-", 204, answered},
		{"despite rules", `{"cors": {}, ` + trigger + busy + `}`, "GET", "X-Fault", nil, "-", 204, strings.Replace(answered, "x-fault", "X-Fault", 1)},
		{"two fields", `{"cors": {}, ` + trigger + `}`, "GET", "x-envoy-fault-delay-request,x-fault", nil, "-", 204, strings.Replace(answered, "x-fault", "x-envoy-fault-delay-request, x-fault", 1)},
		{"a rule for preflights", `{"cors": {}, ` + trigger + options + `}`, "GET", "x-fault", nil, "-", 503, "Allow-Credentials: true; Allow-Origin: " + page + "; Expose-Headers: Retry-After, X-Fault-Injected; Vary: Origin"},
		{"further fields", `{"cors": {}, ` + trigger + `}`, "POST", "content-type, x-fault,x-own", fine, "content-type,x-own", 200, "Allow-Headers: content-type + x-fault; Allow-Origin: *"},
		{"another method", `{"cors": {}, ` + trigger + `}`, "PUT", "x-fault", fine, "", 200, "Allow-Headers: content-type + x-fault; Allow-Origin: *"},
		{"the upstream refuses", `{"cors": {}, ` + trigger + `}`, "PUT", "x-fault", nil, "", 200, ""},
		{"no cors", `{` + trigger + `}`, "GET", "x-fault", nil, "x-fault", 200, ""},
		{"another origin", `{"cors": {"origins": ["https://a.example"]}, ` + trigger + `}`, "GET", "x-fault", nil, "x-fault", 200, ""},
		{"no trigger", `{"cors": {}}`, "GET", "x-fault", fine, "x-fault", 200, "Allow-Headers: content-type; Allow-Origin: *"},
		{"no fields", `{"cors": {}, ` + trigger + `}`, "PUT", "", fine, "", 200, "Allow-Headers: content-type; Allow-Origin: *"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := load(t, tt.config, "")
			w := httptest.NewRecorder()
			r := testkit.Request(http.MethodOptions, "/", w)
			r.Header.Set("Origin", page)
			r.Header.Set(requestMethod, tt.method)
			if tt.asked != "" {
				r.Header.Set(requestHeaders, tt.asked)
			}
			seen := "-"
			err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				seen = r.Header.Get(requestHeaders)
				return upstreamWith(tt.upstream...)(w, r)
			}))
			if err != nil || w.Code != tt.status || seen != tt.seen {
				t.Errorf("got %d, %v, seen %q, want %d, %q", w.Code, err, seen, tt.status, tt.seen)
			}
			if got := corsFields(w.Header()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A preflight cannot use a trigger, even one in a field that pages may send.
func TestTriggerLetsPreflightPass(t *testing.T) {
	h := load(t, `{"triggers": [{"source": "baggage"}]}`, "")
	for method, want := range map[string]int{http.MethodOptions: 200, http.MethodGet: 551} {
		w := httptest.NewRecorder()
		r := testkit.Request(method, "/", w)
		r.Header.Set("Origin", page)
		r.Header.Set(requestMethod, "GET")
		r.Header.Set("Baggage", "fault=551")
		if err := h.ServeHTTP(w, r, upstreamWith()); err != nil || w.Code != want {
			t.Errorf("%s: got %d, %v, want %d", method, w.Code, err, want)
		}
	}
}
