package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A headClient records what reaches it.
type headClient struct {
	mu    sync.Mutex
	calls []string

	fields http.Header
	broken error // result of a hijack
}

func (c *headClient) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
}

func (c *headClient) Header() http.Header  { return c.fields }
func (c *headClient) WriteHeader(code int) { c.note("head %d", code) }
func (c *headClient) FlushError() error    { c.note("flush"); return nil }

func (c *headClient) Write(p []byte) (int, error) {
	c.note("write %s", p)
	return len(p), nil
}

func (c *headClient) ReadFrom(src io.Reader) (int64, error) {
	p, err := io.ReadAll(src)
	c.note("copy %s", p)
	return int64(len(p)), err
}

func (c *headClient) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c.note("hijack")
	return nil, nil, c.broken
}

// A headTaker records what it gets among the calls of its client.
type headTaker struct {
	HeadWriter
	client *headClient
	tail   io.Writer // if set, receives the rest, and the head is kept
}

func newHeadTaker(tail io.Writer) *headTaker {
	ht := &headTaker{client: &headClient{fields: make(http.Header)}, tail: tail}
	ht.HeadWriter = NewHeadWriter(ht.client, ht)
	return ht
}

func (ht *headTaker) TakeHead(code int) {
	ht.client.note("take %d", code)
	if ht.tail != nil {
		ht.Tail = ht.tail
		return
	}
	ht.ResponseWriter.WriteHeader(code)
}

func (ht *headTaker) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(ht.client.calls, want) {
		t.Errorf("got %q, want %q", ht.client.calls, want)
	}
}

func write(w http.ResponseWriter) { _, _ = io.WriteString(w, "a") }
func copied(w http.ResponseWriter) {
	_, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader("a")})
}
func flush(w http.ResponseWriter)  { _ = http.NewResponseController(w).Flush() }
func hijack(w http.ResponseWriter) { _, _, _ = http.NewResponseController(w).Hijack() }

func head(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

// Whatever a sender begins with, the taker gets the final head first, and once.
func TestHeadIsTakenFirst(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sends []func(http.ResponseWriter)
		want  []string
	}{
		{"head", []func(http.ResponseWriter){head(201), write, flush}, []string{"take 201", "head 201", "write a", "flush"}},
		{"body", []func(http.ResponseWriter){write, write}, []string{"take 200", "head 200", "write a", "write a"}},
		{"copy", []func(http.ResponseWriter){copied, write}, []string{"take 200", "head 200", "copy a", "write a"}},
		{"flush", []func(http.ResponseWriter){flush, write}, []string{"take 200", "head 200", "flush", "write a"}},
		{"interim", []func(http.ResponseWriter){head(103), head(100), head(204)}, []string{"head 103", "head 100", "take 204", "head 204"}},
		{"interim and body", []func(http.ResponseWriter){head(103), write}, []string{"head 103", "take 200", "head 200", "write a"}},
		{"upgrade", []func(http.ResponseWriter){head(101), hijack}, []string{"take 101", "head 101", "hijack"}},
		{"two heads", []func(http.ResponseWriter){head(201), head(500), head(103)}, []string{"take 201", "head 201", "head 103"}},
		{"hijack", []func(http.ResponseWriter){hijack, head(201), write}, []string{"hijack", "write a"}},
		{"nothing", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ht := newHeadTaker(nil)
			for _, send := range tt.sends {
				send(ht)
			}
			ht.wantCalls(t, tt.want...)
		})
	}
}

// The head is held until it has been taken, or the connection has.
func TestHeadIsHeld(t *testing.T) {
	for _, tt := range []struct {
		name   string
		send   func(http.ResponseWriter)
		broken error
		holds  bool
	}{
		{"interim", head(103), nil, true},
		{"head", head(200), nil, false},
		{"hijack", hijack, nil, false},
		{"hijack fails", hijack, errors.New("no"), true},
	} {
		ht := newHeadTaker(nil)
		ht.client.broken = tt.broken
		if !HoldsReply(ht) {
			t.Errorf("%s: the head is not held at the beginning", tt.name)
		}
		tt.send(ht)
		if HoldsReply(ht) != tt.holds {
			t.Errorf("%s: held %v, want %v", tt.name, !tt.holds, tt.holds)
		}
	}
}

// The whole body goes through a Tail that can only write. The rest of the reply is the
// client's.
func TestTailWrites(t *testing.T) {
	var tail bytes.Buffer
	ht := newHeadTaker(struct{ io.Writer }{&tail})
	for _, send := range []func(http.ResponseWriter){write, copied, flush, hijack} {
		send(ht)
	}
	ht.Header().Set("X-A", "1")
	ht.wantCalls(t, "take 200", "flush", "hijack")
	if tail.String() != "aa" || ht.client.fields.Get("X-A") != "1" || ht.Unwrap() != http.ResponseWriter(ht.client) {
		t.Errorf("the tail got %q, the header is %v, inside is %T", &tail, ht.client.fields, ht.Unwrap())
	}
	write(ht)
	if tail.String() != "aa" {
		t.Error("a body goes to the tail after the connection has been taken over")
	}
}

// What a Tail can do goes only to Tail, as to another response writer.
func TestTailDoesAll(t *testing.T) {
	tail := &headClient{fields: make(http.Header)}
	ht := newHeadTaker(tail)
	for _, send := range []func(http.ResponseWriter){head(201), write, copied, flush, hijack} {
		send(ht)
	}
	ht.Header().Set("X-A", "1")
	ht.wantCalls(t, "take 201")
	if want := []string{"write a", "copy a", "flush", "hijack"}; !slices.Equal(tail.calls, want) || tail.fields.Get("X-A") != "1" {
		t.Errorf("the tail got %q, header %v, want %q", tail.calls, tail.fields, want)
	}
	if ht.Unwrap() != http.ResponseWriter(tail) {
		t.Errorf("inside is %T, want the tail", ht.Unwrap())
	}
}

// A Tail may change while a body is copied.
func TestTailChanges(t *testing.T) {
	ht := newHeadTaker(nil)
	ht.tail = writerFunc(func(p []byte) (int, error) {
		ht.client.note("tail %s", p)
		ht.Tail = struct{ io.Writer }{ht.client}
		return len(p), nil
	})
	if n, err := io.Copy(ht, io.MultiReader(strings.NewReader("a"), strings.NewReader("b"))); n != 2 || err != nil {
		t.Errorf("copied %d bytes, error %v", n, err)
	}
	ht.wantCalls(t, "take 200", "tail a", "write b")
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Interim heads may come from another goroutine at any time. The race detector checks
// what they access.
func TestInterimFromElsewhere(t *testing.T) {
	const heads = 50
	ht := newHeadTaker(new(bytes.Buffer))
	var elsewhere sync.WaitGroup
	elsewhere.Go(func() {
		for range heads {
			ht.WriteHeader(http.StatusEarlyHints)
		}
	})
	for range heads {
		ht.WriteHeader(http.StatusOK)
		write(ht)
		flush(ht)
	}
	elsewhere.Wait()
	got := make(map[string]int)
	for _, call := range ht.client.calls {
		got[call]++
	}
	if got["head 103"] != heads || got["take 200"] != 1 {
		t.Errorf("got %v, want %d interim heads and one taken", got, heads)
	}
}
