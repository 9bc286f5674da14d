package kinds

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestStreamMemory compares streams that hold half of an event of 1 KiB with throttled
// replies.
func TestStreamMemory(t *testing.T) {
	const streams, most = 2000, 6 << 10
	half := []byte("data: " + strings.Repeat("x", 512))
	of := func(f injecter) int64 {
		var begun, ended sync.WaitGroup
		end := make(chan struct{})
		before := heapInUse()
		for range streams {
			begun.Add(1)
			ended.Go(func() {
				_ = f.Inject(firstHit(), &discard{header: make(http.Header)}, request(http.MethodGet), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
					w.Header().Set("Content-Type", "text/event-stream")
					_, err := w.Write(half)
					begun.Done()
					<-end
					return err
				}))
			})
		}
		begun.Wait()
		used := heapInUse() - before
		close(end)
		ended.Wait()
		return used / streams
	}
	throttled := of(parse(t, new(Throttle), "throttle 1GiB/s"))
	held := of(parse(t, new(Stream), "stream each repeat"))
	t.Logf("%d bytes for a stream, %d for a throttled reply", held, throttled)
	if held > throttled+most {
		t.Errorf("a stream uses %d bytes, a throttled reply %d", held, throttled)
	}
}

// heapInUse returns the bytes of the heap and the stacks that are in use.
func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkStreamWait measures how late events go out: each of 500 streams has an event
// every 20 ms. Plain timers show how late the machine is.
func BenchmarkStreamWait(b *testing.B) {
	const streams, events, every = 500, 100, 20 * time.Millisecond
	f := provision(b, &Stream{Steps: []*StreamStep{{Events: "each", Action: "wait", Delay: &Delay{Duration: caddy.Duration(every)}}}})
	for name, run := range map[string]func(tw *timedWriter){
		"stream": func(tw *timedWriter) {
			_ = f.Inject(firstHit(), tw, request(http.MethodGet), sender(strings.Repeat("data: 1\n\n", events), 9, "Content-Type", "text/event-stream"))
		},
		"timers": func(tw *timedWriter) {
			for i := range events {
				time.Sleep(time.Until(tw.start.Add(time.Duration(i+1) * every)))
				_, _ = tw.Write([]byte("data: 1\n\n"))
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			var late []time.Duration
			for b.Loop() {
				var mu sync.Mutex
				var all sync.WaitGroup
				for i := range streams {
					all.Go(func() {
						time.Sleep(time.Duration(i) * every / streams)
						tw := &timedWriter{start: time.Now()}
						run(tw)
						mu.Lock()
						defer mu.Unlock()
						for i, piece := range tw.pieces {
							late = append(late, piece.at-time.Duration(i+1)*every)
						}
					})
				}
				all.Wait()
			}
			slices.Sort(late)
			b.ReportMetric(late[len(late)/2].Seconds()*1e3, "ms-late-p50")
			b.ReportMetric(late[len(late)*99/100].Seconds()*1e3, "ms-late-p99")
		})
	}
}
