package wire

import (
	"net/http"
	"reflect"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
)

// ResetStream requests a code for the RST_STREAM frame of an HTTP/2 request, whose
// handler must then panic with http.ErrAbortHandler. Over HTTP/3 it resets the stream
// with the code of the same meaning (RFC 9114 appendix A.4). It returns false if the
// code cannot be sent: over HTTP/1, over HTTP/2 without the listener wrapper, and for a
// code that HTTP/3 does not have.
func ResetStream(w http.ResponseWriter, r *http.Request, code http2.ErrCode) bool {
	switch {
	case r.ProtoMajor < 2:
		return false
	case code == http2.ErrCodeInternal:
		return true // what the server sends after a panic
	case r.ProtoMajor > 2:
		return resetHTTP3(w, code)
	}
	c := connOf(r)
	stream, ok := streamOf(w)
	return ok && c.seesHTTP(r) && c.frames.resetBy(stream, code)
}

// GoAway requests that an HTTP/2 connection ends with a GOAWAY frame, before the next
// frame of any stream. If the handler panics, that frame is the RST_STREAM of its
// request. All streams of the connection end. GoAway returns false without the listener
// wrapper, and over other protocols.
//
// The last stream of the frame is the largest possible one, because handlers may be
// working on any request. No client may then assume that a request was not processed.
func GoAway(r *http.Request, code http2.ErrCode) bool {
	c := connOf(r)
	return r.ProtoMajor == 2 && c.seesHTTP(r) && c.frames.endBy(code)
}

// CloseAll ends an HTTP/2 connection and all its streams with a FIN. It returns false
// without the listener wrapper, and over other protocols.
func CloseAll(r *http.Request) bool {
	c := connOf(r)
	if c == nil || r.ProtoMajor != 2 {
		return false
	}
	c.end()
	return true
}

// ResetAll ends an HTTP/2 connection and all its streams with a RST. It returns false
// without the listener wrapper, and over other protocols.
func ResetAll(r *http.Request) bool {
	c := connOf(r)
	if c == nil || r.ProtoMajor != 2 {
		return false
	}
	c.frames.over.Store(true)
	ResetConn(Hijackable{Conn: c})
	return true
}

// connOf returns the connection of the listener wrapper for a request, or nil.
func connOf(r *http.Request) *faultConn {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(*faultAddr); ok {
		return addr.conn
	}
	return nil
}

// streamOf returns the number of the HTTP/2 stream to which w writes. No method of the
// server returns it. The field has the same path in golang.org/x/net and in net/http.
func streamOf(w http.ResponseWriter) (number uint32, ok bool) {
	v := reflect.ValueOf(innermost(w))
	for _, field := range [...]string{"rws", "stream", "id"} {
		if v = reflect.Indirect(v); v.Kind() != reflect.Struct {
			return 0, false
		}
		v = v.FieldByName(field)
	}
	if v.Kind() != reflect.Uint32 {
		return 0, false
	}
	return uint32(v.Uint()), true
}

// innermost returns the server's own response writer.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for inner := w; inner != nil; inner = Unwrap(inner) {
		w = inner
	}
	return w
}

// http3Codes holds the codes of HTTP/3 by those of HTTP/2.
var http3Codes = map[http2.ErrCode]http3.ErrCode{
	http2.ErrCodeNo:              http3.ErrCodeNoError,
	http2.ErrCodeProtocol:        http3.ErrCodeGeneralProtocolError,
	http2.ErrCodeFrameSize:       http3.ErrCodeFrameError,
	http2.ErrCodeRefusedStream:   http3.ErrCodeRequestRejected,
	http2.ErrCodeCancel:          http3.ErrCodeRequestCanceled,
	http2.ErrCodeCompression:     http3.ErrCodeQPACKDecompressionFailed,
	http2.ErrCodeConnect:         http3.ErrCodeConnectError,
	http2.ErrCodeEnhanceYourCalm: http3.ErrCodeExcessiveLoad,
	http2.ErrCodeHTTP11Required:  http3.ErrCodeVersionFallback,
}

// resetHTTP3 resets the stream of an HTTP/3 request. To hand the stream out, the server
// sends a head with status 200, which an expired deadline prevents.
func resetHTTP3(w http.ResponseWriter, code http2.ErrCode) bool {
	to, known := http3Codes[code]
	w = innermost(w)
	streamer, ok := w.(http3.HTTPStreamer)
	if !known || !ok || http.NewResponseController(w).SetWriteDeadline(time.Unix(0, 1)) != nil {
		return false
	}
	stream := streamer.HTTPStream()
	stream.CancelRead(quic.StreamErrorCode(to))
	stream.CancelWrite(quic.StreamErrorCode(to))
	return true
}
