package clients

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkIdle is a request while no call is open.
func BenchmarkIdle(b *testing.B) {
	p := New(Settings{}, Clock{time.Now, time.Since}).Point("api")
	q := get("/orders")
	b.ReportAllocs()
	for b.Loop() {
		v := p.Arrive(q)
		v.End(Result{})
	}
}

// BenchmarkLookUp is a request that belongs to none of 10,000 open calls.
func BenchmarkLookUp(b *testing.B) {
	for _, way := range []string{"unknown client", "by key", "by guess", "by count", "other request by key"} {
		b.Run(way, func(b *testing.B) {
			p := New(Settings{MaxCalls: 10_000}, Clock{time.Now, time.Since}).Point("api")
			request := func(i int) *Request {
				q := get(fmt.Sprintf("/orders/%d", i))
				switch way {
				case "by key", "other request by key":
					q.Header.Set("Idempotency-Key", fmt.Sprint(i))
				case "by count":
					q.Header.Set("X-Stainless-Retry-Count", "0")
				}
				return q
			}
			for i := range 10_000 {
				q := request(i)
				p.Hit(p.Arrive(q), q, "busy", 1).End(replied(503, -1))
			}
			q := request(10_001)
			switch way {
			case "unknown client":
				q.Address = "192.0.2.99"
			case "other request by key":
				q.Header.Del("Idempotency-Key")
			}
			b.ReportAllocs()
			for b.Loop() {
				v := p.Arrive(q)
				if v.call != nil {
					b.Fatal("continues a call")
				}
				if v.client != nil {
					v.client.end(p)
				}
			}
		})
	}
}

// BenchmarkHit is the first attempt of a call, and its end.
func BenchmarkHit(b *testing.B) {
	p := New(Settings{}, Clock{time.Now, time.Since}).Point("api")
	q := get("/orders")
	b.ReportAllocs()
	for b.Loop() {
		p.Hit(p.Arrive(q), q, "busy", 1).End(replied(200, -1))
	}
}

// BenchmarkInjected is a request that a rule hits before it has been looked at, and its
// end, at times that the caller knows: one more attempt of a call, or a new call.
func BenchmarkInjected(b *testing.B) {
	for name, status := range map[string]int{"next attempt": 503, "new call": 200} {
		b.Run(name, func(b *testing.B) {
			p := New(Settings{}, Clock{time.Now, time.Since}).Point("api")
			q, now := get("/orders", "Accept", "*/*", "Accept-Encoding", "gzip"), p.clock.now()
			b.ReportAllocs()
			for b.Loop() {
				now += int64(time.Millisecond)
				p.HitAt(now, Visit{}, q, "busy", 1).EndAt(now, replied(status, -1))
			}
		})
	}
}

// BenchmarkJudge judges all calls that a recorder keeps.
func BenchmarkJudge(b *testing.B) {
	w := newWorld(Settings{})
	for i := range defaultCalls {
		q := get("/orders", "Idempotency-Key", fmt.Sprint(i))
		for range 4 {
			w.busy(q, 503, 2)
			w.wait(time.Second)
		}
	}
	ev := w.Evidence()
	b.ReportAllocs()
	for b.Loop() {
		Judge(ev, Settings{})
	}
}
