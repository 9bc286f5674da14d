package e2e

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the commands print into the recording and the tutorials")

// recorded lists the commands of the README's recording. Each runs as shown, except for
// the port and the address of the admin endpoint.
var recorded = []string{
	`curl -i http://localhost:8080/mail/inbox`,
	`caddy fault run --name slow --point site --ttl 5m 'delay 250ms'`,
	`curl -so /dev/null -w '%{time_total} s\n' http://localhost:8080/`,
	`caddy fault status`,
	`caddy fault halt`,
	`curl -s http://localhost:8080/mail/inbox`,
}

// normalized lists the parts of the output that differ between two runs.
var normalized = []struct {
	pattern *regexp.Regexp
	shown   string
}{
	{regexp.MustCompile(`(?m)^Date: .*$`), "Date: Sun, 22 Nov 2026 12:00:00 GMT"},
	{regexp.MustCompile(`LEFT +NOTE`), "LEFT   NOTE"}, // as wide as the time below
	{regexp.MustCompile(`(?m)\b(5m0s|4m\d+s) +-$`), "4m59s  -"},
	{regexp.MustCompile(`(time left:) \w+`), "$1 5m0s"},
	{regexp.MustCompile(`(?m)^\d\.\d{6} s$`), "0.251904 s"},
	{regexp.MustCompile(`armed   \d+ held`), "armed   0 held"}, // the last request may not have ended
	{regexp.MustCompile(`(?m)   caddy [\d.]+  faults \S+  node \S+  up \w+$`), ""},
}

// TestPicture runs the commands of the README's recording. Their output must equal what
// the two pictures show. With -update the test draws the pictures.
func TestPicture(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are those of a Unix shell")
	}
	scenes := record(t)
	for name, colors := range palettes {
		file := filepath.Join("..", "docs", "recording-"+name+".svg")
		want := drawRecording(scenes, colors)
		if len(want) > maxPicture {
			t.Errorf("%s has %d bytes, want %d at most", file, len(want), maxPicture)
		}
		if *update {
			writeFile(t, file, want)
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s shows other output than the commands print; run\ngo test ./caddymodule/e2e -run TestPicture -update\nThey print: %q", file, scenes)
		}
	}
}

// maxPicture is the maximum size that is reasonable on a page of text.
const maxPicture = 40 << 10

// scene is a command of a recording and its output.
type scene struct {
	command string
	output  []string
}

// record runs the commands in a shell in which caddy is the ready binary.
func record(t *testing.T) (scenes []scene) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("this test needs curl: %v", err)
	}
	dir, port := t.TempDir(), strconv.Itoa(freePort(t))
	admin := "unix/" + filepath.Join(dir, "admin.sock")
	p := run(t, readyBinary(t), "{\nadmin "+admin+"\npersist_config off\nauto_https off\nstorage file_system "+dir+"\n}\n"+
		"http://localhost:"+port+" {\nbind 127.0.0.1\nfault /mail/* 551\nfault {\npoint site\n}\nrespond \"hello from the upstream\"\n}\n")
	p.find(t, `"msg":"(serving initial configuration)"`)
	shell := `caddy() { "$CADDY" "$@"; }` + "\n"
	for _, shown := range recorded {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", shell+strings.ReplaceAll(shown, "8080", port))
		cmd.Env = append(os.Environ(), "CADDY="+readyBinary(t), "CADDY_FAULT_ADDRESS="+admin, "NO_COLOR=1")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", shown, err)
		}
		text := strings.ReplaceAll(strings.ReplaceAll(string(out), "\r", ""), port, "8080")
		for _, c := range normalized {
			text = c.pattern.ReplaceAllString(text, c.shown)
		}
		scenes = append(scenes, scene{shown, strings.Split(strings.TrimRight(text, "\n"), "\n")})
	}
	return scenes
}
