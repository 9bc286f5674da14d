package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// admin sends a request to the admin endpoint, and repeats it while a reload replaces
// the endpoint.
func (s *site) admin(t *testing.T, method, path, body string) (status int, reply string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.DialTimeout("unix", s.path("admin.sock"), patience)
	}}
	eventually(t, func() error {
		r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, "http://admin/fault"+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		content, err := io.ReadAll(resp.Body)
		status, reply = resp.StatusCode, string(content)
		return err
	})
	return status, reply
}

// wantAdmin sends a request to the admin endpoint and checks the status and that the
// answer contains text.
func (s *site) wantAdmin(t *testing.T, status int, method, path, body, text string) {
	t.Helper()
	if got, reply := s.admin(t, method, path, body); got != status || !strings.Contains(reply, text) {
		t.Errorf("%s %s: got %d %s, want %d and %q", method, path, got, reply, status, text)
	}
}

// resume resumes faults at the end of a test, because the switch belongs to the
// process.
func (s *site) resume(t *testing.T) {
	t.Cleanup(func() {
		s.wantAdmin(t, 200, "POST", "/halt", "", "")
		s.wantAdmin(t, 200, "POST", "/resume", "", "")
	})
}

// failToLoad loads a configuration that cannot listen. It fails after its apps and its
// admin endpoint have started.
func (s *site) failToLoad(t *testing.T) {
	t.Helper()
	broken := s.caddyfile(s.dir) + "http://broken.test:1 {\nbind 192.0.2.1\nrespond ok\n}\n"
	if err := caddy.Load(adapt(t, broken), true); err == nil {
		t.Fatal("the broken configuration was loaded")
	}
}

// wantStatus requests a page. It repeats the request if the server closes a new
// connection instead of replying. After a reload, the socket of the old configuration
// may still accept a connection, but net/http no longer reads requests from it.
func (c *client) wantStatus(t *testing.T, path string, want int) {
	t.Helper()
	eventually(t, func() error {
		got, err := c.try(c.request(t, http.MethodGet, path, nil))
		if err == nil && got.StatusCode != want {
			t.Errorf("%s: got %s, want %d", path, got.Status, want)
		}
		return err
	})
}

const on552 = `{"points": ["*"], "match": [{"path": ["/exp"]}], "faults": [{"fault": "respond", "status_code": 552}]}`

// TestControlOverReloads keeps experiments, counters and the switch over reloads,
// failed reloads, and a configuration without faults.
func TestControlOverReloads(t *testing.T) {
	up := serve(t, echo)
	s := start(t, config{admin: true, port: freePort(t), site: "fault {\npoint site\nrule twice {\nmatch path /f\ntimes 2\nrespond 551\n}\n}\n" + up.proxy()})
	s.resume(t)
	c := s.client(t, h1)
	s.wantAdmin(t, 201, "PUT", "/experiments/exp", on552, `"site"`)
	c.wantStatus(t, "/exp", 552) // the next request
	c.wantStatus(t, "/f", 551)
	for _, turn := range []func(*testing.T){s.load, s.failToLoad, s.failToLoad} {
		turn(t)
		c.wantStatus(t, "/exp", 552)
		s.wantAdmin(t, 200, "GET", "/experiments/exp", "", `"applies_to": [`)
		s.wantAdmin(t, 200, "GET", "/verify?rule=twice&exactly=1", "", "")
	}
	c.wantStatus(t, "/f", 551)
	c.wantStatus(t, "/f", 200) // times is used up
	s.wantAdmin(t, 200, "PUT", "/experiments/exp", strings.Replace(on552, "552", "553", 1), "")
	c.wantStatus(t, "/exp", 553)
	s.wantAdmin(t, 204, "DELETE", "/experiments/exp", "", "")
	c.wantStatus(t, "/exp", 200)
	s.wantAdmin(t, 200, "POST", "/reset?rule=twice", "", "")
	c.wantStatus(t, "/f", 551)

	s.wantAdmin(t, 200, "POST", "/halt", "", "")
	for _, turn := range []func(*testing.T){s.load, s.failToLoad, s.failToLoad, s.withoutFaults, s.load} {
		turn(t)
		c.wantStatus(t, "/f", 200)
		s.wantAdmin(t, 200, "GET", "/", "", `"halted": true`)
	}
	s.wantAdmin(t, 409, "PUT", "/experiments/exp", on552, "halted")
	s.wantAdmin(t, 200, "POST", "/resume", "", "")
	c.wantStatus(t, "/f", 551)
}

// withoutFaults loads a configuration without faults.
func (s *site) withoutFaults(t *testing.T) {
	t.Helper()
	plain := *s
	plain.site = "respond ok"
	plain.load(t)
}

// TestHaltReleases measures how long a halt takes to release the held requests.
func TestHaltReleases(t *testing.T) {
	const held = 50
	up := serve(t, echo)
	s := start(t, config{admin: true, site: "fault {\npoint site\ndelay 1h\n}\n" + up.proxy()})
	s.resume(t)
	c := s.client(t, h1)
	arrived := make(chan time.Time, held)
	for range held {
		go func() {
			if _, err := c.try(c.request(t, "GET", "/", nil)); err != nil {
				t.Error(err)
			}
			arrived <- time.Now()
		}()
	}
	eventually(t, func() error {
		if _, state := s.admin(t, "GET", "/", ""); !strings.Contains(state, fmt.Sprintf(`"active": %d,`, held)) {
			return errors.New("not all are held")
		}
		return nil
	})
	s.wantAdmin(t, 200, "POST", "/halt", "", "")
	answered, last := time.Now(), time.Time{}
	for range held {
		if at := <-arrived; at.After(last) {
			last = at
		}
	}
	took := last.Sub(answered)
	t.Logf("the last of %d held requests had its reply %v after the answer to halt", held, took)
	if took > patience { // 10 ms on an otherwise idle machine
		t.Errorf("took %v", took)
	}
}

// restartVariable names the directory of a site that another process has left.
const restartVariable = "FAULT_TEST_RESTART"

// TestHaltOverRestart halts in this process. The next process must be halted.
func TestHaltOverRestart(t *testing.T) {
	c := config{admin: true, site: "fault 551"}
	if dir := os.Getenv(restartVariable); dir != "" {
		s := &site{config: c, dir: dir}
		s.load(t)
		s.wantAdmin(t, 200, "GET", "/", "", `"why": "api"`)
		s.client(t, h1).wantStatus(t, "/", 200)
		s.wantAdmin(t, 200, "POST", "/resume", "", "")
		s.client(t, h1).wantStatus(t, "/", 551)
		stop(t)
		return
	}
	s := start(t, c)
	s.resume(t)
	s.wantAdmin(t, 200, "POST", "/halt", "", "")
	next := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHaltOverRestart$", "-test.count=1", "-test.v")
	copied := t.TempDir() // the two must not share a socket
	if err := os.CopyFS(filepath.Join(copied, "storage"), os.DirFS(s.path("storage"))); err != nil {
		t.Fatal(err)
	}
	next.Env = append(os.Environ(), restartVariable+"="+copied)
	if out, err := next.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestHaltOverRestart") {
		t.Errorf("the next process: %v\n%s", err, out)
	}
}

// TestControlUnderLoad starts and ends experiments and reloads the configuration while
// clients use kept connections. Replies must not be wrong or missing.
func TestControlUnderLoad(t *testing.T) {
	const changes, reloads, clients = 1000, 50, 2
	before := goroutines()
	up := serve(t, echo)
	t.Run("load", func(t *testing.T) {
		s := start(t, config{admin: true, port: freePort(t), site: "fault /f 551\nfault /late {\nphase response\nrespond 551\n}\n" + up.proxy()})
		s.resume(t)
		target := *s
		enough, replies := make(chan struct{}), new(counter)
		var hammers, control sync.WaitGroup
		for range clients {
			hammers.Go(func() {
				if err := target.hammer(t, enough, replies); err != nil {
					t.Error(err)
				}
			})
		}
		began := time.Now()
		for i := range 2 {
			control.Go(func() {
				path := fmt.Sprint("/experiments/e", i)
				for range changes / 4 {
					if status, reply := target.admin(t, "PUT", path, on552); status != 201 && status != 200 {
						t.Errorf("put: got %d %s", status, reply)
					}
					if status, reply := target.admin(t, "DELETE", path, ""); status != 204 && status != 404 { // 404 if the request was repeated
						t.Errorf("delete: got %d %s", status, reply)
					}
				}
			})
		}
		control.Go(func() {
			for range reloads {
				s.load(t)
			}
		})
		control.Wait()
		close(enough)
		hammers.Wait()
		t.Logf("%d changes, %d reloads and %d replies in %v", changes, reloads, replies.get(), time.Since(began))
		if replies.get() < 100 {
			t.Errorf("only %d replies", replies.get())
		}
	})
	up.stop()
	wantGoroutines(t, before)
}
