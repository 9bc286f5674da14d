package e2e

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

var wholeRounds = flag.Int("whole", 0, "how many rounds TestWholeProcess runs; 0 leaves it out")

// serveKey in the environment makes the test binary a Caddy, with the handler
// `smallest` in addition to the modules of the ready binary.
const serveKey = "CADDYFAULT_TEST_SERVE"

func serveIfAsked() {
	if os.Getenv(serveKey) != "" {
		caddycmd.Main() // does not return
	}
}

// A contender is one way to send the same reply.
type contender struct {
	name    string
	wrapper bool // listener_wrappers { fault }
	site    string
	port    int
}

func (c *contender) addr() string { return fmt.Sprintf("127.0.0.1:%d", c.port) }

// The indexes of the contenders that must stay within a limit.
const (
	without = iota
	passing
	missing
	thousand
	smallestWrapped
	firing
	handedBack
	behindProxy
	onReply
)

// contenders all reply with smallestBody, and so does the upstream of some of them.
func contenders(t *testing.T) []contender {
	t.Helper()
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(551)
		_, _ = w.Write(smallestBody)
	})
	var rules strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&rules, "rule {\nmatch {\npath /rule/%d/*\nheader X-Rule r%d\n}\nrespond 551\n}\n", i, i)
	}
	all := []contender{
		without:         {"without the directive", false, "smallest", 0},
		passing:         {"a handler that only calls the next one", false, "nothing\nsmallest", 0},
		missing:         {"a rule that misses", true, "fault /other/* 551\nsmallest", 0},
		thousand:        {"1,000 rules that miss", true, "fault {\n" + rules.String() + "}\nsmallest", 0},
		smallestWrapped: {"smallest handler, listener wrapper on", true, "smallest", 0},
		firing:          {"`fault 551`, listener wrapper on", true, "fault 551", 0},
		handedBack:      {"`fault 551`, no listener wrapper", false, "fault 551", 0},
		behindProxy:     {"`reverse_proxy` to an upstream", true, up.proxy(), 0},
		onReply:         {"`fault 551` in phase response, before it", true, "fault {\nphase response\nrespond 551\n}\n" + up.proxy(), 0},
		{"Caddy's `respond`", false, "header Content-Type application/json\nrespond `" + string(smallestBody) + "` 551", 0},
	}
	taken := make(map[int]bool)
	for i := range all {
		for all[i].port == 0 || taken[all[i].port] { // the port is freed as soon as it is known
			all[i].port = freePort(t)
		}
		taken[all[i].port] = true
	}
	return all
}

// serveContenders starts one Caddy with a server for each contender. It does not record
// what clients do.
func serveContenders(t *testing.T, all ...contender) *process {
	t.Helper()
	return serveWith(t, "clients off", all...)
}

// serveWith is serveContenders with an option of the app.
func serveWith(t *testing.T, option string, all ...contender) *process {
	t.Helper()
	var options, sites strings.Builder
	for _, c := range all {
		wrapper := ""
		if c.wrapper {
			wrapper = "listener_wrappers {\nfault\n}\n"
		}
		fmt.Fprintf(&options, "servers 127.0.0.1:%d {\nprotocols h1 h2c\n%s}\n", c.port, wrapper)
		fmt.Fprintf(&sites, "http://:%d {\nbind 127.0.0.1\nroute {\n%s\n}\n}\n", c.port, c.site)
	}
	t.Setenv(serveKey, "1")
	t.Setenv("GOMAXPROCS", "1") // threads that look for work would count as work
	p := run(t, testBinary(t), "{\nadmin off\npersist_config off\nauto_https off\nfault {\ndisclose off\n"+option+"\n}\n"+options.String()+"}\n"+sites.String())
	p.find(t, `"msg":"(serving initial configuration)"`)
	return p
}

func testBinary(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWholeProcess compares what a request costs a whole Caddy process, by the CPU time
// that the kernel has counted for it. One process on one core has a server for each
// contender, all contenders have a turn in each round, and the clients are in another
// process. The test prints a Markdown table.
func TestWholeProcess(t *testing.T) {
	if *wholeRounds == 0 {
		t.Skip("takes minutes: say how many rounds, such as -whole 200")
	}
	all := contenders(t)
	p := serveContenders(t, all...)
	http1 := compete(t, p, all, bareClients)
	for range 2 { // other work of the machine can only add
		if costs(http1) != nil {
			http1 = compete(t, p, all, bareClients)
		}
	}
	http2 := compete(t, p, all, h2Clients)
	_ = p.cmd.Process.Kill()

	fmt.Println("| | HTTP/1.1: requests/s | CPU µs/request | | HTTP/2: requests/s | CPU µs/request | | MB |")
	fmt.Println("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for i, c := range all {
		fmt.Printf("| %s | %v | %v | %.0f |\n", c.name, http1[i], http2[i], alone(t, c))
	}
	t.Logf("a 551 costs %.3f times what the smallest handler costs, in the cheapest rounds %.3f times, without the listener wrapper %.3f times, in phase response %.3f times what its proxy costs",
		http1[firing].ratio/http1[smallestWrapped].ratio, http1[firing].least/http1[smallestWrapped].least, http1[handedBack].ratio, http1[onReply].ratio/http1[behindProxy].ratio)
	if err := costs(http1); err != nil {
		t.Error(err)
	}
}

// costs reports whether a rule that misses, or one that hits, costs too much. It compares
// the rounds to which other work of the machine has added least. The limits leave room
// for a busy machine, on which two runs differ by a third.
func costs(all []standing) error {
	if got := all[firing].least / all[smallestWrapped].least; got > 1.5 {
		return fmt.Errorf("a 551 costs %.3f times what the smallest handler costs, want at most 1.5", got)
	}
	if got := all[missing].least / all[without].least; got > 1.3 {
		return fmt.Errorf("a rule that misses costs %.3f times what the same binary costs without the directive, want at most 1.3", got)
	}
	return nil
}

// standing holds the results of a contender: medians over the rounds, unless it says
// otherwise.
type standing struct {
	rate  float64 // requests per second
	cpu   float64 // microseconds per request
	ratio float64 // CPU time relative to the first contender
	least float64 // microseconds per request in the cheapest round
}

func (s standing) String() string {
	return fmt.Sprintf("%.0f | %.1f | %+.1f %%", s.rate, s.cpu, 100*(s.ratio-1))
}

const wholeTurn = 50 * time.Millisecond // of one contender in each round; short, because the machine's speed changes

// compete makes all contenders serve these clients in turn.
func compete(t *testing.T, p *process, all []contender, connect func(*testing.T, contender) []asker) []standing {
	t.Helper()
	clients := make([][]asker, len(all))
	for i, c := range all {
		clients[i] = connect(t, c)
		serveTurn(t, p, clients[i]) // warm-up
	}
	rates, cpus := make([][]float64, len(all)), make([][]float64, len(all))
	for round := range *wholeRounds {
		for turn := range all {
			i := (turn + round) % len(all)
			n, took, used := serveTurn(t, p, clients[i])
			cpus[i] = append(cpus[i], used.Seconds()*1e6/float64(n))
			rates[i] = append(rates[i], float64(n)/took.Seconds())
		}
	}
	result := make([]standing, len(all))
	for i := range all {
		cpu := median(cpus[i])
		result[i] = standing{median(rates[i]), cpu, cpu / median(cpus[0]), slices.Min(cpus[i])}
	}
	return result
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// serveTurn makes the clients send requests for a while.
func serveTurn(t *testing.T, p *process, clients []asker) (requests int, took, cpu time.Duration) {
	t.Helper()
	counts := make([]int, len(clients))
	before, began := p.cpuTime(t), time.Now()
	var wg sync.WaitGroup
	for i, ask := range clients {
		wg.Go(func() {
			for time.Since(began) < wholeTurn {
				if err := ask(); err != nil {
					t.Error(err)
					return
				}
				counts[i]++
			}
		})
	}
	wg.Wait()
	took, cpu = time.Since(began), p.cpuTime(t)-before
	for _, n := range counts {
		requests += n
	}
	if requests == 0 {
		t.Fatal("no request was answered")
	}
	return requests, took, cpu
}

const wholeClients = 4

// bareClients speak HTTP/1.1, each over a separate connection.
func bareClients(t *testing.T, c contender) []asker {
	t.Helper()
	var all []asker
	for range wholeClients {
		all = append(all, bareClient(t, c.addr(), "/"))
	}
	return all
}

// h2Clients are streams of one HTTP/2 connection.
func h2Clients(t *testing.T, c contender) []asker {
	t.Helper()
	client := (&site{addr: c.addr()}).client(t, h2)
	var all []asker
	for range wholeClients {
		r := client.request(t, "GET", "/", nil)
		all = append(all, func() error {
			reply, err := client.try(r)
			if err == nil && reply.body != string(smallestBody) {
				err = fmt.Errorf("got %d %q", reply.StatusCode, reply.body)
			}
			return err
		})
	}
	return all
}

// cpuTime returns the CPU time that the process has used so far, to the nanosecond. On
// Linux, schedstat has it for each thread (Documentation/scheduler/sched-stats.rst).
func (p *process) cpuTime(t *testing.T) (total time.Duration) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil || len(files) == 0 {
		t.Skip("this system does not tell the CPU time of a thread")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		used, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(used, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		total += time.Duration(ns)
	}
	return total
}

// alone returns the memory of a process with only this contender, after a turn, in
// megabytes.
func alone(t *testing.T, c contender) float64 {
	t.Helper()
	p := serveContenders(t, c)
	serveTurn(t, p, bareClients(t, c))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no VmRSS in %s", status)
	}
	kB, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Process.Kill()
	return float64(kB) / 1000
}
