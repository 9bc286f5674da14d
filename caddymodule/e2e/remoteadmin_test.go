package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
)

// clientCertificate makes a key and a self-signed certificate, as the page does with
// openssl.
func clientCertificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// remoteAdmin starts the configuration of the page, and returns a client for each
// certificate.
func remoteAdmin(t *testing.T, names ...string) (address string, clients map[string]*http.Client) {
	t.Helper()
	page, config := manual.Read(t, "../docs/howto/read-only-access.md"), ""
	for _, block := range page.Blocks() {
		if block.Language == "json" {
			config = block.Text
		}
	}
	port := strconv.Itoa(freePort(t))
	changes := []string{
		"localhost:2019", "unix/" + filepath.Join(t.TempDir(), "admin.sock"), `":2021"`, `"127.0.0.1:` + port + `"`,
		`":8080"`, `"127.0.0.1:` + strconv.Itoa(freePort(t)) + `"`,
	}
	certificates := make(map[string]tls.Certificate)
	for _, name := range names {
		certificates[name] = clientCertificate(t, name)
		changes = append(changes, strings.ToUpper(name), base64.StdEncoding.EncodeToString(certificates[name].Certificate[0]))
	}
	certificates["stranger"], certificates[""] = clientCertificate(t, "stranger"), tls.Certificate{}
	p := runConfig(t, caddyBinary(t), "caddy.json", strings.NewReplacer(changes...).Replace(config))
	roots := rootsOf(t, filepath.Join(filepath.Dir(p.config), "caddy/pki/authorities/local/root.crt"))
	clients = make(map[string]*http.Client)
	for name, certificate := range certificates {
		settings := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
		if name != "" {
			settings.Certificates = []tls.Certificate{certificate}
		}
		clients[name] = &http.Client{Transport: &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true}, Timeout: patience}
	}
	return "https://127.0.0.1:" + port, clients
}

// rootsOf waits for the root certificate of Caddy.
func rootsOf(t *testing.T, path string) *x509.CertPool {
	t.Helper()
	roots := x509.NewCertPool()
	eventually(t, func() error {
		pem, err := os.ReadFile(path)
		if err == nil && !roots.AppendCertsFromPEM(pem) {
			err = fmt.Errorf("%s has no certificate", path)
		}
		return err
	})
	return roots
}

// ask sends a request to the remote admin endpoint. The status is 0 if TLS refuses the
// client.
func ask(t *testing.T, client *http.Client, method, url string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(`{"url": "/"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(content)
}

// TestRemoteAdmin checks the configuration of the how-to on read-only access with real
// certificates.
func TestRemoteAdmin(t *testing.T) {
	address, clients := remoteAdmin(t, "viewer", "halter")
	eventually(t, func() error {
		if status, body := ask(t, clients["viewer"], "GET", address+"/fault/"); status != http.StatusOK {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
	for _, tt := range []struct {
		who, method, path string
		status            int
	}{
		{"viewer", "GET", "/fault/", 200},
		{"viewer", "GET", "/fault/journal", 200},
		{"viewer", "GET", "/fault/experiments", 200},
		{"viewer", "GET", "/metrics", 200},
		{"viewer", "POST", "/fault/explain", 200},
		{"viewer", "POST", "/fault/halt", 403},
		{"viewer", "POST", "/fault/resume", 403},
		{"viewer", "PUT", "/fault/experiments/slow", 403},
		{"viewer", "DELETE", "/fault/journal", 403},
		{"viewer", "GET", "/config/", 403},
		{"viewer", "POST", "/load", 403},
		{"viewer", "POST", "/stop", 403},
		{"halter", "POST", "/fault/explain", 403},
		{"halter", "PUT", "/fault/experiments/slow", 403},
		{"halter", "GET", "/metrics", 403},
		{"halter", "POST", "/fault/halt", 200},
		{"halter", "GET", "/fault/", 200},
		{"halter", "POST", "/fault/resume", 403},
		{"stranger", "GET", "/fault/", 0},
		{"", "GET", "/fault/", 0},
	} {
		if status, body := ask(t, clients[tt.who], tt.method, address+tt.path); status != tt.status {
			t.Errorf("%q: %s %s: got %d %s, want %d", tt.who, tt.method, tt.path, status, body, tt.status)
		}
	}
}
