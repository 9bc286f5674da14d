package recent

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// A copy has what matchers read, and shares nothing that a handler may change.
func TestCopy(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), "POST", "https://shop.example.com/cart?a=1", strings.NewReader("secret body"))
	r.Header = http.Header{
		"Authorization": {"Bearer secret"}, "Proxy-Authorization": {"Basic secret"}, "Cookie": {"sid=secret", "b=secret"}, "Baggage": {"fault=551;key=secret"}, "X-Test": {"1", "2"},
	}
	r.TLS = &tls.ConnectionState{ServerName: "shop.example.com", Version: tls.VersionTLS13, PeerCertificates: []*x509.Certificate{{}}}
	r.URL.User = url.UserPassword("ada", "secret") // of a request in absolute form
	r.RequestURI = "/cart?a=1&fault=secret"
	kept := Copy(r)
	r.URL.Path = "/other"
	r.Header.Set("X-Test", "other")

	if kept.Method != "POST" || kept.Host != "shop.example.com" || kept.URL.Path != "/cart" || kept.URL.RawQuery != "a=1" || kept.RequestURI != "/cart?a=1" || kept.RemoteAddr != r.RemoteAddr {
		t.Errorf("got %+v", kept)
	}
	if kept.URL.User != nil {
		t.Errorf("the URL has %s", kept.URL.User)
	}
	want := http.Header{"Authorization": {""}, "Proxy-Authorization": {""}, "Cookie": {""}, "Baggage": {""}, "X-Test": {"1", "2"}}
	if !reflect.DeepEqual(kept.Header, want) {
		t.Errorf("header: got %v, want %v", kept.Header, want)
	}
	if kept.TLS.ServerName != "shop.example.com" || kept.TLS.PeerCertificates != nil {
		t.Errorf("TLS: got %+v", kept.TLS)
	}
	if kept.Body != http.NoBody || r.Header.Get("Authorization") != "Bearer secret" {
		t.Error("the body is kept, or the request has changed")
	}
}

// Large requests are not kept, so that the memory has a bound.
func TestCopySize(t *testing.T) {
	for _, tt := range []struct {
		name, target, value string
		want                bool
	}{
		{"small", "/", "x", true},
		{"a long path", "/" + strings.Repeat("a", maxCopy), "x", false},
		{"a long query", "/?" + strings.Repeat("a", maxCopy), "x", false},
		{"a long value", "/", strings.Repeat("a", maxCopy), false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", tt.target, nil)
		r.Header.Set("X-Value", tt.value)
		if got := Copy(r) != nil; got != tt.want {
			t.Errorf("%s: copied: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A header of many short fields takes more memory than its text.
func TestCopySizeOfFields(t *testing.T) {
	for what, header := range map[string]func(i int) string{
		"names":  func(i int) string { return strconv.Itoa(i) },
		"values": func(int) string { return "A" },
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		for i := range 1000 {
			r.Header.Add(header(i), "")
		}
		if Copy(r) != nil {
			t.Errorf("a header of 1000 %s is kept", what)
		}
	}
}

func TestIsCredential(t *testing.T) {
	for field, want := range map[string]bool{"Cookie": true, "Baggage": true, "Authorization": true, "Proxy-Authorization": true, "X-Test": false, "": false} {
		if got := IsCredential(field); got != want {
			t.Errorf("%q: got %v, want %v", field, got, want)
		}
	}
}
