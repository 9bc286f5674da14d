package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// askRaw sends a request on a new connection and reads the head of the reply.
func askRaw(tb testing.TB, addr string) *http.Response {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, get("/")); err != nil {
		tb.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return resp
}

// BenchmarkDribble measures how evenly the pieces come: how late the latest piece is,
// and how long after it the reply ends.
func BenchmarkDribble(b *testing.B) {
	const chunks, piece, every = 20, 1000, 100 * time.Millisecond
	addr := benchSite(b, "fault {\ndribble 20 2s\n}\nreverse_proxy "+listenTB(b, chunks*piece)+"\n")
	var worst, end time.Duration
	for b.Loop() {
		resp := askRaw(b, addr)
		if resp.ContentLength != chunks*piece {
			b.Fatalf("Content-Length: got %d", resp.ContentLength)
		}
		began := time.Now()
		for i := range chunks {
			if _, err := io.ReadFull(resp.Body, make([]byte, piece)); err != nil {
				b.Fatal(err)
			}
			worst = max(worst, (time.Since(began) - time.Duration(i+1)*every).Abs())
		}
		last := time.Now()
		if n, err := resp.Body.Read(make([]byte, 1)); n > 0 || err != io.EOF {
			b.Fatalf("after the last piece: got %d bytes, error %v", n, err)
		}
		end = max(end, time.Since(last))
	}
	b.ReportMetric(worst.Seconds()*1e3, "ms-off")
	b.ReportMetric(end.Seconds()*1e3, "ms-after")
}

// TestThrottleMemory reads a part of a body of 1 GiB. The memory of the process must
// not grow with the body. What other tests have left can only add, so the best of three
// tries counts.
func TestThrottleMemory(t *testing.T) {
	const most = 16 << 20
	for _, phase := range phases {
		addr := benchSite(t, "fault {\nphase "+phase+"\nthrottle 20MiB/s\n}\nreverse_proxy "+listenTB(t, 1<<30)+"\n")
		least := heapGrowth(t, addr)
		for range 2 {
			if least > most {
				least = min(least, heapGrowth(t, addr))
			}
		}
		t.Logf("phase %s: %d KiB more at most", phase, least>>10)
		if least > most {
			t.Errorf("phase %s: the heap has grown by %d bytes", phase, least)
		}
	}
}

// heapGrowth reads a reply for a second, and returns by how much the heap grows meanwhile.
func heapGrowth(t *testing.T, addr string) int {
	t.Helper()
	resp := askRaw(t, addr)
	var heap []int
	for began := time.Now(); time.Since(began) < time.Second; {
		if _, err := io.CopyN(io.Discard, resp.Body, 2<<20); err != nil {
			t.Fatal(err)
		}
		heap = append(heap, inUse().heap)
	}
	return slices.Max(heap) - heap[0]
}
