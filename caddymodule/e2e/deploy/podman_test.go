package deploy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const image = "localhost/caddyfault-test"

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

// startPodman runs the image with podman.
func startPodman(t *testing.T, o options) *container {
	t.Helper()
	name := fmt.Sprintf("caddyfault-%d-%s", os.Getpid(), strings.NewReplacer("_", "-", "#", "-").Replace(filepath.Base(t.Name())))
	args := append(append([]string{}, runImage...), "--detach", "--replace", "--name", name)
	for _, value := range o.env {
		args = append(args, "-e", value)
	}
	if o.readOnlyData {
		args = append(args, "--image-volume=ignore")
	}
	if o.caddyfile != "" {
		path := filepath.Join(t.TempDir(), "Caddyfile")
		writeFile(t, path, o.caddyfile)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-v", path+":/etc/caddy/Caddyfile:ro")
	}
	run(t, "", "podman", append(args, image)...)
	t.Cleanup(func() { _, _ = try(context.Background(), "", "podman", "rm", "--force", "--time=0", name) })
	return &container{
		log: func() string { return run(t, "", "sh", "-c", "podman logs "+name+" 2>&1") },
		exec: func(args ...string) (string, error) {
			return try(t.Context(), "", "podman", append([]string{"--runtime", "runc", "exec", name}, args...)...)
		},
		uid: func() string { return run(t, "", "podman", "top", name, "huser") },
		wait: func() error {
			if code := strings.TrimSpace(run(t, "", "podman", "wait", name)); code != "0" {
				return fmt.Errorf("exit code %s", code)
			}
			return nil
		},
	}
}
