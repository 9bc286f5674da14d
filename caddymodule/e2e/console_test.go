package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// consoleSite serves a console to every client on this machine.
var consoleSite = config{site: "fault_console", anyHost: true}

// toConsole returns a request from this machine with these header fields, as text.
func toConsole(method, path, body string, fields ...string) string {
	return strings.Replace(request(method, path, body, fields...), "Host: "+host, "Host: localhost", 1)
}

// A proxy on the machine forwards a request of a remote client. The client sends the
// first line of a field to which the proxy adds its own.
func TestConsoleBehindHAProxy(t *testing.T) {
	s := start(t, consoleSite)
	for _, tt := range []struct {
		fields []string
		want   string
	}{
		{nil, "200"},
		{[]string{"X-Forwarded-For: 192.0.2.7"}, "403"},
		{[]string{"X-Forwarded-For:", "X-Forwarded-For: 192.0.2.7"}, "403"},
		{[]string{"X-Forwarded-For:"}, "403"},
		{[]string{"x-FORWARDED-for: "}, "403"},
		{[]string{"Via:", "Via: 1.1 edge"}, "403"},
		{[]string{"Forwarded:", "Forwarded: for=192.0.2.7"}, "403"},
		{[]string{"X-Real-IP: 192.0.2.7"}, "403"},
		{[]string{"X-Forwarded-Host: faults.example.com"}, "403"},
		{[]string{"X-Forwarded-Proto:"}, "403"},
		{[]string{"CF-Connecting-IP: 192.0.2.7"}, "403"},
		{[]string{"True-Client-IP: 192.0.2.7"}, "403"},
		{[]string{"CDN-Loop: edge"}, "403"},
		{[]string{"Accept: */*", "User-Agent: curl/8.0", "X-Request-Id: 7"}, "200"},
	} {
		for _, path := range []string{"/", "/app.js", "/fault/"} {
			got := s.dial(t).roundTrip(toConsole(http.MethodGet, path, "", tt.fields...))
			if status := strings.Fields(got.head)[1]; status != tt.want {
				t.Errorf("%s with %q: got %s, want %s", path, tt.fields, status, tt.want)
			}
		}
	}
}

// Contradictory lines of a field prove nothing, in any order and over any protocol.
func TestConsoleLinesAgree(t *testing.T) {
	const site, mode, json = "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Content-Type: application/json"
	const origin = "Origin: http://localhost"
	tests := []struct {
		method string
		fields []string
		want   int
	}{
		{"POST", []string{site, json}, 200},
		{"POST", []string{origin, json}, 200},
		{"POST", []string{site, site, origin, origin, json, json}, 200},
		{"POST", []string{site, "Sec-Fetch-Site: cross-site", json}, 403},
		{"POST", []string{"Sec-Fetch-Site:", "Sec-Fetch-Site: cross-site", origin, json}, 403},
		{"POST", []string{site, "Sec-Fetch-Site: none", json}, 403},
		{"POST", []string{origin, "Origin: https://evil.test", json}, 403},
		{"POST", []string{site, origin, "Origin: https://evil.test", json}, 403},
		{"POST", []string{site, json, "Content-Type: text/plain"}, 403},
		{"POST", []string{site, "Content-Type: application/json, text/plain"}, 415},
		{"POST", []string{"Sec-Fetch-Site: same-origin, cross-site", json}, 403},
		{"GET", []string{site}, 200},
		{"GET", []string{site, "Sec-Fetch-Site: cross-site"}, 403},
		{"GET", []string{"Sec-Fetch-Site:", "Sec-Fetch-Site: cross-site"}, 403},
		{"GET", []string{"Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"}, 403},
		{"GET", []string{"Sec-Fetch-Site: cross-site", mode}, 200},
		{"GET", []string{"Sec-Fetch-Site: cross-site", mode, "Sec-Fetch-Mode: no-cors"}, 403},
	}
	overEach(t, consoleSite, func(t *testing.T, c *client) {
		for _, tt := range tests {
			backwards := slices.Clone(tt.fields)
			slices.Reverse(backwards)
			for _, fields := range [][]string{tt.fields, backwards} {
				r := c.request(t, tt.method, "/fault/", nil)
				if tt.method == http.MethodPost { // a change without an effect
					r = c.request(t, tt.method, "/fault/explain", strings.NewReader(`{"url": "/"}`))
				}
				r.Host = "localhost"
				for _, field := range fields {
					name, value, _ := strings.Cut(field, ":")
					r.Header.Add(name, strings.TrimSpace(value))
				}
				if got := c.do(t, r); got.StatusCode != tt.want {
					t.Errorf("%s with %q: got %d, want %d", tt.method, fields, got.StatusCode, tt.want)
				}
			}
		}
	})
}
