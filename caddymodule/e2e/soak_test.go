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
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

var soakTime = flag.Duration("soak", 0, "how long TestSoak lasts; 0 leaves it out")

// The load of a soak is far below what the machine can do: the test looks for growth,
// not for a breaking point.
const (
	soakers     = 60 // the same number of clients for each protocol
	soakPause   = 40 * time.Millisecond
	soakReload  = time.Second
	soakSamples = 120
	soakRows    = 12 // of the table
	soakOneConn = 5 * time.Second
)

// TestSoak makes clients of all protocols request faults of all kinds for minutes.
// Meanwhile the configuration is loaded repeatedly, faults are halted and resumed, and
// experiments and feeds come and go. The resources of the process must not grow between
// the second and the last third of the time, see [growth]. The clients and the upstream
// are in the same process.
func TestSoak(t *testing.T) {
	if *soakTime == 0 {
		t.Skip("it takes minutes: bash .ci/run soak")
	}
	up := serve(t, shapes)
	directives, paths := stressSite(stressDirectives(t), up.addr)
	s := start(t, config{tls: true, wrapper: true, quiet: true, port: freePort(t), servers: shortIdle, site: directives})
	target, api := *s, newControl(t)
	var replies, feeds, reloads counter
	ctx, cancel := context.WithTimeout(t.Context(), *soakTime)
	defer cancel()
	var wg sync.WaitGroup
	for i := range soakers {
		wg.Go(func() { target.soak(ctx, h1+protocol(i%3), paths, &replies) })
	}
	wg.Go(func() { api.stress(ctx, t) })
	for range 5 {
		wg.Go(func() { api.follow(ctx, &feeds) })
	}
	reload, look := time.NewTicker(soakReload), time.NewTicker(*soakTime/soakSamples)
	defer reload.Stop()
	defer look.Stop()
	began := time.Now()
	var samples []sample
	for ctx.Err() == nil {
		select {
		case <-reload.C:
			s.load(t)
			reloads.inc()
		case <-look.C:
			samples = append(samples, takeSample(time.Since(began), replies.get()))
		case <-ctx.Done():
		}
	}
	wg.Wait()
	t.Logf("%d whole replies, %d reloads, %d feeds\n%s", replies.get(), reloads.get(), feeds.get(), table(samples))
	for _, err := range growth(samples) {
		t.Error(err)
	}
	if replies.get() < soakers || feeds.get() == 0 || reloads.get() == 0 {
		t.Error("the load is too low for a soak")
	}
}

// soak connects again every few seconds, and when a reload has closed the connection.
func (s *site) soak(ctx context.Context, proto protocol, paths []string, replies *counter) {
	for ctx.Err() == nil {
		c, err := s.connect(ctx, proto, s.addr)
		if err != nil { // for example while a reload takes the listener over
			<-time.After(soakPause)
			continue
		}
		if tcp, is := c.Transport.(*http.Transport); is {
			tcp.IdleConnTimeout = time.Second // end keeps a connection open on which a stream is being abandoned
		}
		turn, cancel := context.WithTimeout(ctx, soakOneConn)
		if c.gone != nil {
			context.AfterFunc(c.gone, cancel)
		}
		c.stress(turn, paths, soakPause, replies)
		cancel()
		c.end()
	}
}

// follow opens feeds of the journal and leaves them.
func (c control) follow(ctx context.Context, feeds *counter) {
	for ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(ctx, rand.N(2*time.Second))
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/fault/journal", nil)
		r.Header.Set("Accept", "text/event-stream")
		c.ServeHTTP(flushed{&testkit.Discard{Fields: make(http.Header)}}, r)
		cancel()
		feeds.inc()
	}
}

// flushed is a writer that can be flushed, which feeds require.
type flushed struct{ http.ResponseWriter }

func (flushed) Flush() {}

// sample is what the process uses at a time.
type sample struct {
	at                 time.Duration
	replies            int
	resident, live     int // memory in KiB: resident, and the heap in use after the last collection
	goroutines, opened int
}

func takeSample(at time.Duration, replies int) sample {
	runtime.GC() // otherwise the garbage of the last cycle counts
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return sample{at, replies, residentKiB(), int(live[0].Value.Uint64() >> 10), runtime.NumGoroutine(), openFiles()}
}

// residentKiB returns the resident memory of the process, or 0 if it is unknown.
func residentKiB() int {
	var size, pages int
	text, err := os.ReadFile("/proc/self/statm") // on Linux
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0
	}
	return pages * os.Getpagesize() >> 10
}

// measures are the values of a sample, and their random variation.
var measures = []struct {
	name  string
	of    func(sample) int
	slack int
}{
	{"resident KiB", func(s sample) int { return s.resident }, 24 << 10},
	{"live KiB", func(s sample) int { return s.live }, 4 << 10},
	{"goroutines", func(s sample) int { return s.goroutines }, 60},
	{"descriptors", func(s sample) int { return s.opened }, 30},
}

// medianOf returns the median of a measure.
func medianOf(samples []sample, of func(sample) int) int {
	values := make([]int, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// growth reports what has grown: the median of the last third exceeds that of the
// second by more than a tenth and the random variation. The first third is a warm-up.
func growth(samples []sample) (errs []error) {
	third := len(samples) / 3
	if third == 0 {
		return []error{fmt.Errorf("%d samples are too few", len(samples))}
	}
	for _, m := range measures {
		second, last := medianOf(samples[third:2*third], m.of), medianOf(samples[len(samples)-third:], m.of)
		if last > second+second/10+m.slack {
			errs = append(errs, fmt.Errorf("%s have grown from %d to %d", m.name, second, last))
		}
	}
	return errs
}

// table returns some of the samples and the medians of each third as text.
func table(samples []sample) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(at, replies any, of func(func(sample) int) int) {
		fmt.Fprintf(w, "%v\t%v\t", at, replies)
		for _, m := range measures {
			fmt.Fprintf(w, "%d\t", of(m.of))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "at\treplies\t")
	for _, m := range measures {
		fmt.Fprintf(w, "%s\t", m.name)
	}
	fmt.Fprintln(w)
	for i := 0; i < len(samples); i += max(1, len(samples)/soakRows) {
		row(samples[i].at.Round(time.Second), samples[i].replies, func(of func(sample) int) int { return of(samples[i]) })
	}
	if third := len(samples) / 3; third > 0 {
		for i, name := range []string{"first third", "second third", "last third"} {
			row(name, "median", func(of func(sample) int) int { return medianOf(samples[i*third:(i+1)*third], of) })
		}
	}
	_ = w.Flush()
	return text.String()
}

// Growth is reported, and random variation is not.
func TestGrowth(t *testing.T) {
	for _, tt := range []struct {
		name string
		add  func(i int) sample // the addition to sample i
		want []string
	}{
		{"flat", func(int) sample { return sample{} }, nil},
		{"noise", func(i int) sample { return sample{resident: i % 2 * 20_000, goroutines: i % 3 * 20, opened: i % 5} }, nil},
		{"warms up", func(i int) sample { return sample{resident: min(i, 20) * 10_000, goroutines: min(i, 20) * 100} }, nil},
		{"memory", func(i int) sample { return sample{resident: i * 2_000} }, []string{"resident KiB have grown from 190000 to 270000"}},
		{"heap", func(i int) sample { return sample{live: i * 500} }, []string{"live KiB have grown from 60000 to 80000"}},
		{"goroutines", func(i int) sample { return sample{goroutines: i * 10} }, []string{"goroutines have grown from 1000 to 1400"}},
		{"descriptors", func(i int) sample { return sample{opened: i * 2} }, []string{"descriptors have grown from 190 to 270"}},
	} {
		samples := make([]sample, soakSamples)
		for i := range samples {
			s := tt.add(i)
			samples[i] = sample{time.Duration(i) * time.Second, i, 70_000 + s.resident, 30_000 + s.live, 400 + s.goroutines, 70 + s.opened}
		}
		var got []string
		for _, err := range growth(samples) {
			got = append(got, err.Error())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if lines := strings.Count(table(samples), "\n"); lines != 1+soakRows+3 {
			t.Errorf("%s: the table has %d lines:\n%s", tt.name, lines, table(samples))
		}
	}
	if len(growth(make([]sample, 2))) == 0 {
		t.Error("two samples are enough to report growth")
	}
}
