package kinds

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// headsWriter records the heads of replies.
type headsWriter struct {
	*httptest.ResponseRecorder
	began time.Time
	heads []string
}

func (w *headsWriter) WriteHeader(code int) {
	fields := make([]string, 0, len(w.Header()))
	for name, values := range w.Header() {
		fields = append(fields, name+"="+strings.Join(values, "|"))
	}
	slices.Sort(fields)
	w.heads = append(w.heads, fmt.Sprint(time.Since(w.began), " ", code, " ", strings.Join(fields, " ")))
}

func runInterim(t *testing.T, line string, r *http.Request, hit *faults.Hit) (heads []string, err error) {
	t.Helper()
	w := &headsWriter{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
	w.Header().Set("Server", "Caddy")
	err = parse(t, new(Interim), line).Inject(hit, w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusOK)
		return nil
	}))
	return w.heads, err
}

// Each interim reply has its own header only, and the reply keeps its own.
func TestInterim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := new(heard)
		heads, err := runInterim(t, "interim 103 3 2s {\nheader Link </a>\nheader Link </b>\nheader X-Method {http.request.method}\n}",
			request(http.MethodGet), &faults.Hit{N: 1, Listener: told})
		want := []string{"0s 103 Link=</a>|</b> X-Method=GET", "2s 103 Link=</a>|</b> X-Method=GET", "4s 103 Link=</a>|</b> X-Method=GET", "4s 200 Server=Caddy"}
		if err != nil || !slices.Equal(heads, want) || told.told != "hit" {
			t.Errorf("got %q, error %v, told %q, want %q", heads, err, told.told, want)
		}
	})
}

func TestInterimHTTP10(t *testing.T) {
	told, r := new(heard), request(http.MethodGet)
	r.ProtoMinor = 0
	heads, err := runInterim(t, "interim 103", r, &faults.Hit{N: 1, Listener: told})
	if err != nil || len(heads) != 1 || told.told != "protocol" {
		t.Errorf("got %q, error %v, told %q", heads, err, told.told)
	}
}

// The interim replies end when the fault ends, and when the client leaves.
func TestInterimEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		time.AfterFunc(3*time.Second, func() { close(ended) })
		heads, err := runInterim(t, "interim 102 1000 2s", request(http.MethodGet), &faults.Hit{N: 1, Ended: ended})
		if want := []string{"0s 102 ", "2s 102 ", "3s 200 Server=Caddy"}; err != nil || !slices.Equal(heads, want) {
			t.Errorf("ended: got %q, error %v, want %q", heads, err, want)
		}
	})
	for _, line := range []string{"interim 102 1000 2s", "interim 102 1000"} {
		r := request(http.MethodGet)
		ctx, leave := context.WithCancel(r.Context())
		leave()
		heads, err := runInterim(t, line, r.WithContext(ctx), firstHit())
		if failed, ok := errors.AsType[caddyhttp.HandlerError](err); !ok || failed.StatusCode != faults.StatusClientClosed || len(heads) != 0 {
			t.Errorf("%s: client left: got %q, error %v", line, heads, err)
		}
	}
}

// TestInterimLeavesWhile checks that nothing changes a header that HTTP/2 may still be
// sending, because the client leaves during WriteHeader. The error route of the site gets
// the header of the reply, and may change it.
func TestInterimLeavesWhile(t *testing.T) {
	r := request(http.MethodGet)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	ctx, leave := context.WithCancel(r.Context())
	w := &leavingWriter{ResponseRecorder: httptest.NewRecorder(), leave: leave}
	w.Header().Set("Server", "Caddy")
	err := parse(t, new(Interim), "interim 103 2 {\nheader Link </a>\n}").Inject(firstHit(), w, r.WithContext(ctx), nil)
	if failed, ok := errors.AsType[caddyhttp.HandlerError](err); !ok || failed.StatusCode != faults.StatusClientClosed {
		t.Errorf("got error %v", err)
	}
	if want := (http.Header{"Server": {"Caddy"}}); !reflect.DeepEqual(w.Header(), want) {
		t.Errorf("the header is %v afterwards, want %v", w.Header(), want)
	}
	w.Header().Set("Content-Type", "text/plain")
	if want := (http.Header{"Link": {"</a>"}}); !reflect.DeepEqual(w.sent, want) {
		t.Errorf("HTTP/2 sends %v, want %v", w.sent, want)
	}
}

// leavingWriter is the writer of a client that leaves when it is sent a head. Like
// HTTP/2, it sends the header of the handler if that has no Content-Length.
type leavingWriter struct {
	*httptest.ResponseRecorder
	leave func()
	sent  http.Header
}

func (w *leavingWriter) WriteHeader(int) {
	w.sent = w.Header()
	if _, is := w.sent["Content-Length"]; is {
		w.sent = w.sent.Clone()
		w.sent.Del("Content-Length")
	}
	w.leave()
}

func TestInterimUntrusted(t *testing.T) {
	for _, tt := range []struct {
		line string
		left time.Duration
		err  string
	}{
		{"interim 103", 10 * time.Second, ""},
		{"interim 103 1000", 10 * time.Second, ""},
		{"interim 103 5 2s", 2 * time.Second, ""},
		{"interim 103 7 2s", 0, "is longer than"},
		{"interim 103 1000 1000000h", 0, "is longer than"},
		{"interim 103 1001", 0, "too large for a trigger"},
		{"interim 103 {\nheader Link </a>\n}", 0, "write interim 103"},
	} {
		limits := &faults.Limits{Time: 10 * time.Second}
		err := unmarshal(t, new(Interim), tt.line).Untrusted(limits)
		if tt.err == "" && (err != nil || limits.Time != tt.left) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: got %v, %v left, want %q, %v left", tt.line, err, limits.Time, tt.err, tt.left)
		}
	}
}
