package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // the other directives of the tests

	_ "github.com/caddyfault/caddyfault/caddymodule"
)

// patience limits every wait for something that should happen immediately. The machine
// may have other work.
const patience = 30 * time.Second

// wantTook checks that something that began at a time has taken this long, plus
// patience at most. Benchmarks, and tests in a synctest bubble, check times exactly.
func wantTook(t testing.TB, began time.Time, least time.Duration) {
	t.Helper()
	if took := time.Since(began); took < least || took > least+patience {
		t.Errorf("took %v, want %v", took, least)
	}
}

// The hosts of a test site. They have the same length, and so have their requests.
const (
	host  = "fault.test"
	other = "plain.test"
)

// config describes a Caddy with one server.
type config struct {
	tls     bool
	wrapper bool   // listener_wrappers { fault }
	admin   bool   // the admin endpoint, on a socket
	global  string // further global options
	servers string // further options of the server
	port    int    // 0: the kernel chooses
	quiet   bool   // without a log
	anyHost bool   // the site serves every name, not only fault.test
	site    string // the directives of fault.test
	other   string // the directives of plain.test, if any
}

// caddyfile returns the configuration as text. Caddy writes all its files to dir.
func (c config) caddyfile(dir string) string {
	tlsLine, wrapper, second, admin := "", "", "", "off"
	if c.admin {
		admin = "unix/" + filepath.Join(dir, "admin.sock")
	}
	if c.tls {
		tlsLine = "tls " + filepath.Join(dir, "cert.pem") + " " + filepath.Join(dir, "key.pem")
	}
	if c.wrapper {
		wrapper = "listener_wrappers {\nfault\n}"
	}
	log := "output file " + filepath.Join(dir, "caddy.log") + " {\nroll_disabled\n}"
	if c.quiet {
		log = "output discard"
	}
	block := func(host, directives string) string {
		directives = strings.ReplaceAll(directives, "{access.log}", filepath.Join(dir, "access.log"))
		return fmt.Sprintf("%s://%s:%d {\nbind 127.0.0.1\n%s\n%s\n}\n", c.scheme(), host, c.port, tlsLine, directives)
	}
	if c.other != "" {
		second = block(other, c.other)
	}
	name := host
	if c.anyHost {
		name = ""
	}
	return fmt.Sprintf(`{
		admin %s
		persist_config off
		auto_https off
		grace_period %v
		storage file_system %s
		log default {
			%s
			format json
			level DEBUG
		}
		servers {
			%s
			%s
		}
		%s
	}
	`, admin, patience, filepath.Join(dir, "storage"), log, wrapper, c.servers, c.global) +
		block(name, c.site) + second
}

// site is a running Caddy.
type site struct {
	config
	dir  string
	addr string // of the TCP listener
}

// start loads a configuration, which is stopped at the end of the test. A failed test
// shows Caddy's log.
func start(t *testing.T, c config) *site {
	t.Helper()
	s := &site{config: c, dir: t.TempDir()}
	if c.tls {
		writeFile(t, s.path("cert.pem"), certificate().certPEM)
		writeFile(t, s.path("key.pem"), certificate().keyPEM)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("caddy's log:\n%s", s.caddyLog(t))
		}
	})
	s.load(t)
	t.Cleanup(func() {
		began := time.Now()
		stop(t)
		if took := time.Since(began); took >= patience {
			t.Errorf("caddy took %v to stop: a request is still held", took)
		}
	})
	return s
}

// stop ends the running Caddy. It also ends the admin endpoint, which would outlive a
// plain stop.
func stop(t *testing.T) {
	t.Helper()
	if err := caddy.Load([]byte(`{"admin": {"disabled": true, "config": {"persist": false}}}`), true); err != nil {
		t.Errorf("loading nothing: %v", err)
	}
	if err := caddy.Stop(); err != nil {
		t.Errorf("stopping caddy: %v", err)
	}
}

// load makes the site's configuration the running one.
func (s *site) load(t *testing.T) {
	t.Helper()
	if err := caddy.Load(adapt(t, s.caddyfile(s.dir)), true); err != nil {
		t.Fatalf("loading: %v\n%s", err, s.caddyfile(s.dir))
	}
	s.addr = s.server(t).Listeners()[0].Addr().String()
}

func adapt(t *testing.T, caddyfile string) []byte {
	t.Helper()
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatalf("adapting: %v\n%s", err, caddyfile)
	}
	return adapted
}

// server returns the only HTTP server of the running configuration.
func (s *site) server(t *testing.T) *caddyhttp.Server {
	t.Helper()
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		t.Fatalf("http app: %v", err)
	}
	servers := app.(*caddyhttp.App).Servers
	if len(servers) != 1 {
		t.Fatalf("got %d servers, want 1", len(servers))
	}
	for _, srv := range servers {
		return srv
	}
	return nil
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// caddyLog returns what the default logger has written so far.
func (s *site) caddyLog(t *testing.T) string {
	t.Helper()
	if s.quiet {
		return ""
	}
	log, err := os.ReadFile(s.path("caddy.log"))
	if err != nil {
		t.Errorf("reading caddy's log: %v", err)
	}
	return string(log)
}

func (c config) scheme() string {
	if c.tls {
		return "https"
	}
	return "http"
}

// url returns the address of a page of the site.
func (s *site) url(path string) string { return s.scheme() + "://" + host + path }

// dialTCP opens a connection to the site, with TLS if the site has it.
func (s *site) dialTCP(alpn ...string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", s.addr, patience)
	if err != nil || !s.tls {
		return conn, err
	}
	return tls.Client(conn, clientTLS(alpn...)), nil
}

var (
	altSvc     = regexp.MustCompile(`h3=":(\d+)"`)
	altSvcLine = regexp.MustCompile(`Alt-Svc: [^\r]*\r\n`)
)

// quicAddr returns the address at which the site speaks HTTP/3. If the kernel has
// chosen the ports, the address is in the Alt-Svc field of every reply, here a reply
// for a host that the site does not serve.
func (s *site) quicAddr(t *testing.T) string {
	t.Helper()
	if s.port != 0 {
		return s.addr
	}
	var port []string
	eventually(t, func() error { // the field appears when the listener is ready, a little after the others
		conn := s.dial(t)
		defer conn.Close()
		reply := conn.roundTrip("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
		if port = altSvc.FindStringSubmatch(reply.head); port == nil {
			return fmt.Errorf("no HTTP/3 port in %q", reply.head)
		}
		return nil
	})
	if port == nil {
		t.FailNow()
	}
	return net.JoinHostPort("127.0.0.1", port[1])
}

// transports are the ways to reach a site. Each must look the same with and without the
// listener wrapper.
func transports(t *testing.T, c config, test func(t *testing.T, s *site)) {
	t.Helper()
	for _, variant := range []struct {
		name         string
		tls, wrapper bool
	}{
		{"plain", false, false},
		{"plain, wrapper", false, true},
		{"TLS", true, false},
		{"TLS, wrapper", true, true},
	} {
		c.tls, c.wrapper = variant.tls, variant.wrapper
		t.Run(variant.name, func(t *testing.T) { test(t, start(t, c)) })
	}
}

// everywhere runs a test with a client for each protocol of each transport.
func everywhere(t *testing.T, c config, test func(t *testing.T, c *client)) {
	t.Helper()
	transports(t, c, func(t *testing.T, s *site) {
		for _, proto := range s.protocols() {
			t.Run(proto.String(), func(t *testing.T) { test(t, s.client(t, proto)) })
		}
	})
}

// overEach runs a test with a client for each protocol, for tests that do not depend on
// how a status line is written.
func overEach(t *testing.T, c config, test func(t *testing.T, c *client)) {
	t.Helper()
	for _, tls := range []bool{false, true} {
		c.tls, c.wrapper = tls, !tls
		s := start(t, c)
		for _, proto := range s.protocols() {
			t.Run(s.scheme()+" "+proto.String(), func(t *testing.T) { test(t, s.client(t, proto)) })
		}
	}
}

// keyPair returns a self-signed certificate.
type keyPair struct {
	certPEM, keyPEM []byte
	pool            *x509.CertPool
}

var certificate = sync.OnceValue(func() keyPair {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: host},
		DNSNames:     []string{host, other, "nobody.test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	pair := keyPair{
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		pool:    x509.NewCertPool(),
	}
	pair.pool.AppendCertsFromPEM(pair.certPEM)
	return pair
})

func clientTLS(alpn ...string) *tls.Config {
	return &tls.Config{RootCAs: certificate().pool, ServerName: host, NextProtos: alpn}
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until check returns nil.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err = check(); err == nil {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Errorf("still after %v: %v", patience, err)
}

// headerOf parses the lines of a head.
func headerOf(head string) http.Header {
	header := make(http.Header)
	for _, line := range strings.Split(head, "\r\n")[1:] {
		if name, value, ok := strings.Cut(line, ": "); ok {
			header.Add(name, value)
		}
	}
	return header
}
