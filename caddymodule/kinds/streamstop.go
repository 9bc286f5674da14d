package kinds

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// A stopCode is the code with which a stream ends: a gRPC status, or the close code of a
// WebSocket.
type stopCode int

// The close codes that an endpoint may send.
const minCloseCode, maxCloseCode = 1000, 4999

// parseStopCode parses the value of Code.
func parseStopCode(word string) (stopCode, error) {
	if code, err := parseGRPCCode(word); err == nil {
		return stopCode(code), nil
	}
	code, err := strconv.Atoi(word)
	switch {
	case err != nil || code < minCloseCode || code > maxCloseCode:
		return 0, fmt.Errorf("bad stream code '%s': want close, reset, clean, a gRPC status such as UNAVAILABLE, or a WebSocket close code such as 1012", words.Cut(word, words.MaxWord))
	case code >= 1004 && code <= 1006, code == 1015: // RFC 6455, section 7.4.1
		return 0, fmt.Errorf("bad stream code '%s': no close frame has this code; to end a WebSocket without a close frame, write stop close", word)
	}
	return stopCode(code), nil
}

// format returns the format whose streams can end with the code.
func (c stopCode) format() string {
	if c >= minCloseCode {
		return formatWebSocket
	}
	return formatGRPC
}

// actStop ends the stream before the event.
func actStop(s *streamer, o *outlet, step *StreamStep, _ *outgoing) error {
	if step.Code != "" && s.format != step.code.format() {
		return nil
	}
	if err := s.sendWaiting(o); err != nil {
		return err
	}
	if step.Code == "" {
		_ = o.flush() // an error appears again when the reply ends
		return s.endAs(step.End)
	}
	if err := s.sendCode(o, step.code, step.text.Fill(s.repl)); err != nil {
		return err
	}
	return s.endAs(endClean)
}

// sendCode sends the code with which the stream ends.
func (s *streamer) sendCode(o *outlet, code stopCode, message string) error {
	if s.format == formatWebSocket {
		return s.sendClose(o, code, message)
	}
	return s.sendStatus(o, GRPCCode(code), message)
}

// endAs ends the stream.
func (s *streamer) endAs(end string) error {
	s.acted, s.passing = true, true
	s.stopAs(end)
	return errCut
}

// closeWait is how long a client has to answer a close frame. Browsers report a
// connection that closes earlier as broken.
const closeWait = time.Second

// sendClose sends a close frame and waits for the client's answer.
func (s *streamer) sendClose(o *outlet, code stopCode, reason string) error {
	if err := s.send(o, closeFrame(code, reason)); err != nil {
		return err
	}
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-s.client.closed:
	case <-timer.C:
	case <-o.ctx.Done():
	}
	return nil
}

// A clientSide watches what the client of a WebSocket sends, for its close frame.
type clientSide struct {
	closed chan struct{} // is closed when the client has closed
	once   sync.Once
	frames webSocketFrames
}

func newClientSide() *clientSide { return &clientSide{closed: make(chan struct{})} }

// watch takes what has been read from the client.
func (c *clientSide) watch(p []byte, err error) {
	for len(p) > 0 {
		n, whole := c.frames.scan(p)
		if p = p[n:]; whole && c.frames.opcode() == webSocketClose {
			err = io.EOF
		}
	}
	if err != nil {
		c.once.Do(func() { close(c.closed) })
	}
}

// read reads from the client of an upgraded connection.
func (s *streamer) read(_ *outlet, src io.Reader, p []byte) (int, error) {
	n, err := src.Read(p)
	s.client.watch(p[:n], err)
	return n, err
}

// hijacked stores the connection of a WebSocket, to which the stream now goes.
func (s *streamer) hijacked(conn net.Conn, early []byte) {
	s.client.watch(early, nil)
	s.out = &outlet{Writer: conn, ctx: s.out.ctx, hit: s.out.hit}
	s.cutter.hijacked(conn, early)
}

// A clientBody is what the client of a WebSocket over HTTP/2 or HTTP/3 sends: the body of
// its request.
type clientBody struct {
	io.ReadCloser
	client *clientSide
}

func (b clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.client.watch(p[:n], err)
	return n, err
}

// isTunnel reports whether the request opens a WebSocket over HTTP/2 or HTTP/3 (RFC 8441,
// RFC 9220). If the WebSocket opens, its reply has a status of 2xx.
func isTunnel(r *http.Request) bool {
	return r.Method == http.MethodConnect && (r.ProtoMajor == 2 && r.Header.Get(":protocol") == "websocket" ||
		r.ProtoMajor == 3 && r.Proto == "websocket")
}

// Interface guards
var _ readShaper = (*streamer)(nil)
