package deploy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const maxImage = 100 << 20

// A container runs the image until the end of the test.
type container struct {
	log  func() string
	exec func(args ...string) (string, error) // runs a program of the image in the container
	uid  func() string                        // of the process, on the host
	wait func() error                         // returns the error of the process
}

// options say how to run the image.
type options struct {
	env          []string
	caddyfile    string // replaces that of the image
	readOnlyData bool   // without the volumes
}

// logs waits until the log contains a text, and returns the log.
func (c *container) logs(t *testing.T, want string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) { // a process has no event for a line
		if out := c.log(); strings.Contains(out, want) {
			return out
		}
	}
	t.Fatalf("the log has no %q:\n%s", want, c.log())
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // only looks for a port
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url) //nolint:noctx // of this machine
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestImage runs the image: as another user than root, without writing to its own files,
// and with the health check of the recipe.
func TestImage(t *testing.T) {
	needTools(t)
	dir, recipe := rootfs(t), readRecipe(t)
	testImage(t, recipe, func(t *testing.T, o options) *container { return startChroot(t, dir, recipe, o) })
	if size := sizeOf(t, dir); size > maxImage {
		t.Errorf("the image has %d bytes, want %d at most", size, maxImage)
	}
	for path := range written(t, dir) {
		t.Errorf("%s was written, but the image is read-only", path)
	}
}

// TestImagePodman is TestImage in a container with a read-only file system.
func TestImagePodman(t *testing.T) {
	if !*withPodman {
		t.Skip("needs -podman")
	}
	if size := buildImage(t); size > maxImage {
		t.Errorf("the image has %d bytes, want %d at most", size, maxImage)
	}
	testImage(t, readRecipe(t), startPodman)
}

type startFunc func(*testing.T, options) *container

func testImage(t *testing.T, recipe *recipe, start startFunc) {
	t.Run("runs", func(t *testing.T) { testImageRuns(t, recipe, start) })
	t.Run("read-only data", func(t *testing.T) { testImageReadOnlyData(t, start) })
	t.Run("open admin", func(t *testing.T) { testImageOpenAdmin(t, start) })
	t.Run("no secret", func(t *testing.T) { testImageNoSecret(t, start) })
}

func testImageRuns(t *testing.T, recipe *recipe, start startFunc) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "from the app") }))
	defer upstream.Close()
	port, admin := freePort(t), "127.0.0.1:"+freePort(t)
	c := start(t, options{env: []string{"PORT=" + port, "CADDY_ADMIN=" + admin, "UPSTREAM=" + upstream.Listener.Addr().String()}})
	c.logs(t, "serving initial configuration")
	if status, body := get(t, "http://127.0.0.1:"+port+"/"); status != 200 || body != "from the app" {
		t.Errorf("got %d %q", status, body)
	}
	if uid := c.uid(); !strings.Contains(uid, "65532") {
		t.Errorf("the process runs as %s, want 65532", uid)
	}
	for _, args := range [][]string{
		recipe.health,
		{"/usr/bin/caddy", "fault", "run", "--name", "down", "--point", "site", "respond 503"},
	} {
		if out, err := c.exec(args...); err != nil {
			t.Fatalf("%q: %v %s", args, err, out)
		}
	}
	if status, _ := get(t, "http://127.0.0.1:"+port+"/"); status != 503 {
		t.Errorf("got %d with the experiment, want 503", status)
	}
	if out, err := c.exec("/usr/bin/caddy", "fault", "halt"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if log := c.logs(t, "faults halted"); strings.Contains(log, "cannot write") || strings.Contains(log, "open to the network") {
		t.Errorf("warnings: %s", log)
	}
}

// The health check fails if Caddy does not answer.
func testImageReadOnlyData(t *testing.T, start startFunc) {
	c := start(t, options{env: []string{"PORT=" + freePort(t), "CADDY_ADMIN=127.0.0.1:" + freePort(t)}, readOnlyData: true})
	c.logs(t, "cannot write to the storage")
	if out, err := c.exec("/usr/bin/caddy", "fault", "status", "--address", "127.0.0.1:"+freePort(t)); err == nil {
		t.Errorf("the status of another port succeeded: %s", out)
	}
}

func testImageOpenAdmin(t *testing.T, start startFunc) {
	c := start(t, options{env: []string{"PORT=" + freePort(t), "CADDY_ADMIN=:" + freePort(t)}})
	c.logs(t, "is open to the network")
}

// A trigger without its secret keeps Caddy from starting.
func testImageNoSecret(t *testing.T, start startFunc) {
	for name, port := range map[string]string{"compose/Caddyfile": freePort(t), "kubernetes/sidecar/Caddyfile": freePort(t)} {
		content := strings.NewReplacer("fault:2019", "127.0.0.1:"+port, ":8080", "127.0.0.1:"+freePort(t), ":8081", "127.0.0.1:"+freePort(t)).Replace(readFile(t, inDeploy(filepath.FromSlash(name))))
		c := start(t, options{env: []string{"CADDY_ADMIN=127.0.0.1:" + freePort(t)}, caddyfile: content})
		err := c.wait()
		if out := c.log(); err == nil || !strings.Contains(out, "trigger key") || !strings.Contains(out, "is empty") {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
}
