package kinds

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

func TestDribble(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name, line string
		next       caddyhttp.HandlerFunc
		want       []timedPiece
	}{
		{"even", "dribble 4 1s", sized("12345678", 100), []timedPiece{{250 * ms, 2}, {500 * ms, 2}, {750 * ms, 2}, {1000 * ms, 2}}},
		{"uneven", "dribble 3 3s", sized("12345678", 100), []timedPiece{{1000 * ms, 2}, {2000 * ms, 3}, {3000 * ms, 3}}},
		{"one", "dribble 1 1s", sized("12345678", 100), []timedPiece{{1000 * ms, 8}}},
		{"fewer bytes", "dribble 100 2s", sized("12", 100), []timedPiece{{1000 * ms, 1}, {2000 * ms, 1}}},
		{"sent in other pieces", "dribble 2 1s", sized("12345678", 3), []timedPiece{{500 * ms, 3}, {500 * ms, 1}, {1000 * ms, 2}, {1000 * ms, 2}}},
		{"empty", "dribble 3 1s", sized("", 1), nil},
		{"no length", "dribble 3 1s", sender("12345678", 100), []timedPiece{{0, 8}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tw := &timedWriter{start: time.Now()}
				if err := parse(t, new(Dribble), tt.line).Inject(firstHit(), tw, request(http.MethodGet), tt.next); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(tw.pieces, tt.want) {
					t.Errorf("got %v, want %v", tw.pieces, tt.want)
				}
				end := time.Duration(0)
				if len(tt.want) > 0 {
					end = tt.want[len(tt.want)-1].at
				}
				if took := time.Since(tw.start); took != end {
					t.Errorf("took %v, want %v: no pause after the last piece", took, end)
				}
			})
		})
	}
}

// The time lost to a slow upstream is made up for, as far as possible.
func TestDribbleSlowUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		got := runShaped(parse(t, new(Dribble), "dribble 4 1s"), request(http.MethodGet), func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Length", "8")
			w.WriteHeader(http.StatusOK)
			time.Sleep(600 * time.Millisecond)
			_, err := w.Write([]byte("12345678"))
			return err
		})
		if took := time.Since(start); took != time.Second || got.Body.String() != "12345678" || got.Header().Get("Content-Length") != "8" {
			t.Errorf("took %v, got %q, header %v", took, got.Body, got.Header())
		}
	})
}

func TestDribblePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := parse(t, new(Dribble), "dribble 4 1h")
		if got := runShaped(f, request(http.MethodGet), sender("12345678", 3)); got.told != "no_length" || got.Body.String() != "12345678" {
			t.Errorf("no length: got %q, passed %q", got.Body, got.told)
		}
		if got := runShaped(f, request(http.MethodHead), sized("", 3)); got.told != passNoBody {
			t.Errorf("HEAD: reported %q", got.told)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestDribbleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		time.AfterFunc(1500*time.Millisecond, func() { close(ended) })
		r := request(http.MethodGet)
		r = r.WithContext(withHit(r.Context(), &faults.Hit{Ended: ended}))
		start := time.Now()
		got := runShaped(parse(t, new(Dribble), "dribble 4 4s"), r, sized("12345678", 3))
		if took := time.Since(start); took != 1500*time.Millisecond || got.Body.String() != "12345678" {
			t.Errorf("ended: took %v, got %q", took, got.Body)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		start := time.Now()
		got := runShaped(parse(t, new(Dribble), "dribble 4 4s"), request(http.MethodGet).WithContext(ctx), sized("12345678", 8))
		if took := time.Since(start); took != 2500*time.Millisecond || got.Body.String() != "1234" {
			t.Errorf("client left: took %v, got %q", took, got.Body)
		}
	})
}

// However a body is divided, all of it comes, in order, in the configured number of
// pieces. No piece comes after the duration.
func FuzzDribble(f *testing.F) {
	f.Add(uint16(100), uint8(7), uint8(10), int64(time.Second))
	f.Add(uint16(1), uint8(255), uint8(0), int64(1))
	f.Add(uint16(65535), uint8(0), uint8(255), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, length uint16, chunks, piece uint8, duration int64) {
		n := min(uint64(chunks)+1, max(1, uint64(length)))
		last := uint64(0)
		for i := range n {
			end := share(uint64(length), i+1, n)
			if length > 0 && end <= last || end > uint64(length) {
				t.Fatalf("piece %d of %d ends at %d of %d, after %d", i, n, end, length, last)
			}
			if due := share(uint64(max(0, duration)), i+1, n); due > uint64(max(0, duration)) {
				t.Fatalf("piece %d of %d comes after %d of %d", i, n, due, duration)
			}
			last = end
		}
		if last != uint64(length) {
			t.Fatalf("%d of %d bytes", last, length)
		}
		body := strings.Repeat("x", int(length))
		fault := &Dribble{Chunks: int(chunks) + 1, Duration: 1}
		if got := runShaped(fault, request(http.MethodGet), sized(body, int(piece)+1)); got.Body.String() != body || got.err != nil {
			t.Fatalf("got %d bytes, error %v, want %d", got.Body.Len(), got.err, length)
		}
	})
}
