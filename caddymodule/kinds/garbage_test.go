package kinds

import (
	"bytes"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// noiseOf returns the bytes that a hit sends over HTTP/1.
func noiseOf(t *testing.T, line string, hit *faults.Hit) []byte {
	t.Helper()
	f := parse(t, new(Garbage), line)
	inside, client := net.Pipe()
	defer client.Close()
	r := request(http.MethodGet)
	done := make(chan struct{})
	go func() {
		defer close(done)
		got := endingOf(f, wire.Hijackable{Conn: inside}, r.WithContext(withHit(t.Context(), hit)), notCalled(t))
		if !got.aborted {
			t.Errorf("got %+v, want an abort", got)
		}
		_ = inside.Close()
	}()
	noise, err := io.ReadAll(client)
	if err != nil {
		t.Error(err)
	}
	<-done
	return noise
}

func TestGarbage(t *testing.T) {
	for _, tt := range []struct {
		line string
		size int
	}{
		{"garbage", 64},
		{"garbage 1B", 1},
		{"garbage 7B", 7},
		{"garbage 9B", 9},
		{"garbage 4096B", 4096},
		{"garbage 4097B", 4097},
		{"garbage 10KiB", 10240},
		{"garbage 1MiB", 1 << 20},
	} {
		first := noiseOf(t, tt.line, &faults.Hit{N: 1, U: 0.25})
		if len(first) != tt.size || first[0] < 0x80 {
			t.Errorf("%s: got %d bytes, the first %#x, want %d and no ASCII", tt.line, len(first), first[0], tt.size)
		}
		if again := noiseOf(t, tt.line, &faults.Hit{N: 2, U: 0.25}); !bytes.Equal(first, again) {
			t.Errorf("%s: the same draw sent other bytes", tt.line)
		}
		if other := noiseOf(t, tt.line, &faults.Hit{N: 1, U: 0.5}); tt.size > 1 && bytes.Equal(first, other) {
			t.Errorf("%s: two draws sent the same bytes", tt.line)
		}
	}
}

// No hit sends bytes that a client could take for HTTP.
func TestGarbageIsNoHTTP(t *testing.T) {
	for n := range uint64(1000) {
		noise := noiseOf(t, "garbage 8B", &faults.Hit{N: 1, U: float64(n) / 1000})
		if noise[0] < 0x80 {
			t.Fatalf("hit %d begins with %q", n, noise)
		}
	}
}

// A client that does not read does not prevent the end of the fault.
func TestGarbageEnded(t *testing.T) {
	f := parse(t, new(Garbage), "garbage 1MiB")
	inside, client := net.Pipe()
	defer client.Close()
	ended := make(chan struct{})
	r := request(http.MethodGet)
	r = r.WithContext(withHit(t.Context(), &faults.Hit{Ended: ended}))
	done := make(chan ending)
	go func() { done <- endingOf(f, wire.Hijackable{Conn: inside}, r, notCalled(t)) }()
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	close(ended)
	select {
	case got := <-done:
		if !got.aborted {
			t.Errorf("got %+v, want an abort", got)
		}
	case <-time.After(30 * time.Second):
		t.Error("still writing after the end")
	}
}

func TestGarbageOverHTTP2(t *testing.T) {
	w := httptest.NewRecorder()
	got := endingOf(parse(t, new(Garbage), "garbage"), w, request2(t.Context(), t), notCalled(t))
	if !got.aborted || w.Body.Len() > 0 {
		t.Errorf("got %+v, wrote %q, want an abort and nothing", got, w.Body)
	}
}

func TestGarbageRefused(t *testing.T) {
	for size, want := range map[int64]string{
		0:       "bad garbage bytes '0'",
		-1:      "bad garbage bytes '-1': must not be negative",
		1048577: "bad garbage bytes '1048577': must be at most 1048576",
	} {
		if err := (&Garbage{Bytes: &size}).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: got %v, want %q", size, err, want)
		}
	}
}

// Chosen bytes are sent as they are, for each draw.
func TestGarbageChosen(t *testing.T) {
	large := bytes.Repeat([]byte("HTTP/9.9 \x00\xff"), 1000)
	for _, want := range [][]byte{{0}, []byte("HTTP/1.1 20"), large} {
		line := "garbage base64 " + base64.StdEncoding.EncodeToString(want)
		for _, u := range []float64{0.25, 0.5} {
			if got := noiseOf(t, line, &faults.Hit{N: 1, U: u}); !bytes.Equal(got, want) {
				t.Errorf("got %d bytes %.20q, want %d", len(got), got, len(want))
			}
		}
		f := unmarshal(t, new(Garbage), line)
		if again, ok := f.Line(); !ok || "garbage "+again != line {
			t.Errorf("got %.40s, want %.40s", again, line)
		}
		if err := f.Untrusted(&faults.Limits{}); err == nil {
			t.Error("a trigger may choose the bytes")
		}
	}
	both := Garbage{Base64: "AAEC", Bytes: new(int64)}
	if err := both.Validate(); err == nil || !strings.Contains(err.Error(), "both bytes '0' and base64") {
		t.Errorf("got %v", err)
	}
	tooLarge := Garbage{Base64: base64.StdEncoding.EncodeToString(make([]byte, maxGarbage+1))}
	if err := tooLarge.Validate(); err == nil || !strings.Contains(err.Error(), "at most 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}
