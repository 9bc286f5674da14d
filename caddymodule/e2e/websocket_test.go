package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// echoMessages is an upstream that sends every message back.
func echoMessages(w http.ResponseWriter, r *http.Request) {
	conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// webSocket opens a WebSocket to /f of the site.
func (s *site) webSocket(t *testing.T) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	return s.webSocketAt(t, "/f")
}

// webSocketAt opens a WebSocket to a path.
func (s *site) webSocketAt(t *testing.T, path string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	dialer := websocket.Dialer{
		TLSClientConfig:  clientTLS("http/1.1"),
		HandshakeTimeout: patience,
		NetDialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.addr)
		},
	}
	conn, resp, err := dialer.DialContext(t.Context(), strings.Replace(s.url(path), "http", "ws", 1), nil)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetReadDeadline(time.Now().Add(patience))
	}
	return conn, resp, err
}

// echoed sends a message and waits until it comes back.
func echoed(t *testing.T, conn *websocket.Conn, message []byte) error {
	t.Helper()
	if err := conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
		return err
	}
	kind, got, err := conn.ReadMessage()
	if err == nil && (kind != websocket.BinaryMessage || !bytes.Equal(got, message)) {
		t.Errorf("got a message of kind %d and %d bytes, want the %d bytes sent", kind, len(got), len(message))
	}
	return err
}

// overWebSockets runs a test with a fault in each phase, with and without TLS.
func overWebSockets(t *testing.T, fault string, up *upstream, test func(t *testing.T, s *site)) {
	t.Helper()
	t.Run(oneLine(fault), func(t *testing.T) {
		eachPhase(t, fault, func(t *testing.T, _, directive string) {
			for _, tls := range []bool{false, true} {
				s := start(t, config{tls: tls, wrapper: tls, site: directive + up.proxy()})
				t.Run(s.scheme(), func(t *testing.T) { test(t, s) })
			}
		})
	})
}

// TestWebSocket tests faults that a WebSocket survives. With a slow fault, opening it
// and echoing 40 KiB must take a minimum time in total.
func TestWebSocket(t *testing.T) {
	const least = 190 * time.Millisecond
	up := serve(t, echoMessages)
	for _, fault := range []string{
		"percent 0\nclose", "delay 200ms", "delay 200ms {\nhold\n}",
		"throttle 200KiB/s", "throttle 200KiB/s {\nrequest\n}",
		"truncate 1MiB", "truncate 50%", "dribble 3 1h", "hang {\nafter 1MiB\n}",
	} {
		overWebSockets(t, fault, up, func(t *testing.T, s *site) {
			began := time.Now()
			conn, _, err := s.webSocket(t)
			if err == nil {
				err = echoed(t, conn, pattern(40<<10))
			}
			if err != nil {
				t.Fatal(err)
			}
			slow := strings.HasPrefix(fault, "delay") || strings.HasPrefix(fault, "throttle")
			if slow {
				wantTook(t, began, least)
			}
			conn.SetCloseHandler(func(int, string) error { return nil }) // the close frame comes from this side
			farewell := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "bye")
			if err := conn.WriteMessage(websocket.CloseMessage, farewell); err != nil {
				t.Fatal(err)
			}
			if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				t.Errorf("the end: got error %v, want a normal closure", err)
			}
		})
	}
}

// TestWebSocketCut tests faults that end an open WebSocket, without a close frame. A
// message is 100 bytes on the wire.
func TestWebSocketCut(t *testing.T) {
	const ms = time.Millisecond
	message := pattern(98)
	up := serve(t, echoMessages)
	for _, tt := range []struct {
		fault     string
		sent, got int // messages
		least     time.Duration
	}{
		{"truncate 250B", 3, 2, 0},
		{"truncate 200B", 3, 2, 0},
		{"truncate 250B reset", 3, 2, 0},
		{"truncate {\nafter 50ms\n}", 1, 1, 50 * ms},
		{"truncate reset {\nafter 50ms\n}", 1, 1, 50 * ms},
		{"hang 30ms {\nafter 250B\n}", 3, 2, 30 * ms},
		{"hang 30ms {\nafter 50ms\n}", 1, 1, 80 * ms},
		{"delay 30ms\ntruncate 250B", 3, 2, 30 * ms},
	} {
		overWebSockets(t, tt.fault, up, func(t *testing.T, s *site) {
			began := time.Now()
			conn, _, err := s.webSocket(t)
			if err != nil {
				t.Fatal(err)
			}
			for range tt.got {
				if err := echoed(t, conn, message); err != nil {
					t.Fatal(err)
				}
			}
			if tt.sent > tt.got {
				if err := conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
					t.Fatal(err)
				}
			}
			_, _, err = conn.ReadMessage()
			reset := strings.Contains(tt.fault, "reset")
			if strings.Contains(err.Error(), syscall.ECONNRESET.Error()) != reset || !reset && !websocket.IsCloseError(err, websocket.CloseAbnormalClosure) { // the library hides the inner error
				t.Errorf("the end: got error %v, want one without a close frame, reset %v", err, reset)
			}
			wantTook(t, began, tt.least)
		})
	}
}

// TestReloadThrottledWebSocket loads a configuration without waiting for the unsent
// data of a throttled connection.
func TestReloadThrottledWebSocket(t *testing.T) {
	up := serve(t, echoMessages)
	s := start(t, config{site: "fault /f {\nthrottle 100B/s\n}\n" + up.proxy()})
	conn, _, err := s.webSocket(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteMessage(websocket.BinaryMessage, pattern(20<<10)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.NetConn().Read(make([]byte, 1)); err != nil { // it comes back, slowly
		t.Fatal(err)
	}
	began := time.Now()
	s.load(t)
	wantTook(t, began, 0)
}

// TestHalfClosed continues with one half of an upgraded connection when the other has
// ended.
func TestHalfClosed(t *testing.T) {
	for _, fault := range []string{"percent 0\nclose", "throttle 1MiB/s", "corrupt 0.001%", "truncate 1MiB"} {
		eachPhase(t, fault, func(t *testing.T, _, directive string) {
			late := make(chan string, 1)
			up := listen(t, func(conn net.Conn) {
				in := bufio.NewReader(conn)
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
					"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nbye")
				_ = conn.(*net.TCPConn).CloseWrite()
				got, _ := io.ReadAll(in)
				late <- string(got)
			})
			for _, wrapper := range []bool{false, true} {
				s := start(t, config{wrapper: wrapper, site: directive + up.proxy()})
				conn := s.dial(t)
				conn.upgrade()
				if got, err := io.ReadAll(conn.in); err != nil || string(got) != "bye" {
					t.Errorf("got %q, error %v, want the end of one half", got, err)
				}
				conn.send("late")
				_ = conn.Conn.(*net.TCPConn).CloseWrite()
				if got := <-late; got != "late" {
					t.Errorf("wrapper %v: the upstream got %q", wrapper, got)
				}
			}
		})
	}
}

// TestWebSocketHandshake tests faults that prevent a WebSocket.
func TestWebSocketHandshake(t *testing.T) {
	tests := []struct {
		fault  string
		status int // of the reply, if there is one
		want   func(err error) bool
	}{
		{"respond 503", 503, func(err error) bool { return errors.Is(err, websocket.ErrBadHandshake) }},
		{"error 502", 502, func(err error) bool { return errors.Is(err, websocket.ErrBadHandshake) }},
		{"malformed", 200, func(err error) bool { return errors.Is(err, websocket.ErrBadHandshake) }},
		{"close", 0, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) }},
		{"hang 30ms", 0, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) }},
		{"reset", 0, func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{"garbage", 0, func(err error) bool { return strings.Contains(err.Error(), "malformed HTTP") }},
	}
	up := serve(t, echoMessages)
	for _, tt := range tests {
		overWebSockets(t, tt.fault, up, func(t *testing.T, s *site) {
			_, resp, err := s.webSocket(t)
			if err == nil || !tt.want(err) {
				t.Errorf("got error %v", err)
			}
			if tt.status > 0 && (resp == nil || resp.StatusCode != tt.status) {
				t.Errorf("got reply %v, want status %d", resp, tt.status)
			}
		})
	}
}

// countMessages is an upstream that sends the messages 1 to 4 and a ping before the
// third. Then it sends what it gets, and closes the WebSocket if that is "bye".
func countMessages(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{EnableCompression: true}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for i := 1; i <= 4; i++ {
		if i == 3 {
			_ = conn.WriteControl(websocket.PingMessage, []byte("hi"), time.Now().Add(patience))
		}
		_ = conn.WriteMessage(websocket.TextMessage, []byte(strings.Repeat(strconv.Itoa(i), 3)))
	}
	for {
		kind, message, err := conn.ReadMessage()
		if string(message) == "bye" {
			_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, "bye"), time.Now().Add(patience))
			continue
		}
		if err != nil || conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// TestWebSocketMessages changes single messages of a WebSocket. The client asks for the
// end after the messages.
func TestWebSocketMessages(t *testing.T) {
	up := serve(t, countMessages)
	for _, tt := range []struct {
		fault, messages string // until the close frame
		code            int
		reason          string
		pings           int
	}{
		{"stream 9 drop", "111 222 333 444", websocket.CloseGoingAway, "bye", 1},
		{"stream 2 drop", "111 333 444", websocket.CloseGoingAway, "bye", 1},
		{"stream 2 repeat", "111 222 222 333 444", websocket.CloseGoingAway, "bye", 1},
		{"stream 1 swap", "222 111 333 444", websocket.CloseGoingAway, "bye", 1},
		{"stream 3 insert x", "111 222 x 333 444", websocket.CloseGoingAway, "bye", 1},
		{"stream has 22 replace x", "111 x 333 444", websocket.CloseGoingAway, "bye", 1},
		{"stream each split 1B 1ms", "111 222 333 444", websocket.CloseGoingAway, "bye", 1},
		{"stream ping drop", "111 222 333 444", websocket.CloseGoingAway, "bye", 0},
		{"stream 3 stop 1012 restarting", "111 222", websocket.CloseServiceRestart, "restarting", 1},
		{"stream end stop 4000", "111 222 333 444", 4000, "", 1},
		{"stream end insert x", "111 222 333 444 x", websocket.CloseGoingAway, "bye", 1},
		{"stream end stop close", "111 222 333 444", websocket.CloseAbnormalClosure, "", 1},
		{"stream 3 stop close", "111 222", websocket.CloseAbnormalClosure, "", 1},
		{"stream 3 stop clean", "111 222", websocket.CloseAbnormalClosure, "", 1},
		{"stream 3 cut 4B", "111 222", websocket.CloseAbnormalClosure, "", 1},
		{"stream 2 drop\nstream 2 drop", "111 444", websocket.CloseGoingAway, "bye", 1},
	} {
		overWebSockets(t, tt.fault, up, func(t *testing.T, s *site) {
			conn, _, err := s.webSocket(t)
			if err != nil {
				t.Fatal(err)
			}
			var pings []string
			conn.SetPingHandler(func(text string) error { pings = append(pings, text); return nil })
			if err := conn.WriteMessage(websocket.TextMessage, []byte("bye")); err != nil {
				t.Fatal(err)
			}
			var messages []string
			began, closed := time.Now(), new(websocket.CloseError)
			for {
				_, message, err := conn.ReadMessage()
				if errors.Is(err, syscall.ECONNRESET) && tt.code == websocket.CloseAbnormalClosure {
					closed.Code = tt.code // the server has closed before it read the message above
					break
				}
				if err != nil {
					if !errors.As(err, &closed) {
						t.Fatal(err)
					}
					break
				}
				messages = append(messages, string(message))
			}
			if got := strings.Join(messages, " "); got != tt.messages || len(pings) != tt.pings {
				t.Errorf("got messages %q, pings %q, want %q, %d pings", got, pings, tt.messages, tt.pings)
			}
			if reason := strings.TrimPrefix(closed.Text, io.ErrUnexpectedEOF.Error()); closed.Code != tt.code || reason != tt.reason {
				t.Errorf("got code %d %q, want %d %q", closed.Code, closed.Text, tt.code, tt.reason)
			}
			if _, err := conn.NetConn().Read(make([]byte, 1)); err == nil {
				t.Error("the connection is still open")
			}
			if took := time.Since(began); tt.code == websocket.CloseServiceRestart && took > 900*time.Millisecond {
				t.Errorf("the connection was closed after %v, although the client had answered", took)
			}
		})
	}
}

// TestWebSocketReset ends a WebSocket with a RST.
func TestWebSocketReset(t *testing.T) {
	up := serve(t, countMessages)
	overWebSockets(t, "stream 3 stop reset", up, func(t *testing.T, s *site) {
		conn, _, err := s.webSocket(t)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
		if !strings.Contains(err.Error(), syscall.ECONNRESET.Error()) {
			t.Errorf("got error %v, want a reset", err)
		}
	})
}

// TestWebSocketPlain is asked for messages without compression, so that a step can read
// them. In phase response, a compressed message passes.
func TestWebSocketPlain(t *testing.T) {
	up := serve(t, countMessages)
	eachPhase(t, "stream has 222 drop", func(t *testing.T, phase, directive string) {
		s := start(t, config{site: directive + up.proxy()})
		dialer := websocket.Dialer{EnableCompression: true, NetDialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.addr)
		}}
		conn, resp, err := dialer.DialContext(t.Context(), strings.Replace(s.url("/f"), "http", "ws", 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if compressed := resp.Header.Get("Sec-Websocket-Extensions") != ""; compressed != (phase == "response") {
			t.Errorf("compressed: %v", compressed)
		}
		var got []string
		for range 3 {
			_, message, err := conn.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(message))
		}
		want := "111 333 444"
		if phase == "response" {
			want = "111 222 333"
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestWebSocketStreamEnds sends what is held when the upstream ends without a close
// frame.
func TestWebSocketStreamEnds(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		_ = conn.WriteMessage(websocket.TextMessage, []byte("last"))
		_ = conn.NetConn().Close()
	})
	overWebSockets(t, "stream 1 swap", up, func(t *testing.T, s *site) {
		conn, _, err := s.webSocket(t)
		if err != nil {
			t.Fatal(err)
		}
		if _, message, err := conn.ReadMessage(); err != nil || string(message) != "last" {
			t.Errorf("got %q, error %v", message, err)
		}
	})
}

// TestWebSocketTunnel changes the messages of a WebSocket over HTTP/3, which is a CONNECT
// request (RFC 9220).
func TestWebSocketTunnel(t *testing.T) {
	up := serve(t, countMessages)
	for _, tt := range []struct{ fault, want string }{
		{"stream 2 drop\nstream 3 stop 1012 restarting", "\x81\x03111\x89\x02hi\x88\x0c\x03\xf4restarting"},
		{"stream 1 swap\nstream 3 stop clean", "\x81\x03222\x81\x03111\x89\x02hi"},
	} {
		eachPhase(t, tt.fault, func(t *testing.T, _, directive string) {
			c := start(t, config{tls: true, site: directive + up.proxy()}).client(t, h3)
			body, client := io.Pipe()
			defer client.Close()
			r := c.request(t, http.MethodConnect, "/f", body)
			r.Proto = "websocket"
			r.Header.Set("Sec-WebSocket-Version", "13")
			began := time.Now()
			if got := c.do(t, r); got.body != tt.want {
				t.Errorf("got %q, want %q", got.body, tt.want)
			}
			if strings.Contains(tt.fault, "1012") {
				wantTook(t, began, time.Second) // the client does not answer
			}
		})
	}
}
