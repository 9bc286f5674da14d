package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
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
