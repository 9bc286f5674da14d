package wire

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
)

// A transport may close a body while it reads it, and more than once.
func TestLentBodyClosedWhileRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, client := io.Pipe()
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.ProtoMajor = 2
		lent := LendBody(r, false)
		go func() { _, _ = io.Copy(io.Discard, lent) }()
		synctest.Wait()
		for range 2 {
			if err := lent.Close(); err != nil {
				t.Error(err)
			}
		}
		lent.Stop(func() { _ = client.Close() })
		if n, err := lent.Read(make([]byte, 1)); n > 0 || err != errTakenBack {
			t.Errorf("after the stop: got %d bytes, error %v", n, err)
		}
	})
}

// The rest contains what the upstream has not read.
func TestLentBodyRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, client := io.Pipe()
		r := httptest.NewRequest(http.MethodPost, "/", body)
		lent := LendBody(r, false)
		upstream := make(chan string)
		go func() {
			p := make([]byte, 5)
			n, _ := io.ReadFull(lent, p)
			_ = lent.Close() // does not close it: net/http would have nothing to read
			upstream <- string(p[:n])
		}()
		go func() {
			_, _ = io.WriteString(client, "hello")
			_, _ = io.WriteString(client, "world")
			_ = client.Close()
		}()
		if got := <-upstream; got != "hello" {
			t.Errorf("the upstream got %q", got)
		}
		if got, err := io.ReadAll(lent.Rest()); err != nil || string(got) != "world" {
			t.Errorf("got %q, error %v, want the rest", got, err)
		}
	})
}
