package kinds

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(GRPC{})
}

// GRPC fails a gRPC call with an error status. The reply has the form of the protocol
// that the request uses.
//
// What the client sees: over HTTP/1.1, HTTP/2 and HTTP/3, a call that failed with this
// code and message, such as `Unavailable`.
//
// Request | Reply
// --------|------
// gRPC (`application/grpc`) | HTTP 200 with `Grpc-Status` and `Grpc-Message` in the header, no body
// gRPC-Web (`application/grpc-web`) | HTTP 200 with the trailers in the body, in base64 for `application/grpc-web-text`
// Connect, stream (`application/connect+proto`, `+json`) | HTTP 200 with the message that ends the stream
// Connect, unary (`application/proto`, `Connect-Protocol-Version: 1`, GET with `?connect=v1`) | The HTTP status of the code, such as 503, and the error as JSON
// Any other | As for gRPC
//
// The reply has the media type of the request, such as `application/grpc-web+proto`.
// Errors of unary Connect calls are `application/json`.
//
// With `retry_info`, the error has a detail: a `google.rpc.RetryInfo`. gRPC and gRPC-Web
// have it in `Grpc-Status-Details-Bin`, Connect in `details`. With `pushback`, the reply
// of gRPC and gRPC-Web has `Grpc-Retry-Pushback-Ms`, which clients with a retry policy
// obey. Connect has nothing like it.
type GRPC struct {
	// The gRPC status code: a number from 1 to 16 or a name, such as 14 or
	// `UNAVAILABLE`. Required.
	Code GRPCCode `json:"code,omitempty"`

	// The message of the error. It can have placeholders. For gRPC and gRPC-Web, the
	// message is percent-encoded except printable ASCII, as the protocols require.
	// Default: none.
	Message string `json:"message,omitempty"`

	// How long the client waits before it tries again, such as `2s`. With `off`, the
	// client does not try again. Default: the client decides.
	Pushback string `json:"pushback,omitempty"`

	// The delay in a RetryInfo, a detail of the error. Default: there is no detail.
	RetryInfo caddy.Duration `json:"retry_info,omitempty" zero:"default"`

	message  text.Text
	pushback string // in milliseconds; "": none
}

// pushbackOff asks the client not to try again.
const pushbackOff = "off"

// GRPCCode is a gRPC status code. In JSON it is a number or a name.
type GRPCCode int

// grpcNames lists the names of the status codes by number (statuscodes.md of the gRPC
// documentation).
var grpcNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

func parseGRPCCode(word string) (GRPCCode, error) {
	for number, name := range grpcNames {
		if strings.EqualFold(word, name) || word == strconv.Itoa(number) {
			return GRPCCode(number), nil
		}
	}
	return 0, fmt.Errorf("bad grpc code '%s': want 1 to 16 or a name such as UNAVAILABLE", word)
}

// String returns the name of the code.
func (c GRPCCode) String() string {
	if c < 0 || int(c) >= len(grpcNames) {
		return strconv.Itoa(int(c))
	}
	return grpcNames[c]
}

// UnmarshalJSON reads a number or a name.
func (c *GRPCCode) UnmarshalJSON(data []byte) error {
	word := string(data)
	if strings.HasPrefix(word, `"`) {
		if err := json.Unmarshal(data, &word); err != nil {
			return err
		}
	}
	code, err := parseGRPCCode(word)
	if err != nil {
		return err
	}
	*c = code
	return nil
}

// CaddyModule returns the Caddy module information.
func (GRPC) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".grpc",
		New: func() caddy.Module { return new(GRPC) },
	}
}

// Provision prepares the message and the pushback.
func (f *GRPC) Provision(caddy.Context) (err error) {
	f.message = text.New(f.Message, text.EscapeNone)
	f.pushback, err = f.pushbackMs()
	return err
}

// Validate checks the configured fields.
func (f *GRPC) Validate() error {
	if f.Code < 1 || int(f.Code) >= len(grpcNames) {
		return fmt.Errorf("bad grpc code '%d': must be from 1 to 16; 0 is OK and not an error", f.Code)
	}
	if f.RetryInfo < 0 {
		return fmt.Errorf("bad grpc retry_info '%s': must not be negative", time.Duration(f.RetryInfo))
	}
	_, err := f.pushbackMs()
	return err
}

// pushbackMs returns the pushback in milliseconds, or -1 for off. gRPC clients take every
// negative number for off.
func (f *GRPC) pushbackMs() (string, error) {
	switch f.Pushback {
	case "":
		return "", nil
	case pushbackOff:
		return "-1", nil
	}
	wait, err := caddy.ParseDuration(f.Pushback)
	switch {
	case err != nil:
		return "", fmt.Errorf("bad grpc pushback '%s': want a duration such as 2s, or off", f.Pushback)
	case wait < 0:
		return "", fmt.Errorf("bad grpc pushback '%s': must not be negative; to stop the client from trying again, write off", f.Pushback)
	case wait > time.Duration(maxPushback):
		return "", fmt.Errorf("bad grpc pushback '%s': must be %s at most, because clients read 32 bits of milliseconds", f.Pushback, args.FormatDuration(maxPushback))
	}
	return strconv.FormatInt(wait.Milliseconds(), 10), nil
}

const maxPushback = caddy.Duration(500 * time.Hour)

// Terminal reports true: nothing runs after the reply.
func (*GRPC) Terminal() bool { return true }

// Untrusted refuses a message with placeholders.
func (f *GRPC) Untrusted(*faults.Limits) error { return untrustedText("message", f.Message) }

// Inject writes the reply.
func (f *GRPC) Inject(_ *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	header := make(http.Header)
	code, body := f.reply(header, r)
	shield, _, err := lookOut(w, code)
	if err != nil {
		return err // the error route must not get the fields
	}
	shield.raise() // the message may come from a client
	dropExpiry(w.Header())
	maps.Copy(w.Header(), header)
	wire.CloseIfExpected(w, r)
	if len(body) > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(code)
	if len(body) > 0 {
		_, _ = w.Write(body) // an error here means that the client has left
	}
	return nil
}

// RoundTrip returns the reply instead of the upstream's.
func (f *GRPC) RoundTrip(_ *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	header := make(http.Header)
	code, body := f.reply(header, r)
	return newResponse(r, code, http.StatusText(code), header, body), nil
}

// percentEncode encodes a Grpc-Message: all bytes except printable ASCII, and the
// percent sign.
func percentEncode(message string) string {
	var b strings.Builder
	for i := range len(message) {
		if c := message[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	grpc <code>|<NAME> [<message>] {
//	    pushback   <duration>|off
//	    retry_info <duration>
//	}
func (f *GRPC) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	switch {
	case len(words) < 1:
		return args.Missing(d, "grpc")
	case len(words) > 2:
		return args.Unexpected(d, "grpc", words[2])
	}
	code, err := parseGRPCCode(words[0])
	if err != nil {
		return d.WrapErr(err)
	}
	f.Code = code
	if len(words) == 2 {
		f.Message = words[1]
	}
	return args.Options(d, "", func(name string) error {
		switch name {
		case "pushback":
			return args.One(d, "grpc pushback", &f.Pushback)
		case "retry_info":
			return args.Parse(d, "grpc retry_info", d.RemainingArgs(), args.AboveZero("grpc retry_info", &f.RetryInfo))
		default:
			return args.UnknownOption(d, "grpc")
		}
	})
}

// Line returns the name of the code, and the message. If more is set, ok is false.
func (f *GRPC) Line() (line string, ok bool) {
	line, ok = f.Code.String(), true
	if f.Message != "" {
		var message string
		message, ok = args.Quote(f.Message)
		line += " " + message
	}
	return line, ok && f.Pushback == "" && f.RetryInfo == 0
}

// Interface guards
var (
	_ faults.Fault          = (*GRPC)(nil)
	_ faults.RoundTripper   = (*GRPC)(nil)
	_ faults.Terminal       = (*GRPC)(nil)
	_ caddy.Provisioner     = (*GRPC)(nil)
	_ caddy.Validator       = (*GRPC)(nil)
	_ faults.Untrusted      = (*GRPC)(nil)
	_ faults.Liner          = (*GRPC)(nil)
	_ caddyfile.Unmarshaler = (*GRPC)(nil)
	_ json.Unmarshaler      = (*GRPCCode)(nil)
)
