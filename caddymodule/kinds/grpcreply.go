package kinds

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// A grpcForm is a way to report to the client that its call has failed.
type grpcForm int

const (
	grpcTrailersOnly grpcForm = iota // gRPC: the status is in the header
	grpcWeb                          // gRPC-Web: trailers in the body
	grpcWebText                      // the same in base64
	connectStream                    // Connect: the message that ends a stream
	connectUnary                     // Connect: an HTTP status and a JSON body
)

// grpcFormOf returns the form for the protocol of a call, and the media type of the
// reply. The default is gRPC.
func grpcFormOf(r *http.Request) (form grpcForm, contentType string) {
	sent := mediaType(r.Header.Values("Content-Type"))
	switch base, _, _ := strings.Cut(sent, "+"); base {
	case "application/grpc":
		return grpcTrailersOnly, sent
	case "application/grpc-web":
		if accepted := acceptedWebText(r.Header.Values("Accept")); accepted != "" {
			return grpcWebText, accepted
		}
		return grpcWeb, sent
	case "application/grpc-web-text", "application/grpc-web-text-base64":
		return grpcWebText, sent
	case "application/connect":
		return connectStream, sent
	}
	if sent == "application/proto" || slices.Contains(r.Header.Values("Connect-Protocol-Version"), "1") ||
		(r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Query().Get("connect") == "v1" {
		return connectUnary, "application/json"
	}
	return grpcTrailersOnly, "application/grpc"
}

// mediaType returns the media type of a field, without parameters. If the field has
// more than one line, it returns "", because a client and a proxy may read different
// lines.
func mediaType(lines []string) string {
	if len(lines) != 1 {
		return ""
	}
	name, _, err := mime.ParseMediaType(lines[0])
	if err != nil {
		return ""
	}
	return name
}

// acceptedWebText is the media type with which a gRPC-Web client requests base64.
func acceptedWebText(accept []string) string {
	for word := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		if name := mediaType([]string{word}); strings.HasPrefix(name, "application/grpc-web-text") {
			return name
		}
	}
	return ""
}

// reply sets the fields of the reply to r, and returns its HTTP status and body.
func (f *GRPC) reply(h http.Header, r *http.Request) (status int, body []byte) {
	message := f.message.Fill(text.Replacer(r))
	form, contentType := grpcFormOf(r)
	uncache(h)
	h.Set("Content-Type", contentType)
	switch form {
	case grpcWeb, connectStream:
		return http.StatusOK, f.endFrame(form, message)
	case grpcWebText:
		return http.StatusOK, base64.StdEncoding.AppendEncode(nil, f.endFrame(form, message))
	case connectUnary:
		return connectStatus[f.Code], f.connectJSON("%s", message)
	default: // grpcTrailersOnly
		for name, value := range f.metadata(message) {
			h.Set(name, value)
		}
		return http.StatusOK, nil
	}
}

// The first byte of the envelope that ends a stream.
const (
	webTrailers = 0x80 // gRPC-Web
	connectEnd  = 0x02 // Connect
)

// envelope returns the frame of a message in gRPC and Connect: one byte of flags, the
// length, and the message.
func envelope(flags byte, message []byte) []byte {
	frame := binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message)))
	return append(frame, message...)
}

// endFrame returns the frame that ends a stream of gRPC-Web or Connect.
func (f *GRPC) endFrame(form grpcForm, message string) []byte {
	switch {
	case form != connectStream:
		return envelope(webTrailers, f.trailers(message))
	case f.Code == 0:
		return envelope(connectEnd, []byte("{}"))
	default:
		return envelope(connectEnd, f.connectJSON(`{"error":%s}`, message))
	}
}

// setTrailers sets the trailers that end a stream of gRPC, instead of the upstream's.
func (f *GRPC) setTrailers(header http.Header, message string) {
	for _, name := range []string{"Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin", "Grpc-Retry-Pushback-Ms"} {
		delete(header, name)
		delete(header, http.TrailerPrefix+name)
	}
	for name, value := range f.metadata(message) {
		header[http.TrailerPrefix+http.CanonicalHeaderKey(name)] = []string{value}
	}
}

// metadata returns the fields of gRPC that tell the status, in their order.
func (f *GRPC) metadata(message string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, field := range [...]struct{ name, value string }{
			{"grpc-status", strconv.Itoa(int(f.Code))},
			{"grpc-message", percentEncode(message)},
			{"grpc-status-details-bin", f.detailsBin(message)},
			{"grpc-retry-pushback-ms", f.pushback},
		} {
			if field.value != "" && !yield(field.name, field.value) {
				return
			}
		}
	}
}

// trailers returns the trailers of gRPC as lines of a body.
func (f *GRPC) trailers(message string) (lines []byte) {
	for name, value := range f.metadata(message) {
		lines = fmt.Appendf(lines, "%s: %s\r\n", name, value)
	}
	return lines
}

// connectJSON returns Connect's form of the error. The format frame wraps it in JSON.
func (f *GRPC) connectJSON(frame, message string) []byte {
	name := strings.ToLower(f.Code.String())
	if name == "cancelled" {
		name = "canceled" // the only name that Connect spells differently
	}
	type detail struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	var details []detail
	if f.RetryInfo > 0 {
		details = []detail{{retryInfoType, base64.RawStdEncoding.EncodeToString(retryInfo(time.Duration(f.RetryInfo)))}}
	}
	failure, _ := json.Marshal(struct {
		Code    string   `json:"code"`
		Message string   `json:"message,omitempty"`
		Details []detail `json:"details,omitempty"`
	}{name, message, details}) // strings always marshal
	return fmt.Appendf(nil, frame, failure)
}

// connectStatus lists the HTTP statuses of the codes by number (Connect's protocol
// reference).
var connectStatus = [len(grpcNames)]int{
	200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
}
