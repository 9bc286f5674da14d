package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	image    = "localhost/caddyfault-test"
	maxImage = 100 << 20
)

// runImage are the arguments that run the image as in production: read-only, and without
// capabilities. The limits are for machines where podman may not raise them.
var runImage = []string{
	"--runtime", "runc", "run", "--pull=never", "--network=host", "--read-only", "--cap-drop=all",
	"--security-opt=no-new-privileges", "--no-healthcheck", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024",
}

// buildImage builds the image of a release, and returns its size.
func buildImage(t *testing.T) int {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "linux", "amd64", "caddy"), readFile(t, built(t)))
	if err := os.Chmod(filepath.Join(dir, "linux", "amd64", "caddy"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "caddymodule", "docs", "deploy", "rootfs"), os.DirFS(inDeploy("rootfs"))); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "podman", "build", "--isolation=chroot", "--format=docker", "--build-arg=TARGETPLATFORM=linux/amd64",
		"-f", inDeploy("release.Containerfile"), "-t", image, ".")
	t.Cleanup(func() { _, _ = try(context.Background(), "", "podman", "rmi", "--force", image) })
	size, err := strconv.Atoi(strings.TrimSpace(run(t, "", "podman", "image", "inspect", "--format", "{{.Size}}", image)))
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// A container runs the image until the end of the test.
type container struct{ name string }

func start(t *testing.T, args ...string) *container {
	t.Helper()
	c := &container{name: fmt.Sprintf("caddyfault-%d-%s", os.Getpid(), strings.ReplaceAll(filepath.Base(t.Name()), "_", "-"))}
	run(t, "", "podman", append(append(append([]string{}, runImage...), "--detach", "--name", c.name), args...)...)
	t.Cleanup(func() { _, _ = try(context.Background(), "", "podman", "rm", "--force", "--time=0", c.name) })
	return c
}

// logs waits until the log contains a text, and returns the log.
func (c *container) logs(t *testing.T, want string) string {
	t.Helper()
	var out string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) { // podman has no event for a line
		out = run(t, "", "sh", "-c", "podman logs "+c.name+" 2>&1")
		if strings.Contains(out, want) {
			return out
		}
	}
	t.Fatalf("the log has no %q:\n%s", want, out)
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

// TestImage runs the image: as another user than root, read-only, and with the health
// check of the recipe.
func TestImage(t *testing.T) {
	needTools(t)
	if size := buildImage(t); size > maxImage {
		t.Errorf("the image has %d bytes, want %d at most", size, maxImage)
	}
	t.Run("runs", testImageRuns)
	t.Run("read-only data", testImageReadOnlyData)
	t.Run("open admin", testImageOpenAdmin)
	t.Run("no secret", testImageNoSecret)
}

func testImageRuns(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "from the app") }))
	defer upstream.Close()
	port, admin := freePort(t), "127.0.0.1:"+freePort(t)
	c := start(t, "-e", "PORT="+port, "-e", "CADDY_ADMIN="+admin, "-e", "UPSTREAM="+upstream.Listener.Addr().String(), image)
	c.logs(t, "serving initial configuration")
	if status, body := get(t, "http://127.0.0.1:"+port+"/"); status != 200 || body != "from the app" {
		t.Errorf("got %d %q", status, body)
	}
	if uid := run(t, "", "podman", "top", c.name, "huser"); !strings.Contains(uid, "65532") {
		t.Errorf("the process runs as %s, want 65532", uid)
	}
	var check []string
	if err := json.Unmarshal([]byte(run(t, "", "podman", "image", "inspect", "--format", "{{json .HealthCheck.Test}}", image)), &check); err != nil || len(check) < 2 || check[0] != "CMD" {
		t.Fatalf("the health check is %q, %v", check, err)
	}
	run(t, "", "podman", append([]string{"--runtime", "runc", "exec", c.name}, check[1:]...)...)
	run(t, "", "podman", "--runtime", "runc", "exec", c.name, "caddy", "fault", "run", "--name", "down", "--point", "site", "respond 503")
	if status, _ := get(t, "http://127.0.0.1:"+port+"/"); status != 503 {
		t.Errorf("got %d with the experiment, want 503", status)
	}
	run(t, "", "podman", "--runtime", "runc", "exec", c.name, "caddy", "fault", "halt")
	if log := c.logs(t, "faults halted"); strings.Contains(log, "cannot write") || strings.Contains(log, "open to the network") {
		t.Errorf("warnings: %s", log)
	}
}

// The health check fails if Caddy does not answer.
func testImageReadOnlyData(t *testing.T) {
	c := start(t, "-e", "PORT="+freePort(t), "-e", "CADDY_ADMIN=127.0.0.1:"+freePort(t),
		"--image-volume=ignore", image)
	c.logs(t, "cannot write to the storage")
	if out, err := try(t.Context(), "", "podman", "--runtime", "runc", "exec", c.name, "caddy", "fault", "status", "--address", "127.0.0.1:"+freePort(t)); err == nil {
		t.Errorf("the status of another port succeeded: %s", out)
	}
}

func testImageOpenAdmin(t *testing.T) {
	c := start(t, "-e", "PORT="+freePort(t), "-e", "CADDY_ADMIN=:"+freePort(t), image)
	c.logs(t, "is open to the network")
}

// A trigger without its secret keeps Caddy from starting.
func testImageNoSecret(t *testing.T) {
	for name, port := range map[string]string{"compose/Caddyfile": freePort(t), "kubernetes/sidecar/Caddyfile": freePort(t)} {
		caddyfile := filepath.Join(t.TempDir(), "Caddyfile")
		content := strings.NewReplacer("fault:2019", "127.0.0.1:"+port, ":8080", "127.0.0.1:"+freePort(t), ":8081", "127.0.0.1:"+freePort(t)).Replace(readFile(t, inDeploy(filepath.FromSlash(name))))
		writeFile(t, caddyfile, content)
		if err := os.Chmod(caddyfile, 0o644); err != nil {
			t.Fatal(err)
		}
		args := append(append([]string{}, runImage...), "--rm", "-v", caddyfile+":/etc/caddy/Caddyfile:ro", "-e", "CADDY_ADMIN=127.0.0.1:"+freePort(t), image)
		out, err := try(t.Context(), "", "podman", args...)
		if err == nil || !strings.Contains(out, "trigger key") || !strings.Contains(out, "is empty") {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
}
