package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/api"
)

var stressTime = flag.Duration("stress", 3*time.Second, "how long TestStress lasts")

// TestStress makes many clients request faults of all kinds in both phases, and leave
// at random times. Meanwhile the configuration is loaded repeatedly, faults are halted,
// and experiments come and go. Afterwards nothing must remain: no goroutine, no held
// request, no file descriptor, no memory.
func TestStress(t *testing.T) {
	directives := stressDirectives(t)
	stress(t, directives, *stressTime/3) // creates pools, buffers and everything else that is created once
	before := settled(t)
	replies := stress(t, directives, *stressTime)
	t.Logf("%d complete replies", replies)
	if replies < stressed/4 {
		t.Errorf("got %d complete replies for %d clients: the load is too low", replies, stressed)
	}
	var after leftover
	eventually(t, func() error {
		after = leftovers()
		if after.goroutines > before.goroutines || after.files > before.files || after.heap > before.heap+16<<20 {
			return fmt.Errorf("before %+v, after %+v\n%s", before, after, stacks())
		}
		return nil
	})
	t.Logf("before %+v, after %+v", before, after)
}

const stressed = 200 // clients

// shortIdle limits how long Caddy keeps a connection that has ended. Two timers keep its
// buffers and the configuration that served it. A deadline on an HTTP/2 stream that has
// been reset starts a timer that nothing stops, of a minute by default. Over HTTP/3 the
// idle timer continues when the client closes, for five minutes by default.
const shortIdle = "timeouts {\nread_body_idle 3s\nwrite_idle 3s\nidle 3s\n}"

// shortKeepAlive limits how long connections to an upstream remain open that were in
// use while a reload abandoned their transport. The default is two minutes.
const shortKeepAlive = "transport http {\nkeepalive 3s\n}\n"

// stressDirectives returns a point for every kind and phase, each at a separate path.
func stressDirectives(t *testing.T) []string {
	t.Helper()
	var directives, kinds []string
	for _, attempt := range attempts() {
		kind, _, _ := strings.Cut(attempt.text, " ")
		kinds = append(kinds, kind)
	}
	for _, sample := range curlTests {
		kind, _, _ := strings.Cut(sample.fault, " ")
		kinds = append(kinds, kind)
		for _, phase := range phases {
			if phase == "response" && strings.Contains(sample.fault, "\nrequest\n") {
				continue // is refused, because the upstream has the request
			}
			path := fmt.Sprintf("/%d", len(directives))
			directives = append(directives, "fault "+path+" {\nmax_active 100\nphase "+phase+"\n"+sample.fault+"\n}\n")
		}
	}
	for _, info := range caddy.GetModules("http.faults") {
		if !slices.Contains(kinds, info.ID.Name()) {
			t.Errorf("no sample of kind %s", info.ID.Name())
		}
	}
	return directives
}

// stressSite returns the directives of a site with these points, a point for
// experiments, and all faults of attempts, and the paths to each.
func stressSite(directives []string, upstream string) (site string, paths []string) {
	paths = []string{"/", "/experiment"}
	for i := range directives {
		paths = append(paths, fmt.Sprintf("/%d", i))
	}
	rules := ""
	for i, attempt := range attempts() {
		path := fmt.Sprintf("/attempt%d", i)
		paths = append(paths, path)
		rules += "rule {\nmatch path " + path + "\npercent 50\n" + attempt.text + "\n}\n"
	}
	site = strings.Join(directives, "") + "fault /experiment {\npoint guest\n}\nreverse_proxy " + upstream + " {\ntransport fault {\n" + rules + shortKeepAlive + "}\n}\n"
	return site, paths
}

// stress runs the mix for a time and returns the number of complete replies.
func stress(t *testing.T, directives []string, lasting time.Duration) int {
	t.Helper()
	replies := new(counter)
	t.Run(lasting.String(), func(t *testing.T) {
		up := serve(t, shapes)
		directives, paths := stressSite(directives, up.addr)
		s := start(t, config{wrapper: true, port: freePort(t), servers: "protocols h1 h2c\n" + shortIdle, site: directives})
		target, api := *s, newControl(t)
		ctx, cancel := context.WithTimeout(t.Context(), lasting)
		defer cancel()
		var wg sync.WaitGroup
		for i := range stressed {
			c := target.client(t, protocol(i%2)+h1)
			wg.Go(func() { c.stress(ctx, paths, 0, replies) })
		}
		wg.Go(func() { api.stress(ctx, t) })
		reload := time.NewTicker(250 * time.Millisecond)
		defer reload.Stop()
		for ctx.Err() == nil {
			s.load(t)
			<-reload.C
		}
		wg.Wait()
		api.call(t, "POST", "/resume", "", http.StatusOK)
		eventually(t, noneActive)
	})
	return replies.get()
}

// stress requests pages at random, with random pauses. It abandons one request in three
// before its reply can have come.
func (c *client) stress(ctx context.Context, paths []string, pause time.Duration, replies *counter) {
	for ctx.Err() == nil {
		if pause > 0 {
			<-time.After(rand.N(pause))
		}
		patience := 2 * time.Second
		if rand.IntN(3) == 0 {
			patience = rand.N(50 * time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		path := paths[rand.IntN(len(paths))] + "?size=20000"
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url(path), strings.NewReader(strings.Repeat("x", rand.IntN(5000))))
		if err == nil {
			var got *reply
			if got, err = c.try(r); err == nil && got.bodyErr == nil {
				replies.inc()
			}
		}
		cancel()
	}
}

// control is the admin API, without the endpoint.
type control struct{ http.Handler }

func newControl(t *testing.T) control {
	t.Helper()
	api := new(api.AdminAPI)
	if err := api.Provision(caddy.ActiveContext()); err != nil {
		t.Fatal(err)
	}
	route := api.Routes()[0]
	return control{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = route.Handler.ServeHTTP(w, r) })}
}

// call sends a request to the API and checks that the status is one of these.
func (c control) call(t *testing.T, method, path, body string, want ...int) {
	t.Helper()
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(method, "/fault"+path, strings.NewReader(body)))
	if !slices.Contains(want, w.Code) {
		t.Errorf("%s %s: got %d %s, want one of %v", method, path, w.Code, w.Body, want)
	}
}

// stress starts and ends experiments, halts and resumes, and reads everything.
func (c control) stress(ctx context.Context, t *testing.T) {
	t.Helper()
	const ok, created, gone, missing, conflict = http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusNotFound, http.StatusConflict
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		name := fmt.Sprintf("/experiments/e%d", rand.IntN(5))
		switch i % 10 {
		case 0, 1, 2, 3:
			c.call(t, "PUT", name, `{"points": ["guest"], "ttl": "50ms", "percent": 50, "faults": [{"fault": "delay", "duration": "20ms"}]}`, ok, created, conflict)
		case 4, 5:
			c.call(t, "DELETE", name, "", ok, gone, missing)
		case 6:
			c.call(t, "POST", "/halt", "", ok)
		case 7:
			c.call(t, "POST", "/resume", "", ok)
		case 8:
			c.call(t, "POST", "/reset", "", ok, gone)
		case 9:
			c.call(t, "GET", "/", "", ok)
			c.call(t, "GET", "/journal", "", ok)
		}
		<-tick.C
	}
}

// noneActive checks that every point reports that it holds no request.
func noneActive() error {
	ctx := caddy.ActiveContext()
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		return err
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "caddy_fault_active" && m.GetGauge().GetValue() != 0 {
				return fmt.Errorf("caddy_fault_active: %v", m)
			}
		}
	}
	return nil
}

// leftover is what a process uses after a garbage collection. The journal and ended
// experiments take some memory, which is limited.
type leftover struct{ goroutines, files, heap int }

// settled waits until no request is left and the numbers are stable.
func settled(t *testing.T) (left leftover) {
	t.Helper()
	eventually(t, func() error {
		last := left
		<-time.After(200 * time.Millisecond)
		if left = leftovers(); goroutines() > 0 || left.goroutines != last.goroutines || left.files != last.files {
			return fmt.Errorf("%+v, and a moment before %+v", left, last)
		}
		return nil
	})
	return left
}

func leftovers() leftover { return leftover{runtime.NumGoroutine(), openFiles(), inUse().heap} }

func openFiles() (n int) {
	files, _ := os.ReadDir("/proc/self/fd") // on Linux
	for _, file := range files {
		// Caddy keeps the last log of a removed configuration open.
		if target, err := os.Readlink("/proc/self/fd/" + file.Name()); err == nil && !strings.Contains(target, ".log") {
			n++
		}
	}
	return n
}
