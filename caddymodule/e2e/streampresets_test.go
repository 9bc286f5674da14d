package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc/codes"
)

// Presets that end a WebSocket: the messages before the end, and the code that the client
// sees.
func TestWebSocketPresets(t *testing.T) {
	up := serve(t, countMessages)
	for _, tt := range []struct {
		preset, messages string
		code             int
		reason           string
	}{
		{"websocket-restart", "111 222", websocket.CloseServiceRestart, "service restart"},
		{"websocket-restart at=2", "111", websocket.CloseServiceRestart, "service restart"},
		{"websocket-gone", "111 222", websocket.CloseAbnormalClosure, io.ErrUnexpectedEOF.Error()},
		{"websocket-gone at=4", "111 222 333", websocket.CloseAbnormalClosure, io.ErrUnexpectedEOF.Error()},
	} {
		overWebSockets(t, "preset "+tt.preset, up, func(t *testing.T, s *site) {
			conn, _, err := s.webSocket(t)
			if err != nil {
				t.Fatal(err)
			}
			messages, err := readMessages(conn)
			var closed *websocket.CloseError
			if !errors.As(err, &closed) {
				t.Fatalf("got error %v, want a close code", err)
			}
			if messages != tt.messages || closed.Code != tt.code || closed.Text != tt.reason {
				t.Errorf("got messages %q, code %d %q, want %q, code %d %q", messages, closed.Code, closed.Text, tt.messages, tt.code, tt.reason)
			}
		})
	}
}

// readMessages reads a WebSocket until its end. It does not answer pings, because the
// server may have closed the connection.
func readMessages(conn *websocket.Conn) (messages string, err error) {
	conn.SetPingHandler(func(string) error { return nil })
	var all []string
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return strings.Join(all, " "), err
		}
		all = append(all, string(message))
	}
}

// A preset that cuts a gRPC stream: the messages before it arrive, and there is no status.
func TestGRPCPreset(t *testing.T) {
	for preset, want := range map[string]int{"grpc-stream-cut": 3, "grpc-stream-cut at=1": 0} {
		for _, phase := range phases {
			up, service := grpcServer(t)
			client := start(t, grpcSite(phase, watchPath, "preset "+preset, up)).grpcClient(t)
			stream, err := client.Watch(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := receiveAll(stream, service)
			if got != want {
				t.Errorf("%s, phase %s: got %d messages, want %d", preset, phase, got, want)
			}
			wantStatus(t, err, codes.Internal, "RST_STREAM")
		}
	}
}

// A preset that splits characters: each event with such a character comes in two chunks,
// and the bytes are those of the upstream.
func TestSplitPreset(t *testing.T) {
	const events, text = 3, "data: Grüß Gott %d\n\ndata: plain %[1]d\n\n"
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := range events {
			fmt.Fprintf(w, text, n)
		}
	})
	s := start(t, config{site: "fault {\npreset sse-split-characters\n}\n" + up.proxy()})
	conn, err := net.DialTimeout("tcp", s.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	wire := &chunks{r: bufio.NewReader(conn)}
	if err := wire.skipHead(); err != nil {
		t.Fatal(err)
	}
	var body strings.Builder
	broken := 0
	for {
		chunk, err := wire.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(chunk) {
			broken++
		}
		body.WriteString(chunk)
	}
	want := ""
	for n := range events {
		want += fmt.Sprintf(text, n)
	}
	if body.String() != want || broken != 2*events {
		t.Errorf("got %q with %d broken chunks, want %q with %d", body.String(), broken, want, 2*events)
	}
}

// chunks reads the chunks of a reply over HTTP/1.1 one by one.
type chunks struct{ r *bufio.Reader }

// skipHead reads the head of the reply.
func (c *chunks) skipHead() error {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil || line == "\r\n" {
			return err
		}
	}
}

// next returns the next chunk, or [io.EOF] after the last one.
func (c *chunks) next() (string, error) {
	var size int
	if _, err := fmt.Fscanf(c.r, "%x\r\n", &size); err != nil {
		return "", err
	}
	if size == 0 {
		return "", io.EOF
	}
	chunk := make([]byte, size+len("\r\n"))
	_, err := io.ReadFull(c.r, chunk)
	return string(chunk[:size]), err
}
