package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// held is the number of requests that are held at the same time.
const held = 2000

func init() {
	registerHandler(new(blocked), "blocked", "respond")
	registerHandler(new(stopwatch), "stopwatch", "encode") // and therefore before fault
}

// registerHandler registers a directive without arguments, ordered before another one.
func registerHandler(handler interface {
	caddy.Module
	caddyhttp.MiddlewareHandler
}, name, before string,
) {
	caddy.RegisterModule(handler)
	httpcaddyfile.RegisterHandlerDirective(name, func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return handler, nil
	})
	httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, before)
}

// blocked holds requests as simply as a handler can. It shows what Caddy itself needs
// for a waiting request.
type blocked struct{}

var blockedRequests counter

func (blocked) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.blocked", New: func() caddy.Module { return new(blocked) }}
}

func (blocked) ServeHTTP(_ http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	blockedRequests.inc()
	<-r.Context().Done()
	return nil
}

// stopwatch records how long requests take in the server.
type stopwatch struct{}

var watched durations

func (stopwatch) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.stopwatch", New: func() caddy.Module { return new(stopwatch) }}
}

func (stopwatch) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	began := time.Now()
	defer func() { watched.add(time.Since(began)) }()
	return next.ServeHTTP(w, r)
}

// durations collects durations from many goroutines.
type durations struct {
	mu  sync.Mutex
	all []time.Duration
}

func (d *durations) add(one time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, one)
}

// take returns the 99th percentile, and resets the collection.
func (d *durations) take() (p99 time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.all)
	p99 = d.all[len(d.all)*99/100]
	d.all = nil
	return p99
}

// heldFaults hold a request without a time limit.
var heldFaults = []string{"delay 1h", "hang", "phase response\ndelay 1h"}

// TestHeld limits what a held request costs more than one that waits in Caddy without a
// fault. Caddy alone fills three quarters of a stack of 8 KiB, and Go doubles a stack
// that is too small. Leftovers of other tests disappear in the meantime, so a cost that
// is too high is measured again.
func TestHeld(t *testing.T) {
	for _, fault := range heldFaults {
		t.Run(oneLine(fault), func(t *testing.T) {
			want := 4 << 10
			if strings.HasPrefix(fault, "phase response") {
				want = 20 << 10 // the upstream and the chain have a stack each
			}
			if raceDetector {
				want = 1 << 20 // needs additional memory
			}
			var got cost
			for range 4 {
				got = costOfHeld(t, fault)
				t.Logf("%+v", got)
				if got.heap+got.stack <= want && got.threads <= 10 {
					return
				}
			}
			t.Errorf("a held request costs %+v, want at most %d bytes, and 10 threads for all %d", got, want, held)
		})
	}
}

// BenchmarkHeld measures the same.
func BenchmarkHeld(b *testing.B) {
	for _, fault := range heldFaults {
		b.Run(oneLine(fault), func(b *testing.B) {
			for b.Loop() {
				got := costOfHeld(b, fault)
				b.ReportMetric(float64(got.heap), "heap-B/held")
				b.ReportMetric(float64(got.stack), "stack-B/held")
				b.ReportMetric(float64(got.threads), "threads")
			}
		})
	}
}

// cost is what held requests need: bytes for each, threads for all together.
type cost struct{ heap, stack, threads int }

// costOfHeld compares requests that a fault holds with those that wait in a plain
// handler.
func costOfHeld(tb testing.TB, fault string) cost {
	tb.Helper()
	addr := benchSite(tb, "blocked /blocked\nfault /fault {\npoint held\n"+fault+"\n}\nrespond ok\n")
	kind := "delay"
	if fault == "hang" {
		kind = fault
	}
	hits := func() int { return max(0, int(injected(tb, "held", "rule1", kind))) }
	plain := holdRequests(tb, addr, "/blocked", blockedRequests.get)
	faulted := holdRequests(tb, addr, "/fault", hits)
	return cost{faulted.heap - plain.heap, faulted.stack - plain.stack, faulted.threads}
}

// holdRequests measures what each of many requests costs while all are held, and the
// threads they have added.
func holdRequests(tb testing.TB, addr, path string, count func() int) cost {
	tb.Helper()
	conns := dialMany(tb, addr)
	goroutinesBefore := goroutines() // including the server's, and one for each connection
	before, counted := inUse(), count()
	for _, conn := range conns {
		if _, err := io.WriteString(conn, get(path)); err != nil {
			tb.Fatal(err)
		}
	}
	eventually(tb, func() error {
		if n := count() - counted; n < held {
			return fmt.Errorf("%d requests are held, want %d", n, held)
		}
		return nil
	})
	after := inUse()
	for _, conn := range conns {
		_ = conn.Close()
	}
	wantGoroutines(tb, goroutinesBefore-held)
	return cost{(after.heap - before.heap) / held, (after.stack - before.stack) / held, after.threads - before.threads}
}

// dialMany opens connections and sends one request on each, so that everything that a
// connection needs is allocated. They are closed at the end of the test.
func dialMany(tb testing.TB, addr string) []net.Conn {
	tb.Helper()
	conns := make([]net.Conn, held)
	for i := range conns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(conn, get("/")); err != nil {
			tb.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1024)); err != nil {
			tb.Fatal(err)
		}
		conns[i] = conn
	}
	return conns
}

// inUse returns the memory in use after a garbage collection.
func inUse() cost {
	runtime.GC()
	runtime.GC() // empties the pools
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return cost{int(stats.HeapAlloc), int(stats.StackInuse), pprof.Lookup("threadcreate").Count()}
}

// BenchmarkDelayError measures how late delays end while many requests are held, with
// one ending every two milliseconds. It measures in the server, which knows when a
// request came, and at the clients, which also see the round trip. For comparison, a
// sleeping goroutine shows the effect of the machine's other work.
func BenchmarkDelayError(b *testing.B) {
	const delay = 4 * time.Second
	addr := benchSite(b, "stopwatch /f\nfault /f {\ndelay "+delay.String()+"\n}\nrespond ok\n")
	conns := dialMany(b, addr)
	for b.Loop() {
		clients, sleeper := new(durations), new(durations)
		stop := make(chan struct{})
		go sleeper.sleepUntil(stop)
		var wg sync.WaitGroup
		began := time.Now()
		for i, conn := range conns {
			begin := began.Add(delay * time.Duration(i) / held)
			wg.Go(func() {
				time.Sleep(time.Until(begin))
				if err := askOften(conn, 2, clients); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		stop <- struct{}{}
		b.ReportMetric(float64(watched.take()-delay)/1e6, "server-p99-ms")
		b.ReportMetric(float64(clients.take()-delay)/1e6, "client-p99-ms")
		b.ReportMetric(float64(sleeper.take())/1e6, "sleep-p99-ms")
	}
}

// sleepUntil collects how late sleeps end.
func (d *durations) sleepUntil(stop <-chan struct{}) {
	const pause = 5 * time.Millisecond
	for {
		select {
		case <-stop:
			return
		default:
		}
		began := time.Now()
		time.Sleep(pause)
		d.add(time.Since(began) - pause)
	}
}

// askOften sends one request after another.
func askOften(conn net.Conn, times int, took *durations) error {
	in := bufio.NewReader(conn)
	for range times {
		began := time.Now()
		if _, err := io.WriteString(conn, get("/f")); err != nil {
			return err
		}
		resp, err := http.ReadResponse(in, nil)
		took.add(time.Since(began))
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
			return fmt.Errorf("got %d, error %w", resp.StatusCode, err)
		}
	}
	return nil
}
