package rules

import (
	"strings"
	"testing"
)

func TestCheckOrigin(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]string{
		"https://app.example.com":       "",
		"http://localhost:3000":         "",
		"http://[::1]:3000":             "",
		"null":                          "",
		"capacitor://localhost":         "",
		"https://xn--bcher-kva.example": "",

		"*":                            "write cors without an origin",
		"https://*.example.com":        "no wildcards",
		"app.example.com":              "write cors https://app.example.com",
		"https://app.example.com/":     "write cors https://app.example.com",
		"https://app.example.com/x?y":  "write cors https://app.example.com",
		"HTTPS://App.example.com":      "write cors https://app.example.com",
		"https://app.example.com:443":  "write cors https://app.example.com",
		"http://localhost:80":          "write cors http://localhost",
		"http://localhost:0x50":        "want a scheme and a host",
		"http://localhost:":            "want a scheme and a host",
		"http://localhost:70000":       "want a scheme and a host",
		"http://u:p@localhost":         "want a scheme and a host",
		"https://bücher.example":       "want a scheme and a host",
		"{env.ORIGIN}":                 "want a scheme and a host",
		"":                             "want a scheme and a host",
		"https://":                     "want a scheme and a host",
		"https://a.example,https://b.": "want a scheme and a host",
	} {
		err := checkOrigin(origin)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", origin, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", origin, err, want)
		}
	}
}

func TestCORSAllows(t *testing.T) {
	t.Parallel()
	const app = "https://app.example.com"
	for _, tt := range []struct {
		cors   *CORS
		origin string
		want   bool
	}{
		{nil, app, false},
		{&CORS{}, app, true},
		{&CORS{}, "null", true},
		{&CORS{}, "", false},
		{&CORS{Origins: []string{"null", app}}, app, true},
		{&CORS{Origins: []string{app}}, "https://app.example.com.evil.example", false},
		{&CORS{Origins: []string{app}}, "", false},
	} {
		if got := tt.cors.Allows(tt.origin); got != tt.want {
			t.Errorf("%v, origin %q: got %v, want %v", tt.cors, tt.origin, got, tt.want)
		}
	}
}
