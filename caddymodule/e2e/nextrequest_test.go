package e2e

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// TestNextRequest sends the same bytes after a fault's reply and after a reply of
// Caddy's respond. All replies must be equal, byte for byte, and so must the end of the
// connection.
func TestNextRequest(t *testing.T) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	ends := []string{"\r\n", "\n", "\r", "\r\n\r\n", "\n\n", "\r\n\r\n\r\n", "x", "junk\n", "junk\r\n", "12345678901\r\n", "longer junk than a preface\r\n"}
	texts := []string{
		"", get("/p"), get("/p") + get("/f") + get("/p"), preface, preface[:10], preface[:16], preface[:23], strings.ReplaceAll(preface, "\r", ""),
		preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "PRI * HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/0.9\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/9.99\r\n", "GET /p HTTP/1.0\r\n\r\n", "GET / HT", "GET /p HTTP/1.1\r\nHost: " + host, "GET / HTTP/1.1\r\nno colon\r\n\r\n",
	}
	for _, end := range ends {
		texts = append(texts, end, end+get("/p"), end+preface)
	}
	for _, protocols := range []string{"h1", "h1 h2 h2c"} {
		c := config{
			servers: "protocols " + protocols,
			site:    "respond /p \"" + strings.ReplaceAll(body551, `"`, `'`) + "\" 551\nfault /f 551",
		}
		t.Run(protocols, func(t *testing.T) {
			transports(t, c, func(t *testing.T, s *site) {
				for _, text := range texts {
					for _, method := range []string{"GET", "HEAD", "POST"} {
						s.compareNext(t, method, text)
					}
				}
				for i := range 16 {
					s.compareNext(t, "GET", preface[:i+1], preface[i+1:])
					s.compareNext(t, "POST", ("\r\n" + get("/p"))[:i+1], ("\r\n" + get("/p"))[i+1:])
				}
			})
		})
	}
}

// compareNext sends pieces after a first request with this method.
func (s *site) compareNext(t *testing.T, method string, pieces ...string) {
	t.Helper()
	body := ""
	if method == "POST" {
		body = "hello"
	}
	for _, joined := range []bool{false, true} {
		want := s.afterFirst(t, request(method, "/p", body), joined, pieces)
		got := s.afterFirst(t, request(method, "/f", body), joined, pieces)
		if got != want {
			t.Errorf("%s, then %.60q (joined %t): after a fault got\n%.300q\nwant\n%.300q", method, pieces, joined, got, want)
		}
	}
}

// afterFirst returns all that comes after the reply to a first request. The client
// closes its sending half after the last piece.
func (s *site) afterFirst(t *testing.T, first string, joined bool, pieces []string) string {
	t.Helper()
	conn := s.dial(t)
	defer conn.Close()
	if joined {
		first, pieces = first+pieces[0], slices.Clone(pieces[1:])
	}
	method, _, _ := strings.Cut(first, " ")
	conn.roundTrip(first)
	for _, piece := range pieces {
		conn.send(piece)
	}
	_ = conn.Conn.(interface{ CloseWrite() error }).CloseWrite()
	rest, err := io.ReadAll(conn.in)
	text := strings.ReplaceAll(date.ReplaceAllString(string(rest), "\r\n"), line551, "HTTP/1.1 551 status code 551\r\n")
	return fmt.Sprintf("%s %s%v", method, text, err)
}
