package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// follows is how long a node usually may take to follow the others.
const follows = 2 * time.Second

// node is one Caddy of a group.
type node struct {
	*process
	binary, config string
	admin, site    string // addresses
	api            *http.Client
}

// startNode starts a Caddy with a point `p1` that shares through this storage.
func startNode(t *testing.T, binary, storage string) *node {
	t.Helper()
	dir, err := os.MkdirTemp("", "node") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "admin")
	admin := "unix/" + socket
	n := &node{binary: binary, admin: admin, config: fmt.Sprintf(`{
		admin %s
		persist_config off
		auto_https off
		debug
		storage %s
		fault {
			share staging
		}
	}
	http://%s:0 {
		bind 127.0.0.1
		fault {
			point p1
		}
		respond ok
	}
	`, admin, storage, host)}
	n.api = &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	n.start(t)
	return n
}

func (n *node) start(t *testing.T) {
	t.Helper()
	n.process = run(t, n.binary, n.config)
	n.site = n.find(t, `"actual_address":"([^"]+)"`)
	eventually(t, func() error {
		resp, err := n.api.Get("http://admin/fault/")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}

// call sends a request to the node's API and decodes the answer.
func (n *node) call(t *testing.T, method, path, body string) (status int, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://admin/fault/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := n.api.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &answer); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
	}
	return resp.StatusCode, answer
}

func (n *node) want(t *testing.T, status int, method, path, body string) map[string]any {
	t.Helper()
	got, answer := n.call(t, method, path, body)
	if got != status {
		t.Errorf("%s %s: got %d %v, want %d", method, path, got, answer, status)
	}
	return answer
}

// status returns the status of the site's reply.
func (n *node) status() (int, error) {
	r, err := http.NewRequest(http.MethodGet, "http://"+n.site+"/", nil) //nolint:noctx // the client has a timeout
	if err != nil {
		return 0, err
	}
	r.Host, r.Close = host, true
	resp, err := (&http.Client{Timeout: patience}).Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// allAnswer waits until the sites of all nodes reply with a status, and returns the
// time that this took.
func allAnswer(t *testing.T, nodes []*node, status int) time.Duration {
	t.Helper()
	began := time.Now()
	for i, n := range nodes {
		eventually(t, func() error {
			got, err := n.status()
			if err == nil && got != status {
				err = fmt.Errorf("node %d: got %d, want %d", i, got, status)
			}
			return err
		})
	}
	took := time.Since(began)
	t.Logf("all answer %d after %v", status, took)
	return took
}

const teapot = `{"points": ["p1"], "faults": [{"fault": "respond", "status_code": 418}]}`

// sharedStorage is a storage that can fail.
type sharedStorage struct {
	config     string // of Caddy
	binary     string
	down, up   func(t *testing.T)
	raw, store func(t *testing.T, data []byte) []byte // reads, and writes the object if there is data
}

// testGroup lets three nodes share a storage, and breaks it.
func testGroup(t *testing.T, s sharedStorage) {
	nodes := make([]*node, 3)
	for i := range nodes {
		nodes[i] = startNode(t, s.binary, s.config)
	}
	allAnswer(t, nodes, 200)

	var followed []time.Duration
	created := nodes[0].want(t, 201, "PUT", "experiments/tea", teapot)
	followed = append(followed, allAnswer(t, nodes, 418))
	for i, n := range nodes[1:] {
		if got := n.want(t, 200, "GET", "experiments/tea", ""); got["ends"] != created["ends"] || got["revision"] != created["revision"] {
			t.Errorf("node %d: got end %v, revision %v, want %v, %v", i+1, got["ends"], got["revision"], created["ends"], created["revision"])
		}
	}
	nodes[1].want(t, 204, "DELETE", "experiments/tea", "")
	followed = append(followed, allAnswer(t, nodes, 200))

	nodes[2].want(t, 201, "PUT", "experiments/tea", teapot)
	followed = append(followed, allAnswer(t, nodes, 418))
	nodes[1].want(t, 200, "POST", "halt", "")
	followed = append(followed, allAnswer(t, nodes, 200))
	eventually(t, func() error { // the other nodes may not know of the halt yet, only that the experiment has ended
		if got, _ := nodes[0].call(t, "PUT", "experiments/tea", teapot); got != 409 {
			return fmt.Errorf("PUT while halted: got %d, want 409", got)
		}
		return nil
	})
	nodes[2].want(t, 200, "POST", "resume", "")
	eventually(t, func() error {
		if got, _ := nodes[0].call(t, "PUT", "experiments/tea", teapot); got != 201 {
			return fmt.Errorf("PUT after resume: got %d, want 201", got)
		}
		return nil
	})
	followed = append(followed, allAnswer(t, nodes, 418))
	slices.Sort(followed)
	if usual := followed[len(followed)/2]; usual > follows { // a node may be slow if the machine has other work
		t.Errorf("nodes follow within %v, want %v", usual, follows)
	}

	group := t // outlives the subtest that starts a node
	t.Run("a node that was away", func(t *testing.T) {
		_ = nodes[2].cmd.Process.Kill()
		<-nodes[2].done
		nodes[0].want(t, 204, "DELETE", "experiments/tea", "")
		nodes[0].want(t, 200, "POST", "halt", "")
		nodes[2].start(group)
		if state := nodes[2].want(t, 200, "GET", "", ""); state["halted"] != true {
			t.Errorf("got %v, want it halted from the start", state)
		}
		nodes[0].want(t, 200, "POST", "resume", "")
		nodes[1].want(t, 201, "PUT", "experiments/tea", teapot)
		allAnswer(t, nodes, 418)
	})

	t.Run("two writers", func(t *testing.T) {
		var wg sync.WaitGroup
		for i, n := range nodes {
			wg.Go(func() {
				for k := range 2 {
					n.want(t, 201, "PUT", fmt.Sprintf("experiments/n%d-%d", i, k), teapot)
				}
			})
		}
		wg.Wait()
		for i, n := range nodes {
			eventually(t, func() error {
				_, answer := n.call(t, "GET", "experiments", "")
				if all, _ := answer["experiments"].([]any); len(all) != 1+2*len(nodes) {
					return fmt.Errorf("node %d: got %d experiments, want %d", i, len(all), 1+2*len(nodes))
				}
				return nil
			})
		}
	})

	t.Run("storage down", func(t *testing.T) {
		s.down(t)
		eventually(t, func() error {
			state := nodes[0].want(t, 200, "GET", "", "")
			if share, _ := state["share"].(map[string]any); share["error"] == nil {
				return errors.New("the state does not report the storage")
			}
			return nil
		})
		nodes[0].want(t, 503, "PUT", "experiments/more", teapot)
		nodes[0].want(t, 503, "DELETE", "experiments/tea", "")
		allAnswer(t, nodes, 418) // the nodes continue with what they have
		if got := nodes[0].want(t, 200, "POST", "halt", ""); got["halted"] != true || got["warning"] == nil {
			t.Errorf("halt: got %v, want it halted with a warning", got)
		}
		allAnswer(t, nodes[:1], 200)
		nodes[0].want(t, 503, "POST", "resume", "")
		nodes[0].find(t, `"msg":"(not synchronized with the group[^"]*)"`)
		s.up(t)
		allAnswer(t, nodes, 200) // the halt has been delivered
		eventually(t, func() error {
			if got, answer := nodes[1].call(t, "POST", "resume", ""); got != 200 {
				return fmt.Errorf("resume: got %d %v, want 200", got, answer)
			}
			return nil
		})
		eventually(t, func() error {
			for i, n := range nodes {
				if _, state := n.call(t, "GET", "", ""); state["halted"] != false {
					return fmt.Errorf("node %d is still halted", i)
				}
			}
			return nil
		})
	})

	t.Run("corrupt object", func(t *testing.T) {
		s.store(t, []byte("no JSON"))
		nodes[0].find(t, `"error":"[^"]*(corrupt)`)
		if got := s.raw(t, nil); string(got) != "no JSON" {
			t.Errorf("the corrupt object has been replaced by %s", got)
		}
		nodes[0].want(t, 201, "PUT", "experiments/more", teapot)
		nodes[0].find(t, `"msg":"[^"]*was corrupt and was replaced[^"]*(fault/corrupt/staging.json)"`)
		state := nodes[0].want(t, 200, "GET", "", "")
		if share, _ := state["share"].(map[string]any); share["error"] != nil || !strings.Contains(fmt.Sprint(share["warnings"]), "fault/corrupt/staging.json") {
			t.Errorf("got %v, want a warning", share)
		}
		allAnswer(t, nodes, 418)
	})

	t.Run("halt without a time", func(t *testing.T) {
		var doc map[string]any
		if err := json.Unmarshal(s.raw(t, nil), &doc); err != nil {
			t.Fatal(err)
		}
		doc["switch"], doc["experiments"] = map[string]any{"halted": true, "since": "yesterday"}, nil
		s.store(t, encode(t, doc))
		allAnswer(t, nodes, 200)
		resumeAndStart(t, nodes)
	})

	t.Run("another clock", func(t *testing.T) {
		var doc map[string]any
		if err := json.Unmarshal(s.raw(t, nil), &doc); err != nil {
			t.Fatal(err)
		}
		version := doc["version"].(float64) + 1
		now := time.Now().Add(-time.Hour) // of the node that writes the object
		doc["version"] = version
		doc["experiments"].(map[string]any)["slow"] = map[string]any{
			"revision": version, "started": now, "ends": now.Add(10 * time.Minute), "experiment": json.RawMessage(teapot),
		}
		s.store(t, encode(t, doc))
		for i, n := range nodes {
			eventually(t, func() error {
				got, answer := n.call(t, "GET", "experiments/slow", "")
				if left, _ := answer["time_left"].(float64); got != 200 || left < 500 || left > 600 {
					return fmt.Errorf("node %d: got %d %v, want it to have ten minutes", i, got, answer)
				}
				return nil
			})
			n.find(t, `"msg":"experiment 'slow' comes from a node whose clock is about 1h0m[^"]* (behind) the clock`)
		}
		nodes[2].want(t, 204, "DELETE", "experiments/slow", "")
	})

	t.Run("halt among many", func(t *testing.T) {
		var doc map[string]any
		if err := json.Unmarshal(s.raw(t, nil), &doc); err != nil {
			t.Fatal(err)
		}
		doc["version"] = doc["version"].(float64) + 1
		for i := range 6000 {
			doc["experiments"].(map[string]any)[fmt.Sprint("many", i)] = map[string]any{
				"revision": doc["version"], "started": time.Now(), "ends": time.Now().Add(10 * time.Minute), "experiment": json.RawMessage(teapot),
			}
		}
		s.store(t, encode(t, doc))
		nodes[0].find(t, `"msg":"experiment started","experiment":"(many1)"`) // the node has begun to load them
		nodes[1].want(t, 200, "POST", "halt", "")
		allAnswer(t, nodes, 200) // tests in a synctest bubble check the speed
		resumeAndStart(t, nodes)
	})

	t.Run("bad experiment", func(t *testing.T) {
		var doc map[string]any
		if err := json.Unmarshal(s.raw(t, nil), &doc); err != nil {
			t.Fatal(err)
		}
		doc["version"] = 1e6
		doc["experiments"].(map[string]any)["bad"] = map[string]any{
			"revision":   1e6,
			"experiment": map[string]any{"points": []string{"p1"}, "faults": []any{map[string]any{"fault": "respond", "status_code": 418, "body_file": "/etc/passwd"}}},
		}
		s.store(t, encode(t, doc))
		nodes[1].find(t, `"msg":"(ignoring a shared experiment)"`)
		nodes[1].want(t, 404, "GET", "experiments/bad", "")
		nodes[1].want(t, 200, "GET", "experiments/more", "")
	})
}

func encode(t *testing.T, doc map[string]any) []byte {
	t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestShareFiles shares a folder.
func TestShareFiles(t *testing.T) {
	dir := t.TempDir()
	object := filepath.Join(dir, "fault", "staging.json")
	testGroup(t, sharedStorage{
		config: "file_system " + dir,
		binary: readyBinary(t),
		down: func(t *testing.T) { // a file replaces the folder
			t.Helper()
			if err := os.Rename(filepath.Join(dir, "fault"), filepath.Join(dir, "away")); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, "fault"), nil)
		},
		up: func(t *testing.T) {
			t.Helper()
			if err := errors.Join(os.Remove(filepath.Join(dir, "fault")), os.Rename(filepath.Join(dir, "away"), filepath.Join(dir, "fault"))); err != nil {
				t.Fatal(err)
			}
		},
		raw: func(t *testing.T, _ []byte) []byte {
			t.Helper()
			data, err := os.ReadFile(object)
			if err != nil {
				t.Fatal(err)
			}
			return data
		},
		store: func(t *testing.T, data []byte) []byte {
			t.Helper()
			writeFile(t, object, data)
			return nil
		},
	})
}

// TestShareRedis shares a real Redis server, with a binary that contains Caddy's
// storage module for Redis.
func TestShareRedis(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("redis-server is not installed")
	}
	binary := filepath.Join(t.TempDir(), "caddy")
	build := exec.CommandContext(t.Context(), "go", "run", "../../cmd/build", "-config", "testdata/redis.json", "-output", binary)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building with the storage module: %v\n%s", err, out)
	}
	server := &redisServer{port: strconv.Itoa(freePort(t)), dir: t.TempDir()}
	server.start(t)
	t.Cleanup(func() { server.stop(t) })
	testGroup(t, sharedStorage{
		config: "redis {\nhost 127.0.0.1\nport " + server.port + "\ntimeout 1\n}",
		binary: binary,
		down:   server.stop,
		up:     server.start,
		raw: func(t *testing.T, _ []byte) []byte {
			t.Helper()
			value, _ := server.object(t)
			return value
		},
		store: func(t *testing.T, data []byte) []byte {
			t.Helper()
			server.setObject(t, data)
			return nil
		},
	})
}

// resumeAndStart resumes at one node and starts an experiment at another, as soon as
// possible.
func resumeAndStart(t *testing.T, nodes []*node) {
	t.Helper()
	eventually(t, func() error {
		if got, answer := nodes[1].call(t, "POST", "resume", ""); got != 200 {
			return fmt.Errorf("resume: got %d %v, want 200", got, answer)
		}
		return nil
	})
	eventually(t, func() error {
		if got, answer := nodes[0].call(t, "PUT", "experiments/more", teapot); got != 201 {
			return fmt.Errorf("PUT after resume: got %d %v, want 201", got, answer)
		}
		return nil
	})
	allAnswer(t, nodes, 418)
}

// redisServer is a Redis that keeps its data over a restart.
type redisServer struct {
	port, dir string
	cmd       *exec.Cmd
}

func (s *redisServer) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command("redis-server", "--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "3600 1") //nolint:noctx // outlives the test's context, see stop
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		out, err := s.cli("PING")
		if err == nil && !bytes.Contains(out, []byte("PONG")) {
			err = fmt.Errorf("got %s", out)
		}
		return err
	})
}

// stop ends the server, which saves its data.
func (s *redisServer) stop(t *testing.T) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = s.cmd.Wait()
	s.cmd = nil
}

func (s *redisServer) command(args ...string) *exec.Cmd {
	return exec.Command("redis-cli", append([]string{"-p", s.port}, args...)...) //nolint:noctx // it replies immediately
}

func (s *redisServer) cli(args ...string) ([]byte, error) { return s.command(args...).Output() }

// storedValue is the form in which the storage module keeps an object.
type storedValue struct {
	Value    []byte    `json:"value"`
	Modified time.Time `json:"modified"`
	Size     int64     `json:"size"`
}

const redisKey = "caddy/fault/staging.json"

func (s *redisServer) object(t *testing.T) ([]byte, storedValue) {
	t.Helper()
	out, err := s.cli("GET", redisKey)
	if err != nil {
		t.Fatal(err)
	}
	var stored storedValue
	if err := json.Unmarshal(out, &stored); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return stored.Value, stored
}

func (s *redisServer) setObject(t *testing.T, data []byte) {
	t.Helper()
	_, stored := s.object(t)
	stored.Value, stored.Size = data, int64(len(data))
	value, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	set := s.command("-x", "SET", redisKey)
	set.Stdin = bytes.NewReader(value) // may be too long for an argument
	if out, err := set.Output(); err != nil || !bytes.Contains(out, []byte("OK")) {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestShareHungFiles makes the folder hang: in place of the object it has a pipe
// without a writer. Halts are answered, reloads and starts work, and the nodes exit.
func TestShareHungFiles(t *testing.T) {
	mkfifo, err := exec.LookPath("mkfifo")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("this system has no named pipes")
	}
	dir := t.TempDir()
	object := filepath.Join(dir, "fault", "staging.json")
	nodes := []*node{startNode(t, readyBinary(t), "file_system "+dir), startNode(t, readyBinary(t), "file_system "+dir)}
	nodes[0].want(t, 201, "PUT", "experiments/tea", teapot)
	allAnswer(t, nodes, 418)
	if err := os.Remove(object); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), mkfifo, object).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	began := time.Now()
	if got := nodes[0].want(t, 200, "POST", "halt", ""); got["halted"] != true || got["warning"] == nil {
		t.Errorf("halt: got %v, want it halted with a warning", got)
	}
	t.Logf("the halt was answered after %v", time.Since(began))
	nodes[1].want(t, 503, "PUT", "experiments/more", teapot)
	for i, n := range nodes {
		state := n.want(t, 200, "GET", "", "")
		if share, _ := state["share"].(map[string]any); share["error"] == nil {
			t.Errorf("node %d: the state does not report the storage", i)
		}
	}
	reload := exec.CommandContext(t.Context(), nodes[0].binary, "reload", "--force", "--config", nodes[0].process.config, "--adapter", "caddyfile", "--address", nodes[0].admin)
	if out, err := reload.CombinedOutput(); err != nil {
		t.Errorf("reload: %v\n%s", err, out)
	}
	for i, n := range nodes {
		if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case <-n.done:
		case <-time.After(patience):
			t.Errorf("node %d still runs after %v", i, patience)
		}
	}
	nodes[1].start(t) // and still hangs
}
