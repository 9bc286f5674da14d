package kinds

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// sender is an upstream that sends a body in pieces of some size. Like a proxy, it
// panics to give up.
func sender(body string, piece int, header ...string) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) error {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		for rest := body; rest != ""; {
			n := min(piece, len(rest))
			if m, err := w.Write([]byte(rest[:n])); err != nil || m != n {
				panic(http.ErrAbortHandler)
			}
			rest = rest[n:]
		}
		return nil
	}
}

// sized is a sender that declares the length of its body.
func sized(body string, piece int, header ...string) caddyhttp.HandlerFunc {
	return sender(body, piece, append(header, "Content-Length", strconv.Itoa(len(body)))...)
}

// shapedReply is what a client received of a shaped reply.
type shapedReply struct {
	*httptest.ResponseRecorder
	heard
	aborted bool
	err     error
}

// An injecter is a fault or a chain.
type injecter interface {
	Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error
}

// runShaped runs a fault or chain that shapes replies, over HTTP/2.
func runShaped(f injecter, r *http.Request, next caddyhttp.HandlerFunc) (got shapedReply) {
	got.ResponseRecorder = httptest.NewRecorder()
	told := &heard{began: time.Now(), header: got.Header()}
	hit := &faults.Hit{N: 1, U: 0.5, Listener: told}
	hit.Ended = hitOf(r).Ended
	r.ProtoMajor, r.ProtoMinor = 2, 0
	defer func() { got.heard = *told }()
	defer func() {
		if p := recover(); p != nil {
			got.aborted = errors.Is(p.(error), http.ErrAbortHandler)
		}
	}()
	got.err = f.Inject(hit, got.ResponseRecorder, r, next)
	return got
}

func TestTruncate(t *testing.T) {
	body := strings.Repeat("0123456789", 10)
	tests := []struct {
		line    string
		next    caddyhttp.HandlerFunc
		want    int // bytes
		aborted bool
		length  string
		told    string
	}{
		{"truncate 10B", sized(body, 7), 10, true, "100", "hit"},
		{"truncate 10B", sized(body, 10), 10, true, "100", "hit"},
		{"truncate 10B", sized(body, 1000), 10, true, "100", "hit"},
		{"truncate 10B", sender(body, 7), 10, true, "", "hit"},
		{"truncate 0B", sized(body, 7), 0, true, "100", "hit"},
		{"truncate 99B reset", sized(body, 7), 99, true, "100", "hit"},
		{"truncate 100B", sized(body, 7), 100, false, "100", "short"},
		{"truncate 100B", sender(body, 7), 100, false, "", "hit short"},
		{"truncate 1KiB", sized(body, 7), 100, false, "100", "short"},
		{"truncate 50%", sized(body, 7), 50, true, "100", "hit"},
		{"truncate 0%", sized(body, 7), 0, true, "100", "hit"},
		{"truncate 99.9%", sized(body, 7), 99, true, "100", "hit"},
		{"truncate 50%", sender(body, 7), 100, false, "", "no_length"},
		{"truncate 50%", sized("", 7), 0, false, "0", "no_body"},
		{"truncate 10B clean", sized(body, 7), 10, false, "10", "hit"},
		{"truncate 10B clean", sender(body, 7), 10, false, "", "hit"},
		{"truncate 50% clean", sized(body, 1000), 50, false, "50", "hit"},
		{"truncate 50% clean", sender(body, 7), 100, false, "", "no_length"},
		{"truncate 50% {\nafter 1s\n}", sender(body, 7), 100, false, "", "no_length hit short"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			f := parse(t, new(Truncate), tt.line)
			got := runShaped(f, request(http.MethodGet), tt.next)
			if got.Body.String() != body[:tt.want] || got.aborted != tt.aborted || got.err != nil {
				t.Errorf("got %q, aborted %v, error %v, want %q, aborted %v", got.Body, got.aborted, got.err, body[:tt.want], tt.aborted)
			}
			if length := got.Header().Get("Content-Length"); length != tt.length {
				t.Errorf("Content-Length: got %q, want %q", length, tt.length)
			}
			if tt.aborted && !got.Flushed {
				t.Error("the bytes before the cut were not flushed")
			}
			if got.told != tt.told {
				t.Errorf("reported: got %q, want %q", got.told, tt.told)
			}
			if disclosed := got.Result().Header.Get("X-Hit") != ""; disclosed != strings.Contains(tt.told, "hit") {
				t.Errorf("reported %q, and disclosed: %v", got.told, disclosed)
			}
		})
	}
}

// A clean cut removes the fields that apply only to the whole body. Another cut does
// not.
func TestTruncateValidators(t *testing.T) {
	next := sized("some text", 4, "Last-Modified", "x", "Etag", `"1"`, "Digest", "x", "Content-Md5", "x", "Repr-Digest", "x", "Content-Digest", "x", "X-Other", "x")
	for line, fields := range map[string]int{"truncate 4B clean": 3, "truncate 4B": 8, "truncate 9B clean": 8} {
		got := runShaped(parse(t, new(Truncate), line), request(http.MethodGet), next)
		got.Header().Del("Content-Type") // guessed by the recorder
		got.Header().Del("X-Hit")
		if len(got.Header()) != fields {
			t.Errorf("%s: got header %v, want %d fields", line, got.Header(), fields)
		}
	}
}

// A part of a whole declares which part it is, so a shorter one would be wrong.
func TestTruncatePartial(t *testing.T) {
	for name, value := range map[string]string{"Content-Range": "bytes 0-9/100", "Content-Type": "multipart/byteranges; boundary=x"} {
		for line, want := range map[string]int{"truncate 5B clean": 10, "truncate 5B": 5} {
			got := runShaped(parse(t, new(Truncate), line), request(http.MethodGet), func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set(name, value)
				w.WriteHeader(http.StatusPartialContent)
				_, err := io.WriteString(w, "0123456789")
				return err
			})
			if got.Body.Len() != want || (got.told == passPartial) != (want == 10) {
				t.Errorf("%s, %s: got %d bytes, passed %q, want %d", line, name, got.Body.Len(), got.told, want)
			}
		}
	}
}

func TestTruncateHuge(t *testing.T) {
	body := strings.Repeat("x", 4<<20)
	got := runShaped(parse(t, new(Truncate), "truncate 1MiB clean"), request(http.MethodGet), sized(body, 32<<10))
	if got.Body.Len() != 1<<20 || got.aborted || got.err != nil || got.Header().Get("Content-Length") != "1048576" {
		t.Errorf("got %d bytes, header %v, aborted %v, error %v", got.Body.Len(), got.Header(), got.aborted, got.err)
	}
}

// The head of a reply without a body does not change.
func TestTruncateBodyless(t *testing.T) {
	for _, tt := range []struct {
		method string
		code   int
	}{{"HEAD", 200}, {"GET", 204}, {"GET", 304}} {
		got := runShaped(parse(t, new(Truncate), "truncate 50% clean"), request(tt.method), func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Length", "100")
			w.Header().Set("Etag", `"1"`)
			w.WriteHeader(tt.code)
			return nil
		})
		if h := got.Header(); got.Code != tt.code || h.Get("Content-Length") != "100" || h.Get("Etag") == "" || got.aborted || got.told != passNoBody {
			t.Errorf("%s %d: got %d %v, aborted %v, passed %q", tt.method, tt.code, got.Code, h, got.aborted, got.told)
		}
	}
}

// ticker is an endless reply of one byte a second.
func ticker(w http.ResponseWriter, r *http.Request) error {
	for {
		if _, err := w.Write([]byte("x")); err != nil {
			panic(http.ErrAbortHandler)
		}
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

func TestTruncateAfter(t *testing.T) {
	for _, tt := range []struct {
		line    string
		took    time.Duration
		bytes   int
		aborted bool
	}{
		{"truncate {\nafter 2500ms\n}", 2500 * time.Millisecond, 3, true},
		{"truncate clean {\nafter 2500ms\n}", 2500 * time.Millisecond, 3, false},
		{"truncate 50% {\nafter 2500ms\n}", 2500 * time.Millisecond, 3, true},
		{"truncate 2B {\nafter 2500ms\n}", 2 * time.Second, 2, true},
		{"truncate 2B clean", 2 * time.Second, 2, false},
	} {
		t.Run(tt.line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				got := runShaped(parse(t, new(Truncate), tt.line), request(http.MethodGet), ticker)
				if took := time.Since(start); took != tt.took || got.Body.Len() != tt.bytes || got.aborted != tt.aborted || got.err != nil {
					t.Errorf("took %v, got %d bytes, aborted %v, error %v, want %v, %d bytes, aborted %v",
						took, got.Body.Len(), got.aborted, got.err, tt.took, tt.bytes, tt.aborted)
				}
			})
		})
	}
}

// A reply that ends in time does not change, and no timer is left running.
func TestTruncateAfterInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := runShaped(parse(t, new(Truncate), "truncate {\nafter 1h\n}"), request(http.MethodGet), sized("whole", 2))
		if got.Body.String() != "whole" || got.aborted || got.Header().Get("Content-Length") != "5" {
			t.Errorf("got %q, aborted %v", got.Body, got.aborted)
		}
	})
}

// A fault that has ended does not cut, but the length promised in the head is kept.
func TestTruncateEnded(t *testing.T) {
	for line, want := range map[string]int{"truncate 4B": 9, "truncate 4B clean": 4} {
		ended := make(chan struct{})
		r := request(http.MethodGet)
		r = r.WithContext(withHit(r.Context(), &faults.Hit{Ended: ended}))
		got := runShaped(parse(t, new(Truncate), line), r, func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Content-Length", "9")
			w.WriteHeader(http.StatusOK)
			close(ended)
			_, err := w.Write([]byte("some text"))
			return err
		})
		if got.Body.Len() != want || got.aborted || got.err != nil {
			t.Errorf("%s: got %q, aborted %v, error %v, want %d bytes", line, got.Body, got.aborted, got.err, want)
		}
	}
}

// Panics other than those of a proxy are not hidden.
func TestTruncatePanics(t *testing.T) {
	defer func() {
		if p := recover(); p != "a bug" {
			t.Errorf("got panic %v, want that of the handler", p)
		}
	}()
	_ = parse(t, new(Truncate), "truncate 1B").Inject(firstHit(), httptest.NewRecorder(), request(http.MethodGet), caddyhttp.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = w.Write([]byte("text"))
			panic("a bug")
		}))
}

// Whatever the length of a body and its pieces, a prefix of exactly the right length is
// sent.
func FuzzTruncate(f *testing.F) {
	f.Add(uint16(100), uint16(10), uint8(7), false)
	f.Add(uint16(0), uint16(0), uint8(1), true)
	f.Add(uint16(5000), uint16(4999), uint8(255), true)
	body := bytes.Repeat([]byte("0123456789abcde"), 1<<16/15+1)
	f.Fuzz(func(t *testing.T, length, limit uint16, piece uint8, clean bool) {
		size := int64(limit)
		fault := &Truncate{Bytes: &size}
		if clean {
			fault.End = endClean
		}
		want := string(body[:min(length, limit)])
		got := runShaped(fault, request(http.MethodGet), sized(string(body[:length]), int(piece)+1))
		if got.Body.String() != want || got.aborted != (!clean && limit < length) || got.err != nil {
			t.Fatalf("got %d bytes, aborted %v, error %v, want %d bytes", got.Body.Len(), got.aborted, got.err, len(want))
		}
	})
}

// A part of a body is less than the whole and not negative.
func FuzzPartOf(f *testing.F) {
	f.Add(int64(100), 50.0)
	f.Add(int64(1)<<62+1, 99.999999999)
	f.Add(int64(1), 0.0)
	f.Fuzz(func(t *testing.T, length int64, percent float64) {
		if length <= 0 || !(percent >= 0 && percent < 100) {
			t.Skip()
		}
		part := partOf(length, percent)
		if part < 0 || part >= length {
			t.Fatalf("%v %% of %d: got %d", percent, length, part)
		}
		if off := float64(part) - float64(length)*percent/100; off > 1 || off < -1-float64(length)*1e-15 {
			t.Fatalf("%v %% of %d: got %d, off by %v", percent, length, part, off)
		}
	})
}

// Each line of a field counts: the second line alone can make a reply partial.
func TestPartial(t *testing.T) {
	tests := []struct {
		header http.Header
		want   bool
	}{
		{http.Header{}, false},
		{http.Header{"Content-Type": {"text/plain"}}, false},
		{http.Header{"Content-Range": {"bytes 0-4/9"}}, true},
		{http.Header{"Content-Range": {"", "bytes 0-4/9"}}, true},
		{http.Header{"Content-Type": {"Multipart/ByteRanges; boundary=x"}}, true},
		{http.Header{"Content-Type": {"text/plain", "multipart/byteranges; boundary=x"}}, true},
	}
	for _, tt := range tests {
		if got := partial(tt.header); got != tt.want {
			t.Errorf("%v: got %t, want %t", tt.header, got, tt.want)
		}
	}
}
