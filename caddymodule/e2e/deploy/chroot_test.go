package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// These helpers run the image without an engine: its files are a folder, which is the
// root of the processes. They need root.

// user is the user and the group of the image.
const user = 65532

// A recipe is what release.Containerfile says about a container.
type recipe struct {
	env, command, health []string
	volumes              []string
}

// readRecipe reads release.Containerfile.
func readRecipe(t *testing.T) *recipe {
	t.Helper()
	r := new(recipe)
	for line := range strings.Lines(strings.ReplaceAll(readFile(t, inDeploy("release.Containerfile")), "\\\n", " ")) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "ENV":
			r.env = strings.Fields(rest)
		case "VOLUME":
			r.volumes = strings.Fields(rest)
		case "ENTRYPOINT", "CMD":
			r.command = append(r.command, words(t, rest)...)
		case "HEALTHCHECK":
			_, check, _ := strings.Cut(rest, "CMD ")
			r.health = words(t, check)
		case "USER":
			if want := fmt.Sprintf("%d:%d", user, user); rest != want {
				t.Errorf("the user is %s, want %s", rest, want)
			}
		}
	}
	if len(r.env) == 0 || len(r.volumes) == 0 || len(r.command) == 0 || len(r.health) == 0 {
		t.Fatalf("an instruction is missing: %+v", r)
	}
	return r
}

// words reads the JSON form of a command.
func words(t *testing.T, text string) (args []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &args); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return args
}

// rootfs makes a folder with the files of the image.
func rootfs(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("needs root, because it changes the root folder of a process")
	}
	dir := filepath.Join(t.TempDir(), "root")
	if err := os.CopyFS(dir, os.DirFS(inDeploy("rootfs"))); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		return os.Chown(path, user, user)
	})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "usr", "bin", "caddy"), readFile(t, built(t)))
	if err := os.Chmod(filepath.Join(dir, "usr", "bin", "caddy"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sizeOf returns the size of the files in a folder.
func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	for _, info := range files(t, dir) {
		size += info.Size()
	}
	return size
}

// written returns the files of the image that did not come from the recipe, except for
// those in its volumes.
func written(t *testing.T, dir string) map[string]fs.FileInfo {
	t.Helper()
	found, recipe := files(t, dir), readRecipe(t)
	maps.DeleteFunc(found, func(path string, info fs.FileInfo) bool {
		return path == "/usr/bin/caddy" || slices.ContainsFunc(recipe.volumes, func(volume string) bool { return strings.HasPrefix(path, volume+"/") })
	})
	for path := range files(t, inDeploy("rootfs")) {
		delete(found, path)
	}
	return found
}

// files returns the files in a folder, by their paths in it.
func files(t *testing.T, dir string) map[string]fs.FileInfo {
	t.Helper()
	found := make(map[string]fs.FileInfo)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		found["/"+filepath.ToSlash(strings.TrimPrefix(path, dir+string(filepath.Separator)))] = info
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// startChroot runs the command of the image in its folder.
func startChroot(t *testing.T, dir string, recipe *recipe, o options) *container {
	t.Helper()
	owner := user
	if o.readOnlyData {
		owner = 0
	}
	for _, volume := range recipe.volumes {
		own(t, filepath.Join(dir, volume), owner)
	}
	env, command := append(slices.Clone(recipe.env), o.env...), recipe.command
	if o.caddyfile != "" {
		path := filepath.Join(dir, "etc", "caddy", "Caddyfile")
		before := readFile(t, path)
		t.Cleanup(func() { writeFile(t, path, before) })
		writeFile(t, path, o.caddyfile)
	}
	out := new(output)
	process := inRoot(t.Context(), dir, env, command)
	process.Stdout, process.Stderr = out, out
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	wait := sync.OnceValue(func() error { return <-ended })
	t.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = wait()
	})
	return &container{
		log: out.String,
		exec: func(args ...string) (string, error) {
			text, err := inRoot(t.Context(), dir, env, args).CombinedOutput()
			return string(text), err
		},
		uid:  func() string { return run(t, "", "stat", "-c", "%u", fmt.Sprintf("/proc/%d", process.Process.Pid)) },
		wait: wait,
	}
}

// own gives a folder and all in it to a user, with the rights of a volume.
func own(t *testing.T, dir string, owner int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, owner, owner)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inRoot returns a process whose root is a folder, and whose user is that of the image.
func inRoot(ctx context.Context, dir string, env, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Dir = env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: user, Gid: user}}
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// output is what a process writes, while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
