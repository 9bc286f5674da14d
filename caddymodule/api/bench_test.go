package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// BenchmarkJournalHit measures a hit with a full journal of 100,000 entries.
func BenchmarkJournalHit(b *testing.B) {
	n := benchNode(b)
	b.ReportAllocs()
	for b.Loop() {
		testkit.HitJournal(n.Ctl)
	}
}

// BenchmarkJournalWatched measures a hit, at a thousand per second, while others read
// the journal: the median and the 99th percentile.
func BenchmarkJournalWatched(b *testing.B) {
	for _, bench := range []struct {
		name                        string
		verifications, lists, feeds int
		rate                        string
	}{
		{"alone", 0, 0, 0, ""},
		{"50_verifications_10_readers", 50, 10, 0, ""},
		{"400_feeds", 0, 0, 400, ""},
		{"400_feeds_of_rate_10", 0, 0, 400, "&rate=10"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			n := benchNode(b)
			ctx, leave := context.WithCancel(b.Context())
			var others sync.WaitGroup
			defer others.Wait()
			defer leave()
			look := func(path, accept string) {
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, api.Prefix+path, nil)
				r.Header.Set("Accept", accept)
				n.API.ServeHTTP(flusher{&testkit.Discard{Fields: make(http.Header)}}, r)
			}
			stay := func(path, accept string) {
				others.Go(func() {
					if look(path, accept); ctx.Err() == nil {
						b.Errorf("%s has ended", path)
					}
				})
			}
			for range bench.verifications {
				stay("/verify?rule=gone&at_least=1000000000&since=1h&wait=10m", "")
			}
			for range bench.feeds {
				stay("/journal?limit=1"+bench.rate, "text/event-stream")
			}
			for range bench.lists {
				others.Go(func() {
					for ctx.Err() == nil {
						look("/journal", "")
					}
				})
			}
			benchPaced(b, n)
		})
	}
}

// flusher adds the Flush method that the writer of a feed needs.
type flusher struct{ *testkit.Discard }

func (flusher) Flush() {}

// benchNode returns a node with a full journal.
func benchNode(b testing.TB) *testnode.Node {
	b.Helper()
	n := testnode.Start(b, testnode.Shop, `{"journal": 100000}`)
	for range 100_000 {
		testkit.HitJournal(n.Ctl)
	}
	return n
}

func benchPaced(b *testing.B, n *testnode.Node) {
	b.Helper()
	var took []time.Duration
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for b.Loop() {
		<-tick.C
		began := time.Now()
		testkit.HitJournal(n.Ctl)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op") // would only measure the ticker
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "median-ns/hit")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns/hit")
}
