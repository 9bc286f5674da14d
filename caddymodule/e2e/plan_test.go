package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

var vegetaPath = flag.String("vegeta", "", "the program vegeta, for TestPlanSamples")

// planSite starts the ready binary with points for plans, and returns its command line.
// All requests get 200 without faults.
func planSite(t *testing.T) (term *terminal, addr string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the admin endpoint is a Unix socket")
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(upstream.Close)
	dir := t.TempDir()
	term = &terminal{admin: "unix/" + filepath.Join(dir, "admin.sock")}
	addr = "127.0.0.1:" + strconv.Itoa(freePort(t))
	site := "http://" + addr + " {\nbind 127.0.0.1\nrespond /health ok\n"
	for _, point := range []string{"api", "search", "payment", "shop"} {
		proxy := "reverse_proxy " + upstream.Listener.Addr().String()
		if point == "search" || point == "payment" {
			proxy += " {\ntransport fault {\npoint " + point + "-transport\n}\n}"
		}
		site += "handle /" + point + "* {\nfault {\npoint " + point + "\n}\n" + proxy + "\n}\n"
	}
	p := run(t, readyBinary(t), "{\nadmin "+term.admin+"\npersist_config off\nauto_https off\nstorage file_system "+dir+"\n}\n"+site+"}\n")
	p.find(t, `"msg":"(serving initial configuration)"`)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return term, addr
}

// running returns the experiments that run.
func (term *terminal) running(t *testing.T) (names map[string]bool) {
	t.Helper()
	out, err := term.fault(t, "list", "--json").Output()
	if err != nil {
		t.Error(err)
	}
	var list struct {
		Experiments []struct{ Name string }
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Error(err)
	}
	names = make(map[string]bool)
	for _, e := range list.Experiments {
		names[e.Name] = true
	}
	return names
}

// TestPlanKilled kills runners of plans at random moments. Within the ttl of a plan, its
// faults end.
func TestPlanKilled(t *testing.T) {
	term, _ := planSite(t)
	const runs, together, ttl = 100, 10, 2 * time.Second
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	var group sync.WaitGroup
	var mu sync.Mutex
	injected := 0
	turn := make(chan struct{}, together)
	for i := range runs {
		name := "k" + strconv.Itoa(i)
		file := filepath.Join(dir, name+".plan")
		writeFile(t, file, []byte("plan "+name+" {\nttl 2s\nstage a 1s {\nfault down {\npoint api\nrespond 503\n}\n}\nstage b 10m {\nfault down {\npoint api\nrespond 503\n}\n}\n}\n"))
		after := time.Duration(rnd.Int64N(int64(4 * time.Second)))
		turn <- struct{}{}
		group.Go(func() {
			defer func() { <-turn }()
			cmd := term.fault(t, "plan", file)
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(after) // the moment is the subject
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			time.Sleep(50 * time.Millisecond) // a request may have been under way
			before := term.running(t)
			time.Sleep(ttl)
			left := term.running(t)
			for _, stage := range []string{"a", "b"} {
				experiment := name + "." + stage + ".down"
				if left[experiment] {
					t.Errorf("%s runs %s after a kill after %s", experiment, ttl, after)
				}
				if before[experiment] {
					mu.Lock()
					injected++
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d of %d runners were killed while they injected", injected, runs)
	if injected < runs/10 {
		t.Errorf("%d runners were killed while they injected, too few to tell", injected)
	}
}

// TestPlanKilledLoad kills a runner. Its load ends with it, on Linux.
func TestPlanKilledLoad(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux sends a command a signal when its parent ends")
	}
	term, _ := planSite(t)
	file := filepath.Join(t.TempDir(), "load.plan")
	writeFile(t, file, []byte("plan load {\nttl 2s\nrun sh -c \"echo ready; exec sleep 1000\"\nstage a 10m {\nfault down {\npoint api\nrespond 503\n}\nrun sh -c \"echo ready; exec sleep 1000\"\n}\n}\n"))
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := term.fault(t, "plan", file)
	cmd.Stderr = w // the commands of the plan have it, too
	printed, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	ready := 0
	for lines := bufio.NewScanner(printed); ready < 2 && lines.Scan(); {
		if lines.Text() == "ready" {
			ready++
		}
	}
	if ready < 2 {
		t.Errorf("%d of 2 commands have begun", ready)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, out) // until nobody has the other end
		ended <- err
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("a minute after the kill, the load runs")
	}
	_ = cmd.Wait() // it was killed
}

// serveOrders is a client with a policy. It is a server, so that a plan can start orders by
// curl: each request for an order sends it until it succeeds.
func serveOrders(t *testing.T, addr, agent string, wait func(retryAfter time.Duration) time.Duration, attempts int) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		key := fmt.Sprintf("%s-%d", agent, rand.Uint64())
		for range attempts {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/api/orders", http.NoBody)
			r.Header.Set("User-Agent", agent)
			r.Header.Set("Idempotency-Key", key)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			_ = resp.Body.Close() // it is empty
			if resp.StatusCode == http.StatusOK {
				return
			}
			seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
			time.Sleep(wait(time.Duration(seconds) * time.Second)) // what the client does is the subject
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestPlanClients runs a plan that judges clients: one that behaves, one that ignores
// Retry-After, and one that gives up.
func TestPlanClients(t *testing.T) {
	term, addr := planSite(t)
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	for i, tt := range []struct {
		agent    string
		wait     func(time.Duration) time.Duration
		attempts int
		code     int
		failed   []string
	}{
		{"polite/1", func(d time.Duration) time.Duration { return d + 100*time.Millisecond }, 3, 0, nil},
		{"hasty/1", func(time.Duration) time.Duration { return 100 * time.Millisecond }, 3, 2, []string{"no retry_after_ignored unsafe_retry"}},
		{"weak/1", func(d time.Duration) time.Duration { return d + 100*time.Millisecond }, 1, 2, []string{"no retry_after_ignored unsafe_retry", "recovered"}},
	} {
		dir := t.TempDir()
		url := serveOrders(t, addr, tt.agent, tt.wait, tt.attempts)
		file, report := filepath.Join(dir, "smoke.plan"), filepath.Join(dir, "smoke.json")
		writeFile(t, file, []byte(fmt.Sprintf(`plan smoke%d {
	check up http http://%s/health
	baseline 100ms
	stage busy {
		fault once {
			point api
			per {header.Idempotency-Key}
			times 1
			respond 503 {
				header Retry-After 1
			}
		}
		run curl -sS --parallel %s?order=[1-5]
		expect verify once exactly 5
		expect no retry_after_ignored unsafe_retry
		expect recovered
	}
	report json %s
	report junit %s
	report markdown %s
	report html %s
}
`, i, addr, url, report, filepath.Join(dir, "smoke.xml"), filepath.Join(dir, "smoke.md"), filepath.Join(dir, "smoke.html"))))
		out, err := term.fault(t, "plan", file).CombinedOutput()
		code := 0
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		var result planResult
		if err := json.Unmarshal(readFile(t, report), &result); err != nil {
			t.Fatal(err)
		}
		if failed := result.failed(); code != tt.code || result.ExitCode != tt.code || strings.Join(failed, "; ") != strings.Join(tt.failed, "; ") {
			t.Errorf("%s: got %d, failed %q, want %d, %q: %s", tt.agent, code, failed, tt.code, tt.failed, out)
		}
		junit := string(readFile(t, filepath.Join(dir, "smoke.xml")))
		if (tt.code == 0) == strings.Contains(junit, "<failure") || !strings.Contains(junit, `name="verify once exactly 5"`) {
			t.Errorf("%s: JUnit has %s", tt.agent, junit)
		}
		for _, name := range []string{"smoke.md", "smoke.html"} {
			if text := string(readFile(t, filepath.Join(dir, name))); !strings.Contains(text, "busy") || (tt.code == 0) != strings.Contains(text, ": passed") {
				t.Errorf("%s: %s has %s", tt.agent, name, text)
			}
		}
	}
}

// planResult is what the tests read of a report.
type planResult struct {
	ExitCode int    `json:"exit_code"`
	Why      string `json:"why"`
	Stages   []struct {
		Name         string
		Result       string
		Faults       []struct{ Hits int }
		Expectations []struct {
			Text  string
			Holds bool
			Why   string
		}
	}
	CleanUp []struct{ How string } `json:"clean_up"`
}

// failed lists the expectations that do not hold.
func (r *planResult) failed() (texts []string) {
	for _, s := range r.Stages {
		for _, e := range s.Expectations {
			if !e.Holds {
				texts = append(texts, e.Text)
			}
		}
	}
	return texts
}

// TestPlanMistakes finds mistakes before anything is injected.
func TestPlanMistakes(t *testing.T) {
	term, _ := planSite(t)
	file := filepath.Join(t.TempDir(), "bad.plan")
	writeFile(t, file, []byte("plan bad {\nchek up\nstage a 1s {\nfault down {\npoint api\nrespnd 503\n}\nexpect no errors\n}\n}\n"))
	term.want(t, 1, "", "Error: "+file+":2: unknown word 'chek' in a plan; write:\n\tcheck up\n"+
		file+":6: unknown word 'respnd'; write:\n\trespond 503\n"+
		file+":8: 'errors' is neither a level (error, warning, info) nor a finding: want some of retry_after_ignored, no_wait, first_retry_at_once, no_growth, no_jitter, unsafe_retry, pointless_retry, many_attempts, no_retry, amplification, no_timeout, short_timeout, connection_churn, wave, slow_recovery; write:\n\texpect no error\n", "plan", file)
	writeFile(t, file, []byte("plan bad {\nrun no-such-load\nstage a 1s {\nfault down {\npoint app\nrespond 503\n}\n}\n}\n"))
	out, err := term.fault(t, "plan", file).CombinedOutput()
	if err == nil || !strings.Contains(string(out), file+":2: there is no command 'no-such-load'") || !strings.Contains(string(out), file+":5: no injection point 'app'") || !strings.Contains(string(out), "\tpoint api") {
		t.Errorf("got %s, %v", out, err)
	}
	if left := term.running(t); len(left) > 0 {
		t.Errorf("%v runs", left)
	}
}

// faster returns a plan with all durations divided by 60. A ttl and a window have a
// minimum. Limits of latencies stay.
func faster(text string) string {
	duration := regexp.MustCompile(`(^|[ \t])([0-9]+(?:ms|s|m))( |$)`)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.Contains(line, "p95") {
			line = strings.Replace(line, "over 1m", "over 3s", 1)
			lines[i] = line + " {\n\t\tevery 100ms\n\t}"
			continue
		}
		lines[i] = duration.ReplaceAllStringFunc(line, func(found string) string {
			parts := duration.FindStringSubmatch(found)
			d, _ := caddy.ParseDuration(parts[2])
			d /= 60
			switch {
			case strings.HasPrefix(strings.TrimSpace(line), "ttl"):
				d = max(d, 2*time.Second)
			case strings.Contains(line, " over "):
				d = max(d, 3*time.Second)
			case strings.HasPrefix(strings.TrimSpace(line), "within"):
				d = max(d, time.Second)
			}
			return parts[1] + d.Round(time.Millisecond).String() + parts[3]
		})
		if strings.Contains(line, " seen ") {
			lines[i] += " {\n\t\tevery 100ms\n\t}" // a sixtieth of the default is less
		}
	}
	return strings.Join(lines, "\n")
}

// targets writes requests for vegeta, each with a key.
func targets(t *testing.T, file, method, addr string, paths ...string) {
	t.Helper()
	var all strings.Builder
	for i := range 20 {
		for _, path := range paths {
			fmt.Fprintf(&all, `{"method": %q, "url": "http://%s%s", "header": {"X-Request-Id": ["r%d%s"], "Idempotency-Key": ["k%d%s"]}}`+"\n", method, addr, path, i, path, i, path)
		}
	}
	writeFile(t, file, []byte(all.String()))
}

// TestPlanSamples runs the plans of the manual sixty times faster, with vegeta as the load.
// It repeats a request of a key after 20 others, so at 16 requests a second it obeys a
// Retry-After of 1 s.
func TestPlanSamples(t *testing.T) {
	if *vegetaPath == "" {
		t.Skip("needs vegeta: give -vegeta <path>")
	}
	term, addr := planSite(t)
	attack := func(file, rate, lasts string) string {
		return *vegetaPath + " attack -format=json -targets " + file + " -rate " + rate + " -duration " + lasts + " -output /dev/null"
	}
	for _, tt := range []struct {
		name   string
		set    [][2]string
		code   int
		stages string
		failed string
	}{
		{"smoke", [][2]string{
			{"http://127.0.0.1:8080/health", "http://" + addr + "/health"},
			{"go test ./client -run TestOrders -count 20", attack("get.json", "16/s", "5s")},
			{"go test ./client -run TestIdempotent", attack("post.json", "16/s", "3s")},
		}, 0, "busy passed, lost passed", ""},
		{"game-day", [][2]string{
			{"address 10.0.0.1:2019 10.0.0.2:2019", ""},
			{"https://staging.example.com/checkout/health", "http://" + addr + "/health"},
			{"k6 run --out json=k6.json shop.js", attack("shop.json", "30/s", "1m")},
			{"curl -fsS -X POST https://chat.example.com/hook -d", "echo"},
		}, 2, "slow passed, payment passed, dark passed, back failed", "no error"}, // vegeta ignores the Retry-After of 300 s
		{"storm", [][2]string{
			{"vegeta attack -rate {rate}/s -duration 3m -targets api.txt", attack("get.json", "{rate}/s", "20s")},
		}, 2, "down passed, back failed", "no amplification wave no_jitter many_attempts slow_recovery"},
	} {
		text := faster(string(readFile(t, filepath.Join("../plan/testdata", tt.name+".plan"))))
		dir := t.TempDir()
		for _, pair := range tt.set {
			old := faster(pair[0])
			if !strings.Contains(text, old) {
				t.Fatalf("%s has no %q", tt.name, old)
			}
			text = strings.ReplaceAll(text, old, pair[1])
		}
		targets(t, filepath.Join(dir, "get.json"), http.MethodGet, addr, "/api")
		targets(t, filepath.Join(dir, "post.json"), http.MethodPost, addr, "/api")
		targets(t, filepath.Join(dir, "shop.json"), http.MethodGet, addr, "/shop", "/search", "/payment")
		writeFile(t, filepath.Join(dir, "sample.plan"), []byte(strings.TrimSuffix(strings.TrimSpace(text), "}")+"report json result.json\n}\n"))
		cmd := term.fault(t, "plan", "sample.plan")
		cmd.Dir = dir
		began := time.Now()
		out, _ := cmd.CombinedOutput()
		var result planResult
		if err := json.Unmarshal(readFile(t, filepath.Join(dir, "result.json")), &result); err != nil {
			t.Fatal(err)
		}
		stages := make([]string, len(result.Stages))
		for i, s := range result.Stages {
			stages[i] = s.Name + " " + s.Result
		}
		if got := strings.Join(stages, ", "); result.ExitCode != tt.code || got != tt.stages || strings.Join(result.failed(), "; ") != tt.failed {
			t.Errorf("%s: got %d, %s, %s, failed %q, want %d, %s, failed %q: %s\n%s", tt.name, result.ExitCode, got, result.Why, result.failed(), tt.code, tt.stages, tt.failed, out, readFile(t, filepath.Join(dir, "result.json")))
		}
		t.Logf("%s takes %.1f s", tt.name, time.Since(began).Seconds())
	}
	if left := term.running(t); len(left) > 0 {
		t.Errorf("%v runs", left)
	}
}
