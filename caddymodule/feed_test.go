package caddymodule

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// A feed with a rate leaves out what is more, and tells how much that was.
func TestFeedRate(t *testing.T) {
	for _, tt := range []struct {
		query         string
		hits, skipped int
		count         string
	}{
		{"?rate=2", 4, 1, "data: 3\n"},
		{"", 7, 0, ""},
	} {
		inBubble(t, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			w := httptest.NewRecorder()
			go newAPI(nil).ServeHTTP(w, feedRequest(ctx, tt.query))
			synctest.Wait()
			for range 5 {
				process.journal.Add(&experiments.Entry{Rule: "r"})
			}
			time.Sleep(time.Second + time.Millisecond)
			for range 2 {
				process.journal.Add(&experiments.Entry{Rule: "r"})
			}
			synctest.Wait()
			leave()
			synctest.Wait()
			body := w.Body.String()
			if hits := strings.Count(body, "event: hit\n"); hits != tt.hits {
				t.Errorf("%s: got %d hits, want %d", tt.query, hits, tt.hits)
			}
			if skipped := strings.Count(body, "event: skipped\n"); skipped != tt.skipped || !strings.Contains(body, tt.count) {
				t.Errorf("%s: got %q, want %d events skipped with %q", tt.query, body, tt.skipped, tt.count)
			}
		})
	}
	w := httptest.NewRecorder()
	newAPI(nil).ServeHTTP(w, feedRequest(t.Context(), "?rate=0"))
	if w.Code != 400 {
		t.Errorf("rate=0: got %d, want 400", w.Code)
	}
}

// A feed that waits costs a goroutine and little memory.
func TestFeedMemory(t *testing.T) {
	const feeds, most = 1000, 16 << 10 // bytes each
	inBubble(t, func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer leave()
		api := newAPI(nil)
		before, goroutines := memory(), runtime.NumGoroutine()
		for range feeds {
			go api.ServeHTTP(httptest.NewRecorder(), feedRequest(ctx, "?rate=100"))
		}
		synctest.Wait()
		if grown := runtime.NumGoroutine() - goroutines; grown > feeds {
			t.Errorf("%d feeds have %d goroutines, want one each at most", feeds, grown)
		}
		each := (memory() - before) / feeds
		t.Logf("%d bytes a feed", each)
		if each > most {
			t.Errorf("a feed costs %d bytes, want at most %d", each, most)
		}
	})
}

// memory is what is used of heap and stacks.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func feedRequest(ctx context.Context, query string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, "GET", "/fault/journal"+query, nil)
	r.Header.Set("Accept", "text/event-stream")
	return r
}
