package wire

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

// lendPipe lends a body that the test sends.
func lendPipe(change func(r *http.Request)) (lent *LentBody, client *io.PipeWriter) {
	body, client := io.Pipe()
	r := httptest.NewRequest(http.MethodPost, "/", body)
	change(r)
	return LendBody(r, true), client
}

func unchanged(*http.Request) {}

func send(t *testing.T, client io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(client, text); err != nil {
		t.Error(err)
	}
}

// TestReadAheadWhole holds that the reader gets the same bytes, whatever the size and
// however they come, and that a small body is read without a reader.
func TestReadAheadWhole(t *testing.T) {
	for _, size := range []int{1, firstAhead, firstAhead + 1, MaxAhead - 1, MaxAhead, MaxAhead + 1, 2 * MaxAhead} {
		for name, read := range map[string]func(io.Reader) io.Reader{
			"at once":   func(r io.Reader) io.Reader { return r },
			"one byte":  iotest.OneByteReader,
			"late end":  iotest.HalfReader,
			"early end": iotest.DataErrReader,
		} {
			synctest.Test(t, func(t *testing.T) {
				sent := bytes.Repeat([]byte("0123456789abcdef_"), size/17+1)[:size]
				r := httptest.NewRequest(http.MethodPost, "/", read(bytes.NewReader(sent)))
				lent := LendBody(r, true)
				lent.ReadAhead()
				lent.ReadAhead() // does nothing
				synctest.Wait()
				if whole := lent.Whole(); whole != (size <= MaxAhead || size == MaxAhead+1 && name == "early end") {
					t.Errorf("%d bytes, %s: read to the end: %v", size, name, whole)
				}
				if got, err := io.ReadAll(iotest.OneByteReader(lent)); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%d bytes, %s: got %d bytes, error %v", size, name, len(got), err)
				}
				if n, err := lent.Read(make([]byte, 1)); n > 0 || err != io.EOF {
					t.Errorf("%d bytes, %s: after the end: got %d, %v", size, name, n, err)
				}
				if sum := lent.Sum(); (sum != 0) != (size <= MaxAhead) {
					t.Errorf("%d bytes, %s: got the hash %x", size, name, sum)
				}
			})
		}
	}
}

// TestReadAheadNot holds which bodies stay unread until somebody asks for them.
func TestReadAheadNot(t *testing.T) {
	for name, change := range map[string]func(r *http.Request){
		"large":    func(r *http.Request) { r.ContentLength = MaxAhead + 1 },
		"HTTP/2":   func(r *http.Request) { r.ProtoMajor = 2 },
		"HTTP/3":   func(r *http.Request) { r.ProtoMajor = 3 },
		"expect":   func(r *http.Request) { r.Header.Set("Expect", "100-Continue") },
		"trailers": func(r *http.Request) { r.Trailer = http.Header{"X-Sum": nil} },
		"upgrade":  func(r *http.Request) { r.Header.Set("Upgrade", "tcp") },
	} {
		synctest.Test(t, func(t *testing.T) {
			lent, client := lendPipe(change)
			lent.ReadAhead()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				send(t, client, "text")
			}()
			synctest.Wait()
			select {
			case <-sent:
				t.Errorf("%s: the body is read ahead", name)
			default:
			}
			_, _ = io.ReadFull(lent, make([]byte, 4))
			<-sent
		})
	}
	var none *LentBody
	none.ReadAhead()
	none.End()
	if none.Whole() || none.Sum() != 0 {
		t.Error("a request without a body has one")
	}
}

// TestReadAheadSlow holds that the reader gets what has come, and then what comes.
func TestReadAheadSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lent, client := lendPipe(unchanged)
		lent.ReadAhead()
		send(t, client, "hello")
		p := make([]byte, 10)
		if n, err := lent.Read(p); string(p[:n]) != "hello" || err != nil {
			t.Errorf("got %q, error %v, want what has come", p[:n], err)
		}
		rest := make(chan string)
		go func() {
			got, _ := io.ReadAll(lent)
			rest <- string(got)
		}()
		synctest.Wait()
		send(t, client, " wor")
		send(t, client, "ld")
		_ = client.Close()
		if got := <-rest; got != " world" {
			t.Errorf("got %q, want the rest", got)
		}
	})
}

// TestReadAheadAfterReader holds that a body that is being read is not read ahead, and
// that one that has been read in part is.
func TestReadAheadAfterReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lent, client := lendPipe(unchanged)
		read := make(chan string)
		go func() {
			p := make([]byte, 5)
			n, _ := lent.Read(p)
			read <- string(p[:n])
		}()
		synctest.Wait()
		lent.ReadAhead()
		send(t, client, "hello")
		if got := <-read; got != "hello" {
			t.Errorf("the reader got %q", got)
		}
		lent.ReadAhead()
		send(t, client, "world")
		_ = client.Close()
		synctest.Wait()
		if !lent.Whole() {
			t.Error("the rest is not read ahead")
		}
		if got, err := io.ReadAll(lent); err != nil || string(got) != "world" {
			t.Errorf("got %q, error %v", got, err)
		}
	})
}

// TestReadAheadError holds that an error in the middle comes after the bytes before it,
// each time.
func TestReadAheadError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lent, client := lendPipe(unchanged)
		broken := errors.New("broken chunk")
		lent.ReadAhead()
		send(t, client, "half")
		_ = client.CloseWithError(broken)
		for _, want := range []string{"half", ""} {
			if got, err := io.ReadAll(lent); string(got) != want || err != broken {
				t.Errorf("got %q, error %v, want %q, then %v", got, err, want, broken)
			}
		}
		if lent.Whole() || lent.Sum() != 0 {
			t.Error("a broken body is whole")
		}
	})
}

// TestReadAheadEnds holds what ends the reading ahead: the reader closes the body, the
// handler returns, or a fault takes the body back.
func TestReadAheadEnds(t *testing.T) {
	for name, end := range map[string]func(*LentBody){
		"closed": func(b *LentBody) { _ = b.Close() },
		"ended":  (*LentBody).End,
		"taken":  func(b *LentBody) { b.stop() },
	} {
		synctest.Test(t, func(t *testing.T) {
			lent, client := lendPipe(unchanged)
			lent.ReadAhead()
			send(t, client, "hello")
			synctest.Wait()
			end(lent)
			send(t, client, " wo") // a read was pending
			go func() {
				send(t, client, "rld")
				_ = client.Close()
			}()
			synctest.Wait()
			if lent.Whole() {
				t.Errorf("%s: the body is read ahead", name)
			}
			if got, err := io.ReadAll(lent.Rest()); err != nil || string(got) != "hello world" {
				t.Errorf("%s: got the rest %q, error %v", name, got, err)
			}
		})
	}
}

// TestReadAheadInterrupted holds that a pending read is interrupted, also if the reader
// waits for it.
func TestReadAheadInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lent, client := lendPipe(unchanged)
		lent.ReadAhead()
		read := make(chan error)
		go func() {
			_, err := lent.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		go lent.Stop(func() { _ = client.CloseWithError(errTakenBack) })
		if err := <-read; err != errTakenBack {
			t.Errorf("got error %v", err)
		}
	})
}

// TestLentBodyClosed holds that a closed body gives an error, as in net/http, and the end
// if it was read to its end.
func TestLentBodyClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lent, client := lendPipe(unchanged)
		go send(t, client, "text")
		_, _ = lent.Read(make([]byte, 4))
		_ = lent.Close()
		if _, err := lent.Read(make([]byte, 1)); err != http.ErrBodyReadAfterClose {
			t.Errorf("got error %v, want one that says that the body is closed", err)
		}
		lent, client = lendPipe(unchanged)
		_ = client.Close()
		_, _ = io.ReadAll(lent)
		_ = lent.Close()
		if _, err := lent.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got error %v, want the end", err)
		}
	})
}

// TestSum holds which bodies have the same hash.
func TestSum(t *testing.T) {
	sum := func(body string, wanted bool) uint64 {
		r := httptest.NewRequest(http.MethodPost, "/", iotest.OneByteReader(bytes.NewBufferString(body)))
		lent := LendBody(r, wanted)
		_, _ = io.ReadAll(lent)
		return lent.Sum()
	}
	a, b := sum("a", true), sum("b", true)
	if a == 0 || a == b || a != sum("a", true) {
		t.Errorf("got %x and %x", a, b)
	}
	if none := sum("", true); none != 0 {
		t.Errorf("no body: got %x", none)
	}
	if unwanted := sum("a", false); unwanted != 0 {
		t.Errorf("unwanted: got %x", unwanted)
	}
}

// BenchmarkReadAhead is what a small body costs that is read ahead, and one that is not.
func BenchmarkReadAhead(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1<<10)
	for name, read := range map[string]func(*LentBody){"read": func(*LentBody) {}, "ahead": (*LentBody).ReadAhead} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := &http.Request{ProtoMajor: 1, ContentLength: 1 << 10, Body: io.NopCloser(bytes.NewReader(body))}
				lent := LendBody(r, false)
				read(lent)
				if n, err := io.Copy(io.Discard, lent); n != 1<<10 || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
