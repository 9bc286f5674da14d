package wire

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A next is what a client sends after its first request.
type next struct {
	first  string   // the method of the first request
	pieces []string // sent after the first request, one piece a second
	joined bool     // the first piece comes together with the first request
	half   bool     // the client then closes its sending half and waits

	pause time.Duration // before the pieces
	read  time.Duration // the server's ReadTimeout; without it ReadHeaderTimeout is set
}

const (
	nextIdle   = time.Hour   // IdleTimeout
	nextHeader = time.Minute // ReadHeaderTimeout
	nextGone   = 3 * time.Hour

	readAhead = 4 << 10 // how much net/http reads at once
)

// firstRequest returns a request with this method. Some methods have a body.
func firstRequest(method string) string {
	body := ""
	if method == http.MethodPost || method == http.MethodPut {
		body = "hello"
	}
	return fmt.Sprintf("%s / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, len(body), body)
}

// transcript records what a server sends after its first reply, with times, and when it
// ends the connection.
func (n next) transcript(t *testing.T, srv *http.Server) string {
	t.Helper()
	var b strings.Builder
	synctest.Test(t, func(t *testing.T) {
		srv.IdleTimeout, srv.ReadTimeout = nextIdle, n.read
		if n.read == 0 {
			srv.ReadHeaderTimeout = nextHeader
		}
		srv.ErrorLog = log.New(io.Discard, "", 0)
		ours, theirs := duplexPipe()
		go func() { _ = srv.Serve(&oneConn{conn: theirs}) }()
		c := newClient(t, ours)
		first, pieces := firstRequest(cmp.Or(n.first, http.MethodGet)), n.pieces
		if n.joined {
			first, pieces = first+pieces[0], pieces[1:]
		}
		var sending sync.WaitGroup
		sending.Go(func() { _, _ = io.WriteString(ours, first) })
		c.reply(n.first)
		sending.Wait()
		synctest.Wait()
		sending.Go(func() { n.send(ours, pieces) })
		b.WriteString(transcribe(c.read))
		_ = ours.Close()
		sending.Wait()
		time.Sleep(lingerTime) // net/http's last goroutine
	})
	return b.String()
}

// transcribe reads to the end. Data that arrives at the same time is one line.
func transcribe(from io.Reader) string {
	var b strings.Builder
	began, last := time.Now(), time.Duration(-1)
	buf := make([]byte, 64<<10)
	for {
		size, err := from.Read(buf)
		if now := time.Since(began); now != last {
			fmt.Fprintf(&b, "\nafter %v: ", now)
			last = now
		}
		b.Write(buf[:size])
		if err != nil {
			return dateField.ReplaceAllString(b.String(), "") + err.Error()
		}
	}
}

// send sends the pieces, and ends the connection when a server must have closed it long
// ago.
func (n next) send(conn *duplex, pieces []string) {
	time.Sleep(n.pause)
	for i, piece := range pieces {
		if i > 0 || n.joined {
			time.Sleep(time.Second)
		}
		if _, err := io.WriteString(conn, piece); err != nil {
			return // the server has closed
		}
	}
	if n.half {
		_ = conn.CloseWrite()
	}
	time.Sleep(nextGone)
	_ = conn.CloseWrite()
	time.Sleep(time.Second) // the reaction of the server is still read
	_ = conn.Close()
}

// compare sends the same data to a server that writes its replies itself and to a
// server whose replies are handed back.
func (n next) compare(t *testing.T) {
	t.Helper()
	for _, protocols := range []string{"h1", "h1 h2c"} {
		var got [2]string
		for i := range got {
			p := new(http.Protocols)
			p.SetHTTP1(true)
			p.SetUnencryptedHTTP2(protocols != "h1")
			got[i] = n.transcript(t, &http.Server{Protocols: p, Handler: sameReply(i == 1)})
		}
		if got[0] != got[1] {
			t.Errorf("%s, after %s %.100q (joined %t, half %t, pause %v, ReadTimeout %v):\nnet/http sent\n%.300q\nafter hand-back it sent\n%.300q", protocols, n.first, n.pieces, n.joined, n.half, n.pause, n.read, got[0], got[1])
		}
	}
}

// sameReply replies with the same bytes both ways.
func sameReply(handsBack bool) http.HandlerFunc {
	native := []byte("551 status code 551\r\n")
	line := &StatusLine{code: 551, from: native, to: native}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request", fmt.Sprintf("%s %.100s %s", r.Method, r.RequestURI, r.Proto))
		CloseIfExpected(w, r)
		if handsBack {
			if done, _ := line.HandBack(w, r, []byte(mailBody)); done {
				return
			}
		}
		w.WriteHeader(551)
		_, _ = io.WriteString(w, mailBody)
	}
}

// A duplex is one end of a connection in memory. Each direction can end separately.
type duplex struct {
	net.Conn // to read from
	out      net.Conn
}

func duplexPipe() (a, b *duplex) {
	in, fromB := net.Pipe()
	inB, fromA := net.Pipe()
	return &duplex{in, fromA}, &duplex{inB, fromB}
}

func (d *duplex) Write(p []byte) (int, error)         { return d.out.Write(p) }
func (d *duplex) CloseWrite() error                   { return d.out.Close() }
func (d *duplex) SetWriteDeadline(at time.Time) error { return d.out.SetWriteDeadline(at) }
func (d *duplex) Close() error                        { _ = d.out.Close(); return d.Conn.Close() }
func (d *duplex) SetDeadline(at time.Time) error {
	_ = d.out.SetDeadline(at)
	return d.Conn.SetDeadline(at)
}

const (
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	getNext = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
)

// nextTexts are texts that can follow a first request.
func nextTexts() []string {
	texts := []string{
		"", getNext, getNext + getNext, firstRequest("POST") + "\r\n" + getNext,
		preface, preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00", preface[:14], preface[:16], preface[:23],
		"PRI * HTTP/2.0\n\nSM\n\n", "PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n", "PRI / HTTP/2.0\r\n\r\n",
		"GET / HTTP/2.0\r\n\r\n", "GET / HTTP/0.9\r\n\r\n", "GET / HTTP/9.99\r\n\r\n", "GET / HTTP/1.1.1\r\n", "GET /\r\n", "GET / \r\n",
		"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "GET / HTTP/1.1\r\nHost: x/\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n", "GET next HTTP/1.1\r\n", "G@T / HTTP/1.1\r\n", "G[] / HTTP/1.1\r\n", "get / http/1.1\r\n",
		"GET / HTTP/1.1\r\nno colon\r\n", "GET / HTTP/1.1\r\nno colon\r\nX", "GET / HTTP/1.1\r\n folded: x\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nBad Name: x\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
		"GET / HT", "GET / HTTP/1.1\r\nHos", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: no\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT x:1 HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", "\x00\r\n",
	}
	for _, end := range []string{"\r\n", "\n", "\r", "\r\n\r\n", "\n\n", "\n\n\n\n\n", "\r\n\r\n\r\n", "\r\r", " \r\n", "\r\n \r\n"} {
		texts = append(texts, end, end+getNext, end+preface, end+"x")
	}
	for size := 1; size <= 25; size++ {
		junk := strings.Repeat("x", size)
		texts = append(texts, junk, junk+"\n", junk+"\r\n\r\n")
	}
	return texts
}

// TestNextRequest compares a connection that was handed back with one that was never
// taken over: the bytes that come back, their times, and the end of the connection.
func TestNextRequest(t *testing.T) {
	for _, first := range []string{"GET", "HEAD", "POST", "PUT"} {
		for _, text := range nextTexts() {
			for _, half := range []bool{false, true} {
				next{first: first, pieces: []string{text}, half: half}.compare(t)
				next{first: first, pieces: []string{text}, half: half, joined: true}.compare(t)
			}
			next{first: first, pieces: strings.Split(text, "")}.compare(t)
		}
	}
}

// TestNextRequestSplit does the same for short texts in two pieces, split at every
// byte.
func TestNextRequestSplit(t *testing.T) {
	for _, first := range []string{"GET", "POST"} {
		for _, text := range []string{preface, "\r\n" + getNext, "\n\n" + getNext, "\r\n\r\n\r\n" + getNext, "junk\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n"} {
			for i := 1; i < len(text); i++ {
				next{first: first, pieces: []string{text[:i], text[i:]}}.compare(t)
				next{first: first, pieces: []string{text[:i], text[i:]}, joined: true}.compare(t)
			}
		}
	}
}

// TestNextRequestLong does the same for heads about as long as the read-ahead, and for
// a head that is too long to be read.
func TestNextRequestLong(t *testing.T) {
	for _, size := range []int{readAhead - 100, readAhead - 41, readAhead - 40, readAhead, readAhead + 1, 3 * readAhead, 2 << 20} {
		long := "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", size)
		for _, end := range []string{"", "\r\n\r\n", "\r\nno colon\r\n\r\n"} {
			next{pieces: []string{long + end}}.compare(t)
			next{pieces: []string{long + end}, half: true}.compare(t)
			next{pieces: []string{long, end}}.compare(t)
			next{pieces: []string{long[:100], long[100:], end}}.compare(t)
			next{pieces: []string{"GET /" + strings.Repeat("x", size), " HTTP/1.1\r\nHost: x" + end}}.compare(t)
		}
	}
}

// TestNextRequestReadTimeout does the same with a time limit for a whole request. The
// limit begins with the first bytes, however long the connection has been idle.
func TestNextRequestReadTimeout(t *testing.T) {
	for _, text := range []string{"", "GE", getNext, "GET / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhello"} {
		for _, pause := range []time.Duration{0, time.Second, 10 * time.Minute, 2 * nextIdle} {
			for _, read := range []time.Duration{time.Minute, 2 * nextIdle} {
				for _, joined := range []bool{false, true} {
					next{pieces: []string{text, "x"}, pause: pause, read: read, joined: joined}.compare(t)
				}
			}
		}
	}
}

// nextOf splits a text into up to three pieces. The bits of how select the other
// options.
func nextOf(text []byte, how uint8, first, second uint16) next {
	i := min(int(first), len(text))
	j := min(i+int(second), len(text))
	return next{
		first:  []string{"GET", "HEAD", "POST", "PUT"}[how%4],
		pieces: []string{string(text[:i]), string(text[i:j]), string(text[j:])},
		joined: how&4 != 0,
		half:   how&8 != 0,
		pause:  []time.Duration{0, nextHeader + time.Millisecond, nextIdle - time.Millisecond, 2 * nextIdle}[how>>4&3],
		read:   []time.Duration{0, 1500 * time.Millisecond, nextHeader + time.Millisecond, 2 * nextIdle}[how>>6],
	}
}

// TestNextRequestThirds compares each text in three pieces, with all timeouts and
// pauses in turn.
func TestNextRequestThirds(t *testing.T) {
	for i, text := range nextTexts() {
		nextOf([]byte(text), uint8(i), uint16(i), uint16(2*i)).compare(t)
	}
}

// FuzzNextRequest has few seeds. Before the fuzzer begins, it needs more than 10 ms for
// each, because it passes on the coverage of all of Caddy. The other texts are in
// [TestNextRequestThirds].
func FuzzNextRequest(f *testing.F) {
	f.Add([]byte(getNext), uint8(0), uint16(0), uint16(0))
	f.Add([]byte("\r\n"+getNext), uint8(2), uint16(1), uint16(1))
	f.Add([]byte(preface), uint8(4), uint16(14), uint16(2))
	f.Add([]byte("GET / HTTP/1.1\r\nno colon\r\n"), uint8(9), uint16(16), uint16(3))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhello"), uint8(0x47), uint16(40), uint16(9))
	f.Fuzz(func(t *testing.T, text []byte, how uint8, first, second uint16) {
		if bytes.Contains(bytes.ToLower(text), []byte("expect")) {
			return // the reply comes before the body, and the drain does not wait for the body
		}
		nextOf(text, how, first, second).compare(t)
	})
}
