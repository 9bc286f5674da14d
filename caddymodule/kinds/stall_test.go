package kinds

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// An arrivals is a writer that records when the bytes of a reply are flushed.
type arrivals struct {
	*httptest.ResponseRecorder
	began   time.Time
	flushed []came
}

// came is the size of a body after a time.
type came struct {
	size int
	at   time.Duration
}

func (a *arrivals) Flush() { a.add() }

// add records the size of what has been written, if it has grown.
func (a *arrivals) add() {
	if n := len(a.flushed); n == 0 || a.flushed[n-1].size < a.Body.Len() {
		a.flushed = append(a.flushed, came{a.Body.Len(), time.Since(a.began)})
	}
}

// stalledReply is what a client gets of a reply that stalls.
type stalledReply struct {
	ending
	body    string
	told    string
	flushed []came
}

// runStalled runs a fault on a reply, with a fault that ends and a client that leaves
// after a time. 0 is never.
func runStalled(t *testing.T, line string, next caddyhttp.HandlerFunc, ended, leaves time.Duration) stalledReply {
	t.Helper()
	f, told, over := parse(t, new(Hang), line), new(heard), make(chan struct{})
	if ended > 0 {
		time.AfterFunc(ended, func() { close(over) })
	}
	ctx, leave := context.WithCancel(withHit(t.Context(), &faults.Hit{N: 1, Ended: over, Listener: told}))
	defer leave()
	if leaves > 0 {
		time.AfterFunc(leaves, leave)
	}
	w := &arrivals{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
	got := endingOf(f, w, request2(ctx, t), next)
	w.add()
	return stalledReply{got, w.Body.String(), told.told, w.flushed}
}

// TestStall stalls replies of ten bytes. A reply has one byte a second, or comes at
// once.
func TestStall(t *testing.T) {
	const all, s = "abcdefghij", time.Second
	slow, once, known := trickle(10, time.Second), sender(all, 10), sized(all, 4)
	for _, tt := range []struct {
		name, after   string
		next          caddyhttp.HandlerFunc
		ended, leaves time.Duration
		body, told    string
		took          time.Duration
		before        came // what had been flushed when the stall began; 0: nothing
	}{
		{"bytes", "3B", slow, 0, 0, all, "hit", 70 * s, came{3, 3 * s}},
		{"bytes, at once", "3B", once, 0, 0, all, "hit", 60 * s, came{3, 0}},
		{"bytes, known length", "5B", known, 0, 0, all, "hit", 60 * s, came{5, 0}},
		{"between two writes", "4B", known, 0, 0, all, "hit", 60 * s, came{4, 0}},
		{"no byte", "0B", once, 0, 0, all, "hit", 60 * s, came{}},
		{"percentage", "50%", known, 0, 0, all, "hit", 60 * s, came{5, 0}},
		{"percentage, one byte", "19%", known, 0, 0, all, "hit", 60 * s, came{1, 0}},
		{"percentage, unknown length", "50%", once, 0, 0, all, "no_length", 0, came{}},
		{"time", "3500ms", slow, 0, 0, all, "hit", 69500 * time.Millisecond, came{3, 3 * s}},
		{"time, reply is whole", "3500ms", known, 0, 0, all, "hit short", 0, came{10, 0}},
		{"all bytes", "10B", slow, 0, 0, all, "hit short", 10 * s, came{}},
		{"all bytes, known length", "10B", known, 0, 0, all, "short", 0, came{}},
		{"no body", "3B", sender("", 1, "Content-Length", "0"), 0, 0, "", "no_body", 0, came{}},
		{"ended before", "3B", slow, s / 2, 0, all, "hit", 10 * s, came{}},
		{"ended", "3B", slow, 20 * s, 0, all, "hit", 26 * s, came{3, 3 * s}},
		{"client leaves", "3B", slow, 0, 20 * s, "abc", "hit", 20 * s, came{3, 3 * s}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := runStalled(t, "hang 1m {\ncontinue\nafter "+tt.after+"\n}", tt.next, tt.ended, tt.leaves)
				if got.body != tt.body || got.took != tt.took || got.told != tt.told || got.aborted {
					t.Errorf("got %+v, want %q after %v, told %q", got, tt.body, tt.took, tt.told)
				}
				if left := tt.leaves > 0; (got.err != nil) != left {
					t.Errorf("got error %v, client has left: %t", got.err, left)
				}
				if tt.before.size > 0 && !slices.Contains(got.flushed, tt.before) {
					t.Errorf("flushed %v, want %v before the stall", got.flushed, tt.before)
				}
			})
		})
	}
}

// A stall by time begins that long after the head and lasts its duration, however long
// the upstream waits: from 4.5 to 7.5 seconds. A part that comes after it does not wait.
func TestStallTimeIsAWindow(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct{ pause, early, took time.Duration }{
		{4000 * ms, 4000 * ms, 8000 * ms}, // before and after the stall
		{5000 * ms, 0, 12500 * ms},        // the first byte waits
		{2500 * ms, 2500 * ms, 7500 * ms}, // the second byte waits
		{10000 * ms, 0, 20000 * ms},       // both come after the stall
	} {
		synctest.Test(t, func(t *testing.T) {
			got := runStalled(t, "hang 3s {\ncontinue\nafter 4500ms\n}", trickle(2, tt.pause), 0, 0)
			if got.body != "ab" || got.told != "hit" || got.took != tt.took {
				t.Errorf("a byte every %v: got %+v, want both after %v", tt.pause, got, tt.took)
			}
			if tt.early > 0 && !slices.Contains(got.flushed, came{1, tt.early}) {
				t.Errorf("a byte every %v: flushed %v, want the first after %v", tt.pause, got.flushed, tt.early)
			}
		})
	}
}

// A large reply passes unharmed around a stall, whatever the size of the parts.
func TestStallUnharmed(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 5000)
	for _, piece := range []int{1000, 4096, 7777, len(body)} {
		for _, after := range []string{"0B", "1B", "4096B", "50%", "79999B"} {
			synctest.Test(t, func(t *testing.T) {
				got := runStalled(t, "hang 5s {\ncontinue\nafter "+after+"\n}", sized(body, piece), 0, 0)
				if got.body != body || got.took != 5*time.Second || got.told != "hit" || got.err != nil {
					t.Errorf("pieces of %d, after %s: got %d bytes after %v, told %q, error %v", piece, after, len(got.body), got.took, got.told, got.err)
				}
			})
		}
	}
}

// A stalling is what the next handler gets of an upload that stalls.
type stalling struct {
	body, told string
	first      came // what had arrived when the handler first waited
	took       time.Duration
	err        error
}

// stallUpload runs a fault on an upload, with a fault that ends, a rule that is removed
// and a client that leaves after a time. 0 is never. A negative length is unknown.
func stallUpload(t *testing.T, line, body string, length int64, ended, removed, leaves time.Duration) (got stalling) {
	t.Helper()
	over, gone, told, began := make(chan struct{}), make(chan struct{}), new(heard), time.Now()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for after, do := range map[*time.Duration]func(){&ended: func() { close(over) }, &removed: func() { close(gone) }, &leaves: leave} {
		if *after > 0 {
			time.AfterFunc(*after, do)
		}
	}
	r := request(http.MethodPost).WithContext(ctx)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), length
	hit := &faults.Hit{N: 1, Listener: told, Ended: over, Removed: gone}
	err := parse(t, new(Hang), line).Inject(hit, nil, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		if r.ContentLength != length {
			t.Errorf("%s: got length %d, want %d", line, r.ContentLength, length)
		}
		var text []byte
		buf := make([]byte, 64)
		for got.err == nil {
			asked := time.Now()
			n, err := r.Body.Read(buf)
			if waited := time.Since(asked); waited > 0 && got.first.at == 0 {
				got.first = came{len(text), waited}
			}
			text, got.err = append(text, buf[:n]...), err
		}
		got.body = string(text)
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
	got.told, got.took = told.told, time.Since(began)
	if errors.Is(got.err, io.EOF) {
		got.err = nil
	}
	return got
}

func TestStallUpload(t *testing.T) {
	const all, s = "0123456789", time.Second
	for _, tt := range []struct {
		name, line             string
		length                 int64
		ended, removed, leaves time.Duration
		body, told             string
		first                  came
		err                    error
	}{
		{"bytes", "hang 5s {\nafter 4B\nrequest\ncontinue\n}", 10, 0, 0, 0, all, "hit", came{4, 5 * s}, nil},
		{"percentage", "hang 5s {\nafter 50%\nrequest\ncontinue\n}", 10, 0, 0, 0, all, "hit", came{5, 5 * s}, nil},
		{"whole body", "hang 5s {\nafter 0B\nrequest\ncontinue\n}", 10, 0, 0, 0, all, "hit", came{0, 5 * s}, nil},
		{"unknown length", "hang 5s {\nafter 4B\nrequest\ncontinue\n}", -1, 0, 0, 0, all, "hit", came{4, 5 * s}, nil},
		{"unknown length, whole body", "hang 5s {\nafter 0B\nrequest\ncontinue\n}", -1, 0, 0, 0, all, "hit", came{0, 5 * s}, nil},
		{"unknown length, not longer", "hang 5s {\nafter 10B\nrequest\ncontinue\n}", -1, 0, 0, 0, all, "hit short", came{}, nil},
		{"not longer", "hang 5s {\nafter 10B\nrequest\ncontinue\n}", 10, 0, 0, 0, all, "short", came{}, nil},
		{"percentage, unknown length", "hang 5s {\nafter 50%\nrequest\ncontinue\n}", -1, 0, 0, 0, all, "no_length", came{}, nil},
		{"breaks off", "hang 5s {\nafter 4B\nrequest\n}", 10, 0, 0, 0, all[:4], "hit", came{4, 5 * s}, io.ErrUnexpectedEOF},
		{"breaks off, unknown length", "hang 5s {\nafter 4B\nrequest\n}", -1, 0, 0, 0, all[:4], "hit", came{4, 5 * s}, io.ErrUnexpectedEOF},
		{"ended before", "hang 5s {\nafter 4B\nrequest\n}", 10, 1, 0, 0, all, "hit", came{4, 1}, nil},
		{"ended", "hang 5s {\nafter 4B\nrequest\n}", 10, 3 * s, 0, 0, all, "hit", came{4, 3 * s}, nil},
		{"ended, continues", "hang 5s {\nafter 4B\nrequest\ncontinue\n}", 10, 3 * s, 0, 0, all, "hit", came{4, 3 * s}, nil},
		{"endless, ended", "hang {\nafter 4B\nrequest\n}", 10, time.Hour, 0, 0, all, "hit", came{4, time.Hour}, nil},
		{"endless, rule removed", "hang {\nafter 4B\nrequest\n}", 10, 0, time.Hour, 0, all, "hit", came{4, time.Hour}, nil},
		{"rule removed", "hang 5s {\nafter 4B\nrequest\ncontinue\n}", 10, 0, s, 0, all, "hit", came{4, 5 * s}, nil},
		{"client leaves", "hang 5s {\nafter 4B\nrequest\ncontinue\n}", 10, 0, 0, 3 * s, all[:4], "hit", came{4, 3 * s}, context.Canceled},
		{"endless, client leaves", "hang {\nafter 4B\nrequest\n}", 10, 0, 0, time.Hour, all[:4], "hit", came{4, time.Hour}, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := stallUpload(t, tt.line, all, tt.length, tt.ended, tt.removed, tt.leaves)
				if !errors.Is(got.err, tt.err) {
					t.Errorf("got error %v, want %v", got.err, tt.err)
				}
				if got.body != tt.body || got.told != tt.told || got.first != tt.first || got.took != tt.first.at {
					t.Errorf("got %+v, want %q, told %q, a stall of %v", got, tt.body, tt.told, tt.first)
				}
			})
		})
	}
}

// An upload passes if the fault has ended before the stall, and without a body.
func TestStallUploadNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := stallUpload(t, "hang {\nafter 4B\nrequest\n}", "", 0, 0, 0, 0); got != (stalling{told: "no_body"}) {
			t.Errorf("no body: got %+v", got)
		}
		over := make(chan struct{})
		close(over)
		r := request(http.MethodPost)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("0123456789")), 10
		err := parse(t, new(Hang), "hang {\nafter 4B\nrequest\n}").Inject(&faults.Hit{N: 1, Ended: over}, nil, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			if text, err := io.ReadAll(r.Body); err != nil || string(text) != "0123456789" {
				t.Errorf("ended: got %q, error %v, want the whole body", text, err)
			}
			return nil
		}))
		if err != nil {
			t.Error(err)
		}
	})
}

// A transport may still read the body after its proxy has returned. The stall ends then.
func TestStallUploadProxyReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := request(http.MethodPost)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("0123456789")), 10
		read := make(chan error)
		err := parse(t, new(Hang), "hang {\nafter 4B\nrequest\n}").Inject(firstHit(), nil, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			go func() {
				_, err := io.ReadAll(r.Body)
				read <- err
			}()
			synctest.Wait()
			return errors.New("the upstream has given up")
		}))
		if err == nil || err.Error() != "the upstream has given up" {
			t.Errorf("got error %v, want the proxy's", err)
		}
		if err := <-read; !errors.Is(err, context.Canceled) {
			t.Errorf("reading: got error %v, want a canceled stall", err)
		}
	})
}

// A hang that does not continue also takes a percentage of the reply.
func TestHangAfterPercentage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := runStalled(t, "hang 1m {\nafter 50%\n}", sized("abcdefghij", 10), 0, 0)
		if got.body != "abcde" || !got.aborted || got.took != time.Minute || got.told != "hit" {
			t.Errorf("got %+v, want half of the reply, aborted after a minute", got)
		}
	})
}

func TestStallRefused(t *testing.T) {
	const s = 1e9
	for _, tt := range []struct {
		f    Hang
		want string
	}{
		{Hang{Continue: true, Duration: s}, "hang with continue needs after"},
		{Hang{Continue: true, After: "1B"}, "hang with continue needs a duration"},
		{Hang{Direction: "both", After: "1B"}, "bad hang direction 'both': want response or request"},
		{Hang{Direction: "request"}, "hang with request needs after"},
		{Hang{Direction: "request", After: "1s"}, "hang has both request and the time after 1s"},
		{Hang{After: "100%"}, "bad hang after '100%': must be 0% or greater and less than 100%"},
		{Hang{After: "x%"}, "bad hang after: bad percentage 'x%'"},
		{Hang{Direction: "response", After: "1s", Duration: s, Continue: true}, ""},
		{Hang{Direction: "request", After: "0%", Duration: s}, ""},
	} {
		if err := tt.f.Validate(); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: got %v, want %q", tt.f, err, tt.want)
		}
	}
}

func TestStallPlaces(t *testing.T) {
	upload, reply := &Hang{After: "1B", Direction: "request"}, &Hang{After: "1B", Duration: 1, Continue: true}
	for _, tt := range []struct {
		f    *Hang
		p    faults.Place
		want string
	}{
		{upload, faults.InHandler, ""},
		{upload, faults.AfterReply, "hang with request cannot be used in phase response"},
		{upload, faults.InTransport, "hang with after cannot be used in a transport"},
		{reply, faults.InHandler, ""},
		{reply, faults.AfterReply, ""},
		{reply, faults.InTransport, "hang with after cannot be used in a transport"},
	} {
		if err := tt.f.CheckPlace(tt.p); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%+v, place %d: got %v, want %q", tt.f, tt.p, err, tt.want)
		}
	}
}
